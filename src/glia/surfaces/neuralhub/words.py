"""NeuralHub's words for our things: states, errors, ids, money."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from glia.kit.errors import GliaError, InvalidRequest
from glia.kit.ids import parse_id
from glia.runs.types import AGENT, TOOL, RunStatus
from glia.workflows.types import WORKFLOW

NAME = "neuralhub"
"""Of this surface: in keys, and in the metadata of things that only it has something to say about."""

STATE_OF: Final[dict[RunStatus, str]] = {
    RunStatus.QUEUED: "PENDING",
    RunStatus.RUNNING: "RUNNING",
    RunStatus.WAITING: "WAITING",
    RunStatus.COMPLETED: "SUCCESS",
    RunStatus.FAILED: "FAILED",
    RunStatus.CANCELLED: "CANCELLED",
}
_STATUS_OF: Final = {state: status for status, state in STATE_OF.items()}

_TYPES: Final = {AGENT: "agent", TOOL: "tool", WORKFLOW: "workflow"}

# The statuses that NeuralHub's clients know; ours that are not among them, as the nearest of those.
_SHOWN: Final = {402: 429, 405: 404, 410: 404, 408: 400, 413: 400, 415: 400, 416: 400, 422: 400}
_KNOWN: Final = frozenset({400, 401, 403, 404, 409, 429, 500})


def neuralhub_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {code, message}}`. The request's id is in the header `X-Request-Id`."""
    return {"error": {"code": error.code, "message": error.message}}


def status_of(error: GliaError) -> int:
    return shown_status(error.status)


def shown_status(status: int) -> int:
    status = _SHOWN.get(status, status)
    if status in _KNOWN:
        return status
    return 500 if status >= 500 else 400


def run_status(state: str | None) -> RunStatus | None:
    """Raises InvalidRequest for a state that there is not."""
    if state is None:
        return None
    found = _STATUS_OF.get(state.upper())
    if found is None:
        raise InvalidRequest(f"`state` {state[:100]!r} is none of {', '.join(_STATUS_OF)}.", field="state")
    return found


def run_type(kind: str) -> str:
    """What a run executes; `job` is work of the server itself, such as reading a document."""
    return _TYPES.get(kind, "job")


def memory_id(id: UUID) -> str:
    return f"mem_{id}"


def resource_id(id: UUID) -> str:
    return f"sbx-{id}"


def id_of(text: str, noun: str, *, prefix: str = "") -> UUID:
    """The id with or without its prefix. What is neither cannot exist, so it is a 404 like any other."""
    return parse_id(text.removeprefix(prefix), noun)
