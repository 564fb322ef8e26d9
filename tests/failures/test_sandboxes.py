"""kill -9 of a server that runs sandboxes: nothing of them lives on, their files do, and the next server wakes them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from glia.kit.ids import new_id
from glia.sandboxes.backends import open_backend
from tests.failures.conftest import Installation
from tests.failures.process import Process


def processes_with(mark: str) -> list[int]:
    """Processes of this machine whose command line holds the mark."""
    found: list[int] = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (each / "cmdline").read_bytes():
                found.append(int(each.name))
        except OSError:
            continue
    return found


async def counted(mark: str, wanted: int, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while len(processes_with(mark)) != wanted:
            await asyncio.sleep(0.05)


async def busy_sandbox(server: Process, mark: str) -> str:
    """One with a file and a program that ignores every polite signal. Its path."""
    status, made = await server.post("/v1/sandboxes", {})
    assert status == 201, made
    path = f"/v1/sandboxes/{made['id']}"
    line = f"echo kept > f; trap '' TERM HUP INT; setsid sh -c 'sleep 600; : {mark}' >/dev/null 2>&1 &"
    status, done = await server.post(f"{path}/exec", {"command": line})
    assert (status, done["exit"]["code"]) == (200, 0), done
    await counted(mark, 1)
    return path


async def test_a_killed_server_leaves_files_and_no_process(place: Installation, tmp_path: Path) -> None:
    probe = await open_backend(tmp_path / "probe").probe()
    if not probe.is_available:
        pytest.skip(f"No sandbox works here: {probe.reason}")
    server = await place.serve()
    mark, frozen_mark = new_id().hex, new_id().hex
    path = await busy_sandbox(server, mark)
    frozen = await busy_sandbox(server, frozen_mark)
    assert (await server.post(f"{frozen}/pause", {}))[0] == 200

    server.kill()
    await counted(mark, 0)
    server = await place.serve()
    await counted(frozen_mark, 0)

    status, asleep = await server.get(path)
    _, done = await server.post(f"{path}/exec", {"command": "cat f"})
    _, thawed = await server.post(f"{frozen}/exec", {"command": "cat f"})
    assert (status, asleep["status"]) == (200, "sleeping")
    assert (done["stdout"], thawed["stdout"]) == ("kept\n", "kept\n")


async def test_a_server_that_is_stopped_ends_its_sandboxes(place: Installation, tmp_path: Path) -> None:
    probe = await open_backend(tmp_path / "probe").probe()
    if not probe.is_available:
        pytest.skip(f"No sandbox works here: {probe.reason}")
    server = await place.serve()
    mark = new_id().hex
    await busy_sandbox(server, mark)

    await server.stop()

    await counted(mark, 0)
