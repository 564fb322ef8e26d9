"""The output of a command in a sandbox: as server-sent events, or gathered into one answer."""

from __future__ import annotations

import asyncio
import base64
import codecs
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import orjson

from glia.kit.errors import GliaError
from glia.sandboxes.types import Exited, Frame, Started, Stderr, Stdout
from glia.surfaces.shared import sse

_HEARTBEAT_SECONDS = 15.0


async def command_events(
    first: Frame, frames: AsyncGenerator[Frame, None], encoding: str
) -> AsyncGenerator[bytes, None]:
    """`start`, `stdout`, `stderr`, then `exit`; `error` when the sandbox fails in the middle."""
    out, err = _decoder(encoding), _decoder(encoding)
    try:
        yield _event(first, out, err)
        async with aclosing(_with_pauses(frames)) as paced:
            async for frame in paced:
                if isinstance(frame, Exited):
                    for name, decode in (("stdout", out), ("stderr", err)):
                        if rest := decode(b"", True):
                            yield sse.event(orjson.dumps({"data": rest}), name=name)
                yield sse.HEARTBEAT if frame is None else _event(frame, out, err)
    except GliaError as error:
        yield sse.event(orjson.dumps({"code": error.code, "message": error.message}), name="error")
    finally:
        await frames.aclose()


async def _with_pauses(frames: AsyncGenerator[Frame, None]) -> AsyncGenerator[Frame | None, None]:
    """The frames, and None whenever nothing has come for a while."""
    waiting: asyncio.Task[Frame | None] | None = None

    async def following() -> Frame | None:
        return await anext(frames, None)

    try:
        while True:
            waiting = waiting or asyncio.create_task(following())
            done, _ = await asyncio.wait((waiting,), timeout=_HEARTBEAT_SECONDS)
            if not done:
                yield None
                continue
            frame, waiting = waiting.result(), None
            if frame is None:
                return
            yield frame
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


Decode = Callable[[bytes, bool], str]


def _event(frame: Frame, out: Decode, err: Decode) -> bytes:
    match frame:
        case Started(pid=pid):
            return sse.event(orjson.dumps({"pid": pid}), name="start")
        case Stdout(data=data):
            return sse.event(orjson.dumps({"data": out(data, False)}), name="stdout")
        case Stderr(data=data):
            return sse.event(orjson.dumps({"data": err(data, False)}), name="stderr")
        case Exited():
            return sse.event(orjson.dumps(frame), name="exit")


def _decoder(encoding: str) -> Decode:
    """Text piece by piece: a character that two pieces share comes with the second."""
    if encoding == "base64":
        return lambda data, _is_last: base64.b64encode(data).decode()
    return codecs.getincrementaldecoder("utf-8")("replace").decode


async def gathered(frames: AsyncGenerator[Frame, None], encoding: str) -> dict[str, object]:
    stdout, stderr = bytearray(), bytearray()
    pid, last = 0, None
    async for frame in frames:
        match frame:
            case Started(pid=started):
                pid = started
            case Stdout(data=data):
                stdout += data
            case Stderr(data=data):
                stderr += data
            case Exited():
                last = frame
    decode = _decoder(encoding)
    return {"pid": pid, "stdout": decode(bytes(stdout), True), "stderr": decode(bytes(stderr), True), "exit": last}
