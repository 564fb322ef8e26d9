"""Terminals in sandboxes: programs that people type at. One outlives the connection through which it is seen, so that
whoever comes back finds it as it was; what is typed and shown stays in memory, and reaches no log and no table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from uuid import UUID

import structlog

from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.errors import GliaError, InvalidRequest, TooLarge, Unavailable
from glia.kit.ids import new_id
from glia.sandboxes.checks import check_env
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.errors import SandboxGone, TerminalBusy, TerminalEnded, TerminalNotFound, TooManyTerminals
from glia.sandboxes.live import Live, Use
from glia.sandboxes.records import NewTerminal, TerminalRecord
from glia.sandboxes.screens import Reader, Screen
from glia.sandboxes.types import Command, Exited, Size, Started, Stdout

log = structlog.get_logger(__name__)

SHELL = (
    "/bin/sh",
    "-c",
    'if command -v bash >/dev/null; then exec bash -i; else export PS1="\\$PWD \\$ "; exec sh -i; fi',
)
"""The shell that a person is given: bash where the template has it."""
MOST_OF_SANDBOX = 8
MOST_AT_ONCE = 200
MOST_READERS = 8
LARGEST_INPUT = 64 * 1024
_MOST_WAITING = 64
_TYPING_SECONDS = 10.0
_LONGEST_LIFE_SECONDS = 86_400.0
_LONGEST_COMMAND = 4096


class Terminal:
    """One program and its screen, in this process. Made by `Terminals.open`."""

    def __init__(self, live: Live, by: str, wanted: NewTerminal, config: SandboxConfig) -> None:
        self.screen = Screen()
        self.workspace_id = live.record.workspace_id
        self.record = TerminalRecord(
            new_id(), live.id, "running", wanted.command, wanted.size, 0, 0, 0, 0, by, clock.now(), None, None, None, ""
        )
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._live = live
        self._config = config
        self._typed: asyncio.Queue[bytes | Size] = asyncio.Queue(_MOST_WAITING)
        self._command = Command(
            ("/bin/sh", "-c", wanted.command) if wanted.command else SHELL,
            cwd=wanted.cwd,
            env={"TERM": "xterm-256color", "COLORTERM": "truecolor", **live.record.inner_env, **wanted.env},
            stdin=self._typing(),
            timeout_seconds=_LONGEST_LIFE_SECONDS,
            output_bytes=1 << 50,  # what nobody reads is dropped here
            size=wanted.size,
        )
        self._until: asyncio.Timeout | None = None

    @property
    def is_running(self) -> bool:
        return self.record.status == "running"

    def shown(self) -> TerminalRecord:
        return replace(self.record, readers=self.screen.readers, begin=self.screen.begin, end=self.screen.end)

    async def type(self, what: bytes | Size) -> None:
        """Raises TerminalEnded, TerminalBusy when its program takes no input for long, TooLarge, InvalidRequest."""
        if not self.is_running:
            raise TerminalEnded(f"The terminal '{self.record.id}' has ended: {self.record.reason}")
        if isinstance(what, Size):
            check_size(what)
            self.record = replace(self.record, size=what)
        elif len(what) > LARGEST_INPUT:
            raise TooLarge(f"At most {LARGEST_INPUT} bytes are typed at once; send more in several pieces.")
        self._touch()
        try:
            async with asyncio.timeout(_TYPING_SECONDS):
                await self._typed.put(what)
        except TimeoutError:
            raise TerminalBusy(
                "The program in the terminal does not read what is typed; interrupt or end it."
            ) from None

    @contextmanager
    def read(self, after: int) -> Generator[Reader]:
        """after: a byte of its output, as it counts; the oldest that is kept when that is gone."""
        if self.screen.readers >= MOST_READERS:
            raise TooManyTerminals(f"{MOST_READERS} connections show this terminal already, the most there may be.")
        reader = self.screen.read(after)
        self._touch()
        try:
            yield reader
        finally:
            reader.close()
            self._touch()

    async def run(self) -> None:
        """Until its program ends, nobody uses it for too long, or it is cancelled."""
        reason = "It was closed."
        try:
            with self._live.in_use():
                async with asyncio.timeout(self._patience) as self._until:
                    reason = await self._follow()
        except TimeoutError:
            reason = f"Nobody {'typed in' if self.screen.readers else 'looked at'} it for {self._patience:g} s."
        except GliaError as error:
            reason = error.message
            if not self.started.done():
                self.started.set_exception(error)
        finally:
            if not self.started.done():
                self.started.set_exception(SandboxGone("The sandbox ended before the terminal had begun."))
            self.record = replace(self.record, status="ended", reason=reason, ended_at=clock.now())
            self.screen.finish()

    async def _follow(self) -> str:
        async with aclosing(self._live.box.exec(self._command)) as frames:
            async for frame in frames:
                match frame:
                    case Started(pid=pid):
                        self.record = replace(self.record, pid=pid)
                        if not self.started.done():
                            self.started.set_result(None)
                    case Stdout(data=data):
                        await self.screen.write(data)
                    case Exited(code=code, signal=signal):
                        self.record = replace(self.record, code=code, signal=signal)
                    case _:  # a terminal has one output
                        continue
        return "Its program has ended."

    async def _typing(self) -> AsyncGenerator[bytes | Size]:
        while True:
            yield await self._typed.get()

    @property
    def _patience(self) -> float:
        """How long it goes on without a sign of anybody: longer while it is on somebody's screen."""
        config = self._config
        return config.terminal_idle_seconds if self.screen.readers else config.terminal_keep_seconds

    def _touch(self) -> None:
        if self._until is not None and self.is_running and not self._until.expired():
            self._until.reschedule(asyncio.get_running_loop().time() + self._patience)


class Terminals:
    def __init__(self, config: SandboxConfig, use: Use) -> None:
        """Raises InvalidRequest for settings under which no terminal would live."""
        for name in ("terminal_idle_seconds", "terminal_keep_seconds"):
            if getattr(config, name) < 1:
                raise InvalidRequest(f"GLIA_SANDBOX__{name.upper()} is {getattr(config, name)}; it must be 1 or more.")
        self._config = config
        self._use = use
        self._all: dict[UUID, Terminal] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}

    async def open(self, principal: Principal, sandbox_id: UUID, wanted: NewTerminal) -> TerminalRecord:
        """A terminal whose program runs. Raises InvalidRequest, TooManyTerminals, CommandNotFound, and what `use`
        raises."""
        _check(wanted)
        async with self._use(principal, sandbox_id) as live:
            self._check_room(sandbox_id)
            terminal = Terminal(live, principal.name, wanted, self._config)
            id = terminal.record.id
            self._all[id] = terminal
            task = self._tasks[id] = asyncio.create_task(terminal.run(), name=f"glia-terminal-{id}")
            task.add_done_callback(lambda _: self._ended(id))
            try:
                await terminal.started
            except BaseException:
                task.cancel()
                self._all.pop(id, None)
                raise
        log.info("terminal opened", sandbox=str(sandbox_id), terminal=str(id))
        return terminal.shown()

    def list(self, principal: Principal, sandbox_id: UUID) -> list[TerminalRecord]:
        """Those of a sandbox that the caller has looked up, oldest first."""
        principal.require("sandboxes:read")
        return [each.shown() for each in self._of(sandbox_id) if each.workspace_id == principal.workspace_id]

    def get(self, principal: Principal, sandbox_id: UUID, id: UUID) -> TerminalRecord:
        principal.require("sandboxes:read")
        return self._found(principal, sandbox_id, id).shown()

    def attach(self, principal: Principal, sandbox_id: UUID, id: UUID) -> Terminal:
        """To read and type. Raises TerminalNotFound."""
        principal.require("sandboxes:write")
        return self._found(principal, sandbox_id, id)

    async def close(self, principal: Principal, sandbox_id: UUID, id: UUID) -> None:
        """Ends its program with all that it has started, and forgets what it has shown."""
        principal.require("sandboxes:write")
        terminal = self._found(principal, sandbox_id, id)
        await self._end([terminal.record.id])
        self._all.pop(id, None)

    async def stop(self) -> None:
        await self._end(list(self._tasks))

    async def _end(self, ids: list[UUID]) -> None:
        tasks = [self._tasks[id] for id in ids if id in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _found(self, principal: Principal, sandbox_id: UUID, id: UUID) -> Terminal:
        found = self._all.get(id)
        if found is None or found.workspace_id != principal.workspace_id or found.record.sandbox_id != sandbox_id:
            raise TerminalNotFound(
                f"There is no terminal '{id}' in this sandbox, or it ended a while ago. Open another one.",
                terminal_id=str(id),
            )
        return found

    def _of(self, sandbox_id: UUID) -> list[Terminal]:
        return [each for each in self._all.values() if each.record.sandbox_id == sandbox_id]

    def _check_room(self, sandbox_id: UUID) -> None:
        if sum(each.is_running for each in self._of(sandbox_id)) >= MOST_OF_SANDBOX:
            raise TooManyTerminals(f"This sandbox has {MOST_OF_SANDBOX} terminals, the most it may. Close one.")
        if len(self._tasks) >= MOST_AT_ONCE:
            raise Unavailable(f"This server has {MOST_AT_ONCE} terminals open, the most it may; try again later.")

    def _ended(self, id: UUID) -> None:
        """What it showed last stays a while for who comes back, unless newer ones need the room."""
        self._tasks.pop(id, None)
        over = [each.record.id for each in self._all.values() if not each.is_running]
        for oldest in over[: max(0, len(over) - MOST_AT_ONCE)]:
            self._all.pop(oldest, None)
        asyncio.get_running_loop().call_later(self._config.terminal_keep_seconds, self._all.pop, id, None)


def _check(wanted: NewTerminal) -> None:
    if len(wanted.command) > _LONGEST_COMMAND or "\0" in wanted.command:
        raise InvalidRequest(f"`command` may have {_LONGEST_COMMAND} characters, and no NUL.", field="command")
    check_env(wanted.env)
    check_size(wanted.size)


def check_size(size: Size) -> None:
    """Raises InvalidRequest."""
    for name, number in (("columns", size.columns), ("rows", size.rows)):
        if not 1 <= number <= 1000:
            raise InvalidRequest(f"`{name}` is {number}; it must be between 1 and 1000.", field=name)
