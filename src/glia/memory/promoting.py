"""Every few minutes, for agents whose answers are kept: memories rise and fall between tiers and run out in time.

Once an hour, if anything has changed, a job puts all else in order too.
"""

from __future__ import annotations

import time

from glia.identity.types import system_principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.memory import answer_queries as rows
from glia.memory.jobs import SleepTime
from glia.memory.upkeep import Upkeep

EVERY_SECONDS = 300.0


class Promoter:
    def __init__(self, db: Database, upkeep: Upkeep, sleep_time: SleepTime) -> None:
        self._db = db
        self._upkeep = upkeep
        self._sleep_time = sleep_time
        self._next_at = 0.0

    async def sweep(self, *, is_forced: bool = False) -> int:
        """Does nothing within five minutes of the last time. Returns how many agents were looked after.

        Two processes that do it at the same time do it once: each memory is locked while it moves.
        """
        if not is_forced and time.monotonic() < self._next_at:
            return 0
        self._next_at = time.monotonic() + EVERY_SECONDS
        async with self._db.across_workspaces() as tx:
            workspaces = await rows.keeping_workspaces(tx)
        done = 0
        for workspace_id in workspaces:
            async with self._db.transaction(workspace_id) as tx:
                agents = await rows.agents_to_age(tx)
            for agent in agents:
                principal = system_principal(workspace_id, agent.project_id)
                try:
                    await self._upkeep.age(principal, agent.agent_id)
                    if agent.is_tending_due:
                        await self._sleep_time.ask_to_tend(principal, agent.agent_id)
                except InvalidRequest:  # deleted meanwhile
                    continue
                done += 1
        return done
