"""Plans: make, look at, change, carry out. Reflections: judge an answer, look at the judgements."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from glia.agents.types import AgentVersion
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.plans import queries
from glia.plans.asking import Asking, Thinkers
from glia.plans.errors import PlanNotFound, PlanUnderWay
from glia.plans.notebook import PlanNotebook
from glia.plans.reflections import Reflections
from glia.plans.types import Plan, PlanFilter, PlanStatus
from glia.runs.deliberation import make_plan
from glia.runs.events import PlanMade
from glia.runs.service import Runs, Said
from glia.sessions.errors import SessionNotFound
from glia.tools.types import Tool

__all__ = ["LONGEST_TASK", "PlanNotebook", "Plans", "Reflections", "Thinkers"]

LONGEST_TASK = 20_000
LARGEST_RESULT_BYTES = 100_000


class Plans:
    def __init__(self, db: Database, thinkers: Thinkers, runs: Runs) -> None:
        self._db = db
        self._with = thinkers
        self._runs = runs

    async def make(
        self, principal: Principal, agent_id: UUID, task: str, *, session_id: UUID | None = None, about: str = ""
    ) -> Plan:
        """Has the agent's model plan a task with the agent's tools, and keeps the plan.

        about: circumstances and constraints. Raises BudgetExceeded and what a model call raises.
        """
        principal.require("plans:write")
        checked_text(task, "task")
        agent = (await self._with.agents.get(principal, agent_id)).current
        model = await self._with.models.resolve(agent.model, or_default=agent.settings.default_if_unknown)
        asking = Asking(self._with.models, self._with.spending, principal, agent_id)
        wanted = f"{task}\n\n{about}" if about else task
        made, _ = await make_plan(asking, model, wanted, await self._tools(principal, agent))
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            if session_id is not None and not await queries.has_session(tx, session_id):
                raise SessionNotFound(f"There is no session '{session_id}' in this workspace.")
            await self._insert(tx, principal, id, made, agent_id=agent_id, session_id=session_id)
            if asking.record is not None:
                await self._with.usage.record(tx, asking.record)
            return await _get(tx, id)

    async def create(
        self, principal: Principal, made: PlanMade, *, agent_id: UUID | None = None, session_id: UUID | None = None
    ) -> Plan:
        """Keeps a plan that somebody else has made."""
        principal.require("plans:write")
        checked_text(made.task, "task")
        if agent_id is not None:
            await self._with.agents.get(principal, agent_id)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            if session_id is not None and not await queries.has_session(tx, session_id):
                raise SessionNotFound(f"There is no session '{session_id}' in this workspace.")
            await self._insert(tx, principal, id, made, agent_id=agent_id, session_id=session_id)
            return await _get(tx, id)

    async def get(self, principal: Principal, id: UUID) -> Plan:
        principal.require("plans:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id)

    async def list(self, principal: Principal, window: Window, wanted: PlanFilter | None = None) -> Page[Plan]:
        """Newest first."""
        principal.require("plans:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_plans(tx, window, wanted or PlanFilter())
        return page_of(rows, window, lambda plan: plan.id)

    async def update(
        self, principal: Principal, id: UUID, status: PlanStatus, result: dict[str, Any] | None = None
    ) -> Plan:
        """Notes how far the plan has come. `cancelled` also stops the run that carries it out.

        result: JSON; Any is what a client noted.
        """
        principal.require("plans:write")
        if len(orjson.dumps(result)) > LARGEST_RESULT_BYTES or b"\\u0000" in orjson.dumps(result):
            raise InvalidRequest(
                f"`result` may have {LARGEST_RESULT_BYTES} bytes as JSON, and no NUL character.", field="result"
            )
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await queries.lock_plan(tx, id)
            if before is None:
                raise missing(id)
            await queries.set_plan(tx, id, status, result)
        if status is PlanStatus.CANCELLED and before.status is PlanStatus.EXECUTING and before.run_id is not None:
            await self._runs.cancel(principal, before.run_id)
        return await self.get(principal, id)

    async def execute(self, principal: Principal, id: UUID, *, is_background: bool = True) -> Plan:
        """Has the plan's agent carry it out: in its session, or in a new one. The plan ends as that run does.

        Raises PlanUnderWay, and Conflict for a plan without an agent.
        """
        principal.require("plans:write")
        plan = await self.get(principal, id)
        if plan.status is PlanStatus.EXECUTING:
            raise PlanUnderWay(f"The plan '{id}' is being carried out; wait for its end, or cancel it.")
        if plan.agent_id is None:
            raise Conflict(f"The plan '{id}' names no agent that could carry it out.")
        said = [Said("user", order(plan))]
        key = f"plan:{id}:{plan.updated_at.isoformat()}"
        if plan.session_id is not None:
            accepted = await self._runs.accept(
                principal, plan.session_id, said, is_background=is_background, when_busy="queue", dedupe_key=key
            )
        else:
            title = plan.task.splitlines()[0][:80]
            accepted = await self._runs.start(
                principal, plan.agent_id, said, is_background=is_background, title=title, dedupe_key=key
            )
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.carry_out(tx, id, accepted.run_id, accepted.session_id)
            return await _get(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """The run that carries it out goes on."""
        principal.require("plans:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete_plan(tx, id):
                raise missing(id)

    async def _tools(self, principal: Principal, agent: AgentVersion) -> list[Tool]:
        return await self._with.tools.resolve(principal, agent.tools, has_knowledge=bool(agent.knowledge_base_ids))

    async def _insert(
        self,
        tx: Transaction,
        principal: Principal,
        id: UUID,
        made: PlanMade,
        *,
        agent_id: UUID | None,
        session_id: UUID | None,
    ) -> None:
        await queries.insert_plan(
            tx,
            id,
            made,
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            agent_id=agent_id,
            session_id=session_id,
            run_id=None,
            status=PlanStatus.CREATED,
            created_by=principal.name,
        )


def order(plan: Plan) -> str:
    """The plan as the agent that carries it out is told of it."""
    lines: list[str] = []
    for number, step in enumerate(plan.steps, 1):
        with_tool = f" (with the tool {step.tool})" if step.tool else ""
        then = "" if step.on_failure == "retry" else f" If it fails, {step.on_failure} it."
        lines.append(f"{number}. {step.action}{with_tool}.{then}")
    return f"{plan.task}\n\nFollow this plan:\n" + "\n".join(lines)


def checked_text(text: str, field: str) -> None:
    if not text.strip():
        raise InvalidRequest(f"`{field}` is empty; say what is to be done.", field=field)
    if len(text) > LONGEST_TASK:
        raise InvalidRequest(f"`{field}` has {len(text)} characters; the most is {LONGEST_TASK}.", field=field)


async def _get(tx: Transaction, id: UUID) -> Plan:
    plan = await queries.get_plan(tx, id)
    if plan is None:
        raise missing(id)
    return plan


def missing(id: UUID) -> PlanNotFound:
    return PlanNotFound(f"There is no plan '{id}' in this workspace.", plan_id=str(id))
