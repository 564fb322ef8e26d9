"""Commands in sandboxes, and uploads into them, on bare ASGI: they stream, in one direction or the other."""

from __future__ import annotations

import asyncio
import base64
import codecs
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import msgspec
import orjson

from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError, InvalidRequest, TooLarge
from glia.kit.ids import parse_id
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.types import MIB, Command, Exited, Frame, Started, Stderr, Stdout
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, convert, ignored_header, send_json
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import Fields, read_json, read_object

_HEARTBEAT_SECONDS = 15.0
_LARGEST_UNPACKED = 8 * 1024 * MIB


class ExecBody(msgspec.Struct):
    """command: for the shell. argv: a program and its arguments, without a shell; exactly one of the two.

    encoding: how output is shown; `base64` keeps bytes that are no UTF-8.
    """

    command: str | None = None
    argv: list[str] | None = None
    cwd: str = "/workspace"
    env: dict[str, str] = {}
    stdin: str = ""
    timeout_seconds: float = 60.0
    output_bytes: int = MIB
    encoding: Literal["utf-8", "base64"] = "utf-8"
    stream: bool = False


@dataclass(frozen=True)
class SandboxStreams:
    """largest_bytes: of one upload."""

    sandboxes: Sandboxes
    answers: IdempotentAnswers
    largest_bytes: int
    is_strict: bool = False

    async def exec(self, request: Request, send: Send, sandbox: str) -> None:
        """POST /v1/sandboxes/{id}/exec"""
        id = parse_id(sandbox, "sandbox")
        raw = await read_json(request)
        given = {name: value for name, value in read_object(raw).items() if value is not None}
        body, ignored = convert(given, ExecBody)
        Fields(self.is_strict).ignore(ignored)
        command = _command(body)
        headers = ignored_header(ignored)
        if body.stream:
            if key_of(request) is not None:
                raise InvalidRequest(
                    "`Idempotency-Key` cannot be kept for a stream; leave one of the two away.", field="stream"
                )
            frames = self.sandboxes.exec(request.principal, id, command)
            first = await anext(frames)  # refuses before the stream begins
            return await sse.stream(request.receive, send, _events(first, frames, body.encoding), headers)

        async def answer(send: Send) -> None:
            async with aclosing(self.sandboxes.exec(request.principal, id, command)) as frames:
                await send_json(send, 200, await _gathered(frames, body.encoding), headers)

        return await answer_once(self.answers, request, raw, send, answer)

    async def put_file(self, request: Request, send: Send, sandbox: str) -> None:
        """PUT /v1/sandboxes/{id}/files/content?path="""
        id = parse_id(sandbox, "sandbox")
        principal = request.principal
        await self.sandboxes.require(principal, id)
        path, mode = request.query.get("path", ""), request.query.get("mode", "644")
        if not mode.isascii() or not mode.isdigit() or any(digit in "89" for digit in mode) or len(mode) > 4:
            raise InvalidRequest(f"`mode` is {mode[:20]!r}; write it in octal, as `644`.", field="mode")
        size = await self.sandboxes.files.write(principal, id, path, self._pieces(request), mode=int(mode, 8))
        await send_json(send, 200, {"path": path, "size_bytes": size})

    async def put_tar(self, request: Request, send: Send, sandbox: str) -> None:
        """PUT /v1/sandboxes/{id}/files/tar?path="""
        id = parse_id(sandbox, "sandbox")
        await self.sandboxes.require(request.principal, id)
        path = request.query.get("path", ".")
        members = await self.sandboxes.files.tar_in(request.principal, id, path, unpacked(self._pieces(request)))
        await send_json(send, 200, {"path": path, "members": members})

    async def _pieces(self, request: Request) -> AsyncGenerator[bytes, None]:
        size = 0
        while True:
            message = await request.piece()
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > self.largest_bytes:
                raise TooLarge(f"The body is larger than {self.largest_bytes} bytes, the most this route takes.")
            if piece:
                yield piece
            if not message.get("more_body", False):
                return


async def unpacked(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same bytes, decompressed if they begin as gzip does."""
    held, size = b"", 0
    decoder = None
    async for piece in pieces:
        held += piece
        if len(held) < 2:
            continue
        if decoder is None and size == 0 and held[:2] == b"\x1f\x8b":
            decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while held:
            try:
                plain = held if decoder is None else decoder.decompress(held, MIB)
            except zlib.error as error:
                raise InvalidRequest(f"The body is no valid gzip: {error}.") from None
            held = b"" if decoder is None or decoder.eof else decoder.unconsumed_tail
            size += len(plain)
            if size > _LARGEST_UNPACKED:
                raise TooLarge(f"The body unpacks to more than {_LARGEST_UNPACKED} bytes.")
            if plain:
                yield plain
            elif decoder is not None:
                break
    if rest := held if decoder is None else decoder.flush():
        yield rest
    if decoder is not None and not decoder.eof:
        raise InvalidRequest("The gzip body breaks off before its end.")


def _command(body: ExecBody) -> Command:
    if (body.command is None) == (body.argv is None):
        raise InvalidRequest("Give `command`, a line for the shell, or `argv`, a list; exactly one.", field="command")
    argv = ("/bin/sh", "-c", body.command) if body.command is not None else tuple(body.argv or ())
    if not argv or not argv[0]:
        raise InvalidRequest("`argv` is empty; its first entry is the program.", field="argv")
    if any("\0" in word for word in argv):
        raise InvalidRequest("A NUL character cannot be part of a command.", field="command")
    return Command(
        argv,
        cwd=body.cwd,
        env=body.env,
        stdin=body.stdin.encode(),
        timeout_seconds=body.timeout_seconds,
        output_bytes=body.output_bytes,
    )


async def _events(first: Frame, frames: AsyncGenerator[Frame, None], encoding: str) -> AsyncGenerator[bytes, None]:
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


async def _gathered(frames: AsyncGenerator[Frame, None], encoding: str) -> dict[str, object]:
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
