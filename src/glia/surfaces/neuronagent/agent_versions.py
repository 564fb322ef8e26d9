"""/api/v1/agents/{id}/versions: numbered states of an agent, one of which is at work.

A version that a client makes is a draft of ours, under the client's number. Each change of an agent is a version too;
it has its own number, unless a client's version has that one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

from fastapi import APIRouter

from glia.agents.errors import VersionNotFound
from glia.agents.types import Agent, AgentSettings, AgentVersion
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.surfaces.neuronagent.agent_words import KEY, changes_of, kept_of, shown
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, number_in, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["agent versions"], route_class=WatchedRoute)

_NAMESPACE = UUID("a9c4d1de-1a0f-4e53-9c36-0d0c5be0f7a2")


_LABELS = ("name", "description")


class VersionBody(Body):
    """name, description: of the version; the agent keeps its own."""

    version_number: int
    system_prompt: str
    model_name: str
    name: str | None = None
    description: str | None = None
    enabled_tools: list[str] | None = None
    config: dict[str, Any] | None = None


class VersionOut(Out):
    id: UUID
    agent_id: UUID
    version_number: int
    name: str
    description: str | None
    system_prompt: str
    model_name: str
    enabled_tools: list[str]
    config: dict[str, Any]
    is_active: bool
    created_at: Time


class Difference(Out):
    """Any: JSON of whatever type the field has."""

    field: str
    from_value: Any
    to_value: Any


class ComparisonOut(Out):
    version_a: VersionOut
    version_b: VersionOut
    differences: list[Difference]


@router.get("/agents/{id}/versions")
async def list_versions(id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[VersionOut]:
    """An agent's versions, highest number first."""
    found = await _numbered(house, principal, uuid_in(id))
    return part.of([numbered.out() for numbered in found])


@router.post("/agents/{id}/versions", status_code=201)
async def create(id: str, body: VersionBody, house: TheHouse, principal: TheCaller) -> VersionOut:
    """Keep a version. It is not at work before it is activated."""
    agent = await house.agents.get(principal, uuid_in(id))
    if body.version_number < 1:
        raise InvalidRequest(f"`version_number` is {body.version_number}; it must be above 0.", field="version_number")
    draft = await house.drafts.create(principal, agent.id, body.version_number, _changes(agent.current, given(body)))
    return (await _one(house, principal, agent.id, draft.number)).out()


@router.get("/agents/{id}/versions/{version}")
async def get(id: str, version: str, house: TheHouse, principal: TheCaller) -> VersionOut:
    """One version of an agent."""
    return (await _one(house, principal, uuid_in(id), number_in(version, "version"))).out()


@router.put("/agents/{id}/versions/{version}/activate")
async def activate(id: str, version: str, house: TheHouse, principal: TheCaller) -> VersionOut:
    """Put a version to work: the agent is from now on what it says."""
    return await _activate(house, principal, uuid_in(id), number_in(version, "version"))


@router.post("/agents/{id}/versions/{version}/rollback")
async def rollback(id: str, version: str, house: TheHouse, principal: TheCaller) -> VersionOut:
    """Go back to a version: the same as activating it."""
    return await _activate(house, principal, uuid_in(id), number_in(version, "version"))


@router.get("/agents/{id}/versions/{version}/compare/{other}")
async def compare(id: str, version: str, other: str, house: TheHouse, principal: TheCaller) -> ComparisonOut:
    """In which fields two versions differ."""
    a = await _one(house, principal, uuid_in(id), number_in(version, "version"))
    b = await _one(house, principal, uuid_in(id), number_in(other, "other"))
    before, after = vars(shown(a.state)), vars(shown(b.state))
    differences = [
        Difference(field=name, from_value=before[name], to_value=after[name])
        for name in before
        if before[name] != after[name]
    ]
    return ComparisonOut(version_a=a.out(), version_b=b.out(), differences=differences)


def _changes(current: AgentVersion, fields: dict[str, Any]) -> dict[str, Any]:
    """All that the version says, whether it differs from the agent of today or not."""
    said = {name: value for name, value in fields.items() if value is not None}
    blank = AgentVersion(name="", settings=AgentSettings(thinking_effort=current.settings.thinking_effort))
    changes = changes_of({name: value for name, value in said.items() if name not in _LABELS}, blank)
    marks = {**kept_of(changes.get("metadata", {})), "version": {name: said[name] for name in _LABELS if name in said}}
    return {**changes, "metadata": {**current.metadata, KEY: {**kept_of(current.metadata), **marks}}}


@dataclass(frozen=True)
class _Numbered:
    """A version under the number that it has here. is_draft: a client made it, or put it to work."""

    number: int
    agent: Agent
    state: AgentVersion
    is_active: bool
    is_draft: bool

    def out(self) -> VersionOut:
        wire = vars(shown(self.state))
        wire.pop("memory_table")
        if self.is_draft:
            wire |= kept_of(self.state.metadata).get("version", {})
        return VersionOut(
            id=_id(self.agent.id, self.number),
            agent_id=self.agent.id,
            version_number=self.number,
            is_active=self.is_active,
            created_at=self.state.created_at or self.agent.created_at,
            **wire,
        )


def _id(agent_id: UUID, number: int) -> UUID:
    return uuid5(_NAMESPACE, f"{agent_id}:{number}")


async def _numbered(house: House, principal: Principal, agent_id: UUID) -> list[_Numbered]:
    agent = await house.agents.get(principal, agent_id)
    drafts = await house.drafts.list(principal, agent_id)
    found: dict[int, _Numbered] = {}
    for draft in drafts:
        state = replace(agent.current, **house.drafts.changes_of(draft), created_at=draft.created_at)
        found[draft.number] = _Numbered(draft.number, agent, state, draft.version == agent.version, True)
    made_of_drafts = {draft.version for draft in drafts}
    for version in await house.agents.versions(principal, agent_id):
        if version.version not in found and version.version not in made_of_drafts:
            is_active = version.version == agent.version
            found[version.version] = _Numbered(version.version, agent, version, is_active, False)
    return sorted(found.values(), key=lambda numbered: -numbered.number)


async def _one(house: House, principal: Principal, agent_id: UUID, number: int) -> _Numbered:
    for numbered in await _numbered(house, principal, agent_id):
        if numbered.number == number:
            return numbered
    raise VersionNotFound(f"This agent has no version {number}.", version=number)


async def _activate(house: House, principal: Principal, agent_id: UUID, number: int) -> VersionOut:
    wanted = await _one(house, principal, agent_id, number)
    if not wanted.is_active:
        if wanted.is_draft:
            await house.drafts.activate(principal, agent_id, number)
        else:
            await house.drafts.bring_back(principal, agent_id, number)
    return (await _one(house, principal, agent_id, number)).out()
