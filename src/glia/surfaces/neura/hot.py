"""The routes that bare ASGI handlers serve, said once more for the OpenAPI document and for `405`.

`chat.py`, `external.py`, `completions.py` and `knowledge.py` answer these requests before the framework sees them;
nothing here is ever called.
"""

from __future__ import annotations

from typing import Annotated, Any, NoReturn
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from glia.surfaces.neura.chat_body import LONGEST_CONTEXT
from glia.surfaces.neura.knowledge import DocumentOut
from glia.surfaces.shared.bodies import Out

router = APIRouter()


class MessageIn(BaseModel):
    """role: user, assistant or system."""

    role: str
    content: str


class ChatRequest(BaseModel):
    """query: what you say; `message` is the same, and one of them is needed. What is left away stays as the agent has
    it.

    model_id: instead of the agent's. kb_ids: instead of its knowledge bases. conversation_id: goes on with that
    conversation; without it a new one begins, with conversation_history as it is given. session_context: a text for
    this answer alone, which is not kept. detailed_mode: adds `metadata`.
    """

    query: str | None = None
    message: str | None = None
    model_id: str | None = None
    kb_ids: list[str] | None = None
    conversation_history: list[MessageIn] | None = None
    conversation_id: str | None = None
    use_web_search: bool | None = None
    max_iterations: int | None = Field(None, ge=1, le=1000)
    search_depth: int | None = Field(None, ge=1, le=30)
    enable_inference_tools: bool | None = None
    selected_inference_tools: list[str] | None = None
    enable_agent_tools: bool | None = None
    selected_agent_ids: list[str] | None = None
    auto_select_tools: bool | None = None
    session_context: str | None = Field(None, max_length=LONGEST_CONTEXT)
    detailed_mode: bool | None = None


class CostOut(Out):
    """In USD. Null where a price is not known; then total_cost is null as well."""

    embedding_cost: float | None
    llm_cost: float | None
    search_cost: float | None
    sandbox_cost: float | None
    sub_agent_cost: float | None
    inference_cost: float | None
    total_cost: float | None


class ToolCallOut(Out):
    tool: str
    args: dict[str, Any]


class ChatOut(Out):
    """sources: URLs and `kb://<kb_id>/<document_id>#<chunk>`, in the order in which the answer cites them.

    iterations: calls of the model. memories_used: memory blocks shown to the model and memories that it looked up.
    context_loaded: the answer rests on more than the question. metadata: with `detailed_mode`.
    """

    answer: str
    sources: list[str]
    tool_calls: list[ToolCallOut]
    iterations: int
    costs: CostOut
    agent_id: UUID
    agent_name: str
    memories_used: int
    instructions_active: int
    context_loaded: bool
    conversation_id: UUID
    metadata: dict[str, Any] | None = None


_EVENTS: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": 'Lines `data: {"type": ...}` of the types status, token, thinking, tool_call, tool_result,'
            " sources, artifact, and `done` or `error` last; `id` is the event's sequence number; a comment at least"
            " every 15 seconds.",
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
                    "properties": {"file": {"type": "string", "format": "binary"}, "kb_id": {"type": "string"}},
                }
            }
        },
    }
}
_COMPLETION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model", "messages"],
                    "additionalProperties": True,
                    "properties": {
                        "model": {"type": "string"},
                        "messages": {"type": "array", "items": {"type": "object"}},
                        "max_tokens": {"type": "integer", "default": 512},
                        "temperature": {"type": "number", "default": 0.7},
                        "top_p": {"type": "number", "default": 0.9},
                        "stream": {"type": "boolean", "default": False},
                    },
                }
            }
        },
    }
}

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="Go on after this event.")]


@router.post("/api/agents/{agent_id}/chat", tags=["chat"], response_model=ChatOut)
async def chat(agent_id: str, body: ChatRequest) -> NoReturn:
    """Say something to an agent and wait for its answer."""
    raise NotImplementedError


@router.post(
    "/api/agents/{agent_id}/chat/stream",
    tags=["chat"],
    response_model=None,
    responses={200: {"content": _EVENTS, "description": "The run's events."}},
)
async def chat_stream(agent_id: str, body: ChatRequest, last_event_id: LastEventId = None) -> NoReturn:
    """Say something to an agent and read its answer as it comes. Leaving does not stop the run."""
    raise NotImplementedError


class ExternalRequest(BaseModel):
    """message: what you say; `query` is the same, and one of them is needed."""

    message: str | None = None
    query: str | None = None
    conversation_history: list[MessageIn] | None = None


class ExternalUsageOut(Out):
    """total_cost: in USD; null where a price is not known."""

    total_cost: float | None
    latency_ms: int


class ExternalOut(Out):
    """sources: URLs and `kb://<kb_id>/<document_id>#<chunk>`, in the order in which the answer cites them."""

    answer: str
    sources: list[str]
    usage: ExternalUsageOut


@router.post("/api/v1/agents/{agent_id}/chat", tags=["external chat"], response_model=ExternalOut)
async def external_chat(agent_id: str, body: ExternalRequest) -> NoReturn:
    """Say something to an agent with a key that was made for it, sent as `X-API-Key`."""
    raise NotImplementedError


@router.post(
    "/api/kb/upload", tags=["knowledge bases"], status_code=201, response_model=DocumentOut, openapi_extra=_FORM
)
async def upload() -> NoReturn:
    """Upload a document: PDF, DOCX, TXT, MD, HTML. Without `kb_id` a knowledge base is made, named after the file."""
    raise NotImplementedError


@router.post(
    "/api/v1/chat/completions",
    tags=["models"],
    response_model=None,
    openapi_extra=_COMPLETION,
    responses={200: {"content": {"application/json": {}, "text/event-stream": {}}, "description": "The completion."}},
)
async def complete() -> NoReturn:
    """A model's answer in OpenAI's form, whole or as server-sent events."""
    raise NotImplementedError
