"""/v1/resources: neurons as resources of the workspace, with history, soft deletion and restore. By UUID only."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from glia.surfaces.auvy.auth import GivenBrain, InBrain, InNamedBrain
from glia.surfaces.auvy.neuron_words import NeuronOut, VersionRow, at_version, missing, neuron, neuron_out, row_out
from glia.surfaces.auvy.neurons import ActiveText, DirectionText, RemovedOut, SortText, list_neurons
from glia.surfaces.auvy.words import LimitText, OffsetText, SearchText, version_of
from glia.surfaces.shared.bodies import TheHouse, WatchedRoute

router = APIRouter(prefix="/v1/resources", tags=["catalogue"], route_class=WatchedRoute)


class SoftRemovedOut(RemovedOut):
    """restorable: `POST .../restore` brings it back."""

    restorable: bool = True


@router.get("/neurons")
async def list_resources(
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
    """As `GET /v1/neurons`."""
    return await list_neurons(
        house=house,
        principal=principal,
        response=response,
        search=search,
        is_active=is_active,
        limit=limit,
        offset=offset,
        sort_by=sort_by,
        sort_direction=sort_direction,
    )


@router.get("/neurons/{resource_id}")
async def get(resource_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> NeuronOut:
    """The head of a neuron, by its UUID."""
    return neuron_out(principal, await neuron(house, principal, resource_id, brain, by_slug=False))


@router.get("/neurons/{resource_id}/history")
async def history(resource_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> list[VersionRow]:
    """Rows of a neuron's versions, newest first, at most 1,000."""
    found = await neuron(house, principal, resource_id, brain, by_slug=False)
    return [row_out(found, version) for version in await house.agents.versions(principal, found.id)]


@router.get("/neurons/{resource_id}/versions/{version}")
async def get_version(
    resource_id: str, version: str, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> NeuronOut:
    """A snapshot of a neuron at a version."""
    number = version_of(version)
    found = await neuron(house, principal, resource_id, brain, by_slug=False)
    return neuron_out(principal, await at_version(house, principal, found, number), head=found.version)


@router.post("/{resource_id}/versions/{version}/promote")
async def promote(resource_id: str, version: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> NeuronOut:
    """Make an older version the head: a new version that is a copy of it."""
    number = version_of(version)
    found = await neuron(house, principal, resource_id, brain, by_slug=False)
    return neuron_out(principal, await house.agents.promote(principal, found.id, number))


@router.delete("/neurons/{resource_id}")
async def delete(resource_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> SoftRemovedOut:
    """Take a neuron out of sight. It can be restored, and its name is free meanwhile."""
    found = await neuron(house, principal, resource_id, brain, by_slug=False)
    await house.agents.delete(principal, found.id)
    return SoftRemovedOut(id=found.id)


@router.post("/neurons/{resource_id}/restore")
async def restore(resource_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> NeuronOut:
    """Bring a neuron back with its versions, reflexes and name; 409 when another one has the name by now."""
    try:
        id = UUID(resource_id)
    except ValueError:
        raise missing(resource_id) from None
    return neuron_out(principal, await house.agents.restore(principal, id, project_id=brain))
