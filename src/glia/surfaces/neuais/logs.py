"""GET /v1/agents/{id}/logs: what an agent's replicas wrote, and, with `follow`, what they write."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query
from fastapi.requests import Request
from fastapi.responses import JSONResponse, Response
from pydantic import WithJsonSchema

from glia.deployments.service import MOST_LINES, Deployments
from glia.deployments.types import LEVELS, LogLine
from glia.identity.types import Principal
from glia.kit.clock import wire_time
from glia.kit.errors import InvalidRequest, Unauthorized
from glia.surfaces.neuais.agents import reference_of
from glia.surfaces.neuais.pages import TellingRoute
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Receive, Scope, Send
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, number_of
from glia.surfaces.shared.durations import ago

router = APIRouter(prefix="/v1/agents", tags=["logs"], route_class=TellingRoute)

DEFAULT_TAIL: Final = 100
_LARGEST_ID: Final = 2**62
_RECHECK_SECONDS: Final = 1.0
_QUIET_PAGES: Final = 60
"""Pages without a line before a comment shows that the stream lives: 12 seconds."""


class LineOut(Out):
    """id: for `Last-Event-ID` and `after`. level: debug, info, warn or error. replica: which of the copies wrote it."""

    id: int
    timestamp: Time
    level: str
    message: str
    replica: UUID


class LogsOut(Out):
    logs: list[LineOut]


@dataclass(frozen=True)
class Wanted:
    """Which lines: the last `tail` of this level and above, that are not older than `since`. after: follow from here,
    and no tail."""

    tail: int = DEFAULT_TAIL
    since: datetime | None = None
    level: str = LEVELS[0]
    after: int | None = None


def wanted_of(query: Mapping[str, str | None]) -> Wanted:
    """From texts, as a query has them. Raises InvalidRequest, which names what is wrong."""
    level, after = query.get("level"), query.get("after")
    if level is not None and level not in LEVELS:
        reason = f"must be one of {', '.join(LEVELS)}"
        raise InvalidRequest(f"`level` {level[:100]!r} {reason}.", field="level", reason=reason)
    return Wanted(
        tail=number_of(query.get("tail"), "tail", DEFAULT_TAIL, smallest=0, largest=MOST_LINES),
        since=since_of(query.get("since")),
        level=LEVELS[0] if level is None else level,
        after=None if after is None else number_of(after, "after", 0, smallest=0, largest=_LARGEST_ID),
    )


def since_of(text: str | None) -> datetime | None:
    """`1h`, `30m`, `15s`, `1h30m`, or a moment in ISO 8601. Raises InvalidRequest."""
    if text is None:
        return None
    if (moment := ago(text)) is not None:
        return moment
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        reason = "must be a duration such as 1h, 30m or 15s, or a time such as 2024-01-15T10:00:00Z"
        raise InvalidRequest(f"`since` {text[:100]!r} {reason}.", field="since", reason=reason) from None


def line_json(line: LogLine) -> dict[str, Any]:
    """What streams say of a line; its id stands beside it."""
    return {
        "timestamp": wire_time(line.at),
        "level": line.level,
        "message": line.message,
        "replica": str(line.replica_id),
    }


async def last_lines(
    deployments: Deployments, principal: Principal, reference: str, wanted: Wanted
) -> Sequence[LogLine]:
    if wanted.tail == 0:
        await deployments.get(principal, reference)
        return []
    return await deployments.logs(principal, reference, tail=wanted.tail, since=wanted.since, level=wanted.level)


async def follow(
    deployments: Deployments, principal: Principal, reference: str, wanted: Wanted
) -> AsyncGenerator[Sequence[LogLine]]:
    """The tail, then lines as they come, also an empty page now and then; ends when the agent is deleted.

    No line is left out and none comes twice: what follows begins behind the last line of the tail.
    """
    after = wanted.after
    if after is None:
        tail = await last_lines(deployments, principal, reference, wanted)
        yield tail
        if wanted.tail > 0:
            after = tail[-1].id if tail else 0
    pages = deployments.follow(principal, reference, after=after, level=wanted.level)
    async with aclosing(pages):
        async for lines in pages:
            since = wanted.since
            yield lines if since is None else [line for line in lines if line.at >= since]


async def while_admitted(
    pages: AsyncGenerator[Sequence[LogLine]], admit: Callable[[], Awaitable[object]]
) -> AsyncGenerator[Sequence[LogLine]]:
    """The pages, until the credential is revoked or has expired. admit: raises Unauthorized then."""
    checked_at = time.monotonic()
    async with aclosing(pages):
        async for lines in pages:
            if time.monotonic() - checked_at > _RECHECK_SECONDS:
                checked_at = time.monotonic()
                try:
                    await admit()
                except Unauthorized:
                    return
            yield lines


class Followed(Response):
    """Server-sent events, one for each line."""

    media_type = "text/event-stream"

    def __init__(self, first: Sequence[LogLine], pages: AsyncGenerator[Sequence[LogLine]]) -> None:
        super().__init__()
        self._first = first
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await sse.stream(receive, send, _events(self._first, self._pages))


async def _events(first: Sequence[LogLine], pages: AsyncGenerator[Sequence[LogLine]]) -> AsyncGenerator[bytes]:
    """With a comment when nothing has come for some time."""
    async with aclosing(pages):
        yield sse.HEARTBEAT
        if first:
            yield b"".join(map(_event, first))
        quiet = 0
        async for lines in pages:
            quiet = 0 if lines else quiet + 1
            if lines:
                yield b"".join(map(_event, lines))
            elif quiet % _QUIET_PAGES == 0:
                yield sse.HEARTBEAT


def _event(line: LogLine) -> bytes:
    return sse.event(orjson.dumps(line_json(line)), id=line.id)


def _flag(text: str | None, name: str) -> bool:
    match (text or "false").lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case _:
            reason = "must be true or false"
            raise InvalidRequest(f"`{name}` {(text or '')[:100]!r} {reason}.", field=name, reason=reason)


@router.get(
    "/{id}/logs",
    response_model=LogsOut,
    responses={200: {"description": "The lines.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def logs(
    id: str,
    request: Request,
    house: TheHouse,
    principal: ThePrincipal,
    tail: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_LINES, "default": DEFAULT_TAIL}),
        Query(description="How many lines, the last ones."),
    ] = None,
    since: Annotated[str | None, Query(description="`1h`, `30m`, `15s`, or a time; only lines since then.")] = None,
    level: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "enum": list(LEVELS)}),
        Query(description="Only lines of this level and above."),
    ] = None,
    follow_text: Annotated[
        str | None,
        WithJsonSchema({"type": "boolean", "default": False}),
        Query(alias="follow", description="Stream the lines, and those that come, as server-sent events."),
    ] = None,
    after: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 0}),
        Query(description="With `follow`: only lines behind this id; there is no tail then."),
    ] = None,
    last_event_id: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 0}),
        Header(description="As `after`, and before it."),
    ] = None,
) -> Response:
    """The last lines that an agent's replicas wrote, oldest first.

    With `follow=true` they come as server-sent events, and new lines as they are written:
    `data: {timestamp, level, message, replica}`, with an `id` to go on from.
    """
    is_followed = _flag(follow_text, "follow")
    if not is_followed and after is not None:
        raise InvalidRequest("`after` needs follow=true.", field="after", reason="needs follow=true")
    asked = {"tail": tail, "since": since, "level": level, "after": last_event_id or after}
    wanted = wanted_of(asked if is_followed else {**asked, "after": None})
    if not is_followed:
        lines = await last_lines(house.deployments, principal, reference_of(id), wanted)
        return JSONResponse({"logs": [{"id": line.id, **line_json(line)} for line in lines]})
    headers = request.headers
    admit = partial(house.identity.authenticate, headers.get("authorization"), headers.get("x-api-key"))
    pages = while_admitted(follow(house.deployments, principal, reference_of(id), wanted), admit)
    return Followed(await anext(pages, ()), pages)  # refuses before the stream begins
