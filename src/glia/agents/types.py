"""An agent, its versions, and the limits of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType
from uuid import UUID

from glia.tools.types import Permission

AgentId = NewType("AgentId", UUID)


@dataclass(frozen=True)
class Limits:
    """What one run may use. A run that reaches a limit ends as failed, with its partial work kept in the log.

    max_iterations: calls of the model. timeout_seconds: from start to end, without what it waits for people, budgets
    or other agents. max_tokens: input and output of all model calls. max_cost_micros: micro-dollars, None for no limit.
    max_depth: how many runs of other agents may lie below one another. ends_with_answer: the last call of the model
    that max_iterations allows is made without tools, so that it answers with what it has instead of failing.
    """

    max_iterations: int = 20
    timeout_seconds: float = 600
    max_tokens: int = 1_000_000
    max_cost_micros: int | None = None
    max_depth: int = 3
    ends_with_answer: bool = False


Visibility = Literal["project", "workspace", "core"]
"""Who sees an agent: its project; every project of the workspace; or everybody, as a curated agent that only the admins
of the installation change."""

Comparison = Literal["eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "contains", "starts_with", "exists"]


@dataclass(frozen=True)
class PermissionRule:
    """What is decided for calls whose argument compares like this.

    tool: a tool's name, `*` for any part of it. argument: where the value lies in the arguments, as `order.amount`;
    empty for every call of the tool. A rule that asks or forbids also holds when its argument is missing or cannot be
    compared, so that no odd spelling gets past it.
    """

    tool: str
    permission: Permission
    argument: str = ""
    op: Comparison = "eq"
    value: object = None


@dataclass(frozen=True)
class Permissions:
    """Which tools the agent may call `always`, when a person agreed (`ask`), or `never`.

    The first rule that matches decides; then `tools`, by name, or by the strictest fitting pattern such as `shop__*`;
    then the stricter of `default` and the tool's own permission. expires_after_seconds: how long a call waits for a
    decision before it counts as denied.
    """

    default: Permission = Permission.ALWAYS
    tools: dict[str, Permission] = field(default_factory=dict[str, Permission])
    rules: tuple[PermissionRule, ...] = ()
    expires_after_seconds: float = 7 * 86400


@dataclass(frozen=True)
class ContextSettings:
    """How much of a long conversation the model is sent.

    max_tokens: the most that a request may have; None for what the model is known to read. compact_at: the share of it
    at which the older part is replaced by a summary; keep: the share that the newest messages keep after that.
    summary_model: who writes the summary; None for the agent's own model.
    """

    max_tokens: int | None = None
    compact_at: float = 0.8
    keep: float = 0.3
    is_compacted: bool = True
    summary_model: str | None = None


@dataclass(frozen=True)
class Deliberation:
    """plans: the agent makes a plan before it acts. reflects: its answer is judged, and given once more when its
    quality, from 0 to 1, is below revise_below. verifies: every answer is checked against the agent's verification
    rules, after it was given.
    """

    plans: bool = False
    reflects: bool = False
    revise_below: float | None = None
    verifies: bool = False


@dataclass(frozen=True)
class AgentSettings:
    """How the model is asked. None leaves the choice to the provider.

    default_if_unknown: when no provider has the agent's model, the server's default model answers instead.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    thinking_effort: Literal["low", "medium", "high"] | None = None
    default_if_unknown: bool = False


@dataclass(frozen=True)
class ToolChoice:
    """What a run is offered of the agents and the inference tools that its agent may use.

    all_agents: every other agent of the workspace may be given tasks, the newest 50, beside `subagents`.
    is_automatic: only those are offered that fit what the run is asked. offered_as: what other agents are told that
    this one is good for; its description when empty.
    """

    all_agents: bool = False
    is_automatic: bool = False
    offered_as: str = ""


@dataclass(frozen=True)
class StandingInstruction:
    """A rule that the agent follows in every run, beside its instructions."""

    id: UUID
    text: str
    created_at: datetime


@dataclass(frozen=True)
class KnowledgeScope:
    """Parts of knowledge bases that an agent may search beside whole ones.

    path: a folder with all below it, in every base of the project `project_id`; "" for all of them, None for none.
    document_ids: single documents, of whichever base.
    """

    path: str | None = None
    project_id: UUID | None = None
    document_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class AgentSpec:
    """Everything about an agent that a version keeps.

    tools: names of the tools it may use, with `?` behind those that need not be there; None means the safe built-in
    ones, as `default` does among others. Knowledge search comes with knowledge_base_ids and knowledge in any case.
    subagents: agents it may give tasks to, each offered to it as a tool. toolset_ids: toolsets whose tools it has
    besides. search_depth: the most results of each of its web searches; 5 is quick, 15 balanced, 30 thorough.
    is_active: whether it takes new work.
    """

    name: str
    description: str = ""
    instructions: str = ""
    model: str | None = None
    fallback_model: str | None = None
    settings: AgentSettings = field(default_factory=AgentSettings)
    knowledge_base_ids: tuple[UUID, ...] = ()
    tools: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    permissions: Permissions = field(default_factory=Permissions)
    subagents: tuple[UUID, ...] = ()
    context: ContextSettings = field(default_factory=ContextSettings)
    deliberation: Deliberation = field(default_factory=Deliberation)
    search_depth: int = 15
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    standing_instructions: tuple[StandingInstruction, ...] = ()
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    visibility: Visibility = "project"
    is_active: bool = True
    toolset_ids: tuple[UUID, ...] = ()
    knowledge: KnowledgeScope = field(default_factory=KnowledgeScope)

    @property
    def has_knowledge(self) -> bool:
        scope = self.knowledge
        return bool(self.knowledge_base_ids or scope.document_ids) or scope.path is not None


@dataclass(frozen=True)
class AgentVersion(AgentSpec):
    """One immutable state of an agent. promoted_from: the older version that it is a copy of."""

    version: int = 1
    promoted_from: int | None = None
    created_by: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class Agent:
    """An agent as it is now: its identity and its current version. deleted_at: None unless it may be restored."""

    id: AgentId
    slug: str
    current: AgentVersion
    created_at: datetime
    updated_at: datetime
    project_id: UUID
    deleted_at: datetime | None = None

    @property
    def version(self) -> int:
        return self.current.version


@dataclass(frozen=True)
class Draft:
    """changes: fields of AgentSpec as JSON. version: of the agent, made when this was put to work last."""

    id: UUID
    agent_id: UUID
    number: int
    changes: dict[str, Any]
    version: int | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class Relationship:
    """kind: delegates_to, collaborates_with, supervises or reports_to."""

    id: UUID
    from_agent_id: UUID
    to_agent_id: UUID
    kind: str
    metadata: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Specialization:
    """kind: planning, research, coding, execution, analysis or general."""

    id: UUID
    agent_id: UUID
    kind: str
    capabilities: tuple[str, ...]
    config: dict[str, Any]
    created_at: datetime
    updated_at: datetime


RELATIONSHIPS = ("delegates_to", "collaborates_with", "supervises", "reports_to")
SPECIALIZATIONS = ("planning", "research", "coding", "execution", "analysis", "general")


Sort = Literal["created_at", "updated_at", "name"]


@dataclass(frozen=True)
class AgentFilter:
    """Which agents a list is about, and its order; what is None does not matter.

    project_id: those that this project sees: its own, and the workspace's shared ones. text: in name, slug or
    description. name: exactly this one.
    """

    project_id: UUID | None = None
    text: str = ""
    name: str | None = None
    is_active: bool | None = None
    sort: Sort = "created_at"
    is_descending: bool = True
    limit: int = 20
    offset: int = 0
