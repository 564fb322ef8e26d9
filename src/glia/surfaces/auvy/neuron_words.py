"""How a neuron looks, at its head or at an older version, and who may see it."""

from __future__ import annotations

from uuid import UUID

from glia.agents.errors import AgentNotFound
from glia.agents.types import Agent, AgentVersion
from glia.identity.types import Principal
from glia.surfaces.auvy.neuron_config import CharterOut, NeuronConfigOut, charter_of, config_out
from glia.surfaces.auvy.words import ScopeName, scope_of
from glia.surfaces.shared.bodies import Out, Time
from glia.wiring import House


class NeuronOut(Out):
    """name: the slug, unique in the brain; display_name: as it was written. version: the one that is shown;
    head_version: the newest. is_redacted: a core neuron shown without its prompt and resources."""

    id: UUID
    kind: str = "neuron"
    brain_id: UUID
    workspace_id: UUID
    name: str
    slug: str
    display_name: str
    description: str
    scope: ScopeName
    is_active: bool
    neuron_config: NeuronConfigOut
    charter: CharterOut
    reflex_ids: list[UUID]
    version: int
    head_version: int
    promoted_from: int | None
    is_redacted: bool
    created_by: str
    created_at: Time
    updated_at: Time


class VersionRow(Out):
    """One version. promoted_from: the older version that it is a copy of."""

    resource_id: UUID
    kind: str = "neuron"
    version: int
    name: str
    is_head: bool
    promoted_from: int | None
    created_by: str
    created_at: Time | None


def neuron_out(principal: Principal, agent: Agent, *, head: int | None = None) -> NeuronOut:
    version = agent.current
    is_redacted = version.visibility == "core" and not principal.allows("identity:write")
    return NeuronOut(
        id=agent.id,
        brain_id=agent.project_id,
        workspace_id=principal.workspace_id,
        name=agent.slug,
        slug=agent.slug,
        display_name=version.name,
        description=version.description,
        scope=scope_of(version.visibility),
        is_active=version.is_active,
        neuron_config=config_out(version, is_redacted=is_redacted),
        charter=charter_of(version),
        reflex_ids=list(version.toolset_ids),
        version=version.version,
        head_version=head or version.version,
        promoted_from=version.promoted_from,
        is_redacted=is_redacted,
        created_by=version.created_by,
        created_at=agent.created_at,
        updated_at=agent.updated_at if head in (None, version.version) else version.created_at or agent.updated_at,
    )


def row_out(agent: Agent, version: AgentVersion) -> VersionRow:
    return VersionRow(
        resource_id=agent.id,
        version=version.version,
        name=version.name,
        is_head=version.version == agent.version,
        promoted_from=version.promoted_from,
        created_by=version.created_by,
        created_at=version.created_at,
    )


async def neuron(
    house: House, principal: Principal, segment: str, brain: UUID | None, *, by_slug: bool = True
) -> Agent:
    """By UUID, or, with by_slug, by its slug in the caller's brain. Raises AgentNotFound.

    brain: the one that the request names; a neuron of another brain that is not shared is not there for it.
    """
    try:
        found = await house.agents.get(principal, UUID(segment))
    except ValueError:
        if not by_slug:
            raise missing(segment) from None
        found = await house.agents.find(principal, segment)
        brain = principal.project_id
    if brain is not None and found.project_id != brain and found.current.visibility == "project":
        raise missing(segment)
    return found


async def at_version(house: House, principal: Principal, agent: Agent, version: int) -> Agent:
    """Raises AgentNotFound for a version that there is not."""
    if version > agent.version:
        raise AgentNotFound(f"The neuron {agent.slug!r} has no version {version}; it is at {agent.version}.")
    return await house.agents.get(principal, agent.id, version=version)


def missing(segment: str) -> AgentNotFound:
    return AgentNotFound(f"There is no neuron {segment[:100]!r} here.")
