from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Window, read_cursor
from glia.usage.service import Usage
from glia.usage.types import UsageFilter, UsageRecord

COUNTED = (
    "calls",
    "failed_calls",
    "estimated_calls",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "thinking_tokens",
    "calls_of_unknown_cost",
    "latency_ms",
)


@pytest.fixture
def usage(db: Database) -> Usage:
    return Usage(db)


def record_of(principal: Principal, **changes: Any) -> UsageRecord:
    record = UsageRecord(
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        operation="chat",
        model="openai/gpt-5",
        input_tokens=100,
        output_tokens=10,
        latency_ms=200,
        cost_micros=1_500,
    )
    return replace(record, **changes)


async def keep(db: Database, usage: Usage, principal: Principal, *records: UsageRecord) -> None:
    async with db.transaction(principal.workspace_id) as tx:
        for record in records:
            await usage.record(tx, record)


async def test_unknown_costs_are_counted_and_not_taken_for_zero(
    usage: Usage, principal: Principal, db: Database
) -> None:
    await keep(
        db,
        usage,
        principal,
        record_of(principal),
        record_of(principal, cost_micros=None, is_estimated=True, latency_ms=400),
        record_of(principal, cost_micros=0, status="failed", thinking_tokens=4),
        record_of(principal, model="local/llama", cost_micros=None),
    )

    gpt, llama = await usage.summary(principal, group_by="model")
    (total,) = await usage.summary(principal)

    assert (gpt.group, gpt.calls, gpt.cost_micros, gpt.calls_of_unknown_cost) == ("openai/gpt-5", 3, 1_500, 1)
    assert (gpt.failed_calls, gpt.estimated_calls, gpt.thinking_tokens, gpt.latency_ms) == (1, 1, 4, 267)
    assert (llama.cost_micros, llama.calls_of_unknown_cost) == (None, 1)
    assert (total.group, total.calls, total.input_tokens, total.output_tokens) == (None, 4, 400, 40)


async def test_usage_is_grouped_by_whoever_caused_it(usage: Usage, principal: Principal, db: Database) -> None:
    agent, key, run = new_id(), new_id(), new_id()
    noon = datetime(2031, 5, 1, 12, tzinfo=UTC)
    await keep(
        db,
        usage,
        principal,
        record_of(principal, at=noon, agent_id=agent, run_id=run),
        record_of(principal, at=noon + timedelta(days=1), key_id=key, agent_id=agent),
        record_of(principal, at=noon + timedelta(days=1, hours=1), agent_id=agent),
    )
    span = {"since": noon - timedelta(days=1), "until": noon + timedelta(days=3)}

    async def groups(by: Any) -> dict[str | None, int]:
        return {row.group: row.calls for row in await usage.summary(principal, group_by=by, **span)}

    assert await groups("agent") == {str(agent): 3}
    assert await groups("key") == {None: 2, str(key): 1}
    assert await groups("run") == {None: 2, str(run): 1}
    assert list((await groups("day")).items()) == [("2031-05-01", 1), ("2031-05-02", 2)]
    assert (await usage.summary(principal, since=noon + timedelta(days=1), until=span["until"]))[0].calls == 2
    assert await usage.summary(principal, group_by="model") == []


async def test_a_part_of_the_calls_adds_up_to_its_figure(usage: Usage, principal: Principal, db: Database) -> None:
    await keep(
        db,
        usage,
        principal,
        record_of(principal),
        record_of(principal, status="failed", cost_micros=None),
        record_of(principal, cost_micros=None),
    )
    (total,) = await usage.summary(principal)

    failed = (await usage.list(principal, Window(), only=UsageFilter(status="failed"))).items
    unpriced = (await usage.list(principal, Window(), only=UsageFilter(is_priced=False))).items
    priced = (await usage.list(principal, Window(), only=UsageFilter(is_priced=True))).items

    assert (len(failed), len(unpriced)) == (total.failed_calls, total.calls_of_unknown_cost) == (1, 2)
    assert sum(record.cost_micros or 0 for record in priced) == total.cost_micros
    assert await usage.summary(principal, only=UsageFilter(session_id=new_id())) == [
        replace(total, **dict.fromkeys(COUNTED, 0), cost_micros=None)
    ]


async def test_another_workspace_sees_nothing(
    usage: Usage, principal: Principal, stranger: Principal, db: Database
) -> None:
    await keep(db, usage, principal, record_of(principal))

    assert (await usage.summary(stranger))[0].calls == 0
    assert (await usage.list(stranger, Window())).items == []
    with pytest.raises(Exception, match="row-level security"):
        await keep(db, usage, stranger, record_of(principal))


async def test_a_record_comes_and_goes_with_its_transaction(usage: Usage, principal: Principal, db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.transaction(principal.workspace_id) as tx:
            await usage.record(tx, record_of(principal))
            raise RuntimeError
    assert (await usage.summary(principal))[0].calls == 0


async def test_single_calls_are_paged_newest_first(usage: Usage, principal: Principal, db: Database) -> None:
    records = [record_of(principal, id=UUID(int=number)) for number in range(3)]
    await keep(db, usage, principal, *records)
    first = await usage.list(principal, Window(limit=2))
    second = await usage.list(principal, Window(limit=2, after=read_cursor(first.next_cursor)))
    assert first.items + second.items == records[::-1]


async def test_bad_questions_name_their_field(usage: Usage, principal: Principal) -> None:
    moment = now()
    for field, question in {
        "since": {"since": moment, "until": moment},
        "until": {"until": moment.replace(tzinfo=None)},
        "group_by": {"group_by": "colour"},
    }.items():
        with pytest.raises(InvalidRequest) as error:
            await usage.summary(principal, **question)  # type: ignore[arg-type]
        assert error.value.field == field
    with pytest.raises(Forbidden, match="usage:read"):
        await usage.summary(replace(principal, scopes=frozenset({"runs:*"})))
