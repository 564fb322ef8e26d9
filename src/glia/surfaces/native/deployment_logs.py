"""/v1/deployments/{deployment}/logs: the lines that its programs write, the last ones or as they come."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import WithJsonSchema

from glia.deployments.service import MOST_LINES, Deployments
from glia.deployments.types import (
    LEVELS,
    LogLine,
)
from glia.kit.clock import wire_time
from glia.kit.errors import InvalidRequest
from glia.surfaces.native.times import moment_of
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, int_parameter
from glia.surfaces.shared.bodies import (
    Out,
    TheHouse,
    ThePrincipal,
    Time,
    WatchedRoute,
    number_of,
)
from glia.surfaces.shared.durations import ago

router = APIRouter(prefix="/v1/deployments", tags=["deployments"], route_class=WatchedRoute)
_HEARTBEAT_EVERY = 70


class LineOut(Out):
    """id: for `Last-Event-ID` of the stream. level: debug, info, warn or error."""

    id: int
    at: Time
    level: str
    message: str
    replica_id: UUID


class LogsOut(Out):
    data: list[LineOut]


_LEVEL = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(LEVELS)}),
    Query(description="Only lines of this level and above."),
]


@router.get("/{deployment}/logs")
async def logs(
    deployment: str,
    house: TheHouse,
    principal: ThePrincipal,
    tail: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 10_000}),
        Query(description="How many lines, the last ones."),
    ] = None,
    since: Annotated[str | None, Query(description="`30m`, `1h`, `1h30m`, `2d`, or a time.")] = None,
    level: _LEVEL = None,
    text: Annotated[str | None, Query(description="Only lines that hold it, in any case.", max_length=200)] = None,
    replica_id: Annotated[UUID | None, Query(description="Only lines of this replica.")] = None,
) -> LogsOut:
    """The last lines that its programs wrote, oldest first."""
    if text is not None and "\0" in text:
        raise InvalidRequest("`text` has a zero byte.", field="text")
    found = await house.deployments.logs(
        principal,
        deployment,
        tail=number_of(tail, "tail", 100, largest=MOST_LINES),
        since=since_of(since),
        level="debug" if level is None else level,
        text=text or None,
        replica_id=replica_id,
    )
    return LogsOut(data=[LineOut.of(line) for line in found])


@router.get("/{deployment}/logs/stream")
async def follow(
    deployment: str,
    after: Annotated[
        str | None,
        WithJsonSchema({"type": "integer", "minimum": 0}),
        Query(description="Only lines after this id; `Last-Event-ID` wins. Without, only new ones."),
    ] = None,
    level: _LEVEL = None,
) -> Response:
    """Follow the lines as server-sent events, one line of JSON each."""
    raise NotImplementedError("LogStream answers before the framework is asked")


@dataclass(frozen=True)
class LogStream:
    """GET /v1/deployments/{deployment}/logs/stream"""

    deployments: Deployments

    async def follow(self, request: Request, send: Send, deployment: str) -> None:
        query = dict(request.query)
        if last := request.headers.get("last-event-id"):
            query["after"] = last
        after = int_parameter(query, "after", 0, smallest=0, largest=2**62) if "after" in query else None
        level = query.get("level", "debug")
        pages = self.deployments.follow(request.principal, deployment, after=after, level=level)
        first = await anext(pages, None)  # refuses before the stream begins
        await sse.stream(request.receive, send, _events(first, pages))


async def _events(first: Sequence[LogLine] | None, pages: AsyncGenerator[Sequence[LogLine]]) -> AsyncGenerator[bytes]:
    """With a comment when nothing has come for some time."""
    async with aclosing(pages):
        yield sse.HEARTBEAT
        quiet = 0
        for line in first or []:
            yield _event(line)
        if first is None:
            return
        async for lines in pages:
            quiet = 0 if lines else quiet + 1
            if lines:
                yield b"".join(map(_event, lines))
            elif quiet % _HEARTBEAT_EVERY == 0:
                yield sse.HEARTBEAT


def _event(line: LogLine) -> bytes:
    shown = {
        "id": line.id,
        "at": wire_time(line.at),
        "level": line.level,
        "message": line.message,
        "replica_id": line.replica_id,
    }
    return sse.event(orjson.dumps(shown), id=line.id)


def since_of(text: str | None) -> datetime | None:
    return None if text is None else ago(text) or moment_of(text, "since")
