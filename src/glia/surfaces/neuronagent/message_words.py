"""Messages in NeuronAgent's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from glia.runs.transcript import Entry
from glia.surfaces.neuronagent.turns import citation_wire
from glia.surfaces.neuronagent.words import message_id
from glia.surfaces.shared.bodies import Out, Time


class MessageOut(Out):
    """tool_name, tool_call_id: of calls and results. token_count: of answers, what the model wrote.

    metadata: what the client keeps with it; of a call `tool_call`, of an answer `tool_calls` and `tokens_used`.
    """

    id: int
    session_id: UUID
    role: str
    content: str
    tool_name: str | None
    tool_call_id: str | None
    token_count: int | None
    metadata: dict[str, Any]
    created_at: Time


class ToolCallOut(BaseModel):
    id: str
    name: str
    arguments: Any


class ToolResultOut(BaseModel):
    """error: why the tool could not do it; null when it could."""

    tool_call_id: str
    content: str
    error: str | None


class AnswerOut(MessageOut):
    """The agent's answer, as a message and as what the turn gave. status: completed, waiting or cancelled."""

    agent_id: UUID
    run_id: UUID
    response: str
    tokens_used: int
    tool_calls: list[ToolCallOut]
    tool_results: list[ToolResultOut]
    citations: list[dict[str, Any]]
    status: str


def messages_out(entries: Sequence[Entry], session_id: UUID, number: int) -> list[MessageOut]:
    """entries: the whole transcript, because an answer tells of the calls before it."""
    calls: dict[UUID | None, list[dict[str, Any]]] = {}
    found: list[MessageOut] = []
    for entry in entries:
        if entry.kind == "called":
            calls.setdefault(entry.run_id, []).append(_call(entry))
        found.append(
            MessageOut(
                id=message_id(number, entry.seq),
                session_id=session_id,
                role=entry.role,
                content=entry.content,
                tool_name=entry.tool,
                tool_call_id=entry.tool_call_id,
                token_count=entry.usage.output_tokens if entry.usage else None,
                metadata=entry.metadata or _metadata(entry, calls.get(entry.run_id, [])),
                created_at=entry.at,
            )
        )
    return found


def _metadata(entry: Entry, calls: list[dict[str, Any]]) -> dict[str, Any]:
    match entry.kind:
        case "called":
            return {"tool_call": _call(entry)}
        case "returned":
            return {"is_error": entry.is_error}
        case "answered":
            tokens = entry.usage.input_tokens + entry.usage.output_tokens if entry.usage else 0
            cited = [citation_wire(citation) for citation in entry.citations]
            return {"tool_calls": calls, "tokens_used": tokens, **({"citations": cited} if cited else {})}
        case _:
            return {}


def _call(entry: Entry) -> dict[str, Any]:
    return {"id": entry.tool_call_id, "name": entry.tool, "arguments": entry.arguments}
