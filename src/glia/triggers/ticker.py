"""Looks after what is due: one indexed query a round, then sleep until the next time or until something changes.

Nothing is kept in memory. Every process does this; whoever locks a row first does what it asks for.
"""

from __future__ import annotations

import asyncio
from itertools import groupby
from uuid import UUID

import msgspec
import psycopg
import structlog

from glia.kit.clock import monotonic
from glia.kit.db import Database
from glia.kit.errors import GliaError
from glia.triggers import queries
from glia.triggers.firing_queries import take_events
from glia.triggers.firings import Admission, Firings
from glia.triggers.queries import Due
from glia.triggers.reasons import on_event, on_figure, on_time
from glia.triggers.types import OnMetric, Status, Trigger

log = structlog.get_logger(__name__)

_LONGEST_SLEEP_SECONDS = 15.0
"""Should a notification get lost, or this process take over what another one left."""

_SHORTEST_SLEEP_SECONDS = 0.01
_REST_SECONDS = 30.0
_TAKEN_SECONDS = 0.2
_AT_ONCE = 4
_DUE_AT_ONCE = 20
_EVENTS_AT_ONCE = 50

_FAILURES = (GliaError, psycopg.Error, OSError, msgspec.MsgspecError, ValueError, LookupError)


class Ticker:
    def __init__(self, db: Database, firings: Firings) -> None:
        self._db = db
        self._firings = firings
        self._changed = asyncio.Event()
        self._resting: dict[UUID, float] = {}
        """Ids that are left alone until a moment: others have them, or they could not be dealt with."""

    def wake(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        """For as long as the process lives. What fails is tried again later."""
        while True:
            self._changed.clear()
            try:
                seconds = await self.round()
            except _FAILURES as error:
                log.warning("could not look for due triggers", error=str(error))
                seconds = 2.0
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(_SHORTEST_SLEEP_SECONDS)

    async def round(self) -> float:
        """Does what is due. Returns for how many seconds there is nothing to do."""
        self._resting = {id: until for id, until in self._resting.items() if until > monotonic()}
        async with self._db.across_workspaces() as tx:
            found = await queries.due(tx, list(self._resting), _DUE_AT_ONCE)
        due = [one for one in found if one.in_seconds <= 0]
        if due:
            limit = asyncio.Semaphore(_AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for one in due:
                    tasks.create_task(self._attend(one, limit))
            return 0.0
        next_in = min((one.in_seconds for one in found), default=_LONGEST_SLEEP_SECONDS)
        rested_in = min((until - monotonic() for until in self._resting.values()), default=_LONGEST_SLEEP_SECONDS)
        return max(0.0, min(next_in, rested_in, _LONGEST_SLEEP_SECONDS))

    async def _attend(self, due: Due, limit: asyncio.Semaphore) -> None:
        id = due.id or due.workspace_id
        async with limit:
            try:
                if not await self._do(due):
                    self._resting[id] = monotonic() + _TAKEN_SECONDS
            except _FAILURES:
                log.exception("a trigger could not be attended to", kind=due.kind, id=str(id))
                self._resting[id] = monotonic() + _REST_SECONDS

    async def _do(self, due: Due) -> bool:
        """False when somebody else is at it."""
        if due.id is None:
            return await self._attend_events(due.workspace_id)
        if due.kind == "firing":
            return await self._firings.take_up(due.workspace_id, due.id)
        return await self._attend_trigger(due.workspace_id, due.id)

    async def _attend_trigger(self, workspace_id: UUID, id: UUID) -> bool:
        async with self._db.transaction(workspace_id) as tx:
            trigger = await queries.lock_due(tx, id)
            if trigger is None:
                return False
            reason = on_figure if isinstance(trigger.when, OnMetric) else on_time
            admission = await reason(tx, trigger, self._firings)
        if admission is not None:
            await self._firings.start(trigger, admission)
        return True

    async def _attend_events(self, workspace_id: UUID) -> bool:
        admitted: list[tuple[Trigger, Admission]] = []
        async with self._db.transaction(workspace_id) as tx:
            events = await take_events(tx, _EVENTS_AT_ONCE)
            for trigger_id, own in groupby(events, lambda event: event.trigger_id):
                trigger = await queries.lock(tx, trigger_id)
                if trigger is not None and trigger.status is Status.ACTIVE:
                    admitted += [(trigger, one) for one in await on_event(tx, trigger, list(own), self._firings)]
        for trigger, admission in admitted:
            await self._firings.start(trigger, admission)
        return bool(events)
