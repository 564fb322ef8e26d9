"""What bare ASGI handlers serve, said once more for the OpenAPI document and for `405`."""

from __future__ import annotations

from typing import Any, Literal, NoReturn

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from glia.kit.errors import GliaError
from glia.surfaces.neuronagent.message_words import AnswerOut

router = APIRouter(prefix="/api/v1", tags=["messages"])
sockets = APIRouter(tags=["websocket"])


class MessageBody(BaseModel):
    """stream: answer with server-sent events. metadata: kept with the message."""

    content: str = Field(min_length=1, max_length=100_000)
    role: Literal["user", "system", "assistant"] | None = "user"
    stream: bool | None = False
    metadata: dict[str, Any] | None = None


_EVENT_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "`chunk` {content}, `tool_calls` and `tool_results` {data: JSON text}, `error` {error}, at"
            " last `done` {tokens_used, tool_calls, tool_results, citations}; a comment at least every 15 seconds.",
        }
    }
}


@router.post(
    "/sessions/{session_id}/messages",
    status_code=201,
    response_model=AnswerOut,
    responses={
        200: {"content": _EVENT_STREAM, "description": "With `stream`: the turn as it comes."},
        202: {"model": AnswerOut, "description": "The turn waits for an approval or a budget."},
    },
)
async def send_message(session_id: str, body: MessageBody) -> NoReturn:
    """Send a message and wait for the agent's answer. A message to a session at work waits for its turn."""
    raise NotImplementedError


class UpgradeRequired(GliaError):
    code, status = "upgrade_required", 426


_SOCKET: dict[int | str, dict[str, Any]] = {
    101: {"description": "The socket is open."},
    426: {"description": "The request is no WebSocket handshake."},
}


@sockets.get("/ws", status_code=101, response_model=None, response_class=Response, responses=_SOCKET)
@sockets.get("/api/v1/ws", status_code=101, response_model=None, response_class=Response, responses=_SOCKET)
async def socket(session_id: str = "", api_key: str = "") -> NoReturn:
    """A conversation over a WebSocket. Send `{"content": "..."}`; frames come back as `chunk`, `tool_calls`,
    `tool_results`, `done`, `response` and `error`. The key goes into a header, or into `api_key`."""
    raise UpgradeRequired("This address is a WebSocket; connect to it with one.")
