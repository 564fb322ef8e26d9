"""Making, using and ending sandboxes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.sandboxes.lives.bare import BareBackend
from tests.sandboxes.lives.conftest import Rig, sandboxes_of, serving, until

from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.pages import Window
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.errors import (
    SandboxElsewhere,
    SandboxGone,
    SandboxNotFound,
    SandboxPaused,
    SandboxUnavailable,
    TooManySandboxes,
)
from glia.sandboxes.off import NoBackend
from glia.sandboxes.records import NewSandbox, SandboxStatus, SecretSpec
from glia.sandboxes.types import Command, Limits, Probe, Stdout


async def output(rig: Rig, principal: Principal, id: UUID, line: str) -> bytes:
    found = b""
    async with aclosing(rig.sandboxes.exec(principal, id, Command(("/bin/sh", "-c", line)))) as frames:
        async for frame in frames:
            if isinstance(frame, Stdout):
                found += frame.data
    return found


async def test_a_sandbox_runs_commands_and_is_gone_when_deleted(rig: Rig, principal: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox(name="Mine", env={"COLOUR": "blue"}))
    said = await output(rig, principal, made.id, "echo $COLOUR > f; cat f")
    listed = await rig.sandboxes.list(principal, Window())

    await rig.sandboxes.delete(principal, made.id)

    assert (made.status, made.template, made.name) == (SandboxStatus.RUNNING, "python", "Mine")
    assert said == b"blue\n"
    assert [each.id for each in listed.items] == [made.id]
    assert not await rig.backend.has_workspace(made.backend_id)
    for use in (rig.sandboxes.get, rig.sandboxes.delete, rig.sandboxes.pause, rig.sandboxes.stats):
        with pytest.raises(SandboxNotFound):
            await use(principal, made.id)


async def test_another_workspaces_sandbox_is_not_there(rig: Rig, principal: Principal, stranger: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())

    for use in (rig.sandboxes.get, rig.sandboxes.delete, rig.sandboxes.pause, rig.sandboxes.stats):
        with pytest.raises(SandboxNotFound):
            await use(stranger, made.id)
    with pytest.raises(SandboxNotFound):
        await output(rig, stranger, made.id, "true")
    assert (await rig.sandboxes.list(stranger, Window())).items == []
    with pytest.raises(Forbidden):
        await output(rig, replace(principal, scopes=frozenset({"*:read"})), made.id, "true")


async def test_a_lease_ends_unless_it_is_used(rig: Rig, principal: Principal) -> None:
    idle = await rig.sandboxes.create(principal, NewSandbox(lease_seconds=1))
    busy = await rig.sandboxes.create(principal, NewSandbox(lease_seconds=4))

    said = asyncio.create_task(output(rig, principal, busy.id, "sleep 6; echo done"))

    async def is_over() -> bool:
        return (await rig.sandboxes.get(principal, idle.id)).status is SandboxStatus.STOPPED

    await until(is_over)
    assert await said == b"done\n"
    gone = await rig.sandboxes.get(principal, idle.id)
    assert "1 s" in gone.reason
    assert gone.ended_at is not None
    with pytest.raises(SandboxGone):
        await output(rig, principal, idle.id, "true")


async def test_a_lease_can_pause_instead(rig: Rig, principal: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox(lease_seconds=5, on_timeout="pause"))

    async def is_paused() -> bool:
        return (await rig.sandboxes.get(principal, made.id)).status is SandboxStatus.PAUSED

    await until(is_paused)
    with pytest.raises(SandboxPaused):
        await output(rig, principal, made.id, "true")
    assert (await rig.sandboxes.resume(principal, made.id)).status is SandboxStatus.RUNNING
    assert await output(rig, principal, made.id, "echo on") == b"on\n"


async def test_a_longer_lease_counts_from_now(rig: Rig, principal: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox(lease_seconds=60))

    extended = await rig.sandboxes.extend(principal, made.id, 7200)

    assert extended.lease_seconds == 7200
    assert extended.lease_until > clock.now() + timedelta(seconds=7100)
    with pytest.raises(InvalidRequest, match="lease_seconds"):
        await rig.sandboxes.extend(principal, made.id, 0)


async def test_a_workspace_has_no_more_than_its_share(
    db: Database, tmp_path: Path, principal: Principal, stranger: Principal
) -> None:
    rig = sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path, SandboxConfig(most_per_workspace=2))
    async with serving(rig):
        made = await asyncio.gather(
            *(rig.sandboxes.create(principal, NewSandbox()) for _ in range(6)), return_exceptions=True
        )
        others = await rig.sandboxes.create(stranger, NewSandbox())

    assert sum(isinstance(each, TooManySandboxes) for each in made) == 4
    assert others.status is SandboxStatus.RUNNING


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (NewSandbox(limits=Limits(cpus=99)), "limits.cpus"),
        (NewSandbox(limits=Limits(memory_bytes=1)), "limits.memory_bytes"),
        (NewSandbox(env={"A=B": "c"}), "env"),
        (NewSandbox(env={"A": "c\0"}), "env.A"),
        (NewSandbox(allow_hosts=("example.org", "127.0.0.1")), "allow_hosts[1]"),
        (NewSandbox(lease_seconds=10**9), "lease_seconds"),
        (NewSandbox(secrets=(SecretSpec("K", (), "v"),)), "secrets[0].hosts"),
        (NewSandbox(secrets=(SecretSpec("K", ("a.org",), "v\r\nX: y"),)), "secrets[0].value"),
        (NewSandbox(secrets=(SecretSpec("K", ("a.org",), "v", header="Host"),)), "secrets[0].header"),
        (NewSandbox(env={"K": "x"}, secrets=(SecretSpec("K", ("a.org",), "v"),)), "secrets[0].name"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    rig: Rig, principal: Principal, wanted: NewSandbox, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await rig.sandboxes.create(principal, wanted)

    assert caught.value.field == field
    assert (await rig.sandboxes.list(principal, Window())).items == []


async def test_without_a_backend_that_works_there_is_a_reason_and_a_fix(rig: Rig, principal: Principal) -> None:
    rig.backend.probed = Probe(False, "There is no bwrap.", "Install bubblewrap.")

    with pytest.raises(SandboxUnavailable, match=r"There is no bwrap\. Install bubblewrap\."):
        await rig.sandboxes.create(principal, NewSandbox())
    assert not rig.sandboxes.is_offered
    assert (await rig.sandboxes.list(principal, Window())).items == []


async def test_sandboxes_can_be_switched_off(db: Database, tmp_path: Path, principal: Principal) -> None:
    async with serving(sandboxes_of(db, NoBackend(), tmp_path)) as rig:
        with pytest.raises(SandboxUnavailable, match="switched off"):
            await rig.sandboxes.create(principal, NewSandbox())

        assert not rig.sandboxes.is_offered


async def test_a_start_that_fails_leaves_nothing(rig: Rig, principal: Principal, monkeypatch) -> None:
    async def fail(*_: object) -> None:
        raise SandboxUnavailable("Not today.")

    monkeypatch.setattr(rig.backend, "create", fail)

    with pytest.raises(SandboxUnavailable):
        await rig.sandboxes.create(principal, NewSandbox(allow_hosts=("example.org",)))
    assert (await rig.sandboxes.list(principal, Window())).items == []


async def test_a_sandbox_whose_processes_died_comes_back_with_its_files(rig: Rig, principal: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    await output(rig, principal, made.id, "echo kept > f")
    await rig.backend.living[made.backend_id].kill()

    async def is_asleep() -> bool:
        return (await rig.sandboxes.get(principal, made.id)).status is SandboxStatus.SLEEPING

    await until(is_asleep)
    assert await output(rig, principal, made.id, "cat f") == b"kept\n"
    assert (await rig.sandboxes.get(principal, made.id)).status is SandboxStatus.RUNNING


async def test_a_stopped_servers_sandboxes_sleep_until_the_next_one_wakes_them(
    db: Database, tmp_path: Path, principal: Principal
) -> None:
    async with serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path)) as first:
        made = await first.sandboxes.create(principal, NewSandbox())
        await output(first, principal, made.id, "echo kept > f")

    async with serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path)) as second:
        asleep = await second.sandboxes.get(principal, made.id)
        said = await output(second, principal, made.id, "cat f")

    assert asleep.status is SandboxStatus.SLEEPING
    assert said == b"kept\n"


async def test_a_sandbox_of_a_living_process_is_named_and_left_alone(
    db: Database, tmp_path: Path, principal: Principal, quick_beats: None
) -> None:
    async with (
        serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path)) as first,
        serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path)) as second,
    ):
        made = await first.sandboxes.create(principal, NewSandbox())

        with pytest.raises(SandboxElsewhere, match=first.hosting.host.name):
            await output(second, principal, made.id, "true")
        seen = await second.sandboxes.get(principal, made.id)
        still = await output(first, principal, made.id, "echo here")
        await second.sandboxes.delete(principal, made.id)

        async def is_dead() -> bool:
            return not first.backend.living

        await until(is_dead)

    assert seen.status is SandboxStatus.RUNNING
    assert still == b"here\n"


async def test_files_on_another_machine_are_not_here(db: Database, tmp_path: Path, principal: Principal) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    async with serving(sandboxes_of(db, BareBackend(there / "boxes"), there)) as first:
        made = await first.sandboxes.create(principal, NewSandbox())
    async with serving(sandboxes_of(db, BareBackend(here / "boxes"), here)) as second:
        with pytest.raises(SandboxElsewhere, match="another machine"):
            await output(second, principal, made.id, "true")


async def test_a_warm_sandbox_is_handed_out_and_replaced(db: Database, tmp_path: Path, principal: Principal) -> None:
    rig = sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path, SandboxConfig(warm=1))
    async with serving(rig):
        await rig.sandboxes.warm_up()

        async def is_warm() -> bool:
            return rig.backend.created == 1

        await until(is_warm)
        made = await rig.sandboxes.create(principal, NewSandbox())
        said = await output(rig, principal, made.id, "echo warm")

        async def is_warm_again() -> bool:
            return rig.backend.created == 2

        await until(is_warm_again)
        await rig.sandboxes.delete(principal, made.id)

    assert made.backend_id.startswith("warm-")
    assert said == b"warm\n"
    assert list((tmp_path / "boxes").iterdir()) == []


async def test_what_a_sandbox_used_is_added_up(rig: Rig, principal: Principal, stranger: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    await asyncio.sleep(0.1)
    await rig.sandboxes.delete(principal, made.id)

    (total,) = await rig.sandboxes.usage(principal)
    (per,) = await rig.sandboxes.usage(principal, group_by="sandbox")

    assert total.sandboxes == 1
    assert total.cpu_seconds == pytest.approx(0.5)
    assert total.wall_seconds >= 0.1
    assert total.memory_gib_seconds > 0
    assert per.group == str(made.id)
    assert (await rig.sandboxes.usage(stranger))[0].sandboxes == 0


async def test_the_files_of_a_snapshot_go_into_another_sandbox(rig: Rig, principal: Principal) -> None:
    first = await rig.sandboxes.create(principal, NewSandbox())
    await output(rig, principal, first.id, "mkdir d; echo one > d/f")
    kept = await rig.sandboxes.snapshots.create(principal, first.id, "before")
    await output(rig, principal, first.id, "echo two > d/f; echo more > g")

    second = await rig.sandboxes.create(principal, NewSandbox(snapshot_id=kept.id))
    in_second = await output(rig, principal, second.id, "cat d/f; ls")
    await rig.sandboxes.snapshots.restore(principal, first.id, kept.id)
    in_first = await output(rig, principal, first.id, "cat d/f; ls")
    await rig.sandboxes.snapshots.delete(principal, kept.id)

    assert in_second == b"one\nd\n"
    assert in_first == b"one\nd\n"
    async with rig.db.transaction(principal.workspace_id) as tx:
        assert await tx.value("select count(*) from files") == 0


async def test_a_command_ends_with_its_reader(rig: Rig, principal: Principal) -> None:
    made = await rig.sandboxes.create(principal, NewSandbox())
    frames = rig.sandboxes.exec(principal, made.id, Command(("/bin/sh", "-c", "sleep 60")))
    await anext(frames)
    box = rig.backend.living[made.backend_id]
    running = len(box.processes)

    await frames.aclose()

    assert (running, len(box.processes)) == (1, 0)


async def test_a_real_sandbox_lives_through_all_of_it(real: Rig, principal: Principal) -> None:
    made = await real.sandboxes.create(principal, NewSandbox())
    await output(real, principal, made.id, "echo one > f")
    kept = await real.sandboxes.snapshots.create(principal, made.id)
    paused = await real.sandboxes.pause(principal, made.id)
    await real.sandboxes.resume(principal, made.id)
    await output(real, principal, made.id, "rm f")
    await real.sandboxes.snapshots.restore(principal, made.id, kept.id)
    said = await output(real, principal, made.id, "cat f; id -u")
    stats, _ = await real.sandboxes.stats(principal, made.id)
    await real.backend.adopt(made.backend_id)
    await real.hosting.find(made.id).box.kill()
    again = await output(real, principal, made.id, "cat f")
    await real.sandboxes.delete(principal, made.id)

    assert paused.status is SandboxStatus.PAUSED
    assert said == b"one\n1000\n"
    assert stats.memory_bytes > 0
    assert again == b"one\n"
    assert not await real.backend.has_workspace(made.backend_id)
