"""One count for all processes together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from glia.identity import minute_queries
from glia.identity.limits import RateLimits
from glia.identity.minutes import Minutes
from glia.kit.db import Database
from glia.kit.errors import DatabaseUnavailable
from glia.kit.ids import new_id


class Counted:
    """A database whose transactions are counted; it may be away."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.asked, self.is_away = 0, False

    @asynccontextmanager
    async def across_workspaces(self) -> AsyncGenerator[Any]:
        self.asked += 1
        if self.is_away:
            raise DatabaseUnavailable("away")
        async with self._db.across_workspaces() as tx:
            yield tx


@pytest.mark.parametrize("rate", [1, 7, 100])
async def test_processes_that_ask_in_turn_are_given_the_limit_and_no_more(db: Database, rate: int) -> None:
    one, other, id = Minutes(db), Minutes(db), new_id()

    decisions = [await (one, other)[turn % 2].take(id, rate) for turn in range(2 * rate + 2)]

    assert sum(decision.is_allowed for decision in decisions) == rate
    assert not decisions[-1].is_allowed
    assert 0 < decisions[-1].retry_after_seconds <= 60
    assert decisions[-1].headers()["X-RateLimit-Remaining"] == "0"


async def test_a_process_alone_tells_what_is_left_one_by_one_and_seldom_asks(db: Database) -> None:
    counted: Any = Counted(db)
    minutes, id = Minutes(counted), new_id()

    left = [(await minutes.take(id, 1000)).remaining for _ in range(1000)]
    asked = counted.asked
    refused = [await minutes.take(id, 1000) for _ in range(50)]

    assert left == list(range(999, -1, -1))
    assert not any(decision.is_allowed for decision in refused)
    assert counted.asked <= asked + 1 < 110


async def test_many_at_once_ask_once_for_a_share(db: Database) -> None:
    counted: Any = Counted(db)
    minutes, id = Minutes(counted), new_id()

    decisions = await asyncio.gather(*(minutes.take(id, 100_000) for _ in range(200)))

    assert all(decision.is_allowed for decision in decisions)
    assert min(decision.remaining for decision in decisions) == 100_000 - 200
    assert counted.asked == 1


async def test_a_new_minute_and_a_new_plan_begin_at_once(db: Database) -> None:
    now, id = [0.0], new_id()
    minutes = Minutes(db, clock=lambda: now[0])
    while (await minutes.take(id, 3)).is_allowed:
        pass

    larger = await minutes.take(id, 5)
    while (await minutes.take(id, 5)).is_allowed:
        pass
    async with db.across_workspaces() as tx:
        await tx.execute("update request_minutes set began_at = now() - interval '61 seconds' where id = %(id)s", id=id)
    now[0] = 61.0
    later = await minutes.take(id, 3)

    assert (larger.is_allowed, larger.remaining) == (True, 1)
    assert (later.is_allowed, later.remaining) == (True, 2)


async def test_while_the_database_is_away_each_process_counts_alone(db: Database) -> None:
    counted: Any = Counted(db)
    counted.is_away = True
    limits, id = RateLimits(minutes=Minutes(counted)), new_id()

    allowed = [(await limits.count(id, 2, is_strict=True)).is_allowed for _ in range(3)]

    assert allowed == [True, True, False]


async def test_a_share_is_never_more_than_what_is_left(db: Database) -> None:
    id, given = new_id(), 0
    async with db.across_workspaces() as tx:
        for _ in range(300):
            found = await minute_queries.take(tx, id, 1000)
            given += found.given
            assert given == found.taken <= 1000

    assert given == 1000
