"""/v1/memory-blocks: the texts that stand in the prompts of agents."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.memory.types import BlockSpec
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given

router = APIRouter(prefix="/v1/memory-blocks", tags=["memory blocks"], route_class=WatchedRoute)


class BlockBody(Body):
    """agent_id: whose it is, by id or slug; left away, it is shared and only seen by the agents it is pinned to.

    user_name: only in sessions of this user. is_read_only: agents may read it, people change it.
    """

    label: str
    content: str = ""
    description: str = ""
    agent_id: str | None = Field(None, max_length=200)
    user_name: str | None = None
    most_characters: int = 2_000
    is_read_only: bool = False


class BlockChanges(Changes):
    """version: the one the change was made to; needed for a new content. 409 when the block is not at it any more."""

    content: str = ""
    description: str = ""
    most_characters: int = 2_000
    is_read_only: bool = False
    version: int | None = None


class BlockOut(Out):
    """pinned_to: the agents that see it, if it is shared."""

    id: UUID
    agent_id: UUID | None
    user_name: str | None
    label: str
    description: str
    content: str
    most_characters: int
    is_read_only: bool
    version: int
    pinned_to: tuple[UUID, ...]
    created_at: Time
    updated_at: Time


class BlockVersionOut(Out):
    """changed_by: `agent:<id>` when an agent did, in run_id by tool_call_id. restores: the version that an undo went
    back to."""

    version: int
    content: str
    change: str
    restores: int | None
    changed_by: str
    run_id: UUID | None
    tool_call_id: str | None
    created_at: Time


@router.post("", status_code=201)
async def create(body: BlockBody, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """Make a block."""
    spec = BlockSpec(
        body.label,
        body.content,
        body.description,
        agent_id=None if body.agent_id is None else (await house.agents.find(principal, body.agent_id)).id,
        user_name=body.user_name,
        most_characters=body.most_characters,
        is_read_only=body.is_read_only,
    )
    return BlockOut.of(await house.memory_blocks.create(principal, spec))


@router.get("")
async def list_blocks(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    agent_id: Annotated[str | None, Query(description="Only those that this agent sees; its id or slug.")] = None,
    deleted: Annotated[
        bool, Query(description="Only those that were deleted in the last 30 days and can be restored.")
    ] = False,
) -> ListOf[BlockOut]:
    """List blocks, newest first."""
    agent = None if agent_id is None else await agent_id_of(house, principal, agent_id)
    return page_of(await house.memory_blocks.list(principal, window, agent_id=agent, is_deleted=deleted), BlockOut.of)


@router.get("/{block}")
async def get(block: str, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """One block."""
    return BlockOut.of(await house.memory_blocks.get(principal, parse_id(block, "memory block")))


@router.patch("/{block}")
async def update(block: str, body: BlockChanges, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """Change a block; what it said stays as a version."""
    changes = given(body)
    version = cast(int | None, changes.pop("version", None))
    id = parse_id(block, "memory block")
    return BlockOut.of(await house.memory_blocks.update(principal, id, changes, version=version))


@router.delete("/{block}", status_code=204, response_class=Response)
async def delete(
    block: str,
    house: TheHouse,
    principal: ThePrincipal,
    for_good: Annotated[bool, Query(description="At once and for good, with its versions.")] = False,
) -> Response:
    """Delete a block. It can be restored for 30 days unless it goes for good."""
    await house.memory_blocks.delete(principal, parse_id(block, "memory block"), for_good=for_good)
    return Response(status_code=204)


@router.post("/{block}/restore")
async def restore(block: str, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """Bring a deleted block back as it was; 409 when another one has its label now."""
    return BlockOut.of(await house.memory_blocks.restore(principal, parse_id(block, "memory block")))


@router.get("/{block}/versions")
async def versions(block: str, house: TheHouse, principal: ThePrincipal) -> ListOf[BlockVersionOut]:
    """Every text it has had, newest first."""
    found = await house.memory_blocks.versions(principal, parse_id(block, "memory block"))
    return ListOf(data=[BlockVersionOut.of(version) for version in found])


@router.post("/{block}/undo")
async def undo(block: str, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """Give it the text it had before the latest change; 409 when there is none."""
    return BlockOut.of(await house.memory_blocks.undo(principal, parse_id(block, "memory block")))


@router.put("/{block}/agents/{agent}")
async def pin(block: str, agent: str, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """Show a shared block to an agent."""
    found = await house.agents.find(principal, agent)
    return BlockOut.of(await house.memory_blocks.pin(principal, parse_id(block, "memory block"), found.id))


@router.delete("/{block}/agents/{agent}")
async def unpin(block: str, agent: str, house: TheHouse, principal: ThePrincipal) -> BlockOut:
    """Show a shared block to an agent no longer."""
    found = await house.agents.find(principal, agent)
    id = parse_id(block, "memory block")
    return BlockOut.of(await house.memory_blocks.pin(principal, id, found.id, is_pinned=False))
