"""How long terminals live, and that nothing they show is lost while somebody looks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sandboxes.lives.bare import BareBackend
from tests.sandboxes.lives.conftest import Rig, sandboxes_of, serving

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.records import NewSandbox, NewTerminal, TerminalRecord
from glia.sandboxes.screens import KEPT_BYTES, Screen
from glia.sandboxes.terminals import Terminal


async def ended(terminal: Terminal) -> TerminalRecord:
    async with asyncio.timeout(60):
        while terminal.shown().status != "ended":
            await asyncio.sleep(0.02)
    return terminal.shown()


async def opened(rig: Rig, principal: Principal, command: str) -> Terminal:
    box = await rig.sandboxes.create(principal, NewSandbox())
    made = await rig.sandboxes.terminals.open(principal, box.id, NewTerminal(command))
    return rig.sandboxes.terminals.attach(principal, box.id, made.id)


async def test_a_terminal_that_nobody_looks_at_ends(db: Database, principal: Principal, tmp_path: Path) -> None:
    config = SandboxConfig(terminal_keep_seconds=2)
    async with serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path, config)) as rig:
        found = await ended(await opened(rig, principal, "sleep 600"))

        assert found.reason == "Nobody looked at it for 2 s."
        assert (found.code, found.signal) == (None, None)


async def test_a_terminal_in_which_nobody_types_ends(db: Database, principal: Principal, tmp_path: Path) -> None:
    config = SandboxConfig(terminal_idle_seconds=1)
    async with serving(sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path, config)) as rig:
        terminal = await opened(rig, principal, "sleep 600")
        with terminal.read(0) as reader:
            async with asyncio.timeout(60):
                while await reader.next() is not None:
                    pass
            found = await ended(terminal)

        assert found.reason == "Nobody typed in it for 1 s."


async def test_who_reads_slowly_misses_nothing(rig: Rig, principal: Principal) -> None:
    terminal = await opened(rig, principal, "stty -opost; read go; seq 1 200000; sleep 600")
    wanted = b"".join(b"%d\n" % number for number in range(1, 200_001))
    assert len(wanted) > 4 * KEPT_BYTES
    seen = b""

    with terminal.read(0) as reader:
        await terminal.type(b"\n")
        async with asyncio.timeout(120):
            while not seen.endswith(wanted):
                piece = await reader.next()
                assert piece is not None
                seen += piece.data
                await asyncio.sleep(0)
    assert terminal.shown().begin > 0  # the oldest is not kept once it was seen

    await rig.sandboxes.terminals.close(principal, terminal.record.sandbox_id, terminal.record.id)
    assert terminal.shown().reason == "It was closed."


async def test_output_that_nobody_reads_keeps_no_program_waiting(rig: Rig, principal: Principal) -> None:
    terminal = await opened(rig, principal, "seq 1 200000")

    found = await ended(terminal)

    assert found.code == 0
    assert found.end - found.begin == KEPT_BYTES
    with terminal.read(0) as reader:
        piece = await reader.next()
    assert piece is not None
    assert piece.at == found.begin


async def test_a_screen_hands_out_each_byte_once() -> None:
    screen = Screen()
    await screen.write(b"one ")
    first, second = screen.read(0), screen.read(4)
    await screen.write(b"two")
    screen.finish()

    assert [await first.next(), await first.next()][0].data == b"one two"
    assert (await second.next()).data == b"two"
    assert await first.next() is None
    assert await second.next() is None


def test_settings_under_which_none_would_live_are_refused(db: Database, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="GLIA_SANDBOX__TERMINAL_KEEP_SECONDS"):
        sandboxes_of(db, BareBackend(tmp_path / "boxes"), tmp_path, replace(SandboxConfig(), terminal_keep_seconds=0))
