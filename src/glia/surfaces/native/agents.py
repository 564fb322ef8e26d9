"""/v1/agents"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast, get_args
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from glia.agents.errors import AgentNotFound
from glia.agents.types import (
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
)
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.agent_shapes import (
    AgentBody,
    AgentChanges,
    AgentOut,
    AgentVersionOut,
    KnowledgeBody,
    PermissionRuleBody,
    PermissionsBody,
    agent_out,
)
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import TheHouse, ThePrincipal, WatchedRoute, given, id_of
from glia.tools.types import Permission
from glia.wiring import House

router = APIRouter(prefix="/v1/agents", tags=["agents"], route_class=WatchedRoute)


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
async def versions(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[AgentVersionOut]:
    """All versions of an agent, newest first, at most 1,000."""
    found = await house.agents.versions(principal, await agent_id_of(house, principal, agent))
    return ListOf(data=[AgentVersionOut.of(version) for version in found])


@router.get("/{agent}/versions/{version}")
async def get_version(agent: str, version: str, house: TheHouse, principal: ThePrincipal) -> AgentVersionOut:
    """One version of an agent."""
    found = await house.agents.find(principal, agent)
    missing = AgentNotFound(f"The agent {found.slug!r} has no version {version[:40]!r}; it is at {found.version}.")
    if not (version.isascii() and version.isdigit() and 1 <= int(version[:12]) <= found.version):
        raise missing
    return AgentVersionOut.of((await house.agents.get(principal, found.id, version=int(version[:12]))).current)


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


def _rule(body: PermissionRuleBody, field: str) -> PermissionRule:
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
