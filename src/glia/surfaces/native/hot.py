"""The routes that bare ASGI handlers serve, said once more for the OpenAPI document and for `405`.

`stream.py`, `upload.py`, `evaluation_import.py` and `hooks.py` answer these requests before the framework sees them;
nothing here is ever called.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic import BaseModel

from glia.surfaces.native.knowledge import DocumentOut
from glia.surfaces.native.runs import RunUsageOut
from glia.surfaces.native.sessions import CitationOut
from glia.surfaces.native.words import AfterText
from glia.surfaces.shared.bodies import Out, Time

router = APIRouter(prefix="/v1")


class MessageBody(BaseModel):
    """stream: answer with server-sent events. background: answer at once with the run's id.

    previews: with `stream`, also text that is not stored yet, in events without an id. when_busy: what becomes of the
    message while another run works on the session: `refuse` (409), `queue` (a run of its own answers it afterwards),
    `interrupt` (the other run is stopped for it) or `steer` (the other run hears it and goes on).
    """

    content: str
    stream: bool | None = False
    background: bool | None = False
    previews: bool | None = False
    when_busy: Literal["refuse", "queue", "interrupt", "steer"] | None = "refuse"


class AnswerOut(Out):
    """The agent's answer. status: completed, or cancelled with what was said until then."""

    id: str | None
    role: str
    session_id: UUID
    run_id: UUID
    created_at: Time
    content: str
    citations: list[CitationOut]
    status: str
    usage: RunUsageOut | None = None
    cost_micros: int | None = None


class AcceptedOut(Out):
    """after: follow the session's events from here to see all of the run."""

    run_id: UUID
    session_id: UUID
    status: str
    outcome: Literal["accepted", "queued", "steered", "known"]
    after: int


_ACCEPTED = "With `background`: the run is queued. Without: it waits for an approval or a budget."


class HookOut(Out):
    """outcome: started, or why not yet or not at all, as in a trigger's firings."""

    firing_id: UUID
    outcome: str
    reason: str | None
    run_id: UUID | None
    fired_at: Time


_EVENT_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "Events with `id` (the sequence number), `event` (its type) and `data` (as EventOut); a"
            " comment at least every 15 seconds.",
        }
    }
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}


@router.post(
    "/sessions/{session}/messages",
    tags=["sessions"],
    response_model=AnswerOut,
    responses={
        200: {"content": _EVENT_STREAM, "description": "The finished answer, or the run's events with `stream`."},
        202: {
            "model": AcceptedOut,
            "description": "With `background`: the run is queued. Without: it waits for an approval or a budget.",
        },
    },
)
async def send_message(session: str, body: MessageBody) -> NoReturn:
    """Say something to the agent. A client that goes away leaves the run alone."""
    raise LookupError(session)


@router.get(
    "/sessions/{session}/events/stream",
    tags=["sessions"],
    response_model=None,
    response_class=Response,
    responses={200: {"content": _EVENT_STREAM, "description": "Stored events, then those to come, without end."}},
)
async def follow_session(
    session: str,
    after: AfterText = None,
    previews: Annotated[bool, Query(description="Also text that is being written, without an id.")] = False,
    last_event_id: Annotated[str | None, Header(description="As `after`; a reconnecting reader sends it.")] = None,
) -> NoReturn:
    """Follow a session's events."""
    raise LookupError(session)


class ExecBody(BaseModel):
    """command: a line for the shell. argv: a program and its arguments instead; exactly one of the two.

    stdin: text. output_bytes: how much of both outputs is passed on, at most 10 MiB. encoding: `base64` keeps bytes
    that are no UTF-8. stream: answer with server-sent events.
    """

    command: str | None = None
    argv: list[str] | None = None
    cwd: str = "/workspace"
    env: dict[str, str] = {}
    stdin: str = ""
    timeout_seconds: float = 60.0
    output_bytes: int = 1024 * 1024
    encoding: Literal["utf-8", "base64"] = "utf-8"
    stream: bool = False


class ExitOut(Out):
    """How the command ended: a code or a signal. truncated: output was dropped."""

    code: int | None
    signal: int | None
    oom: bool
    timed_out: bool
    truncated: bool
    wall_seconds: float
    cpu_seconds: float


class ExecOut(Out):
    pid: int
    stdout: str
    stderr: str
    exit: ExitOut


class WrittenOut(Out):
    path: str
    size_bytes: int


class UnpackedOut(Out):
    path: str
    members: int


_RAW: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "/sandboxes/{sandbox}/exec",
    tags=["sandboxes"],
    response_model=ExecOut,
    responses={
        200: {
            "content": _EVENT_STREAM,
            "description": "The finished command; with `stream`, the events `start`, `stdout`, `stderr` and `exit`."
            " A reader that leaves ends the command.",
        }
    },
)
async def exec_command(sandbox: str, body: ExecBody) -> NoReturn:
    """Run a command in a sandbox."""
    raise LookupError(sandbox)


@router.put("/sandboxes/{sandbox}/files/content", tags=["sandboxes"], response_model=WrittenOut, openapi_extra=_RAW)
async def put_file(sandbox: str, path: str, mode: str = "644") -> NoReturn:
    """Write a file: the body is its content. Folders are made, a file that is there is replaced."""
    raise LookupError(sandbox)


@router.put("/sandboxes/{sandbox}/files/tar", tags=["sandboxes"], response_model=UnpackedOut, openapi_extra=_RAW)
async def put_tar(sandbox: str, path: str = ".") -> NoReturn:
    """Unpack a tar, compressed with gzip or not, into a folder."""
    raise LookupError(sandbox)


@router.post(
    "/knowledge-bases/{knowledge_base}/documents",
    tags=["knowledge"],
    status_code=202,
    response_model=DocumentOut,
    openapi_extra=_FORM,
)
async def upload(knowledge_base: str) -> NoReturn:
    """Upload a document (PDF, DOCX, TXT, Markdown, HTML). It is processed in the background."""
    raise LookupError(knowledge_base)


class ImportedOut(Out):
    added: int


@router.post(
    "/evaluation-sets/{evaluation_set}/import",
    tags=["evaluations"],
    status_code=201,
    response_model=ImportedOut,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/json": {"schema": {"$ref": "#/components/schemas/CasesBody"}},
            },
        }
    },
)
async def import_cases(evaluation_set: str) -> NoReturn:
    """Add cases from JSON lines, one object a line, or from `{"cases": [...]}`: all of them or none. At most 10 MiB
    and 10,000 cases."""
    raise LookupError(evaluation_set)


@router.post(
    "/hooks/{hook}",
    tags=["triggers"],
    status_code=202,
    response_model=HookOut,
    openapi_extra={
        "requestBody": {"required": False, "content": {"application/json": {"schema": {}}}},
        "parameters": [
            {"name": f"webhook-{name}", "in": "header", "required": False, "schema": {"type": "string"}}
            for name in ("id", "timestamp", "signature")
        ],
    },
)
async def receive(hook: str) -> NoReturn:
    """Fire a webhook trigger from outside, without a key. The request is signed as standardwebhooks.com says, or its
    address holds the trigger's token. Any body up to 256 KiB; JSON is `{{ payload }}` in the message."""
    raise LookupError(hook)
