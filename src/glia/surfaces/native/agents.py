"""/v1/agents"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast, get_args
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.agents.errors import AgentNotFound
from glia.agents.types import (
    Agent,
    AgentSettings,
    AgentSpec,
    AgentVersion,
    Comparison,
    ContextSettings,
    Deliberation,
    KnowledgeScope,
    Limits,
    PermissionRule,
    Permissions,
    ToolChoice,
    Visibility,
)
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of
from glia.tools.types import Permission
from glia.wiring import House

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=WatchedRoute)


class LimitsBody(Body):
    """ends_with_answer: the last model call that `max_iterations` allows has no tools, so that it answers."""

    max_iterations: int = Limits.max_iterations
    timeout_seconds: float = Limits.timeout_seconds
    max_tokens: int = Limits.max_tokens
    max_cost_micros: int | None = None
    max_depth: int = Limits.max_depth
    ends_with_answer: bool = False


class RuleBody(Body):
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
    rules: list[RuleBody] = Field(default_factory=list[RuleBody])
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


class SettingsBody(Body):
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
    settings: SettingsBody | None = None
    knowledge_base_ids: list[str] = Field(default_factory=list[str], max_length=100)
    tools: list[str] | None = None
    limits: LimitsBody | None = None
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
    settings: SettingsBody | None = None
    knowledge_base_ids: list[str] = Field(default_factory=list[str], max_length=100)
    tools: list[str] | None = None
    limits: LimitsBody | None = None
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


class LimitsOut(Out):
    max_iterations: int
    timeout_seconds: float
    max_tokens: int
    max_cost_micros: int | None
    max_depth: int
    ends_with_answer: bool


class RuleOut(Out):
    tool: str
    permission: Permission
    argument: str
    op: str
    value: Any


class PermissionsOut(Out):
    default: Permission
    tools: dict[str, Permission]
    rules: list[RuleOut]
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


class SettingsOut(Out):
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    thinking_effort: str | None
    default_if_unknown: bool


class KnowledgeOut(Out):
    path: str | None
    project_id: UUID | None
    document_ids: list[UUID]


class VersionOut(Out):
    """promoted_from: the older version that this one is a copy of."""

    version: int
    name: str
    description: str
    instructions: str
    model: str | None
    fallback_model: str | None
    settings: SettingsOut
    knowledge_base_ids: list[UUID]
    tools: list[str] | None
    limits: LimitsOut
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


class AgentOut(VersionOut):
    """An agent as it is now. created_at and updated_at are the agent's, not its version's."""

    id: UUID
    slug: str
    project_id: UUID
    updated_at: Time


@router.post("", status_code=201)
async def create(body: AgentBody, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Make an agent; this is its version 1."""
    spec = AgentSpec(
        name=body.name,
        description=body.description,
        instructions=body.instructions,
        model=body.model,
        fallback_model=body.fallback_model,
        settings=AgentSettings(**given(body.settings)),
        knowledge_base_ids=_bases(body.knowledge_base_ids),
        tools=None if body.tools is None else tuple(body.tools),
        limits=Limits(**given(body.limits)),
        permissions=_permissions(body.permissions),
        subagents=await _subagents(house, principal, body.subagents),
        context=ContextSettings(**given(body.context)),
        deliberation=Deliberation(**given(body.deliberation)),
        search_depth=body.search_depth,
        tool_choice=ToolChoice(**given(body.tool_choice)),
        metadata=body.metadata,
        visibility=body.visibility,
        is_active=body.is_active,
        toolset_ids=tuple(id_of(text, f"toolset_ids[{index}]") for index, text in enumerate(body.toolset_ids)),
        knowledge=_knowledge(principal, body.knowledge),
    )
    return agent_out(await house.agents.create(principal, spec, slug=body.slug))


@router.get("")
async def list_agents(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[AgentOut]:
    """List agents, newest first."""
    return page_of(await house.agents.list(principal, window), agent_out)


@router.get("/{agent}")
async def get(agent: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """One agent, by its id or slug."""
    return agent_out(await house.agents.find(principal, agent))


@router.patch("/{agent}")
async def update(agent: str, body: AgentChanges, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Change an agent: a new version with the given fields changed. Runs keep the version they began with."""
    id = await agent_id_of(house, principal, agent)
    changes = await _changes(house, principal, id, body)
    if not changes:
        return agent_out(await house.agents.get(principal, id))
    return agent_out(await house.agents.update(principal, id, changes))


@router.get("/{agent}/versions")
async def versions(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[VersionOut]:
    """All versions of an agent, newest first, at most 1,000."""
    found = await house.agents.versions(principal, await agent_id_of(house, principal, agent))
    return ListOf(data=[VersionOut.of(version) for version in found])


@router.get("/{agent}/versions/{version}")
async def get_version(agent: str, version: str, house: TheHouse, principal: ThePrincipal) -> VersionOut:
    """One version of an agent."""
    found = await house.agents.find(principal, agent)
    missing = AgentNotFound(f"The agent {found.slug!r} has no version {version[:40]!r}; it is at {found.version}.")
    if not (version.isascii() and version.isdigit() and 1 <= int(version[:12]) <= found.version):
        raise missing
    return VersionOut.of((await house.agents.get(principal, found.id, version=int(version[:12]))).current)


@router.post("/{agent}/versions/{version}/promote")
async def promote(agent: str, version: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Make an older version the current one: a new version that is a copy of it."""
    id = await agent_id_of(house, principal, agent)
    number = int(version[:9]) if version.isascii() and version.isdigit() else 0
    return agent_out(await house.agents.promote(principal, id, number))


@router.put("/{agent}/toolsets/{toolset}")
async def attach(agent: str, toolset: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Give an agent a toolset's tools besides its own; 409 when it has them already."""
    id = await agent_id_of(house, principal, agent)
    found = await house.toolsets.get(principal, parse_id(toolset, "toolset"))
    return agent_out(await house.agents.attach_toolset(principal, id, found.id))


@router.delete("/{agent}/toolsets/{toolset}")
async def detach(agent: str, toolset: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Take a toolset away from an agent."""
    id = await agent_id_of(house, principal, agent)
    return agent_out(await house.agents.detach_toolset(principal, id, parse_id(toolset, "toolset")))


@router.delete("/{agent}", status_code=204, response_class=Response)
async def delete(agent: str, house: TheHouse, principal: ThePrincipal, permanently: bool = False) -> Response:
    """Delete an agent. Its sessions stay readable, its slug is free again, and it can be restored.

    `permanently=true` stops its runs and removes it with its versions, memories and triggers for good.
    """
    id = await agent_id_of(house, principal, agent)
    if permanently:
        await house.agents.get(principal, id)
        await house.runs.cancel_agent(principal, id)
        await house.agents.purge(principal, id)
    else:
        await house.agents.delete(principal, id)
    return Response(status_code=204)


@router.post("/{agent}/restore")
async def restore(agent: str, house: TheHouse, principal: ThePrincipal) -> AgentOut:
    """Bring a deleted agent back, by its id, with all its versions; 409 when its slug was taken meanwhile."""
    return agent_out(await house.agents.restore(principal, parse_id(agent, "agent")))


def agent_out(agent: Agent) -> AgentOut:
    shown = VersionOut.of(agent.current).model_dump()
    shown.update(
        id=agent.id,
        slug=agent.slug,
        project_id=agent.project_id,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
    return AgentOut(**shown)


def _knowledge(principal: Principal, body: KnowledgeBody | None) -> KnowledgeScope:
    if body is None:
        return KnowledgeScope()
    project = principal.project_id if body.project_id is None else id_of(body.project_id, "knowledge.project_id")
    documents = [id_of(text, f"knowledge.document_ids[{index}]") for index, text in enumerate(body.document_ids)]
    return KnowledgeScope(body.path, None if body.path is None else project, tuple(documents))


def _bases(texts: list[str]) -> tuple[UUID, ...]:
    return tuple(id_of(text, f"knowledge_base_ids[{index}]") for index, text in enumerate(texts))


async def _subagents(house: House, principal: Principal, references: list[str]) -> tuple[UUID, ...]:
    found: list[UUID] = []
    for index, reference in enumerate(references):
        try:
            found.append((await house.agents.find(principal, reference)).id)
        except AgentNotFound as error:
            raise InvalidRequest(error.message, field=f"subagents[{index}]") from None
    return tuple(dict.fromkeys(found))


def _permissions(body: PermissionsBody | None) -> Permissions:
    if body is None:
        return Permissions()
    return Permissions(
        default=_permission(body.default, "permissions.default"),
        tools={name: _permission(word, f"permissions.tools.{name[:100]}") for name, word in body.tools.items()},
        rules=tuple(_rule(rule, f"permissions.rules[{index}]") for index, rule in enumerate(body.rules)),
        expires_after_seconds=body.expires_after_seconds,
    )


def _rule(body: RuleBody, field: str) -> PermissionRule:
    ops = get_args(Comparison)
    if body.op not in ops:
        raise InvalidRequest(f"`{field}.op` {body.op[:50]!r} is none of {', '.join(ops)}.", field=f"{field}.op")
    permission = _permission(body.permission, f"{field}.permission")
    return PermissionRule(body.tool, permission, body.argument, cast(Comparison, body.op), body.value)


def _permission(word: str, field: str) -> Permission:
    try:
        return Permission(word)
    except ValueError:
        known = ", ".join(Permission)
        raise InvalidRequest(f"`{field}` {word[:50]!r} is none of {known}.", field=field) from None


async def _changes(house: House, principal: Principal, id: UUID, body: AgentChanges) -> dict[str, Any]:
    """The given fields as Agents.update takes them; of `limits` and `settings` what is not given stays."""
    changes = given(body)
    if "knowledge_base_ids" in changes:
        changes["knowledge_base_ids"] = _bases(body.knowledge_base_ids)
    if "subagents" in changes:
        changes["subagents"] = await _subagents(house, principal, body.subagents)
    if "toolset_ids" in changes:
        changes["toolset_ids"] = tuple(
            id_of(text, f"toolset_ids[{index}]") for index, text in enumerate(body.toolset_ids)
        )
    if "knowledge" in changes:
        changes["knowledge"] = _knowledge(principal, body.knowledge)
    if "context" in changes:
        changes["context"] = ContextSettings(**given(body.context))
    if "deliberation" in changes:
        changes["deliberation"] = Deliberation(**given(body.deliberation))
    if "tool_choice" in changes:
        changes["tool_choice"] = ToolChoice(**given(body.tool_choice))
    if "permissions" in changes:
        changes["permissions"] = _permissions(body.permissions)
    if body.tools is not None:
        changes["tools"] = tuple(body.tools)
    if "limits" in changes or "settings" in changes:
        current: AgentVersion = (await house.agents.get(principal, id)).current
        if "limits" in changes:
            changes["limits"] = replace(current.limits, **given(body.limits)) if body.limits else Limits()
        if "settings" in changes:
            changes["settings"] = (
                replace(current.settings, **given(body.settings)) if body.settings else AgentSettings()
            )
    return changes
