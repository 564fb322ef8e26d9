"""The bodies in which agents come in and go out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from glia.agents.types import (
    Agent,
    AgentSpec,
    ContextSettings,
    Limits,
    Permissions,
    Visibility,
)
from glia.surfaces.shared.bodies import Body, Changes, Out, Time
from glia.tools.types import Permission


class AgentLimitsBody(Body):
    """ends_with_answer: the last model call that `max_iterations` allows has no tools, so that it answers."""

    max_iterations: int = Limits.max_iterations
    timeout_seconds: float = Limits.timeout_seconds
    max_tokens: int = Limits.max_tokens
    max_cost_micros: int | None = None
    max_depth: int = Limits.max_depth
    ends_with_answer: bool = False


class PermissionRuleBody(Body):
    """Decides about calls whose argument compares like this; the first rule that matches does.

    tool: a tool's name, `*` for any part. argument: where the value lies, as `order.amount`; left away for every call.
    op: eq, ne, lt, lte, gt, gte, in, not_in, contains, starts_with or exists. permission: always, ask or never.
    """

    tool: str = Field(max_length=200)
    permission: str
    argument: str = Field("", max_length=500)
    op: str = "eq"
    value: Any = None


class PermissionsBody(Body):
    """Which tools the agent may call `always`, when a person agreed (`ask`), or `never`.

    default: for tools that are not named. tools: by name, or by a pattern such as `shop__*`. expires_after_seconds: how
    long a call waits for a decision.
    """

    default: str = Permissions.default.value
    tools: dict[str, str] = Field(default_factory=dict[str, str], max_length=500)
    rules: list[PermissionRuleBody] = Field(default_factory=list[PermissionRuleBody])
    expires_after_seconds: float = Permissions.expires_after_seconds


class ContextBody(Body):
    """max_tokens: the most that a request may have; null for what the model is known to read.

    compact_at: the share of it at which the older part becomes a summary; keep: the share that the newest messages
    keep. is_compacted: false switches it off. summary_model: who writes the summary; null for the agent's own model.
    """

    max_tokens: int | None = Field(None, ge=500, le=10_000_000)
    compact_at: float = Field(ContextSettings.compact_at, ge=0.1, le=1)
    keep: float = Field(ContextSettings.keep, ge=0, le=0.9)
    is_compacted: bool = True
    summary_model: str | None = Field(None, max_length=300)


class DeliberationBody(Body):
    """plans: make a plan before acting. reflects: judge the answer, and give it once more below `revise_below`.
    verifies: have every answer checked against the agent's verification rules, after it was given."""

    plans: bool = False
    reflects: bool = False
    revise_below: float | None = Field(None, ge=0, le=1)
    verifies: bool = False


class ToolChoiceBody(Body):
    """all_agents: every other agent may be given tasks. is_automatic: a run is offered only those of its agents and
    inference tools that fit what it is asked. offered_as: what other agents are told that this one is good for.
    """

    all_agents: bool = False
    is_automatic: bool = False
    offered_as: str = ""


class ModelSettingsBody(Body):
    """default_if_unknown: when no provider has the agent's model, the server's default model answers instead."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    thinking_effort: str | None = Field(None, max_length=100)
    default_if_unknown: bool = False


class KnowledgeBody(Body):
    """Parts of knowledge bases. path: a folder with all below it, in every base of the project; "" for all of them.

    document_ids: single documents. project_id: whose bases `path` is about; left away, the key's project.
    """

    path: str | None = Field(None, max_length=500)
    project_id: str | None = None
    document_ids: list[str] = Field(default_factory=list[str], max_length=1000)


class AgentBody(Body):
    """tools: names of tools; left away, the agent has the built-in ones that are safe for everyone, as with `default`.

    subagents: ids or slugs of agents that it may give tasks to, each offered to it as a tool. search_depth: the most
    results of each web search, up to 30. visibility: who sees it beside its project. is_active: false refuses new runs.
    toolset_ids: toolsets whose tools it has besides. knowledge: parts of knowledge bases that it may search besides.
    """

    name: str
    slug: str | None = None
    description: str = Field("", max_length=10_000)
    instructions: str = ""
    model: str | None = Field(None, max_length=300)
    fallback_model: str | None = Field(None, max_length=300)
    settings: ModelSettingsBody | None = None
    knowledge_base_ids: list[str] = Field(default_factory=list[str], max_length=100)
    tools: list[str] | None = None
    limits: AgentLimitsBody | None = None
    permissions: PermissionsBody | None = None
    subagents: list[str] = Field(default_factory=list[str], max_length=100)
    context: ContextBody | None = None
    deliberation: DeliberationBody | None = None
    search_depth: int = AgentSpec.search_depth
    tool_choice: ToolChoiceBody | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    visibility: Visibility = "project"
    is_active: bool = True
    toolset_ids: list[str] = Field(default_factory=list[str], max_length=50)
    knowledge: KnowledgeBody | None = None


class AgentChanges(Changes):
    """Null empties `model`, `fallback_model` and `tools`, and sets the objects back to their defaults.

    `permissions`, `context`, `deliberation` and `tool_choice` are replaced as a whole.
    """

    name: str = ""
    description: str = Field("", max_length=10_000)
    instructions: str = ""
    model: str | None = Field(None, max_length=300)
    fallback_model: str | None = Field(None, max_length=300)
    settings: ModelSettingsBody | None = None
    knowledge_base_ids: list[str] = Field(default_factory=list[str], max_length=100)
    tools: list[str] | None = None
    limits: AgentLimitsBody | None = None
    permissions: PermissionsBody | None = None
    subagents: list[str] = Field(default_factory=list[str], max_length=100)
    context: ContextBody | None = None
    deliberation: DeliberationBody | None = None
    search_depth: int = AgentSpec.search_depth
    tool_choice: ToolChoiceBody | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    visibility: Visibility = "project"
    is_active: bool = True
    toolset_ids: list[str] = Field(default_factory=list[str], max_length=50)
    knowledge: KnowledgeBody | None = None


class AgentLimitsOut(Out):
    max_iterations: int
    timeout_seconds: float
    max_tokens: int
    max_cost_micros: int | None
    max_depth: int
    ends_with_answer: bool


class PermissionRuleOut(Out):
    tool: str
    permission: Permission
    argument: str
    op: str
    value: Any


class PermissionsOut(Out):
    default: Permission
    tools: dict[str, Permission]
    rules: list[PermissionRuleOut]
    expires_after_seconds: float


class ContextOut(Out):
    max_tokens: int | None
    compact_at: float
    keep: float
    is_compacted: bool
    summary_model: str | None


class DeliberationOut(Out):
    plans: bool
    reflects: bool
    revise_below: float | None
    verifies: bool


class ToolChoiceOut(Out):
    all_agents: bool
    is_automatic: bool
    offered_as: str


class StandingInstructionOut(Out):
    id: UUID
    text: str
    created_at: Time


class ModelSettingsOut(Out):
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    thinking_effort: str | None
    default_if_unknown: bool


class KnowledgeOut(Out):
    path: str | None
    project_id: UUID | None
    document_ids: list[UUID]


class AgentVersionOut(Out):
    """promoted_from: the older version that this one is a copy of."""

    version: int
    name: str
    description: str
    instructions: str
    model: str | None
    fallback_model: str | None
    settings: ModelSettingsOut
    knowledge_base_ids: list[UUID]
    tools: list[str] | None
    limits: AgentLimitsOut
    permissions: PermissionsOut
    subagents: list[UUID]
    context: ContextOut
    deliberation: DeliberationOut
    search_depth: int
    tool_choice: ToolChoiceOut
    standing_instructions: list[StandingInstructionOut]
    metadata: dict[str, Any]
    visibility: Visibility
    is_active: bool
    toolset_ids: list[UUID]
    knowledge: KnowledgeOut
    promoted_from: int | None
    created_by: str
    created_at: Time | None


class AgentOut(AgentVersionOut):
    """An agent as it is now. created_at and updated_at are the agent's, not its version's."""

    id: UUID
    slug: str
    project_id: UUID
    updated_at: Time


def agent_out(agent: Agent) -> AgentOut:
    shown = AgentVersionOut.of(agent.current).model_dump()
    shown.update(
        id=agent.id,
        slug=agent.slug,
        project_id=agent.project_id,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
    return AgentOut(**shown)
