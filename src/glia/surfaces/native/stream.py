"""Sending a message and following a session: the routes that carry every conversation, on bare ASGI."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

import msgspec

from glia.identity.service import Answer, Claim, IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.errors import GliaError, InvalidRequest, Unavailable
from glia.kit.ids import parse_id
from glia.runs.events import Event, Preview, RunCancelled, RunCompleted, RunFailed, RunWaiting, TextDelta, encode
from glia.runs.service import Runs, Said, Signal, Watcher
from glia.runs.types import Accepted, WhenBusy
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, convert, ignored_header, int_parameter, send_json
from glia.surfaces.shared.idempotency import REPLAYED, claimed
from glia.surfaces.shared.json_body import Fields, read_json, read_object
from glia.surfaces.shared.tracing import join_trace

if TYPE_CHECKING:
    from glia.traces.service import Traces

_LONGEST_WAIT_SECONDS = 3600.0
_READ_AT_ONCE = 500


class MessageBody(msgspec.Struct):
    """The body of POST /v1/sessions/{id}/messages.

    stream: answer with server-sent events. previews: with `stream`, also text that is not stored yet, without an id.
    background: answer at once with the run's id. when_busy: what becomes of the message while another run works on the
    session: refuse, queue, interrupt or steer.
    """

    content: str
    stream: bool = False
    background: bool = False
    previews: bool = False
    when_busy: str = "refuse"


class RunEndedBadly(GliaError):
    """A run that failed, shown as the error that ended it."""

    def __init__(self, failed: RunFailed, run_id: UUID) -> None:
        super().__init__(failed.error.message, run_id=str(run_id))
        self.code = failed.error.code
        self.status = _STATUS_OF.get(failed.error.code, 502 if failed.error.code.startswith("model") else 500)


_STATUS_OF = {
    "limit_reached": 422,
    "upstream_failed": 502,
    "context_too_long": 502,
    "model_not_found": 404,
    "not_found": 404,
    "invalid_request": 400,
    "payment_required": 402,
    "unavailable": 503,
}


@dataclass(frozen=True)
class Follower:
    """Who follows a run. watcher: entered before the run was accepted, so that its log need not be read."""

    runs: Runs
    principal: Principal
    watcher: Watcher | None = None


@dataclass(frozen=True)
class Conversation:
    """The routes that carry conversations, with what they need."""

    runs: Runs
    answers: IdempotentAnswers
    is_strict: bool = False
    traces: Traces | None = None

    async def send_message(self, request: Request, send: Send, session: str) -> None:
        """POST /v1/sessions/{id}/messages"""
        session_id = parse_id(session, "session")
        raw = await read_json(request)
        body, headers = self._read(raw)
        with self.runs.watch(session_id, previews=body.previews) as watcher:
            accepted, is_replayed = await self._accept_once(request, session_id, raw, body)
            if is_replayed:
                headers.append(REPLAYED)
            follower = Follower(self.runs, request.principal, None if is_replayed else watcher)
            if body.background:
                await send_json(send, 202, _accepted_json(accepted), headers)
            elif body.stream:
                chunks = run_chunks(follower, accepted, previews=body.previews)
                await sse.stream(request.receive, send, chunks, headers)
            else:
                status, message = await finished_message(follower, accepted)
                await send_json(send, status, message, headers)

    def _read(self, raw: bytes) -> tuple[MessageBody, list[tuple[bytes, bytes]]]:
        given = read_object(raw)
        optional = {name: value for name, value in given.items() if name == "content" or value is not None}
        body, ignored = convert(optional, MessageBody)
        Fields(self.is_strict).ignore(ignored)
        if body.stream and body.background:
            raise InvalidRequest(
                "`stream` and `background` exclude each other; to stream a background run, follow the session's"
                " events.",
                field="background",
            )
        return body, ignored_header(ignored)

    async def _accept_once(
        self, request: Request, session_id: UUID, raw: bytes, body: MessageBody
    ) -> tuple[Accepted, bool]:
        """The run for this message. A repeat under the same Idempotency-Key gets the run that the first try began."""
        principal = request.principal
        claim = await claimed(self.answers, request, raw)
        if claim is not None and claim.answer is not None:
            kept = msgspec.json.decode(claim.answer.body, type=Accepted)
            await self.runs.events(principal, session_id, after=0, limit=1)  # the session may be gone
            return kept, True
        try:
            said = [Said("user", body.content)]
            when_busy = cast(WhenBusy, body.when_busy)
            accepted = await self.runs.accept(
                principal,
                session_id,
                said,
                is_background=body.background,
                when_busy=when_busy,
                dedupe_key=None if claim is None else _dedupe_key(claim, raw),
            )
        except BaseException:
            if claim is not None:
                await self.answers.release(principal, claim)
            raise
        if claim is not None:
            await self.answers.keep(principal, claim, Answer(202, {}, msgspec.json.encode(accepted)))
        await join_trace(self.traces, request, accepted)
        return accepted, accepted.outcome == "known"

    async def follow_session(self, request: Request, send: Send, session: str) -> None:
        """GET /v1/sessions/{id}/events/stream: everything after `Last-Event-ID` or `?after=`, then what comes."""
        session_id = parse_id(session, "session")
        query = dict(request.query)
        if last := request.headers.get("last-event-id"):
            query["after"] = last
        after = int_parameter(query, "after", 0, smallest=0, largest=2**62)
        previews = query.get("previews", "").lower() in {"1", "true"}
        with self.runs.watch(session_id, previews=previews) as watcher:
            # Refuses before the stream begins.
            stored = await self.runs.events(request.principal, session_id, after=after, limit=_READ_AT_ONCE)
            if len(stored) == _READ_AT_ONCE:
                watcher.put(Signal.BEHIND)
            follower = Follower(self.runs, request.principal, watcher)
            await sse.stream(request.receive, send, session_chunks(follower, session_id, after, stored))


def _accepted_json(accepted: Accepted) -> dict[str, object]:
    return {
        "run_id": str(accepted.run_id),
        "session_id": str(accepted.session_id),
        "status": "running" if accepted.outcome == "steered" else "queued",
        "outcome": accepted.outcome,
        "after": accepted.after,
    }


async def session_chunks(
    follower: Follower, session_id: UUID, after: int, stored: list[Event]
) -> AsyncGenerator[bytes, None]:
    """stored: what the log holds above `after`, read when the follower watched already."""
    yield b"retry: 1000\n\n"
    for event in stored:
        after = event.seq
        yield chunk_of(event)
    stored.clear()  # a stream may be open for days
    async for item in follower.runs.follow(follower.principal, session_id, after=after, watcher=follower.watcher):
        yield chunk_of(item)


async def run_chunks(follower: Follower, accepted: Accepted, *, previews: bool) -> AsyncGenerator[bytes, None]:
    """The run's events until its last one."""
    items = follower.runs.follow(
        follower.principal, accepted.session_id, after=accepted.after, previews=previews, watcher=follower.watcher
    )
    async for item in items:
        yield chunk_of(item)
        if isinstance(item, Event) and item.is_final and item.run_id == accepted.run_id:
            return


def _dedupe_key(claim: Claim, raw: bytes) -> str:
    """Stored with the run itself: a process may die after it stored the run and before it kept the answer.

    The day keeps a key that is used again later from naming an old run.
    """
    named = f"{claim.route}\n{claim.key}\n{claim.at:%Y-%m-%d}\n".encode() + raw
    return f"message:{hashlib.sha256(named).hexdigest()}"


async def finished_message(follower: Follower, accepted: Accepted) -> tuple[int, dict[str, object]]:
    """Waits for the run and shows its answer, or, with status 202, that it waits for a person or a budget.

    Raises RunEndedBadly when it failed.
    """
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            last = await follower.runs.outcome(follower.principal, accepted, follower.watcher, or_need=True)
    except TimeoutError:
        raise Unavailable(
            f"The run {accepted.run_id} is still going on after an hour; follow the session's events.",
            run_id=str(accepted.run_id),
        ) from None
    common: dict[str, object] = {
        "role": "assistant",
        "session_id": str(accepted.session_id),
        "run_id": str(accepted.run_id),
        "created_at": wire_time(last.at),
    }
    match last.payload:
        case RunCompleted(message=message, usage=usage, cost_micros=cost) if message is not None:
            return 200, {
                "id": message.id,
                **common,
                "content": message.content,
                "citations": msgspec.to_builtins(message.citations),
                "status": "completed",
                "usage": msgspec.to_builtins(usage),
                "cost_micros": cost,
            }
        case RunCancelled(text=text):
            return 200, {"id": None, **common, "content": text, "citations": [], "status": "cancelled"}
        case RunWaiting(waiting_for=waiting_for):
            waiting = {"status": "waiting", "waiting_for": waiting_for, "after": last.seq}
            return 202, {"id": None, **common, "content": "", "citations": [], **waiting}
        case RunFailed() as failed:
            raise RunEndedBadly(failed, accepted.run_id)
        case _:
            raise GliaError(f"The run {accepted.run_id} ended without a message.")


def chunk_of(item: Event | Preview | None) -> bytes:
    match item:
        case Event():
            return sse.event(event_json(item), name=item.type, id=item.seq)
        case Preview():
            return sse.event(_preview_json(item), name=_preview_name(item))
        case None:
            return sse.HEARTBEAT


def event_json(event: Event) -> bytes:
    """`{seq, type, at, run_id, data}`, with the data as it is stored."""
    run_id = f'"{event.run_id}"' if event.run_id is not None else "null"
    return (
        f'{{"seq":{event.seq},"type":"{event.type}","at":"{wire_time(event.at)}",'
        f'"run_id":{run_id},"data":{event.data}}}'
    ).encode()


def events_json(events: Sequence[Event]) -> bytes:
    return b"[" + b",".join(event_json(event) for event in events) + b"]"


def _preview_name(preview: Preview) -> str:
    return "text.preview" if isinstance(preview.delta, TextDelta) else "thinking.preview"


def _preview_json(preview: Preview) -> bytes:
    return (
        f'{{"type":"{_preview_name(preview)}","run_id":"{preview.run_id}","data":{encode(preview.delta)}}}'
    ).encode()
