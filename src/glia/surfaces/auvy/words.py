"""Auvy's words for ours: errors, scopes, states, pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import Query
from pydantic import WithJsonSchema

from glia.agents.types import Visibility
from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.ids import parse_id
from glia.kit.pages import DEFAULT_LIMIT, LARGEST_LIMIT
from glia.runs.types import Run, RunStatus
from glia.surfaces.shared.bodies import number_of

SURFACE = "auvy"
"""Under this name the surface keeps what it only gives back, in a thing's `metadata`."""

ScopeName = Literal["core", "workspace", "brain"]
JobStatus = Literal["pending", "running", "completed", "failed", "waiting", "paused", "cancelled"]
TraceType = Literal["thread", "system"]

_VISIBILITY: dict[ScopeName, Visibility] = {"brain": "project", "workspace": "workspace", "core": "core"}
_SCOPE: dict[str, ScopeName] = {visibility: scope for scope, visibility in _VISIBILITY.items()}

_CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTH_REQUIRED",
    402: "PAYMENT_REQUIRED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    410: "GONE",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "UNPROCESSABLE",
    429: "RATE_LIMIT",
    502: "UPSTREAM_ERROR",
    503: "SERVICE_UNAVAILABLE",
    507: "STORAGE_FULL",
}


def code_of(status: int) -> str:
    return _CODES.get(status, "INTERNAL_SERVER_ERROR")


def auvy_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{message, code}`, with `retryAfter` in seconds where waiting helps, and the field at fault."""
    field, message = _placed(error.field, error.message)
    body: dict[str, object] = {
        "message": in_auvys_words(message),
        "code": code_of(error.status),
        "requestId": request_id,
    }
    retry_after: float | None = getattr(error, "retry_after_seconds", None)
    if retry_after is not None:
        body["retryAfter"] = max(1, round(retry_after))
    if field is not None:
        body["field"] = field
    return body


_PLACES = {"when.": "", "steps": "definition.steps", "input_schema": "definition.input_schema"}
"""Where the core's fields lie in this surface's bodies, by what their names begin with."""


def _placed(field: str | None, message: str) -> tuple[str | None, str]:
    """The field at fault as the caller wrote it, and the message that names it so."""
    for ours, theirs in _PLACES.items():
        if field is not None and field.startswith(ours):
            return theirs + field.removeprefix(ours), message.replace(f"`{ours}", f"`{theirs}")
    return field, message


_WORDS = {
    "agent": "neuron",
    "agents": "neurons",
    "an agent": "a neuron",
    "session": "trace",
    "trigger": "receptor",
    "toolset": "reflex",
    "workflow": "pathway",
    "project": "brain",
    "approval": "intervention",
    "run": "job",
}
_QUOTED = r"`[^`]*`|'[^']*'|\"[^\"]*\""
_SPOKEN = re.compile(rf"{_QUOTED}|\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})\b(?![-_/.]\w)")


def in_auvys_words(message: str) -> str:
    """The core's sentence with the names that clients of this surface know. What is quoted stays."""
    return _SPOKEN.sub(lambda match: _WORDS.get(match[0], match[0]), message)


def visibility_of(scope: str) -> Visibility:
    return _VISIBILITY[cast(ScopeName, scope)]


def scope_of(visibility: str) -> ScopeName:
    return _SCOPE[visibility]


_STATUS: dict[RunStatus, JobStatus] = {
    RunStatus.QUEUED: "pending",
    RunStatus.RUNNING: "running",
    RunStatus.WAITING: "waiting",
    RunStatus.COMPLETED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "cancelled",
}


def job_status(run: Run, *, needs_someone: bool = False) -> JobStatus:
    """needs_someone: a run that waits for others waits itself, when those wait for a person."""
    if run.status is RunStatus.WAITING:
        if "budget" in run.waiting_for:
            return "paused"
        if run.waiting_for == ("run",) and not needs_someone:
            return "running"
    return _STATUS[run.status]


_RUNS_OF: Mapping[str, tuple[tuple[RunStatus, str | None], ...]] = {
    "pending": ((RunStatus.QUEUED, None),),
    "running": ((RunStatus.RUNNING, None), (RunStatus.WAITING, "run")),
    "waiting": ((RunStatus.WAITING, "approval"), (RunStatus.WAITING, "time")),
    "paused": ((RunStatus.WAITING, "budget"),),
    "completed": ((RunStatus.COMPLETED, None),),
    "failed": ((RunStatus.FAILED, None),),
    "cancelled": ((RunStatus.CANCELLED, None),),
}


def runs_of(status: str | None) -> tuple[tuple[RunStatus, str | None], ...]:
    """What a run must be to be shown in this state; () for all. Raises InvalidRequest."""
    if status is None:
        return ()
    if status not in _RUNS_OF:
        raise InvalidRequest(f"`status` {status[:50]!r} is none of {', '.join(_RUNS_OF)}.", field="status")
    return _RUNS_OF[status]


def own(metadata: Mapping[str, object]) -> dict[str, Any]:
    """What this surface has kept with a thing. Any: JSON of ours."""
    found = metadata.get(SURFACE)
    return dict(cast(dict[str, Any], found)) if isinstance(found, dict) else {}


def ids_of(texts: list[str], field: str) -> tuple[UUID, ...]:
    """Ids in a body. Raises InvalidRequest, which names the one that is none."""
    found: list[UUID] = []
    for index, text in enumerate(texts):
        try:
            found.append(UUID(text))
        except ValueError:
            where = f"{field}[{index}]"
            raise InvalidRequest(f"`{where}` {text[:100]!r} is not a UUID.", field=where) from None
    return tuple(dict.fromkeys(found))


def version_of(text: str) -> int:
    """A version's number. Raises InvalidRequest for what is no whole number from 1."""
    if not (text.isascii() and text.isdigit() and int(text[:12]) >= 1):
        raise InvalidRequest(f"`version` {text[:40]!r} is not a whole number from 1.", field="version")
    return int(text[:12])


def moment_of(text: str | None, field: str) -> datetime | None:
    """A time in a query; one without a zone is UTC. Raises InvalidRequest."""
    if text is None:
        return None
    try:
        # A `+` in a query that was not encoded arrives as a space.
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"`{field}` {text[:50]!r} is no ISO 8601 time.", field=field) from None


def choice_of(text: str | None, name: str, default: str, choices: tuple[str, ...]) -> str:
    if text is None:
        return default
    if text not in choices:
        raise InvalidRequest(f"`{name}` {text[:50]!r} is none of {', '.join(choices)}.", field=name)
    return text


def flag_of(text: str | None, name: str) -> bool | None:
    if text is None:
        return None
    if text not in {"true", "false"}:
        raise InvalidRequest(f"`{name}` {text[:50]!r} is neither `true` nor `false`.", field=name)
    return text == "true"


# Text on the way in, so that every refusal is in our words; numbers in the document.
LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT}),
    Query(description=f"How many at most; 1 to {LARGEST_LIMIT}."),
]
OffsetText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0}),
    Query(description="How many to pass over."),
]
SearchText = Annotated[str, Query(max_length=500, description="What names or descriptions must hold.")]


def page_of(limit: str | None, offset: str | None) -> tuple[int, int]:
    return (
        number_of(limit, "limit", DEFAULT_LIMIT),
        number_of(offset, "offset", 0, smallest=0, largest=2**31 - 1),
    )


def id_in_path(text: str, noun: str) -> UUID:
    return parse_id(text, noun)
