"""Sending a message and following a session: the routes that carry every conversation, on bare ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import msgspec

from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.errors import GliaError, InvalidRequest, Unavailable
from glia.kit.ids import parse_id
from glia.runs.events import Event, Preview, RunCancelled, RunCompleted, RunFailed, TextDelta, encode
from glia.runs.service import Runs, Said
from glia.runs.types import Accepted
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, decode, ignored_header, int_parameter, send_json

_LONGEST_WAIT_SECONDS = 3600.0


class MessageBody(msgspec.Struct):
    """The body of POST /v1/sessions/{id}/messages.

    stream: answer with server-sent events. previews: with `stream`, also text that is not stored yet, without an id.
    background: answer at once with the run's id.
    """

    content: str
    stream: bool = False
    background: bool = False
    previews: bool = False


class RunEndedBadly(GliaError):
    """A run that failed, shown as the error that ended it."""

    def __init__(self, failed: RunFailed, run_id: UUID) -> None:
        super().__init__(failed.error.message, run_id=str(run_id))
        self.code = failed.error.code
        self.status = _STATUS_OF.get(failed.error.code, 502 if failed.error.code.startswith("model") else 500)


_STATUS_OF = {
    "limit_reached": 422,
    "upstream_failed": 502,
    "model_not_found": 404,
    "invalid_request": 400,
    "payment_required": 402,
    "unavailable": 503,
}


async def send_message(runs: Runs, request: Request, send: Send, session: str, *, is_strict: bool) -> None:
    session_id = parse_id(session, "session")
    body, ignored = decode(await request.body(), MessageBody)
    if ignored and is_strict:
        raise InvalidRequest(f"`{ignored[0]}` is not a field of a message.", field=ignored[0])
    if body.stream and body.background:
        raise InvalidRequest(
            "`stream` and `background` exclude each other; to stream a background run, follow the session's events.",
            field="background",
        )
    principal = request.principal
    accepted = await runs.accept(principal, session_id, [Said("user", body.content)], is_background=body.background)
    headers = ignored_header(ignored)
    if body.background:
        content = {"run_id": str(accepted.run_id), "session_id": session, "status": "queued", "after": accepted.after}
        await send_json(send, 202, content, headers)
    elif body.stream:
        chunks = run_chunks(runs, principal, accepted, previews=body.previews)
        await sse.stream(request.receive, send, chunks, headers)
    else:
        await send_json(send, 200, await finished_message(runs, principal, accepted), headers)


async def follow_session(runs: Runs, request: Request, send: Send, session: str) -> None:
    """GET /v1/sessions/{id}/events/stream: everything after `Last-Event-ID` or `?after=`, then what comes."""
    session_id = parse_id(session, "session")
    query = dict(request.query)
    if "last-event-id" in request.headers:
        query["after"] = request.headers["last-event-id"]
    after = int_parameter(query, "after", 0, smallest=0, largest=2**62)
    previews = query.get("previews", "").lower() in {"1", "true"}
    await runs.events(request.principal, session_id, after=after, limit=1)  # refuses before the stream begins
    await sse.stream(request.receive, send, session_chunks(runs, request.principal, session_id, after, previews))


async def session_chunks(
    runs: Runs, principal: Principal, session_id: UUID, after: int, previews: bool
) -> AsyncGenerator[bytes, None]:
    yield b"retry: 1000\n\n"
    async for item in runs.follow(principal, session_id, after=after, previews=previews):
        yield chunk_of(item)


async def run_chunks(
    runs: Runs, principal: Principal, accepted: Accepted, *, previews: bool
) -> AsyncGenerator[bytes, None]:
    """The run's events until its last one."""
    async for item in runs.follow(principal, accepted.session_id, after=accepted.after, previews=previews):
        yield chunk_of(item)
        if isinstance(item, Event) and item.is_final and item.run_id == accepted.run_id:
            return


async def finished_message(runs: Runs, principal: Principal, accepted: Accepted) -> dict[str, object]:
    """Waits for the run and shows its answer. Raises RunEndedBadly when it failed."""
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            last = await runs.outcome(principal, accepted)
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
            return {
                "id": message.id,
                **common,
                "content": message.content,
                "citations": msgspec.to_builtins(message.citations),
                "status": "completed",
                "usage": msgspec.to_builtins(usage),
                "cost_micros": cost,
            }
        case RunCancelled(text=text):
            return {"id": None, **common, "content": text, "citations": [], "status": "cancelled"}
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
