"""A session's log as a client reads it that wants everything: what was said, each tool call, each result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from glia.runs.events import (
    AnswerMessage,
    Citation,
    Event,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunUsage,
    ToolCalled,
    ToolReturned,
    encode_any,
)

ENTRY_TYPES = (
    MessageReceived.type,
    MessageEdited.type,
    MessageDeleted.type,
    ToolCalled.type,
    ToolReturned.type,
    RunCompleted.type,
    RunFailed.type,
    RunCancelled.type,
)


@dataclass(frozen=True)
class Entry:
    """A line of a transcript. seq: of the event it is read from, which names it for ever.

    kind: `said`, `called` and `returned` of tools, `answered`, or `cut` for an answer whose run ended early.
    tool_call_id: of calls and results; arguments: of calls; is_error: of results. usage: of the whole run, with its
    answer. metadata: what a client keeps with the entry.
    """

    seq: int
    kind: Literal["said", "called", "returned", "answered", "cut"]
    role: Literal["user", "assistant", "system", "tool"]
    content: str
    at: datetime
    run_id: UUID | None
    tool: str | None = None
    tool_call_id: str | None = None
    arguments: Any = None
    is_error: bool = False
    usage: RunUsage | None = None
    citations: tuple[Citation, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


def transcript_of(events: Iterable[Event]) -> list[Entry]:
    """Oldest first, with what was edited and without what was deleted."""
    found: dict[int, Entry] = {}
    for event in events:
        match event.payload:
            case MessageEdited(seq=seq) as edited:
                if seq in found:
                    found[seq] = _edited(found[seq], edited)
            case MessageDeleted(seq=seq):
                found.pop(seq, None)
            case _:
                if (entry := entry_of(event)) is not None:
                    found[event.seq] = entry
    return list(found.values())


def entry_of(event: Event) -> Entry | None:
    """What the event adds to a transcript, as it was written."""
    seq, at, run_id = event.seq, event.at, event.run_id
    match event.payload:
        case MessageReceived() as said:
            return Entry(seq, "said", said.role, said.content, at, run_id, metadata=said.metadata)
        case ToolCalled(tool=tool, tool_call_id=id, arguments=arguments):
            text = f"{tool}({encode_any(arguments)})"
            return Entry(seq, "called", "assistant", text, at, run_id, tool, id, arguments)
        case ToolReturned(tool=tool, tool_call_id=id) as result:
            return Entry(seq, "returned", "tool", result.text, at, run_id, tool, id, is_error=result.status != "ok")
        case RunCompleted(message=AnswerMessage() as answer, usage=usage):
            cited = tuple(answer.citations)
            return Entry(seq, "answered", "assistant", answer.content, at, run_id, usage=usage, citations=cited)
        case RunFailed(text=text) | RunCancelled(text=text) if text:
            return Entry(seq, "cut", "assistant", text, at, run_id)
        case _:
            return None


def _edited(entry: Entry, edited: MessageEdited) -> Entry:
    return replace(
        entry,
        content=entry.content if edited.content is None else edited.content,
        metadata=entry.metadata if edited.metadata is None else edited.metadata,
    )
