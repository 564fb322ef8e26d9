"""Commands and uploads of resources, on bare ASGI: they stream, in one direction or the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, cast

import msgspec

from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, TooLarge
from glia.sandboxes.records import CodeRun, Language, SandboxRecord
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.types import MIB, Command, Exited
from glia.surfaces.neuralhub.resources import sandbox_id
from glia.surfaces.neuralhub.scopes import require
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, convert, ignored_header, send_json
from glia.surfaces.shared.frames import command_events, gathered
from glia.surfaces.shared.idempotency import answer_once, key_of
from glia.surfaces.shared.json_body import Fields, read_json, read_object

_PROGRAMS: Final[dict[Language, tuple[str, ...]]] = {
    "python": ("python3", "-u", "-c"),
    "javascript": ("node", "-e"),
    "shell": ("/bin/sh", "-c"),
}


class ExecBody(msgspec.Struct):
    """cmd: a line for the shell. code: in the template's language, or in `language`; exactly one of the two.

    Code keeps its variables from one call to the next, unless it is streamed: then it is a program of its own.
    timeout: seconds.
    """

    cmd: str | None = None
    code: str | None = None
    language: Language | None = None
    timeout: float = 60.0
    stream: bool = False


@dataclass(frozen=True)
class ResourceIo:
    """largest_bytes: of one upload."""

    sandboxes: Sandboxes
    answers: IdempotentAnswers
    largest_bytes: int
    is_strict: bool = False

    async def exec(self, request: Request, send: Send, resource: str) -> None:
        """POST /v1/resources/{id}/exec"""
        principal = require(request.principal, "resources:write", "sandboxes:read")
        id = sandbox_id(resource)
        raw = await read_json(request)
        given = {name: value for name, value in read_object(raw).items() if value is not None}
        body, ignored = convert(given, ExecBody)
        Fields(self.is_strict).ignore(ignored)
        if (body.cmd is None) == (body.code is None):
            raise InvalidRequest("Give `cmd`, a line for the shell, or `code`; exactly one of the two.", field="cmd")
        record = await self.sandboxes.get(principal, id)
        headers = ignored_header(ignored)
        if body.stream:
            if key_of(request) is not None:
                raise InvalidRequest("`Idempotency-Key` cannot be kept for a stream; leave one of the two away.")
            frames = self.sandboxes.exec(principal, id, _command(body, record))
            first = await anext(frames)  # refuses before the stream begins
            return await sse.stream(request.receive, send, command_events(first, frames, "utf-8"), headers)

        async def answer(send: Send) -> None:
            await send_json(send, 200, await self._done(principal, record, body), headers)

        return await answer_once(self.answers, request, raw, send, answer)

    async def _done(self, principal: Principal, record: SandboxRecord, body: ExecBody) -> dict[str, object]:
        if body.code is not None:
            language = _language(body, record)
            ran = await self.sandboxes.code.run(principal, record.id, language, body.code, timeout_seconds=body.timeout)
            return _code_json(ran)
        async with aclosing(self.sandboxes.exec(principal, record.id, _command(body, record))) as frames:
            return _command_json(await gathered(frames, "utf-8"))

    async def put_file(self, request: Request, send: Send, resource: str, path: str) -> None:
        """PUT /v1/resources/{id}/files/{path}"""
        principal = require(request.principal, "resources:write", "sandboxes:read")
        id = sandbox_id(resource)
        await self.sandboxes.require(principal, id)
        if int(request.headers.get("content-length") or 0) > self.largest_bytes:
            raise self._too_large()
        size = await self.sandboxes.files.write(principal, id, path, self._pieces(request))
        await send_json(send, 200, {"path": path, "size": size})

    async def _pieces(self, request: Request) -> AsyncGenerator[bytes]:
        size = 0
        while True:
            message = await request.piece()
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > self.largest_bytes:
                raise self._too_large()
            if piece:
                yield piece
            if not message.get("more_body", False):
                return

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self.largest_bytes} bytes, the most this route takes.")


def _language(body: ExecBody, record: SandboxRecord) -> Language:
    if body.language is not None:
        return body.language
    return "javascript" if record.template == "nodejs" else "shell" if record.template == "shell" else "python"


def _command(body: ExecBody, record: SandboxRecord) -> Command:
    argv = (*_PROGRAMS[_language(body, record)], body.code) if body.code else ("/bin/sh", "-c", body.cmd or "")
    if any("\0" in word for word in argv):
        raise InvalidRequest("A NUL character cannot be part of a command.", field="cmd")
    return Command(argv, timeout_seconds=body.timeout, output_bytes=MIB)


def _command_json(done: dict[str, object]) -> dict[str, object]:
    exited = cast(Exited, done["exit"])
    return {
        "stdout": done["stdout"],
        "stderr": done["stderr"],
        "exit_code": exited.code,
        "signal": exited.signal,
        "result": None,
        "error": None,
        "timed_out": exited.timed_out,
        "out_of_memory": exited.oom,
        "truncated": exited.truncated,
        "duration": exited.wall_seconds,
    }


def _code_json(ran: CodeRun) -> dict[str, object]:
    """exit_code: 0 and 1 where the language has none of its own, as a program that ends or raises has them."""
    code = ran.exit_code
    if code is None and ran.status in {"ok", "error"}:
        code = 0 if ran.status == "ok" else 1
    return {
        "stdout": ran.stdout,
        "stderr": ran.stderr,
        "exit_code": code,
        "signal": None,
        "result": ran.value or None,
        "error": ran.error or None,
        "timed_out": ran.status == "timeout",
        "out_of_memory": ran.is_oom,
        "truncated": ran.is_truncated,
        "duration": ran.seconds,
    }
