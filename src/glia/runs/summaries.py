"""Conversations as people look for them: titles, how much was said, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.runs import log_queries, queries, summary_queries
from glia.runs.accepting import get_run, no_session
from glia.runs.events import Event
from glia.runs.log_queries import LastSign
from glia.runs.types import ChildSession, JobFilter, Run, SessionSummary, SummaryFilter


@dataclass(frozen=True)
class Standing:
    """Where a run stands. ending: the event that ended it. sign: the newest one that an attempt of it stored.

    needs_someone: it and those it waits for all wait, for a person or a budget. begins_after: the event before its
    first.
    """

    run: Run
    ending: Event | None
    sign: LastSign | None
    needs_someone: bool
    begins_after: int


class Summaries:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def search(self, principal: Principal, wanted: SummaryFilter) -> tuple[list[SessionSummary], int]:
        """A page of the conversations that match, and how many match in all."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await summary_queries.search(tx, wanted), await summary_queries.count(tx, wanted)

    async def get(self, principal: Principal, session_id: UUID) -> SessionSummary:
        """Raises SessionNotFound, also for a session that holds a job."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await summary_queries.get(tx, session_id)
        if found is None:
            raise no_session(session_id)
        return found

    async def children(self, principal: Principal, session_id: UUID) -> list[ChildSession]:
        """The sessions in which other agents worked for this one."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await summary_queries.children(tx, session_id)

    async def jobs(self, principal: Principal, wanted: JobFilter) -> tuple[list[Run], int]:
        """A page of runs that work for no other run, newest first, and how many match in all."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await summary_queries.jobs(tx, wanted)

    async def standing(self, principal: Principal, run_id: UUID) -> Standing:
        """Raises RunNotFound."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            run = await get_run(tx, run_id)
            return Standing(
                run,
                await log_queries.answer_of(tx, run_id) if run.status.is_final else None,
                await log_queries.last_sign(tx, run.session_id, run_id),
                not run.status.is_final and await queries.tree_needs_someone(tx, run_id),
                await log_queries.before_run(tx, run_id),
            )
