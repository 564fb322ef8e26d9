"""/v1/agents/{agent}/instructions: rules an agent always follows, and what it does by the clock or on a condition."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.instructions.types import Instruction, InstructionSpec
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, agent_id_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/agents/{agent}/instructions", tags=["instructions"], route_class=WatchedRoute)

KindName = Literal["standing", "scheduled", "conditional"]


class InstructionBody(Body):
    """kind: standing, scheduled or conditional. action: what the agent should do.

    schedule: five fields of cron, or frequency: `hourly`, `daily`, `every 15 minutes` and the like, in `timezone`.
    trigger: of a conditional one, when to act, in words.
    """

    kind: KindName
    action: str
    trigger: str | None = Field(None, max_length=2_000)
    schedule: str | None = Field(None, max_length=200)
    frequency: str | None = Field(None, max_length=100)
    timezone: str | None = Field(None, max_length=100)


class InstructionOut(Out):
    """trigger_id: the trigger that was made for it, of all but standing ones.

    executions: runs that it has begun; of a standing one, runs that have followed it to their end.
    """

    id: UUID
    agent_id: UUID
    kind: KindName
    action: str
    trigger: str | None
    schedule: str | None
    frequency: str | None
    timezone: str | None
    trigger_id: UUID | None
    is_active: bool
    executions: int
    last_executed_at: Time | None
    created_at: Time


@router.post("", status_code=201)
async def create(agent: str, body: InstructionBody, house: TheHouse, principal: ThePrincipal) -> InstructionOut:
    """Give an agent an instruction."""
    spec = InstructionSpec(body.kind, body.action, body.trigger, body.schedule, body.frequency, body.timezone)
    return _out(await house.instructions.create(principal, await agent_id_of(house, principal, agent), spec))


@router.get("")
async def list_instructions(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[InstructionOut]:
    """An agent's instructions, newest first, at most 1,000."""
    found = await house.instructions.list(principal, await agent_id_of(house, principal, agent))
    return ListOf(data=[_out(one) for one in found])


@router.delete("/{instruction}", status_code=204, response_class=Response)
async def delete(agent: str, instruction: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Take an instruction away; its trigger goes with it."""
    id = parse_id(instruction, "instruction")
    await house.instructions.delete(principal, await agent_id_of(house, principal, agent), id)
    return Response(status_code=204)


def _out(one: Instruction) -> InstructionOut:
    values = {name: getattr(one, name) for name in InstructionOut.model_fields if name != "trigger"}
    return InstructionOut(trigger=one.condition, **values)
