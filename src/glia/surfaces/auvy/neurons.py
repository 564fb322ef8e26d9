"""/v1/neurons: make, change, look at and remove neurons."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field, WithJsonSchema

from glia.agents.types import Agent, AgentFilter, AgentSpec, Sort
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.slugs import slug_of
from glia.surfaces.auvy.auth import GivenBrain, InBrain, InNamedBrain, in_brain
from glia.surfaces.auvy.neuron_config import NEW, NeuronConfig, Place, changed
from glia.surfaces.auvy.neuron_words import NeuronOut, at_version, neuron, neuron_out, row_out
from glia.surfaces.auvy.words import (
    LimitText,
    OffsetText,
    ScopeName,
    SearchText,
    choice_of,
    flag_of,
    page_of,
    version_of,
    visibility_of,
)
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.wiring import House

router = APIRouter(prefix="/v1/neurons", tags=["neurons"], route_class=WatchedRoute)

SORTS = ("created_at", "updated_at", "name")


class NeuronBody(Body):
    """name: becomes a slug, unique in the brain. brain_id: where it belongs, unless `X-Brain-Id` says it.

    scope: `brain`; `workspace` takes an admin of the workspace, `core` one of the installation.
    """

    name: str = Field(max_length=200)
    brain_id: str | None = None
    description: str = Field("", max_length=10_000)
    neuron_config: NeuronConfig | None = None
    is_active: bool = True
    scope: ScopeName = "brain"


class NeuronChanges(Changes):
    """What is given changes. Of `neuron_config`, too, what is not given stays."""

    name: str = Field("", max_length=200)
    description: str = Field("", max_length=10_000)
    neuron_config: NeuronConfig | None = None
    is_active: bool = True
    scope: ScopeName = "brain"


class VersionSummary(Out):
    version: int
    is_head: bool
    promoted_from: int | None
    created_by: str
    created_at: Time | None


class VersionsOut(Out):
    """All versions, newest first, at most 1,000."""

    neuron_id: UUID
    head_version: int
    total: int
    versions: list[VersionSummary]


class RemovedOut(Out):
    id: UUID
    deleted: bool = True


VersionText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1}),
    Query(description="Show this version instead of the newest."),
]
SortText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(SORTS)}),
    Query(alias="sortBy", description="What to sort by."),
]
DirectionText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": ["asc", "desc"]}),
    Query(alias="sortDirection", description="`desc` unless given."),
]
ActiveText = Annotated[
    str | None, WithJsonSchema({"type": "boolean"}), Query(description="Only those that are active, or that are not.")
]


@router.get("")
async def list_neurons(
    house: TheHouse,
    principal: InNamedBrain,
    response: Response,
    search: SearchText = "",
    is_active: ActiveText = None,
    limit: LimitText = None,
    offset: OffsetText = None,
    sort_by: SortText = None,
    sort_direction: DirectionText = None,
) -> list[NeuronOut]:
    """The neurons that a brain sees: its own and those shared with it. `X-Total-Count` says how many there are."""
    number, passed = page_of(limit, offset)
    wanted = AgentFilter(
        project_id=principal.project_id,
        text=search,
        is_active=flag_of(is_active, "is_active"),
        sort=cast(Sort, choice_of(sort_by, "sortBy", "created_at", SORTS)),
        is_descending=choice_of(sort_direction, "sortDirection", "desc", ("asc", "desc")) == "desc",
        limit=number,
        offset=passed,
    )
    found, total = await house.agents.search(principal, wanted)
    response.headers["X-Total-Count"] = str(total)
    return [neuron_out(principal, agent) for agent in found]


@router.post("", status_code=201)
async def create(body: NeuronBody, house: TheHouse, principal: ThePrincipal, brain: GivenBrain) -> NeuronOut:
    """Make a neuron. 409 when the brain has one with this name already."""
    placed = await _place(house, principal, body.brain_id, brain)
    spec = replace(
        NEW,
        name=body.name,
        description=body.description,
        is_active=body.is_active,
        visibility=visibility_of(body.scope),
    )
    spec = await changed(Place(house, placed), spec, body.neuron_config)
    return neuron_out(placed, await house.agents.create(placed, spec, slug=_slug(body.name)))


@router.get("/{id}")
async def get(
    id: str, house: TheHouse, principal: InBrain, brain: GivenBrain, version: VersionText = None
) -> NeuronOut:
    """One neuron, by its UUID or its slug, as it is now or at an older version."""
    number = None if version is None else version_of(version)
    found = await neuron(house, principal, id, brain)
    shown = found if number is None else await at_version(house, principal, found, number)
    return neuron_out(principal, shown, head=found.version)


@router.put("/{id}")
@router.patch("/{id}")
async def update(id: str, body: NeuronChanges, house: TheHouse, principal: InBrain, brain: GivenBrain) -> NeuronOut:
    """Change a neuron: a new version. A receptor that targets it has its scope from then on."""
    found = await neuron(house, principal, id, brain)
    changes = given(body)
    if not changes:
        return neuron_out(principal, found)
    spec, slug = await _changed(house, principal, found, body, changes)
    return neuron_out(principal, await house.agents.update(principal, found.id, spec, slug=slug))


@router.delete("/{id}")
async def delete(id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> RemovedOut:
    """Remove a neuron for good, with its versions, receptor and search entries. Its traces stay."""
    found = await neuron(house, principal, id, brain)
    principal.require("agents:write")
    await house.runs.cancel_agent(principal, found.id)
    await house.agents.purge(principal, found.id)
    return RemovedOut(id=found.id)


@router.get("/{id}/versions")
async def versions(id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> VersionsOut:
    """A summary of a neuron's versions, newest first."""
    found = await neuron(house, principal, id, brain)
    rows = [row_out(found, version) for version in await house.agents.versions(principal, found.id)]
    return VersionsOut(
        neuron_id=found.id,
        head_version=found.version,
        total=len(rows),
        versions=[VersionSummary.of(row) for row in rows],
    )


@router.get("/{id}/versions/{version}")
async def get_version(id: str, version: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> NeuronOut:
    """A neuron as it was at a version."""
    number = version_of(version)
    found = await neuron(house, principal, id, brain)
    return neuron_out(principal, await at_version(house, principal, found, number), head=found.version)


@router.post("/{id}/versions/{version}/promote")
async def promote(id: str, version: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> NeuronOut:
    """Make an older version the head: a new version that is a copy of it."""
    number = version_of(version)
    found = await neuron(house, principal, id, brain)
    return neuron_out(principal, await house.agents.promote(principal, found.id, number))


async def _place(house: House, principal: Principal, brain_id: str | None, brain: UUID | None) -> Principal:
    if brain_id is None:
        if brain is None:
            raise InvalidRequest("`brain_id` is missing; give it, or the header `X-Brain-Id`.", field="brain_id")
        return replace(principal, project_id=brain)
    placed = await in_brain(house, principal, brain_id, "brain_id")
    if brain not in (None, placed.project_id):
        raise InvalidRequest("`brain_id` and `X-Brain-Id` name two brains; name one.", field="brain_id")
    return placed


def _slug(name: str) -> str:
    if not name.strip():
        raise InvalidRequest("`name` is empty; give the neuron a name.", field="name")
    return slug_of(name, "neuron")


async def _changed(
    house: House, principal: Principal, found: Agent, body: NeuronChanges, changes: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """The fields of AgentSpec that change, and the new slug. Any: what those fields take."""
    place = Place(house, replace(principal, project_id=found.project_id), found.id)
    before: AgentSpec = found.current
    after = await changed(place, before, body.neuron_config)
    spec: dict[str, Any] = {
        name: getattr(after, name)
        for name in AgentSpec.__dataclass_fields__
        if getattr(after, name) != getattr(before, name)
    }
    slug = None
    if "name" in changes:
        spec["name"], slug = body.name, _slug(body.name)
    for name in ("description", "is_active"):
        if name in changes:
            spec[name] = changes[name]
    if "scope" in changes:
        spec["visibility"] = visibility_of(body.scope)
    return spec, slug
