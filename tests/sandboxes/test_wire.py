"""Attack 34: an agent that was taken over says what it likes, and the host stays up."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable

import pytest

from glia.sandboxes import asking
from glia.sandboxes.errors import AgentFailed, FileMissing, SandboxGone
from glia.sandboxes.types import MIB, Command, Exited, Started, Stdout
from glia.sandboxes.wire import Dial, packed

Agent = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def frame(kind: bytes, content: bytes = b"") -> bytes:
    return kind + len(content).to_bytes(4, "big") + content


def dial_to(agent: Agent, tasks: list[asyncio.Task[None]]) -> Dial:
    async def serve(end: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=end)
        try:
            await agent(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def dial() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        tasks.append(asyncio.create_task(serve(theirs)))
        return await asyncio.open_unix_connection(sock=ours, limit=256 * 1024)

    return dial


@pytest.fixture
def agent_that():
    tasks: list[asyncio.Task[None]] = []

    def make(*said: bytes, for_ever: bool = False) -> Dial:
        async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(5)
            while True:
                for piece in said:
                    writer.write(piece)
                    await writer.drain()
                if not for_ever:
                    break
            while await reader.read(1 << 20):
                pass

        return dial_to(agent, tasks)

    yield make
    for task in tasks:
        task.cancel()


async def frames_of(dial: Dial, **options: object) -> list[object]:
    command = Command(("x",), **options)  # type: ignore[arg-type]
    return [frame async for frame in asking.run(dial, command, lambda: 0)]


END = frame(b"x", packed([b"0", b"0", b"0", b"5", b"5"]))
PID = frame(b"p", packed([b"7"]))


async def test_an_honest_agent_is_understood(agent_that) -> None:
    frames = await frames_of(agent_that(PID, frame(b"o", b"\xff\x00"), END))

    assert frames == [Started(7), Stdout(b"\xff\x00"), Exited(0, None, wall_seconds=5e-6, cpu_seconds=5e-6)]
    assert await asking.put(agent_that(frame(b"k", packed([b"3"]))), "f", b"abc", 0o644) == 3
    with pytest.raises(FileMissing):
        await asking.stat(agent_that(frame(b"f", packed([b"ENOENT", b"no"]))), "f")


@pytest.mark.parametrize(
    "said",
    [
        b"o" + (2**32 - 1).to_bytes(4, "big"),
        b"p" + (200_000).to_bytes(4, "big") + bytes(200_000),
        frame(b"?", b"what"),
        frame(b"p", (2**31).to_bytes(4, "big")),
        frame(b"p", packed([b"not a number"])),
        frame(b"p", (1).to_bytes(4, "big") + b"\xff" * 4),
        frame(b"p", packed([])),
        PID + frame(b"k", packed([])),
        PID + frame(b"x", packed([b"0"])),
        PID + frame(b"x", packed([b"", b"", b"", b"", b""])),
        PID + frame(b"x", packed([b"1e9"] * 5)),
    ],
)
async def test_nonsense_ends_in_an_error(agent_that, said: bytes) -> None:
    with pytest.raises(AgentFailed):
        await frames_of(agent_that(said))


async def test_a_hung_up_line_ends_in_an_error(agent_that) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"p\0\0")

    with pytest.raises(SandboxGone):
        await frames_of(dial_to(agent, tasks))


async def test_silence_ends_in_an_error(agent_that, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_GRACE_SECONDS", 0.2)

    with pytest.raises(AgentFailed, match="in time"):
        await frames_of(agent_that(), timeout_seconds=0.1)
    with pytest.raises(AgentFailed, match="in time"):
        await frames_of(agent_that(PID), timeout_seconds=0.1)


async def test_endless_output_is_cut_off(agent_that) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = 0

    with pytest.raises(AgentFailed, match="more output"):
        async for _ in asking.run(
            agent_that(PID, *[frame(b"o", bytes(65536))] * 100, for_ever=True),
            Command(("x",), output_bytes=4 * MIB),
            lambda: 0,
        ):
            count += 1

    assert count <= 66
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_endless_lists_and_files_are_cut_off(agent_that) -> None:
    entry = frame(b"n", packed([b"/workspace/a", b"file", b"1", b"1", b"420", b""]))

    with pytest.raises(AgentFailed, match="more files"):
        await asking.list_(agent_that(entry, for_ever=True), ".", 1, 100)
    with pytest.raises(AgentFailed, match="more of a file"):
        async for _ in asking.get(agent_that(frame(b"d", bytes(65536)), for_ever=True), "f", 0, 1000):
            pass


async def test_a_strange_file_description_is_refused(agent_that) -> None:
    for parts in ([b"a"], [b"a", b"file", b"x", b"1", b"1", b""], [b"a"] * 63):
        with pytest.raises(AgentFailed):
            await asking.stat(agent_that(frame(b"k", packed(parts))), "f")
