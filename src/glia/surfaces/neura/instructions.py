"""/api/agents/{agent_id}/instructions"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from glia.instructions.types import KINDS, Instruction, InstructionSpec
from glia.kit.ids import parse_id
from glia.surfaces.neura.words import Success, one_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/api/agents/{agent_id}/instructions", tags=["instructions"], route_class=WatchedRoute)


class InstructionBody(Body):
    """instruction_type: standing, scheduled or conditional. action: what the agent should do.

    trigger: of a conditional one, when to act, in words. schedule: of a scheduled one, five fields of cron, in timezone
    (UTC when not given); or frequency: hourly, daily, weekly, every 15 minutes and the like.
    """

    instruction_type: str
    action: str
    trigger: str | None = Field(None, max_length=2_000)
    schedule: str | None = Field(None, max_length=200)
    frequency: str | None = Field(None, max_length=100)
    timezone: str | None = Field(None, max_length=100)


class InstructionOut(Out):
    """execution_count, last_executed: of the runs that it has begun, or that have followed a standing one."""

    task_id: UUID
    type: str
    action: str
    trigger: str | None
    schedule: str | None
    frequency: str | None
    timezone: str | None
    is_active: bool
    execution_count: int
    last_executed: Time | None
    created_at: Time


class MadeInstructionOut(InstructionOut):
    agent_id: UUID
    message: str


class InstructionsOut(Out):
    agent_id: UUID
    agent_name: str
    instructions: list[InstructionOut]
    total: int


@router.post("", status_code=201)
async def create(agent_id: str, body: InstructionBody, house: TheHouse, principal: ThePrincipal) -> MadeInstructionOut:
    """Add an instruction; it is followed from the next run on."""
    one_of(body.instruction_type, "instruction_type", KINDS)
    agent = await house.agents.find(principal, agent_id)
    spec = InstructionSpec(
        body.instruction_type, body.action, body.trigger, body.schedule, body.frequency, body.timezone
    )
    made = await house.instructions.create(principal, agent.id, spec)
    return MadeInstructionOut(**_shown(made), agent_id=agent.id, message="Instruction added.")


@router.get("")
async def list_instructions(agent_id: str, house: TheHouse, principal: ThePrincipal) -> InstructionsOut:
    """List an agent's instructions, newest first, at most 1,000."""
    agent = await house.agents.find(principal, agent_id)
    found = await house.instructions.list(principal, agent.id)
    return InstructionsOut(
        agent_id=agent.id,
        agent_name=agent.current.name,
        instructions=[InstructionOut(**_shown(one)) for one in found],
        total=len(found),
    )


@router.delete("/{task_id}")
async def delete(agent_id: str, task_id: str, house: TheHouse, principal: ThePrincipal) -> Success:
    """Remove an instruction."""
    agent = await house.agents.find(principal, agent_id)
    await house.instructions.delete(principal, agent.id, parse_id(task_id, "instruction"))
    return Success()


def _shown(one: Instruction) -> dict[str, Any]:
    """Any: the fields of InstructionOut."""
    return {
        "task_id": one.id,
        "type": one.kind,
        "action": one.action,
        "trigger": one.condition,
        "schedule": one.schedule,
        "frequency": one.frequency,
        "timezone": one.timezone,
        "is_active": one.is_active,
        "execution_count": one.executions,
        "last_executed": one.last_executed_at,
        "created_at": one.created_at,
    }
