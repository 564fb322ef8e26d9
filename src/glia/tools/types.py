"""What a tool is, what it is told when it is called, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

ToolId = NewType("ToolId", UUID)


class Permission(StrEnum):
    """Whether an agent may call a tool: ALWAYS without asking, ASK when a person has agreed to the call, NEVER."""

    ALWAYS = "always"
    ASK = "ask"
    NEVER = "never"


class Effect(StrEnum):
    """What calling a tool again would do, which decides what happens after a crash in the middle of a call.

    READ changes nothing and IDEMPOTENT changes the same thing once for one key: both are called again.
    ONCE is never called a second time: the run is told that the outcome is unknown.
    """

    READ = "read"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


@dataclass(frozen=True)
class ToolContext:
    """Who calls, and for which run.

    idempotency_key: the same for every try of this call, for ever different from any other call's.
    knowledge_base_ids: what the agent may search.
    """

    workspace_id: UUID
    project_id: UUID
    agent_id: UUID | None
    session_id: UUID
    run_id: UUID
    idempotency_key: str
    knowledge_base_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Source:
    """A passage that a tool found and an answer may cite.

    uri: `kb://<knowledge base>/<document>#<chunk>`. page: counted from 1, None where the format has no pages.
    """

    uri: str
    document_id: str
    document_name: str
    chunk: int
    page: int | None
    heading: str
    text: str


@dataclass(frozen=True)
class ChildRun:
    """A run of another agent that will answer a tool call."""

    run_id: UUID
    session_id: UUID


@dataclass(frozen=True)
class ToolResult:
    """text: what the model reads. is_error: the tool could not do it; the text says why and what to try.

    is_unknown: the call went out and nobody can tell whether it took effect. Always an error too.
    child: there is no result yet; the tool is called again, with the same key, once this run has ended.
    """

    text: str
    is_error: bool = False
    sources: tuple[Source, ...] = ()
    is_unknown: bool = False
    child: ChildRun | None = None


@dataclass(frozen=True)
class Tool:
    """A tool an agent may use.

    schema: JSON Schema of the arguments, an object. call: takes the raw JSON text of the arguments, so that each
    tool decodes them into its own type; raises InvalidArguments (shown to the model) or a GliaError.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    call: Callable[[ToolContext, str], Awaitable[ToolResult]]
    timeout_seconds: float = 60.0
    is_default: bool = True
    permission: Permission = Permission.ALWAYS


@dataclass(frozen=True)
class CustomToolSpec:
    """An HTTP endpoint of the user's, described as a tool.

    url: may hold `{placeholders}` in its path and query, named like properties of the schema.
    headers: sent with each call, kept encrypted, never shown again. effect: ONCE unless the user knows better.
    timeout_seconds: for one call from start to end, retries included.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    effect: Effect = Effect.ONCE
    timeout_seconds: float = 30.0
    permission: Permission = Permission.ALWAYS


@dataclass(frozen=True)
class CustomTool:
    """A custom tool as it is shown: of its headers only the names."""

    id: ToolId
    name: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    method: str
    url: str
    header_names: tuple[str, ...]
    timeout_seconds: float
    permission: Permission
    created_at: datetime
    updated_at: datetime
