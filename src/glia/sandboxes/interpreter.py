"""A Python or Node process inside a sandbox that runs one piece of code after the other and keeps its variables.

The process reads pieces from its stdin and ends each on both outputs with a mark that only this interpreter knows.
What lies before the mark is output of the code. Whoever writes the mark themselves deceives nobody but themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import cast

import orjson

from glia.kit.errors import GliaError
from glia.sandboxes.types import Command, Exited, Sandbox, Started, Stderr, Stdout

_LONGEST_LIFE_SECONDS = 86_400.0
_END = b"\x1e\n"
_LARGEST_REPORT_BYTES = 256 * 1024
_LARGEST_OUTPUT_BYTES = 256 * 1024
_GRACE_SECONDS = 3.0


@dataclass
class Piece:
    """One piece of code on its way through. lost: how the process ended, if it did."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    is_truncated: bool = False
    report: dict[str, object] = field(default_factory=dict[str, object])
    lost: Exited | None = None
    is_timed_out: bool = False


class _Channel:
    """One of the two outputs: gathers up to the mark, then reads the report behind it."""

    def __init__(self, mark: bytes) -> None:
        self._mark = b"\x1e" + mark
        self._held = b""
        self._report: bytearray | None = None
        self.gathered = bytearray()
        self.is_truncated = False
        self.report: bytes | None = None

    def begin(self) -> None:
        self._held, self._report, self.report = b"", None, None
        self.gathered, self.is_truncated = bytearray(), False

    def feed(self, data: bytes) -> None:
        if self._report is not None:
            self._read_report(data)
            return
        data = self._held + data
        at = data.find(self._mark)
        if at < 0:
            keep = len(data) - len(self._mark) + 1
            self._held = data[max(0, keep) :]
            self._gather(data[: max(0, keep)])
            return
        self._gather(data[:at])
        self._held, self._report = b"", bytearray()
        self._read_report(data[at + len(self._mark) :])

    def flush(self) -> None:
        self._gather(self._held)
        self._held = b""

    def _gather(self, data: bytes) -> None:
        room = _LARGEST_OUTPUT_BYTES - len(self.gathered)
        self.gathered += data[: max(0, room)]
        self.is_truncated |= len(data) > room

    def _read_report(self, data: bytes) -> None:
        report = self._report
        if report is None or self.report is not None:
            return  # written after the end, by a thread that the code has left running
        report += data
        at = report.find(_END)
        if at >= 0:
            self.report = bytes(report[:at])
        elif len(report) > _LARGEST_REPORT_BYTES:
            self.report = b"{}"


class Interpreter:
    def __init__(self, box: Sandbox, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        """argv: the program; the mark is added as its last argument."""
        self._box = box
        self._mark = secrets.token_hex(16)
        self._command = Command(
            (*argv, self._mark),
            env=env,
            stdin=self._pieces(),
            timeout_seconds=_LONGEST_LIFE_SECONDS,
            output_bytes=1 << 40,  # what is too much of one piece is dropped here
        )
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._out, self._err = (_Channel(self._mark.encode()) for _ in range(2))
        self._ended = asyncio.Event()
        self._pid: int | None = None
        self._exited: Exited | None = None
        self._failure: GliaError | None = None
        self._task: asyncio.Task[None] | None = None
        self.has_run = False

    @property
    def is_alive(self) -> bool:
        return self._exited is None and self._failure is None and (self._task is None or not self._task.done())

    async def run(self, code: str, timeout_seconds: float) -> Piece:
        """Raises what the sandbox raises, such as CommandNotFound and SandboxGone. Not for two pieces at once."""
        self._out.begin()
        self._err.begin()
        self._ended.clear()
        if self._task is None:
            self._task = asyncio.create_task(self._read(), name="glia-interpreter")
        is_timed_out = False
        try:
            self._waiting.put_nowait(orjson.dumps({"code": code}) + b"\n")
            is_timed_out = not await self._wait(timeout_seconds)
            if is_timed_out:
                await self._interrupt()
        except BaseException:
            await self.close()  # nobody waits for this piece any more; it must not run on beside the next one
            raise
        if self._failure is not None:
            raise self._failure
        self.has_run = True
        return self._piece(is_timed_out=is_timed_out)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return False
        return True

    async def _interrupt(self) -> None:
        """Asks first, which keeps the variables; ends the process when that does not help."""
        if self._pid is not None:
            with contextlib.suppress(GliaError):
                await self._box.signal(self._pid, signal.SIGINT)
        if not await self._wait(_GRACE_SECONDS):
            await self.close()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        while True:
            yield await self._waiting.get()

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self._box.exec(self._command)) as frames:
                async for frame in frames:
                    match frame:
                        case Started(pid=pid):
                            self._pid = pid
                        case Stdout(data=data):
                            self._out.feed(data)
                        case Stderr(data=data):
                            self._err.feed(data)
                        case Exited():
                            self._exited = frame
                    if self._exited or (self._out.report is not None and self._err.report is not None):
                        self._ended.set()
        except GliaError as error:
            self._failure = error
        finally:
            self._ended.set()

    def _piece(self, *, is_timed_out: bool) -> Piece:
        for channel in (self._out, self._err):
            channel.flush()
        lost = None
        if not self.is_alive:
            lost = self._exited or Exited(code=None, signal=signal.SIGKILL)
        return Piece(
            stdout=self._out.gathered,
            stderr=self._err.gathered,
            is_truncated=self._out.is_truncated or self._err.is_truncated,
            report=_read_report(self._out.report or b"{}"),
            lost=lost,
            is_timed_out=is_timed_out,
        )


def _read_report(raw: bytes) -> dict[str, object]:
    """What the process says of the piece; nothing when it is not what we have taught it to say."""
    try:
        # Not by orjson: text of a program may hold halves of characters, which that refuses as a whole.
        report: object = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    found = cast(dict[str, object], report) if isinstance(report, dict) else {}
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in found.items()
    }
