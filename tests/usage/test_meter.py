import asyncio
from collections.abc import Callable

import psycopg
import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Unavailable
from glia.kit.ids import new_id
from glia.usage import meter as meter_module
from glia.usage.meter import Meter
from glia.usage.service import Budgets, Spending
from glia.usage.types import BudgetSpec, UsageRecord


def record_of(principal: Principal, model: str = "openai/gpt-5") -> UsageRecord:
    return UsageRecord(
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        operation="embeddings",
        model=model,
        input_tokens=7,
        output_tokens=0,
        latency_ms=3,
        key_id=new_id(),
    )


async def kept(db: Database, principal: Principal) -> int:
    async with db.transaction(principal.workspace_id) as tx:
        return await tx.value("select count(*) from usage_records")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def test_records_of_many_workspaces_are_written_in_the_background(
    db: Database, principal: Principal, stranger: Principal
) -> None:
    meter = Meter(db)
    meter.start()
    for _ in range(1_500):
        meter.add(record_of(principal))
    meter.add(record_of(stranger))
    await until(lambda: meter.waiting == 0)

    assert await kept(db, principal) == 1_500
    assert await kept(db, stranger) == 1
    await meter.stop()
    assert meter.dropped == 0


async def test_stopping_writes_what_waits(db: Database, principal: Principal) -> None:
    meter = Meter(db, interval_seconds=60)
    meter.start()
    meter.add(record_of(principal))
    await meter.stop()
    assert await kept(db, principal) == 1


async def test_a_database_that_is_away_loses_nothing_up_to_the_cap(
    db: Database, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = meter_module.queries.insert_many
    tries = 0

    async def away(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise Unavailable("The database connection was lost; try again shortly.")

    monkeypatch.setattr(meter_module.queries, "insert_many", away)
    meter = Meter(db, interval_seconds=0.01, most_waiting=10)
    meter.start()
    for _ in range(12):
        meter.add(record_of(principal))
    await until(lambda: tries >= 2)
    assert (meter.waiting, meter.dropped) == (10, 2)

    monkeypatch.setattr(meter_module.queries, "insert_many", real)
    await until(lambda: meter.waiting == 0)
    await meter.stop()
    assert await kept(db, principal) == 10


async def test_a_batch_that_is_written_twice_counts_once(
    db: Database, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = meter_module.queries.insert_many
    meter = Meter(db)
    meter.add(record_of(principal))

    async def answer_lost(*arguments: object) -> None:
        async with db.across_workspaces() as tx:
            await real(tx, arguments[1])  # type: ignore[arg-type]
        raise psycopg.OperationalError("the connection broke after the commit")

    monkeypatch.setattr(meter_module.queries, "insert_many", answer_lost)
    assert not await meter.flush()
    monkeypatch.setattr(meter_module.queries, "insert_many", real)
    assert await meter.flush()
    assert await kept(db, principal) == 1


async def test_a_record_that_cannot_be_kept_does_not_hold_up_the_others(db: Database, principal: Principal) -> None:
    meter = Meter(db)
    gone = Principal(principal.workspace_id.__class__(int=1), principal.project_id, frozenset())  # type: ignore[arg-type]
    for record in (record_of(principal), record_of(principal, "nul\0"), record_of(gone), record_of(principal)):
        meter.add(record)
    assert await meter.flush()
    assert (meter.waiting, meter.dropped) == (0, 1)
    assert await kept(db, principal) == 2


async def test_the_role_that_writes_for_all_can_read_nothing(db: Database, principal: Principal) -> None:
    meter = Meter(db)
    meter.add(record_of(principal))
    await meter.flush()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with db.across_workspaces() as tx:
            await tx.value("select count(*) from usage_records")


async def test_stopping_with_a_dead_database_ends_in_time_and_says_what_is_lost(
    db: Database, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(meter_module.queries, "insert_many", hang)
    meter = Meter(db)
    meter.start()
    meter.add(record_of(principal))
    await meter.stop(timeout_seconds=0.1)
    assert (meter.waiting, meter.dropped) == (0, 1)


async def test_calls_that_nothing_was_held_for_are_counted_where_limits_are_known(
    db: Database, principal: Principal, stranger: Principal
) -> None:
    spending = Spending(db)
    budget = await Budgets(db, spending).create(principal, BudgetSpec(scope="workspace", limit_calls=5))
    assert await spending.is_limited(principal.workspace_id)
    meter = Meter(db, is_limited=spending.was_limited)
    for _ in range(3):
        meter.add(record_of(principal))
        meter.add(record_of(stranger))

    assert await meter.flush()

    assert (await Budgets(db, spending).get(principal, budget.id)).state.spent_calls == 3
    assert (await kept(db, principal), await kept(db, stranger)) == (3, 3)
