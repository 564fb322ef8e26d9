"""What a tool is, what it is told when it is called, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType, Protocol
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Transaction

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
    knowledge_base_ids: what the agent may search; knowledge_path, in every base of knowledge_project_id, and
    knowledge_document_ids: parts of bases that it may search besides. search_depth: the most results of a web search.
    key_id: the key that the run was begun with, which pays for what a call costs.
    """

    workspace_id: UUID
    project_id: UUID
    agent_id: UUID | None
    session_id: UUID
    run_id: UUID
    idempotency_key: str
    knowledge_base_ids: tuple[UUID, ...] = ()
    search_depth: int = 15
    key_id: UUID | None = None
    knowledge_path: str | None = None
    knowledge_project_id: UUID | None = None
    knowledge_document_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Source:
    """A passage that a tool found and an answer may cite.

    uri: `kb://<knowledge base>/<document>#<chunk>`, or the address of a web page, which has no document_id and its
    title as document_name. page: counted from 1, None where the format has no pages.
    """

    uri: str
    document_id: str
    document_name: str
    chunk: int
    page: int | None
    heading: str
    text: str


@dataclass(frozen=True)
class MadeArtifact:
    """A file that a tool made and the user should see. id: under the session's artifacts. name: may hold folders."""

    id: str
    name: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class ChildRun:
    """A run of another agent that will answer a tool call."""

    run_id: UUID
    session_id: UUID


ChargedOperation = Literal["search", "image", "speech", "video", "inference"]


@dataclass(frozen=True)
class Charge:
    """What a tool's call of a paid service cost.

    service: who did it, as `provider/what`. cost_micros: micro-dollars; 0 when it is free, None when nobody knows.
    hold_id: what was held for the call, if anything limits spending.
    """

    operation: ChargedOperation
    service: str
    cost_micros: int | None
    hold_id: UUID | None = None


@dataclass(frozen=True)
class ToolResult:
    """text: what the model reads. is_error: the tool could not do it; the text says why and what to try.

    is_unknown: the call went out and nobody can tell whether it took effect. Always an error too.
    snapshot_id: the session's workspace after the call, when the call changed it.
    child: there is no result yet; the tool is called again, with the same key, once this run has ended.
    charge: what the call cost at a service outside, whether it succeeded or not.
    """

    text: str
    is_error: bool = False
    sources: tuple[Source, ...] = ()
    is_unknown: bool = False
    artifacts: tuple[MadeArtifact, ...] = ()
    snapshot_id: str | None = None
    child: ChildRun | None = None
    charge: Charge | None = None


@dataclass(frozen=True)
class Tool:
    """A tool an agent may use.

    schema: JSON Schema of the arguments, an object. call: takes the raw JSON text of the arguments, so that each
    tool decodes them into its own type; raises InvalidArguments (shown to the model) or a GliaError.
    is_offered: whether agents that name no tools get it now; None for always.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    call: Callable[[ToolContext, str], Awaitable[ToolResult]]
    timeout_seconds: float = 60.0
    is_default: bool = True
    is_offered: Callable[[], bool] | None = None
    permission: Permission = Permission.ALWAYS


class ToolSource(Protocol):
    """Where an agent's tools come from besides the built-in and the workspace's own ones, such as MCP servers.

    One name may stand for several tools, as `github__*` does.
    """

    async def resolve(self, principal: Principal, names: Sequence[str]) -> Mapping[str, Sequence[Tool]]:
        """The tools behind each name that belongs here; a name that does not is missing from the answer.

        Called before each run, so it must not wait for anything outside this installation.
        """
        ...

    async def known(self, principal: Principal, tx: Transaction, names: Sequence[str]) -> set[str]:
        """Which of the names an agent may have."""
        ...

    async def suggestions(self, principal: Principal, tx: Transaction) -> list[str]:
        """Names to choose from, for someone who misspelt one."""
        ...


@dataclass(frozen=True)
class CallsOfTool:
    """Which calls of a tool are counted: those that came back at `since` or later and before `until`."""

    workspace_id: UUID
    tool: str
    since: datetime
    until: datetime


PlaceName = Literal["path", "query", "header", "cookie", "body", "form"]
StyleName = Literal["repeat", "comma", "space", "pipe", "deep"]


@dataclass(frozen=True)
class Placement:
    """Where one argument of an HTTP tool goes, and under which name.

    place: `body` makes the argument the whole body as JSON; `form` makes it a body of form fields.
    style: how lists and objects are written in path, query, header and cookie: `repeat` names the parameter once for
    each item, `comma`, `space` and `pipe` join them, `deep` writes `filter[name]=value`.
    """

    place: PlaceName
    name: str
    style: StyleName = "repeat"


@dataclass(frozen=True)
class CustomToolSpec:
    """An HTTP endpoint of the user's, described as a tool.

    url: may hold `{placeholders}` in its path and query, named like properties of the schema.
    headers: sent with each call, kept encrypted, never shown again. effect: ONCE unless the user knows better.
    timeout_seconds: for one call from start to end, retries included.
    placements: by property; a property without one fills its placeholder, or else goes into the query of a GET and
    DELETE and into the JSON body of the others.
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
    placements: Mapping[str, Placement] = field(default_factory=dict[str, Placement])


@dataclass(frozen=True)
class CustomTool:
    """A custom tool as it is shown: of its headers only the names. toolset_id: what it was imported with."""

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
    placements: Mapping[str, Placement]
    toolset_id: UUID | None
    created_at: datetime
    updated_at: datetime


McpServerId = NewType("McpServerId", UUID)
ToolsetId = NewType("ToolsetId", UUID)


class McpAuth(StrEnum):
    """How an MCP server learns who calls: by the headers alone, or by a sign-in with OAuth as well."""

    NONE = "none"
    OAUTH = "oauth"


class McpStatus(StrEnum):
    """PENDING: not asked yet. FAILED: the last try did not work; tools it listed before are still offered."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    NEEDS_AUTHORIZATION = "needs_authorization"


@dataclass(frozen=True)
class McpServerSpec:
    """A remote MCP server whose tools agents may use, spoken to by streamable HTTP.

    name: the first part of its tools' names, as in `github__create_issue`.
    headers: sent with each request, kept encrypted, never shown again.
    allowed_tools: as the server names them; None for all. permissions: by tool, others have `permission`.
    timeout_seconds: for one call of a tool.
    """

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    auth: McpAuth = McpAuth.NONE
    allowed_tools: tuple[str, ...] | None = None
    permission: Permission = Permission.ALWAYS
    permissions: Mapping[str, Permission] = field(default_factory=dict[str, Permission])
    timeout_seconds: float = 60.0
    is_enabled: bool = True


@dataclass(frozen=True)
class McpTool:
    """A tool of an MCP server. name: what agents call it. own_name: what the server calls it."""

    name: str
    own_name: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    permission: Permission
    is_allowed: bool


@dataclass(frozen=True)
class McpServer:
    """A registered MCP server as it is shown.

    id: None for one from the operator's file, which also has no url when it is a program of that machine.
    protocol_version: what was agreed on when it was last asked. is_authorized: an OAuth sign-in is there.
    """

    id: McpServerId | None
    name: str
    url: str | None
    header_names: tuple[str, ...]
    auth: McpAuth
    allowed_tools: tuple[str, ...] | None
    permission: Permission
    permissions: Mapping[str, Permission]
    timeout_seconds: float
    is_enabled: bool
    status: McpStatus
    last_error: str | None
    protocol_version: str | None
    title: str | None
    tool_count: int
    is_authorized: bool
    listed_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class McpSignIn:
    """Where a person has to go to let Glia use an MCP server in their name, and until when."""

    authorization_url: str
    expires_at: datetime


@dataclass(frozen=True)
class SkippedOperation:
    """An operation of a document that became no tool. operation: as `POST /files`."""

    operation: str
    reason: str


@dataclass(frozen=True)
class Toolset:
    """Tools that were imported together, or a bundle of tools from elsewhere. Agents name all of them as `<name>__*`.

    members: the names of a bundle's tools; None for what was imported. is_enabled: whether agents get them.
    visibility: who sees it: its `project`, the `workspace`, or everybody as `core`.
    """

    id: ToolsetId
    name: str
    title: str
    base_url: str
    source_url: str | None
    header_names: tuple[str, ...]
    tool_count: int
    created_at: datetime
    updated_at: datetime
    project_id: UUID
    members: tuple[str, ...] | None = None
    description: str = ""
    visibility: str = "project"
    is_enabled: bool = True
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class BundleSpec:
    """What a person says about a bundle. members: names of tools, as agents name them; `shop__*` for whole sets."""

    title: str
    members: tuple[str, ...] = ()
    description: str = ""
    visibility: str = "project"
    is_enabled: bool = True
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class OpenApiImport:
    """What to make of an OpenAPI document. One of document and url is given.

    headers: sent with each call, kept encrypted; None keeps those of an earlier import of the same name.
    permission: None leaves what each tool has. effects: by patterns of operations, where their method says too little.
    """

    name: str
    document: str | None = None
    url: str | None = None
    base_url: str | None = None
    headers: Mapping[str, str] | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    permission: Permission | None = None
    timeout_seconds: float = 30.0


@dataclass(frozen=True)
class ImportOutcome:
    """What an import did, or would do: names of tools. toolset: None when it was only tried."""

    toolset: Toolset | None
    tools: tuple[CustomToolSpec, ...]
    created: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]
    skipped: tuple[SkippedOperation, ...]


SearchProviderName = Literal["auto", "tavily", "duckduckgo", "off"]


@dataclass(frozen=True)
class SearchConfig:
    """provider: `auto` is Tavily when its key is there and DuckDuckGo otherwise. The URLs are those of the services.

    tavily_key: TAVILY_API_KEY of the environment when not set. tavily_credit_micros: what one credit of your Tavily
    plan costs in micro-dollars; unknown when not set, and then searches are recorded without a cost.
    """

    provider: SearchProviderName = "auto"
    tavily_key: str | None = None
    tavily_url: str = "https://api.tavily.com"
    tavily_credit_micros: int | None = None
    duckduckgo_url: str = "https://html.duckduckgo.com/html/"
