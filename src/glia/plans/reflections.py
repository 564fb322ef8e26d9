"""Reflections: how good an answer was, judged by the agent's model or by plain rules."""

from __future__ import annotations

from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.plans import queries
from glia.plans.asking import Asking, Thinkers
from glia.plans.errors import ReflectionNotFound
from glia.plans.types import Judgeable, Reflection
from glia.runs.deliberation import reflect
from glia.sessions.errors import SessionNotFound

LONGEST_ANSWER = 400_000


class Reflections:
    def __init__(self, db: Database, thinkers: Thinkers) -> None:
        self._db = db
        self._with = thinkers

    async def make(self, principal: Principal, agent_id: UUID, what: Judgeable) -> Reflection:
        """Judges an answer and keeps the judgement. An empty answer has 0 in everything.

        Raises BudgetExceeded and what a model call raises.
        """
        principal.require("reflections:write")
        _check(what)
        agent = (await self._with.agents.get(principal, agent_id)).current
        model = await self._with.models.resolve(agent.model, or_default=agent.settings.default_if_unknown)
        asking = Asking(self._with.models, self._with.spending, principal, agent_id)
        made, _ = await reflect(asking, model, 0, what.task, what.answer, found=what.found)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            if what.session_id is not None and not await queries.has_session(tx, what.session_id):
                raise SessionNotFound(f"There is no session '{what.session_id}' in this workspace.")
            await queries.insert_reflection(
                tx,
                id,
                made,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                agent_id=agent_id,
                session_id=what.session_id,
                run_id=what.run_id,
                task=what.task,
                answer=what.answer,
                created_by=principal.name,
            )
            if asking.record is not None:
                await self._with.usage.record(tx, asking.record)
        return await self.get(principal, id)

    async def get(self, principal: Principal, id: UUID) -> Reflection:
        principal.require("reflections:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.get_reflection(tx, id)
        if found is None:
            raise ReflectionNotFound(f"There is no reflection '{id}' in this workspace.")
        return found

    async def numbered(self, principal: Principal, number: int) -> Reflection:
        principal.require("reflections:read")
        if not 0 < number < 2**63:
            raise ReflectionNotFound(f"There is no reflection {number} in this workspace.")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.numbered_reflection(tx, number)
        if found is None:
            raise ReflectionNotFound(f"There is no reflection {number} in this workspace.")
        return found

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        agent_id: UUID | None = None,
        session_id: UUID | None = None,
        run_id: UUID | None = None,
    ) -> Page[Reflection]:
        """Newest first."""
        principal.require("reflections:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_reflections(tx, window, agent_id=agent_id, session_id=session_id, run_id=run_id)
        return page_of(rows, window, lambda reflection: reflection.id)


def _check(what: Judgeable) -> None:
    for name, text in (("task", what.task), ("answer", what.answer), ("found", what.found)):
        if len(text) > LONGEST_ANSWER:
            raise InvalidRequest(f"`{name}` has {len(text)} characters; the most is {LONGEST_ANSWER}.", field=name)
