"""Commands in sandboxes, and uploads into them, on bare ASGI: they stream, in one direction or the other."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import msgspec

from glia.identity.service import IdempotentAnswers
from glia.kit.errors import InvalidRequest, TooLarge
from glia.kit.ids import parse_id
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.types import MIB, Command
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, convert, ignored_header, send_json
from glia.surfaces.shared.frames import command_events, gathered
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import Fields, read_json, read_object

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
            return await sse.stream(request.receive, send, command_events(first, frames, body.encoding), headers)

        async def answer(send: Send) -> None:
            async with aclosing(self.sandboxes.exec(request.principal, id, command)) as frames:
                await send_json(send, 200, await gathered(frames, body.encoding), headers)

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
