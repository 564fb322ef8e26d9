"""What every backend does alike: it asks the agent in a sandbox."""

from __future__ import annotations

import asyncio
import posixpath
import signal as signals
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing, suppress
from pathlib import Path

from glia.kit.errors import InvalidRequest
from glia.sandboxes.errors import (
    AgentFailed,
    PathRefused,
    SandboxGone,
    SandboxStreamClosed,
    SnapshotTooLarge,
)
from glia.sandboxes.types import Command, Exited, FileInfo, FileKind, Frame, Size, Started, Stderr, Stdout
from glia.sandboxes.wire import CHUNK, Dial, Talk, ask, number, talk, unpacked

WORKSPACE = "/workspace"
_BULK_SECONDS = 120.0
_GRACE_SECONDS = 15.0
_LONGEST_PATH = 4096
_MOST_ARGUMENT_BYTES = 1024 * 1024
_KINDS: dict[bytes, FileKind] = {b"file": "file", b"directory": "directory", b"symlink": "symlink"}

OomCount = Callable[[], int]
"""How many processes of the sandbox the kernel has killed so far for want of memory."""


def place(path: str) -> bytes:
    """An absolute path inside. Raises PathRefused."""
    try:
        named = posixpath.normpath(posixpath.join(WORKSPACE, path)).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise PathRefused(f"The path {path!r} cannot be written as UTF-8.", field="path") from None
    if b"\0" in named or not 0 < len(named) <= _LONGEST_PATH or not path:
        raise PathRefused(
            f"The path {path[:200]!r} is empty, holds a zero byte, or has more than {_LONGEST_PATH} bytes.",
            field="path",
        )
    return named


async def ping(dial: Dial) -> None:
    async with talk(dial, "ping", what="a ping", is_inline=True) as asked:
        if not b"".join(await asked.done()).startswith(b"glia-sandbox 1"):
            raise AgentFailed("The sandbox's agent speaks another version.")


# --- Commands ---------------------------------------------------------------------------------------------------------


async def run(dial: Dial, command: Command, oom_count: OomCount) -> AsyncGenerator[Frame]:
    argv, env = _checked(command)
    before = oom_count()
    cwd = place(command.cwd)
    timing = int(command.timeout_seconds * 1000)
    what = f"the command {command.argv[0][:100]!r}"
    silence = command.timeout_seconds + _GRACE_SECONDS
    parts: tuple[object, ...] = (cwd, timing, command.output_bytes, len(argv), *argv, *env)
    if command.size is not None:
        parts = (command.size.columns, command.size.rows, *parts)
    operation = "exec" if command.size is None else "pty"
    async with talk(dial, operation, *parts, what=what, timeout_seconds=silence) as asked:
        kind, content = await asked.frame()
        if kind != b"p":
            raise AgentFailed(f"The sandbox's agent sent a frame {kind!r} before {what} had started.")
        yield Started(_count(unpacked(content)))
        feeding = asyncio.create_task(_feed(asked, command.stdin))
        try:
            async with aclosing(_output(asked, command, before, oom_count)) as frames:
                async for frame in frames:
                    yield frame
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError):
                await feeding


async def _feed(asked: Talk, stdin: bytes | AsyncIterable[bytes | Size]) -> None:
    """Failures show in the output, which is read at the same time."""
    with suppress(SandboxGone, AgentFailed, asyncio.IncompleteReadError, RuntimeError):
        if isinstance(stdin, bytes):
            for start in range(0, len(stdin), CHUNK):
                await _feed_one(asked, b"i", stdin[start : start + CHUNK])
        else:
            async for chunk in stdin:
                if isinstance(chunk, Size):
                    await _feed_one(asked, b"z", f"{chunk.columns} {chunk.rows}".encode())
                    continue
                for start in range(0, len(chunk), CHUNK):
                    await _feed_one(asked, b"i", chunk[start : start + CHUNK])
        await _feed_one(asked, b"e", b"")


async def _feed_one(asked: Talk, kind: bytes, content: bytes) -> None:
    """Unlike Talk.send: a command may take its input as slowly as it likes, and only one task may read."""
    asked.writer.write(kind + len(content).to_bytes(4, "big") + content)
    with suppress(ConnectionError):
        await asked.writer.drain()


async def _output(asked: Talk, command: Command, before: int, oom_count: OomCount) -> AsyncGenerator[Frame]:
    left = command.output_bytes
    loop = asyncio.get_running_loop()
    deadline = loop.time() + command.timeout_seconds + _GRACE_SECONDS
    while True:
        try:
            kind, content = await asked.frame(max(0.1, deadline - loop.time()))
        except SandboxGone:
            if oom_count() == before:
                raise
            # What served the command was killed with it.
            yield Exited(None, signals.SIGKILL, oom=True)
            return
        if kind in (b"o", b"r"):
            left -= len(content)
            if left < 0:
                raise AgentFailed("The sandbox's agent sent more output than it was allowed to.")
            yield Stdout(content) if kind == b"o" else Stderr(content)
        elif kind == b"x":
            yield _exit(unpacked(content), oom=oom_count() > before)
            return
        else:
            raise AgentFailed(f"The sandbox's agent sent a frame {kind!r} among a command's output.")


def _exit(parts: list[bytes], *, oom: bool) -> Exited:
    if len(parts) != 5:
        raise AgentFailed("The sandbox's agent told the end of a command in a way that is not known.")
    code, late, cut, wall, cpu = (number(part) for part in parts)
    return Exited(
        code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        oom=oom,
        timed_out=bool(late),
        truncated=bool(cut),
        wall_seconds=wall / 1e6,
        cpu_seconds=cpu / 1e6,
    )


def _checked(command: Command) -> tuple[list[bytes], list[bytes]]:
    """Raises InvalidRequest."""
    if not command.argv or not command.argv[0]:
        raise InvalidRequest("`argv` is empty; its first entry is the program.", field="argv")
    if not 0 < command.timeout_seconds <= 86400:
        raise InvalidRequest(
            f"`timeout_seconds` is {command.timeout_seconds:g}; it lies between 0 and 86400.", field="timeout_seconds"
        )
    if command.output_bytes < 0:
        raise InvalidRequest(f"`output_bytes` is {command.output_bytes}; it is at least 0.", field="output_bytes")
    for name in command.env:
        if not name or "=" in name:
            raise InvalidRequest(f"`env` has the name {name!r}; a name is not empty and has no `=`.", field="env")
    if command.size is not None and not all(1 <= n <= 65535 for n in (command.size.columns, command.size.rows)):
        raise InvalidRequest("A terminal has between 1 and 65535 columns and rows.", field="columns")
    argv = [_text(argument, "argv") for argument in command.argv]
    env = [_text(f"{name}={value}", "env") for name, value in command.env.items()]
    if (size := sum(map(len, (*argv, *env)))) > _MOST_ARGUMENT_BYTES:
        raise InvalidRequest(
            f"`argv` and `env` have {size} bytes; {_MOST_ARGUMENT_BYTES} is the most. Send more as a file or as stdin.",
            field="argv",
        )
    return argv, env


def _text(text: str, field: str) -> bytes:
    try:
        encoded = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise InvalidRequest(f"`{field}` holds a zero byte or half a character.", field=field)
    return encoded


async def signal(dial: Dial, pid: int, number_: int) -> None:
    if not 0 < number_ < signals.NSIG:
        raise InvalidRequest(f"There is no signal {number_}.", field="signal")
    async with talk(dial, "signal", pid, number_, what=f"a signal to {pid}", is_inline=True) as asked:
        await asked.done()


async def stop_all(dial: Dial, number_: int) -> None:
    """SIGSTOP or SIGCONT for everybody inside but the agent, where there is no freezer; SIGKILL for all commands."""
    async with talk(dial, "freeze", number_, what="a pause", is_inline=True) as asked:
        await asked.done()


# --- Files ------------------------------------------------------------------------------------------------------------


async def put(dial: Dial, path: str, data: bytes | AsyncIterable[bytes], mode: int) -> int:
    async with talk(dial, "put", place(path), mode, what=f"writing {path!r}", timeout_seconds=_BULK_SECONDS) as asked:
        return _count(await asked.send_and_finish(data))


def _count(parts: list[bytes]) -> int:
    return number(parts[0] if parts else b"nothing")


async def get(dial: Dial, path: str, offset: int, limit: int | None) -> AsyncGenerator[bytes]:
    most = 2**62 if limit is None else limit
    async with (
        talk(dial, "get", place(path), offset, most, what=f"reading {path!r}", timeout_seconds=_BULK_SECONDS) as asked,
        aclosing(_chunks(asked)) as chunks,
    ):
        async for chunk in chunks:
            most -= len(chunk)
            if most < 0:
                raise AgentFailed("The sandbox's agent sent more of a file than was asked for.")
            yield chunk


async def _chunks(asked: Talk) -> AsyncGenerator[bytes]:
    while True:
        kind, content = await asked.frame()
        if kind == b"k":
            return
        if kind != b"d":
            raise AgentFailed(f"The sandbox's agent sent a frame {kind!r} among a file's bytes.")
        yield content


async def list_(dial: Dial, path: str, depth: int, limit: int) -> list[FileInfo]:
    found: list[FileInfo] = []
    async with talk(dial, "list", place(path), depth, limit, what=f"listing {path!r}") as asked:
        while True:
            kind, content = await asked.frame()
            if kind == b"k":
                return found
            if kind != b"n" or len(found) >= limit:
                raise AgentFailed("The sandbox's agent sent more files than were asked for.")
            found.append(_info(unpacked(content)))


async def stat(dial: Dial, path: str) -> FileInfo:
    async with talk(dial, "stat", place(path), what=f"looking at {path!r}") as asked:
        return _info(await asked.done())


def _info(parts: list[bytes]) -> FileInfo:
    if len(parts) != 6:
        raise AgentFailed("The sandbox's agent described a file in a way that is not known.")
    path, kind, size, modified, mode, target = parts
    return FileInfo(
        path=path.decode("utf-8", "replace"),
        kind=_KINDS.get(kind, "other"),
        size_bytes=number(size),
        modified_at=number(modified) / 1e6,
        mode=number(mode) & 0o7777,
        target=target.decode("utf-8", "replace") if kind == b"symlink" else None,
    )


async def simple(dial: Dial, operation: str, *paths: str, what: str) -> None:
    places = [place(path) for path in paths]
    if operation in ("remove", "move") and places[0] in (b"/", WORKSPACE.encode()):
        raise PathRefused(f"{paths[0]!r} itself cannot be moved or removed.", field="path")
    async with talk(dial, operation, *places, what=what, timeout_seconds=_BULK_SECONDS) as asked:
        await asked.done()


async def tar_out(dial: Dial, path: str) -> AsyncGenerator[bytes]:
    what = f"packing {path!r}"
    async with (
        talk(dial, "tar_out", place(path), what=what, timeout_seconds=_BULK_SECONDS) as asked,
        aclosing(_chunks(asked)) as chunks,
    ):
        async for chunk in chunks:
            yield chunk


async def tar_in(dial: Dial, data: AsyncIterable[bytes], path: str, *, is_restore: bool = False) -> int:
    arguments = (place(path), int(is_restore))
    async with talk(
        dial, "tar_in", *arguments, what=f"unpacking into {path!r}", timeout_seconds=_BULK_SECONDS
    ) as asked:
        return _count(await asked.send_and_finish(data))


# --- Snapshots --------------------------------------------------------------------------------------------------------


async def snapshot(dial: Dial, target: Path, most_bytes: int) -> int:
    beside = target.with_name(f".{target.name}.part")
    size = 0
    file = await asyncio.to_thread(beside.open, "wb")
    try:
        with file:
            async with aclosing(tar_out(dial, WORKSPACE)) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most_bytes:
                        raise SnapshotTooLarge(f"The workspace packs to more than {most_bytes} bytes.")
                    await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(beside.replace, target)
    finally:
        await asyncio.to_thread(beside.unlink, missing_ok=True)
    return size


async def restore(dial: Dial, source: Path) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        file = await asyncio.to_thread(source.open, "rb")
        with file:
            while chunk := await asyncio.to_thread(file.read, CHUNK * 4):
                yield chunk

    await tar_in(dial, chunks(), WORKSPACE, is_restore=True)


# --- Ports ------------------------------------------------------------------------------------------------------------


class Stream:
    """A ByteStream over a connection of the agent."""

    def __init__(self, asked: Talk) -> None:
        self._asked = asked

    async def read(self, most: int = 65536) -> bytes:
        try:
            return await self._asked.reader.read(most)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        try:
            self._asked.writer.write(data)
            await self._asked.writer.drain()
        except (ConnectionError, RuntimeError):
            raise SandboxStreamClosed("The program in the sandbox closed the connection.") from None

    async def write_eof(self) -> None:
        with suppress(ConnectionError, OSError):
            self._asked.writer.write_eof()

    async def close(self) -> None:
        self._asked.close()
        with suppress(ConnectionError):
            await self._asked.writer.wait_closed()


async def connect(dial: Dial, port: int) -> Stream:
    if not 0 < port < 65536:
        raise InvalidRequest(f"`port` is {port}; ports go from 1 to 65535.", field="port")
    asked = await ask(dial, "tcp", port, what=f"connecting to port {port}")
    is_open = False
    try:
        await asked.done()
        is_open = True
    finally:
        if not is_open:
            asked.close()
    return Stream(asked)
