"""Instructions: make, list, delete. Standing ones are part of the agent, the others are triggers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from glia.agents.service import Agents
from glia.agents.types import AgentSpec, StandingInstruction
from glia.identity.types import Principal
from glia.instructions import queries
from glia.instructions.errors import InstructionNotFound
from glia.instructions.phrases import schedule_of, when_of
from glia.instructions.types import KINDS, Instruction, InstructionSpec
from glia.kit.clock import now
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.triggers.service import Triggers
from glia.triggers.types import OnCondition, OnEvent, OnMetric, Trigger, TriggerSpec, When

LONGEST_ACTION = 10_000
MOST_LISTED = 1_000
_LONGEST_NAME = 100


class Instructions:
    def __init__(self, db: Database, agents: Agents, triggers: Triggers) -> None:
        self._db = db
        self._agents = agents
        self._triggers = triggers

    async def create(self, principal: Principal, agent_id: UUID, spec: InstructionSpec) -> Instruction:
        """Raises AgentNotFound, and InvalidRequest which names the field."""
        _check(spec)
        agent = await self._agents.get(principal, agent_id)
        id = new_id()
        if spec.kind == "standing":
            return await self._stand(principal, agent.id, id, spec)
        await self._trigger(principal, agent.id, id, spec)
        return await self.get(principal, agent.id, id)

    async def get(self, principal: Principal, agent_id: UUID, id: UUID) -> Instruction:
        found = next((one for one in await self.list(principal, agent_id) if one.id == id), None)
        if found is None:
            raise _missing(id)
        return found

    async def list(self, principal: Principal, agent_id: UUID) -> list[Instruction]:
        """Newest first, at most 1,000."""
        agent = await self._agents.get(principal, agent_id)
        principal.require("triggers:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.triggered(tx, agent.id, MOST_LISTED)
            for rule in agent.current.standing_instructions:
                found.append(await _standing(tx, agent.id, rule))
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)[:MOST_LISTED]

    async def delete(self, principal: Principal, agent_id: UUID, id: UUID) -> None:
        """It is not followed from the next run on, and fires no more."""
        agent = await self._agents.get(principal, agent_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            trigger_id = await queries.trigger_of(tx, agent.id, id)
        if trigger_id is not None:
            return await self._triggers.delete(principal, trigger_id)

        def without(before: AgentSpec) -> dict[str, Any]:
            kept = tuple(one for one in before.standing_instructions if one.id != id)
            if len(kept) == len(before.standing_instructions):
                raise _missing(id)
            return {"standing_instructions": kept}

        if all(one.id != id for one in agent.current.standing_instructions):
            raise _missing(id)
        await self._agents.amend(principal, agent.id, without)
        return None

    async def _stand(self, principal: Principal, agent_id: UUID, id: UUID, spec: InstructionSpec) -> Instruction:
        rule = StandingInstruction(id, spec.action, now())
        await self._agents.amend(
            principal,
            agent_id,
            lambda before: {"standing_instructions": (*before.standing_instructions, rule)},
        )
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _standing(tx, agent_id, rule)

    async def _trigger(self, principal: Principal, agent_id: UUID, id: UUID, spec: InstructionSpec) -> None:
        when = _when(spec, agent_id)

        async def also(tx: Transaction, trigger: Trigger) -> None:
            await queries.insert(
                tx, id, spec, workspace_id=principal.workspace_id, agent_id=agent_id, trigger_id=trigger.id
            )

        wanted = TriggerSpec(
            name=" ".join(spec.action.split())[:_LONGEST_NAME],
            agent_id=agent_id,
            message=_message(spec, when),
            when=when,
        )
        try:
            await self._triggers.create(principal, wanted, also=also)
        except InvalidRequest as error:
            raise _in_our_words(error) from None


async def _standing(tx: Transaction, agent_id: UUID, rule: StandingInstruction) -> Instruction:
    followed = await queries.followed(tx, agent_id, rule.created_at)
    return Instruction(
        rule.id,
        agent_id,
        "standing",
        rule.text,
        condition=None,
        schedule=None,
        frequency=None,
        timezone=None,
        trigger_id=None,
        is_active=True,
        executions=followed.runs,
        last_executed_at=followed.last_at,
        created_at=rule.created_at,
    )


def _check(spec: InstructionSpec) -> None:
    if spec.kind not in KINDS:
        raise InvalidRequest(f"`instruction_type` {spec.kind[:50]!r} is none of {', '.join(KINDS)}.", field="kind")
    if not spec.action.strip() or "\0" in spec.action:
        raise InvalidRequest("`action` is empty; say what the agent should do.", field="action")
    if len(spec.action) > LONGEST_ACTION:
        raise InvalidRequest(
            f"`action` has {len(spec.action)} characters; the most is {LONGEST_ACTION}.", field="action"
        )
    if spec.kind == "conditional" and not (spec.condition or "").strip():
        raise InvalidRequest("A conditional instruction needs a `trigger`: when to act, in words.", field="trigger")


def _when(spec: InstructionSpec, agent_id: UUID) -> When:
    if spec.kind == "scheduled":
        return schedule_of(spec.schedule, spec.frequency, spec.timezone)
    return when_of(spec.condition or "", agent_id)


def _message(spec: InstructionSpec, when: When) -> str:
    """What the agent is told when it fires; braces in a person's words are no placeholders."""
    action = _plain(spec.action)
    condition = _plain(spec.condition or "")
    match when:
        case OnMetric():
            why = f"{condition}: {{{{ metric.name }}}} is {{{{ metric.value }}}} (limit {{{{ metric.above }}}})."
        case OnEvent():
            why = f"{condition}: {{{{ event.type }}}} in run {{{{ event.run_id }}}}: {{{{ event.data }}}}"
        case OnCondition():
            why = f"{condition}: {{{{ judgement.reason }}}} (run {{{{ event.run_id }}}})"
        case _:
            return action
    return f"{action}\n\nThis condition came true: {why}"


def _plain(text: str) -> str:
    return text.replace("{{", "{ {")


def _in_our_words(error: InvalidRequest) -> InvalidRequest:
    """A trigger's fields have other names here."""
    names = {"when.cron": "schedule", "when.timezone": "timezone", "when.every_seconds": "frequency"}
    field = names.get(error.field or "")
    if field is None:
        return error
    return InvalidRequest(error.message.replace(f"`{error.field}`", f"`{field}`"), field=field)


def _missing(id: UUID) -> NotFound:
    return InstructionNotFound(f"This agent has no instruction '{id}'.", instruction_id=str(id))
