"""POST /api/v1/sessions/{session_id}/messages: a whole turn, answered at once or as server-sent events."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

import msgspec
import orjson

from glia.identity.service import Answer, IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.errors import Forbidden, GliaError, InvalidRequest
from glia.runs.service import Said, Watcher
from glia.runs.types import Accepted
from glia.surfaces.neuronagent.auth import is_read_only
from glia.surfaces.neuronagent.messages import LONGEST_CONTENT
from glia.surfaces.neuronagent.sessions import LARGEST_METADATA_BYTES
from glia.surfaces.neuronagent.turns import Frame, Turn, finish, frames
from glia.surfaces.neuronagent.words import check_size, message_id, uuid_in
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, convert, ignored_header, send_json
from glia.surfaces.shared.idempotency import REPLAYED, claimed
from glia.surfaces.shared.json_body import Fields, read_json, read_object
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

_ROLES = ("user", "system", "assistant")


class MessageBody(msgspec.Struct):
    content: str
    role: str = "user"
    stream: bool = False
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class Sending:
    """Messages that are sent, over HTTP and over sockets."""

    house: House
    answers: IdempotentAnswers
    is_strict: bool

    async def send_message(self, request: Request, send: Send, session_id: str) -> None:
        principal = request.principal
        if is_read_only(principal):
            raise Forbidden("This key has the role `read-only`; it may only look. Use one with the role `user`.")
        raw = await read_json(request)
        body, headers = self._read(raw)
        session = uuid_in(session_id, "session_id")
        with self.house.runs.watch(session, previews=body.stream) as watcher:
            accepted, is_replayed = await self._accept_once(request, session, raw, body)
            if is_replayed:
                headers.append(REPLAYED)
            if body.stream:
                events = self._events(principal, Turn(accepted), None if is_replayed else watcher)
                await sse.stream(request.receive, send, events, headers)
            else:
                turn = await finish(self.house.runs, principal, accepted, None if is_replayed else watcher)
                status = 202 if turn.status == "waiting" else 201
                await send_json(send, status, await self.answer(principal, turn), headers)

    async def answer(self, principal: Principal, turn: Turn) -> dict[str, Any]:
        """The union of all that clients expect of an answer."""
        accepted = turn.accepted
        session = await self.house.sessions.get(principal, accepted.session_id)
        number = await self.house.messages.number_of(principal, accepted.session_id)
        metadata: dict[str, Any] = {"tool_calls": turn.tool_calls, "tokens_used": turn.tokens_used}
        if turn.status != "completed":
            metadata |= {"status": turn.status, "waiting_for": turn.waiting_for}
        return {
            "id": message_id(number, turn.seq),
            "session_id": str(accepted.session_id),
            "agent_id": str(session.agent_id),
            "run_id": str(accepted.run_id),
            "role": "assistant",
            "content": turn.content,
            "response": turn.content,
            "tool_name": None,
            "tool_call_id": None,
            "token_count": turn.output_tokens,
            "tokens_used": turn.tokens_used,
            "tool_calls": turn.tool_calls,
            "tool_results": turn.tool_results,
            "citations": turn.citations,
            "metadata": metadata,
            "status": turn.status,
            "created_at": wire_time(turn.at),
        }

    def _read(self, raw: bytes) -> tuple[MessageBody, list[tuple[bytes, bytes]]]:
        given = read_object(raw)
        optional = {name: value for name, value in given.items() if name == "content" or value is not None}
        body, ignored = convert(optional, MessageBody)
        Fields(self.is_strict).ignore(ignored)
        check_content(body.content)
        if body.role not in _ROLES:
            raise InvalidRequest(f"`role` {body.role[:50]!r} is none of {', '.join(_ROLES)}.", field="role")
        check_size(body.metadata, "metadata", LARGEST_METADATA_BYTES)
        return body, ignored_header(ignored)

    async def _accept_once(
        self, request: Request, session_id: UUID, raw: bytes, body: MessageBody
    ) -> tuple[Accepted, bool]:
        """The run for this message. A repeat under the same Idempotency-Key gets the run that the first try began."""
        principal = request.principal
        claim = await claimed(self.answers, request, raw)
        if claim is not None and claim.answer is not None:
            kept = msgspec.json.decode(claim.answer.body, type=Accepted)
            await self.house.runs.events(principal, session_id, after=0, limit=1)  # the session may be gone
            return kept, True
        key = None
        if claim is not None:  # the day keeps a key that is used again later from naming an old run
            named = f"{claim.route}\n{claim.key}\n{claim.at:%Y-%m-%d}\n".encode() + raw
            key = f"message:{hashlib.sha256(named).hexdigest()}"
        try:
            accepted = await self.accept(principal, session_id, body, dedupe_key=key)
        except BaseException:
            if claim is not None:
                await self.answers.release(principal, claim)
            raise
        if claim is not None:
            await self.answers.keep(principal, claim, Answer(202, {}, msgspec.json.encode(accepted)))
        await join_trace(self.house.traces, request, accepted)
        return accepted, accepted.outcome == "known"

    async def accept(
        self, principal: Principal, session_id: UUID, body: MessageBody, *, dedupe_key: str | None = None
    ) -> Accepted:
        """A message to a session that is at work waits for its turn."""
        role = cast(Literal["user", "system", "assistant"], body.role)
        said = [Said(role, body.content, body.metadata)]
        return await self.house.runs.accept(principal, session_id, said, when_busy="queue", dedupe_key=dedupe_key)

    async def _events(self, principal: Principal, turn: Turn, watcher: Watcher | None) -> AsyncGenerator[bytes, None]:
        """`chunk`, `tool_calls`, `tool_results`, then `done`, or `error` before it when the run failed."""
        async for frame in frames(self.house.runs, principal, turn, watcher):
            if frame.kind == "end":
                yield self._last(turn, frame)
            else:
                yield _event(frame)

    def _last(self, turn: Turn, frame: Frame) -> bytes:
        failed = b""
        try:
            turn.raise_if_failed()
        except GliaError as error:
            failed = sse.event(orjson.dumps({"error": error.message}), name="error")
        done = {
            "tokens_used": turn.tokens_used,
            "tool_calls": turn.tool_calls,
            "tool_results": turn.tool_results,
            "citations": turn.citations,
            "status": "failed" if failed else turn.status,
            "run_id": str(turn.accepted.run_id),
        }
        return failed + sse.event(orjson.dumps(done), name="done", id=frame.seq)


def check_content(content: str) -> None:
    if not content.strip() or len(content) > LONGEST_CONTENT:
        raise InvalidRequest(
            f"`content` has {len(content)} characters; it must have between 1 and {LONGEST_CONTENT} and not be empty.",
            field="content",
        )


def _event(frame: Frame) -> bytes:
    match frame.kind:
        case "chunk":
            return sse.event(orjson.dumps({"content": frame.text}), name="chunk", id=frame.seq)
        case "tool_calls" | "tool_results":
            data = {"data": orjson.dumps(frame.things).decode()}
            return sse.event(orjson.dumps(data), name=frame.kind, id=frame.seq)
        case _:
            return sse.HEARTBEAT
