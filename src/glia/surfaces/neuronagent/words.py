"""NeuronAgent's wire: errors, ids, times, parts of lists. Every resource uses these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Query
from pydantic import WithJsonSchema

from glia.kit.clock import now
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Page, Window, read_cursor
from glia.runs.messages import MOST_EVENTS_IN_SESSION
from glia.surfaces.shared.bodies import number_of

T = TypeVar("T")

USUAL_LIMIT = 50
LARGEST_OFFSET = 100_000

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "rate_limit_exceeded",
    500: "internal_error",
    501: "not_implemented",
    503: "service_unavailable",
    504: "gateway_timeout",
}

sent_request_id: ContextVar[str | None] = ContextVar("neuronagent_request_id", default=None)
"""The id that the client gave its request, if it did."""


def code_of(status: int) -> str:
    return _CODES.get(status) or ("server_error" if status >= 500 else "client_error")


def neuronagent_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {code, message, request_id, details}}`, and the same at the top for clients of older servers.

    details: what is known besides; `reason` is the failure in our own words, `field` the field at fault.
    """
    id = sent_request_id.get() or request_id
    details: dict[str, object] = {"reason": error.code, **error.details}
    if error.field is not None:
        details["field"] = error.field
    code = code_of(error.status)
    return {
        "error": {"code": code, "message": error.message, "request_id": id, "details": details},
        "message": error.message,
        "error_code": code,
        "request_id": id,
        "retryable": error.status == 429 or (error.status >= 500 and error.status != 501),
    }


ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error", "message", "error_code", "request_id", "retryable"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id", "details"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "description": "A whole sentence."},
                "request_id": {"type": "string"},
                "details": {"type": "object", "additionalProperties": True},
            },
        },
        "message": {"type": "string"},
        "error_code": {"type": "string"},
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
    },
}


@dataclass(frozen=True)
class Part:
    """Which part of a list is wanted."""

    limit: int = USUAL_LIMIT
    offset: int = 0

    def of(self, items: list[T]) -> list[T]:
        return items[self.offset : self.offset + self.limit]


# Text on the way in, so that every refusal is in our words; a number in the document.
LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}),
    Query(description=f"How many at most; 1 to {LARGEST_LIMIT}, {USUAL_LIMIT} when not given."),
]
OffsetText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST_OFFSET}),
    Query(description="How many to pass over."),
]


def part_of(limit: LimitText = None, offset: OffsetText = None) -> Part:
    return Part(
        number_of(limit, "limit", USUAL_LIMIT), number_of(offset, "offset", 0, smallest=0, largest=LARGEST_OFFSET)
    )


ThePart = Annotated[Part, Depends(part_of)]


async def part_from(
    pages: Callable[[Window], Awaitable[Page[T]]], part: Part, keep: Callable[[T], bool] = lambda _item: True
) -> list[T]:
    """A part of a list that the core gives in pages. keep: which items count; all when not given."""
    wanted, found = part.offset + part.limit, list[T]()
    after: UUID | None = None
    while len(found) < wanted:
        page = await pages(Window(LARGEST_LIMIT, after))
        found += [item for item in page.items if keep(item)]
        if not page.has_more:
            break
        after = read_cursor(page.next_cursor)
    return part.of(found)


def uuid_in(text: str, name: str = "id") -> UUID:
    """An id in a path, a query or a body. What is no UUID is a mistake of the request here, not a missing thing."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(f"`{name}` {text[:100]!r} is not an id; ids are UUIDs.", field=name) from None


def number_in(text: str, name: str = "id") -> int:
    """A whole number in a path, such as a message's id."""
    return number_of(text, name, 0, smallest=0, largest=2**63 - 1)


def message_id(number: int, seq: int) -> int:
    """The whole number that names a message: its session's number and its event's."""
    return number * MOST_EVENTS_IN_SESSION + seq


def session_and_seq(id: int) -> tuple[int, int]:
    """A session's number and an event's, from a message's id."""
    return divmod(id, MOST_EVENTS_IN_SESSION)


def moment_in(text: str | None, name: str) -> datetime | None:
    """A time as RFC 3339 writes it; UTC where it says nothing. A `+` that a query turned into a blank is one again."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise InvalidRequest(
            f"`{name}` {text[:100]!r} is not a time; write it as 2025-01-31T00:00:00Z.", field=name
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def span_of(start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """The time between two parameters; the last 30 days when they are not given."""
    until = moment_in(end, "end_date") or now()
    since = moment_in(start, "start_date") or until - timedelta(days=30)
    if since >= until:
        raise InvalidRequest("`start_date` must be before `end_date`.", field="start_date")
    return since, until


SinceText = Annotated[
    str | None, WithJsonSchema({"type": "string", "format": "date-time"}), Query(description="From then on.")
]
UntilText = Annotated[
    str | None, WithJsonSchema({"type": "string", "format": "date-time"}), Query(description="Before then.")
]


def check_size(value: object, name: str, largest_bytes: int) -> None:
    """Raises InvalidRequest for an object that is larger as JSON."""
    size = len(orjson.dumps(value))
    if size > largest_bytes:
        raise InvalidRequest(f"`{name}` has {size} bytes as JSON; the most is {largest_bytes}.", field=name)


def usd(micros: int | None) -> float:
    return (micros or 0) / 1_000_000
