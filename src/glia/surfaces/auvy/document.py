"""What the surface's OpenAPI document says beside its routes."""

from __future__ import annotations

from collections.abc import Iterable

from glia.surfaces.auvy.words import code_of
from glia.surfaces.shared.document import Description, Json, usual_statuses

_TEXT = """Auvy's API on Glia. A neuron is an agent, a trace a session, an engram an entry of it, a job a run, a reflex
a toolset, a receptor a trigger, a pathway a workflow, an intervention an approval, a brain a project.

Sign in with `Authorization: Bearer ak_live_...`, or with a user's access token. `X-Brain-Id` names the brain; lists of
neurons, traces and pathways need it. Errors are `{message, code}`."""

_STATUSES = (400, 401, 403, 404, 409, 413, 415, 429, 500, 503)
_ERROR: Json = {
    "type": "object",
    "required": ["message", "code"],
    "properties": {
        "message": {"type": "string", "description": "What is wrong and the way out."},
        "code": {
            "type": "string",
            "description": f"For programs: {', '.join(code_of(status) for status in _STATUSES)}, and others.",
        },
        "field": {"type": "string", "description": "The field of the request at fault."},
        "retryAfter": {"type": "integer", "description": "Seconds after which to try again."},
        "requestId": {"type": "string", "format": "uuid", "description": "Names the request in the log."},
    },
}

STREAMS: Json = {
    "/v1/jobs/{job_id}/stream": {
        "get": {
            "tags": ["jobs"],
            "summary": "Follow a job",
            "description": "The job's events as server-sent events, from the start or after a cursor, to its end: "
            "`token`, `content_block`, `reflex_call`, `state_update`, `error`, `complete`. `id:` is the cursor.",
            "parameters": [
                {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}},
            ],
        }
    },
    "/v1/public/receptors/{token}/jobs/{job_id}/stream": {
        "get": {
            "tags": ["public links"],
            "summary": "Follow a job of a public link",
            "description": "As `GET /v1/jobs/{job_id}/stream`, for a job that this link began. No key is needed.",
            "security": [],
            "parameters": [
                {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}},
                {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}},
            ],
        }
    },
}
_CURSORS: Json = {
    "after": {
        "name": "after",
        "in": "query",
        "schema": {"type": "integer", "minimum": 0},
        "description": "Only events after this cursor.",
    },
    "last": {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": {"type": "integer", "minimum": 0},
        "description": "The same, as browsers send it when they connect again.",
    },
}


def streams() -> Json:
    """The routes that are served beside the framework, whole."""
    refused = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    said = {"400": "The cursor is no number.", "401": "No credential.", "403": "A scope is missing."}
    said |= {
        "404": "There is no such job.",
        "429": "Too many requests.",
        "500": "Something broke.",
        "503": "Try again.",
    }
    for methods in STREAMS.values():
        operation = methods["get"]
        if len(operation.get("responses", ())) == 0:
            operation["parameters"] += list(_CURSORS.values())
            operation["responses"] = {
                "200": {"description": "The events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                **{status: {"description": text, "content": refused} for status, text in said.items()},
            }
    return STREAMS


def _statuses(path: str, method: str, operation: Json) -> Iterable[str]:
    return {*usual_statuses(path, method, operation), "404"}


DESCRIPTION = Description(
    title="Auvy on Glia",
    text=_TEXT,
    error=_ERROR,
    public=frozenset({"/v1/public/receptors/{token}"}),
    statuses=_statuses,
)
