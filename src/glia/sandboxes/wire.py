"""The host's side of what the agent in a sandbox speaks (`agent/link.py`). Whatever comes from inside is taken for
hostile: lengths are bounded, silence ends in an error, and bytes stay bytes."""

from __future__ import annotations

import array
import asyncio
import errno
import socket
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager

from glia.kit.errors import GliaError
from glia.sandboxes.errors import (
    AgentFailed,
    CommandNotFound,
    FileMissing,
    FileTaken,
    NotADirectory,
    NotAFile,
    PathRefused,
    PortClosed,
    ProcessNotFound,
    SandboxGone,
    TarRefused,
    TooManyFiles,
    WorkspaceFull,
)

CHUNK = 65536
LARGEST_FRAME = 128 * 1024
_MOST_PARTS = 64
_LONGEST_UPLOAD_SECONDS = 24 * 3600.0

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Ends]]
"""Opens a new connection to the agent. Raises SandboxGone."""

_ERRORS: dict[str, type[GliaError]] = {
    "ENOENT": FileMissing,
    "EEXIST": FileTaken,
    "ENOTEMPTY": FileTaken,
    "EISDIR": NotAFile,
    "ENOTFILE": NotAFile,
    "ENXIO": NotAFile,
    "ENODEV": NotAFile,
    "ENOTDIR": NotADirectory,
    "ENOSPC": WorkspaceFull,
    "EDQUOT": WorkspaceFull,
    "EFBIG": WorkspaceFull,
    "E2BIG": TooManyFiles,
    "ETAR": TarRefused,
    "ESRCH": ProcessNotFound,
    "EACCES": PathRefused,
    "EPERM": PathRefused,
    "EROFS": PathRefused,
    "ELOOP": PathRefused,
    "ENAMETOOLONG": PathRefused,
    "EINVAL": PathRefused,
    "EXDEV": PathRefused,
    "EBUSY": PathRefused,
}


def packed(parts: list[bytes]) -> bytes:
    return b"".join([len(parts).to_bytes(4, "big"), *(len(part).to_bytes(4, "big") + part for part in parts)])


def unpacked(content: bytes) -> list[bytes]:
    """Raises AgentFailed when the content is not what `packed` makes."""
    count, at = int.from_bytes(content[:4], "big"), 4
    parts: list[bytes] = []
    if count > _MOST_PARTS:
        raise AgentFailed("The sandbox's agent sent a message of too many parts; the sandbox cannot be trusted.")
    for _ in range(count):
        end = at + 4 + int.from_bytes(content[at : at + 4], "big")
        if end > len(content) or at + 4 > len(content):
            raise AgentFailed("The sandbox's agent sent a message that ends too early; the sandbox cannot be trusted.")
        parts.append(content[at + 4 : end])
        at = end
    return parts


def number(part: bytes) -> int:
    """Raises AgentFailed."""
    try:
        return int(part[:24])
    except ValueError:
        raise AgentFailed(f"The sandbox's agent sent {part[:24]!r} where a number belongs.") from None


class Talk:
    """One connection to the agent, for one operation."""

    def __init__(self, ends: Ends, *, what: str, timeout_seconds: float) -> None:
        """what: named in errors. timeout_seconds: the longest silence."""
        self.reader, self.writer = ends
        self.timeout_seconds = timeout_seconds
        self._what = what

    async def frame(self, timeout_seconds: float | None = None) -> tuple[bytes, bytes]:
        """Kind and content of the next frame. Raises what a failure frame says, AgentFailed and SandboxGone."""
        try:
            async with asyncio.timeout(self.timeout_seconds if timeout_seconds is None else timeout_seconds):
                head = await self.reader.readexactly(5)
                length = int.from_bytes(head[1:], "big")
                if length > LARGEST_FRAME:
                    raise AgentFailed(
                        f"The sandbox's agent sent a frame of {length} bytes; {LARGEST_FRAME} are allowed."
                    )
                content = await self.reader.readexactly(length)
        except TimeoutError:
            raise AgentFailed(f"The sandbox's agent did not answer in time for {self._what}.") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise SandboxGone(f"The sandbox's agent hung up during {self._what}; the sandbox may be dead.") from None
        if head[:1] == b"f":
            raise self._failure(unpacked(content))
        return head[:1], content

    async def done(self, timeout_seconds: float | None = None) -> list[bytes]:
        kind, content = await self.frame(timeout_seconds)
        if kind != b"k":
            raise AgentFailed(f"The sandbox's agent sent a frame {kind!r} where the end of {self._what} was due.")
        return unpacked(content)

    async def send(self, kind: bytes, content: bytes = b"") -> None:
        await self.write(kind + len(content).to_bytes(4, "big") + content)

    async def write(self, data: bytes) -> None:
        try:
            self.writer.write(data)
            async with asyncio.timeout(self.timeout_seconds):
                await self.writer.drain()
        except TimeoutError:
            raise AgentFailed(f"The sandbox's agent did not take the bytes for {self._what} in time.") from None
        except ConnectionError:
            raise SandboxGone(f"The sandbox's agent hung up during {self._what}.") from None

    async def send_and_finish(self, data: bytes | AsyncIterable[bytes]) -> list[bytes]:
        """Sends the chunks and their end, and returns the answer, which may be a refusal before all is sent."""
        answering = asyncio.ensure_future(self.done(_LONGEST_UPLOAD_SECONDS))
        sending = asyncio.ensure_future(self.send_all(data))
        try:
            await asyncio.wait({answering, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                await sending
            async with asyncio.timeout(self.timeout_seconds):
                return await answering
        except TimeoutError:
            raise AgentFailed(f"The sandbox's agent did not answer in time for {self._what}.") from None
        finally:
            for task in (answering, sending):
                task.cancel()
            await asyncio.gather(answering, sending, return_exceptions=True)

    async def send_all(self, data: bytes | AsyncIterable[bytes], *, kind: bytes = b"d") -> None:
        """The chunks and the mark of their end."""
        if isinstance(data, bytes):
            for start in range(0, len(data), CHUNK):
                await self.send(kind, data[start : start + CHUNK])
        else:
            async for chunk in data:
                for start in range(0, len(chunk), CHUNK):
                    await self.send(kind, chunk[start : start + CHUNK])
        await self.send(b"e")

    def close(self) -> None:
        self.writer.close()

    def _failure(self, parts: list[bytes]) -> GliaError:
        code, said = (part.decode("utf-8", "replace")[:300] for part in (*parts, b"", b"")[:2])
        kind = _ERRORS.get(code)
        if self._what.startswith("connecting"):
            return PortClosed(f"Nothing answers in the sandbox: {self._what} failed with {code}.")
        if self._what.startswith("the command") and kind in (FileMissing, PathRefused, NotADirectory):
            return CommandNotFound(f"The sandbox could not start {self._what.removeprefix('the command ')}: {said}.")
        if kind is None or code == errno.errorcode[errno.EAGAIN]:
            return AgentFailed(f"The sandbox could not do {self._what}: {said} ({code}).")
        return kind(f"The sandbox refused {self._what}: {said} ({code}).")


async def ask(
    dial: Dial, operation: str, *arguments: object, what: str, timeout_seconds: float = 15.0, is_inline: bool = False
) -> Talk:
    """Asks for one operation. is_inline: answered by the listening process, so even when no other can be started."""
    parts = [argument if isinstance(argument, bytes) else str(argument).encode() for argument in arguments]
    asked = Talk(await dial(), what=what, timeout_seconds=timeout_seconds)
    is_asked = False
    try:
        await asked.write((b"i" if is_inline else b"f") + packed([operation.encode(), *parts]))
        is_asked = True
    finally:
        if not is_asked:
            asked.close()
    return asked


@asynccontextmanager
async def talk(
    dial: Dial, operation: str, *arguments: object, what: str, timeout_seconds: float = 15.0, is_inline: bool = False
) -> AsyncGenerator[Talk]:
    """As `ask`; the connection is closed at the end, whatever happens."""
    asked = await ask(dial, operation, *arguments, what=what, timeout_seconds=timeout_seconds, is_inline=is_inline)
    try:
        yield asked
    finally:
        asked.close()


async def hand_over(control: socket.socket) -> Ends:
    """A new connection to the agent: one end of a pair of sockets, the other is sent over the control socket. So there
    is no name that others could connect to. Raises SandboxGone, AgentFailed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        control.sendmsg([b"c"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
    except BlockingIOError:
        ours.close()
        raise AgentFailed("The sandbox's agent takes no more connections.") from None
    except OSError:
        ours.close()
        raise SandboxGone("The sandbox has ended.") from None
    finally:
        theirs.close()
    return await asyncio.open_unix_connection(sock=ours, limit=256 * 1024)
