"""Runs: accept, look at, cancel, follow. Nothing here executes a run: accepting stores it, the engine works."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, Unavailable
from glia.kit.pages import Page, Window, page_of
from glia.runs import fork_queries, log_queries, queries
from glia.runs.accepting import LONGEST_MESSAGE, get_run, no_session
from glia.runs.asking import Asking, Heard, Question
from glia.runs.documents import Seal
from glia.runs.engine import Engine
from glia.runs.events import ConversationMessage, Event, Preview, RunWaiting
from glia.runs.live import Live, Signal, Watcher
from glia.runs.options import ClientTool, Override, RunOptions
from glia.runs.progress import messages_of
from glia.runs.summaries import Standing
from glia.runs.types import Accepted, Run, RunStatus, Said
from glia.usage.service import Budgets

__all__ = [
    "LONGEST_MESSAGE",
    "ClientTool",
    "Heard",
    "Override",
    "Question",
    "RunOptions",
    "Runs",
    "Said",
    "Signal",
    "Standing",
    "Watcher",
]

HEARTBEAT_SECONDS = 14.0
_READ_AT_ONCE = 500
_LOOK_SECONDS = 1.0
"""How often a request that waits for a run looks whether all that the run waits for needs a person."""

_SOON_SECONDS = 60.0


class Runs(Asking):
    def __init__(
        self, db: Database, live: Live, engine: Engine, budgets: Budgets | None = None, seal: Seal | None = None
    ) -> None:
        super().__init__(db, live, engine, seal)
        self.budgets = budgets

    def watch(self, session_id: UUID, *, previews: bool = False) -> Watcher:
        """For following a run that is about to be accepted: enter it first, then nothing has to be read again."""
        return self._live.watch(session_id, previews=previews)

    async def get(self, principal: Principal, id: UUID) -> Run:
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await get_run(tx, id)

    async def again(self, principal: Principal, id: UUID) -> Accepted:
        """A run as it was accepted, for somebody who wants to follow it once more."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            run = await get_run(tx, id)
            return Accepted(run.id, run.session_id, await log_queries.before_run(tx, id), "known")

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        session_id: UUID | None = None,
        agent_id: UUID | None = None,
        root_run_id: UUID | None = None,
        status: RunStatus | None = None,
        waiting_for: str | None = None,
        worker_id: UUID | None = None,
        is_scheduled: bool | None = None,
    ) -> Page[Run]:
        """root_run_id: only the runs of one tree, its root included. waiting_for: only those that wait for it.

        worker_id: only those that it executes. is_scheduled: only queued ones, for later or (false) due.
        """
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(
                tx,
                window,
                session_id=session_id,
                agent_id=agent_id,
                root_run_id=root_run_id,
                status=status,
                waiting_for=waiting_for,
                worker_id=worker_id,
                is_scheduled=is_scheduled,
            )
        return page_of(rows, window, lambda run: run.id)

    async def resume(self, principal: Principal, id: UUID, *, max_cost_micros: int | None = None) -> Run:
        """Lets a waiting run look again whether it can go on. A run that does not wait stays as it is.

        max_cost_micros: what the run, with all that it starts, may cost from now on, in place of its agent's limit.
        """
        principal.require("runs:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await get_run(tx, id)
            if max_cost_micros is not None:
                await self._raise_limit(tx, principal, id, max_cost_micros)
            await queries.resume(tx, id)
            tx.after_commit.append(self._engine.wake)
            return await get_run(tx, id)

    async def _raise_limit(self, tx: Transaction, principal: Principal, id: UUID, max_cost_micros: int) -> None:
        principal.require("budgets:write")
        if self.budgets is None or not await self.budgets.set_run_limit(tx, id, max_cost_micros):
            raise Conflict(
                "This run has no limit of its own that could be raised: its agent sets no `limits.max_cost_micros`, or"
                " the run has not asked its model yet, or it has ended."
            )
        await queries.resume_all(tx, "budget")  # the runs that it has started share the limit

    async def limits_raised(self, tx: Transaction, _workspace_id: UUID) -> None:
        """Lets the runs look again that wait for a budget or for credit. For those who change limits."""
        await queries.resume_all(tx, "budget")
        tx.after_commit.append(self._engine.wake)

    async def events(self, principal: Principal, session_id: UUID, *, after: int, limit: int) -> list[Event]:
        """Stored events of a session with a sequence number above `after`, oldest first."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            forked_at = await queries.fork_point(tx, session_id)
            if forked_at is None:
                raise no_session(session_id)
            if after < forked_at:
                return await fork_queries.read_history(tx, session_id, after=after, limit=limit)
            return await log_queries.read_log(tx, session_id, after=after, limit=limit)

    async def run_events(
        self, principal: Principal, run_id: UUID, *, after: int, limit: int, types: Sequence[str] | None = None
    ) -> list[Event]:
        """types: only events of these; None for all."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await get_run(tx, run_id)
            return await log_queries.read_run(tx, run_id, after=after, limit=limit, types=types)

    async def messages(self, principal: Principal, session_id: UUID) -> list[ConversationMessage]:
        """The conversation, read from the log."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            forked_at = await queries.fork_point(tx, session_id)
            if forked_at is None:
                raise no_session(session_id)
            if forked_at:
                return messages_of(await fork_queries.read_history(tx, session_id))
            return messages_of(await log_queries.read_said(tx, session_id))

    async def follow(
        self,
        principal: Principal,
        session_id: UUID,
        *,
        after: int,
        previews: bool = False,
        watcher: Watcher | None = None,
        quiet_seconds: float = HEARTBEAT_SECONDS,
    ) -> AsyncGenerator[Event | Preview | None, None]:
        """Every event above `after`, those to come included, each once and in order, without end.

        Yields None when nothing happened for `quiet_seconds`, so that the reader can send a heartbeat. previews: also
        text that is being written and not stored yet. watcher: entered before the event above `after` was written,
        so that nothing has to be read from the log.
        """
        principal.require("sessions:read")
        if watcher is not None:
            async for item in self._follow(principal, watcher, after, quiet_seconds, is_behind=False):
                yield item
            return
        with self._live.watch(session_id, previews=previews) as own:
            async for item in self._follow(principal, own, after, quiet_seconds, is_behind=True):
                yield item

    async def _follow(
        self, principal: Principal, watcher: Watcher, after: int, quiet_seconds: float, *, is_behind: bool
    ) -> AsyncGenerator[Event | Preview | None, None]:
        while True:
            while is_behind:
                events = await self.events(principal, watcher.session_id, after=after, limit=_READ_AT_ONCE)
                for event in events:
                    after = event.seq
                    yield event
                is_behind = len(events) == _READ_AT_ONCE
            item = await watcher.next(quiet_seconds)
            if item is Signal.BEHIND or (isinstance(item, Event) and item.seq > after + 1):
                is_behind = True
            elif not isinstance(item, Event):
                yield item
            elif item.seq > after:
                after = item.seq
                yield item

    async def story(
        self, principal: Principal, accepted: Accepted, watcher: Watcher | None = None, *, quiet_seconds: float
    ) -> AsyncGenerator[Event | None, None]:
        """The run's stored events, until it ends or cannot go on before somebody does something.

        Yields None when nothing happened for `quiet_seconds`. Leaving early leaves the run alone. A run that waits for
        a budget and looks again by itself within a minute goes on.
        """
        items = self.follow(
            principal, accepted.session_id, after=accepted.after, watcher=watcher, quiet_seconds=quiet_seconds
        )
        waits = False
        async with aclosing(items):
            async for item in items:
                if item is None:
                    if waits and await self._need_someone(principal, accepted.run_id):
                        return
                    yield None
                elif isinstance(item, Event) and item.run_id == accepted.run_id:
                    yield item
                    if item.is_final or (item.needs_someone and not _looks_again(item)):
                        return
                    waits = item.type == RunWaiting.type

    async def _need_someone(self, principal: Principal, id: UUID) -> bool:
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.tree_needs_someone(tx, id)

    async def outcome(
        self, principal: Principal, accepted: Accepted, watcher: Watcher | None = None, *, or_need: bool = False
    ) -> Event:
        """Waits for the run's last event. Leaving early leaves the run alone.

        or_need: or for the first one that says that the run waits for a person or a budget, or for runs that do.
        """
        quiet_seconds = _LOOK_SECONDS if or_need else HEARTBEAT_SECONDS
        items = self.follow(
            principal, accepted.session_id, after=accepted.after, watcher=watcher, quiet_seconds=quiet_seconds
        )
        waits: Event | None = None
        async with aclosing(items):
            async for item in items:
                if item is None and waits is not None and await self._need_someone(principal, accepted.run_id):
                    return waits
                if not isinstance(item, Event) or item.run_id != accepted.run_id:
                    continue
                if item.is_final or (or_need and item.needs_someone):
                    return item
                waits = item if or_need and item.type == RunWaiting.type else None
        raise Unavailable("The run's log ended before the run did.")


def _looks_again(event: Event) -> bool:
    payload = event.payload
    if not isinstance(payload, RunWaiting) or payload.waiting_for != ["budget"] or payload.wake_at is None:
        return False
    return (payload.wake_at - event.at).total_seconds() <= _SOON_SECONDS
