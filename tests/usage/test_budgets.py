"""Budgets at the service: what is held never exceeds a limit, and what is settled is what was spent."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Window
from glia.usage.errors import BudgetBusy, BudgetExceeded, BudgetNotFound, PriceUnknown
from glia.usage.service import Budgets, Spending, SpendingConfig
from glia.usage.types import BudgetSpec, CallBound, Hold, SpendingCall, UsageRecord

HUNDRED = CallBound(
    input_tokens=10, input_micros=20, output_rate=1_000_000, most_output_tokens=80, least_output_tokens=80
)
"""A call that may cost 100 micro-dollars."""


@pytest.fixture
def spending(db: Database) -> Spending:
    return Spending(db)


@pytest.fixture
def budgets(db: Database, spending: Spending) -> Budgets:
    return Budgets(db, spending)


def call_of(principal: Principal, bound: CallBound = HUNDRED, **changes: Any) -> SpendingCall:
    call = SpendingCall(
        workspace_id=principal.workspace_id, project_id=principal.project_id, model="openai/gpt-5", bound=bound
    )
    return replace(call, **changes)


def record_of(principal: Principal, hold: Hold | None, cost: int | None = 30, **changes: Any) -> UsageRecord:
    record = UsageRecord(
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        operation="chat",
        model="openai/gpt-5",
        input_tokens=10,
        output_tokens=10,
        latency_ms=1,
        cost_micros=cost,
        hold_id=None if hold is None else hold.id,
    )
    return replace(record, **changes)


async def held(spending: Spending, call: SpendingCall) -> Hold:
    hold = await spending.reserve(call)
    assert hold is not None
    return hold


async def money(budgets: Budgets, principal: Principal, id: UUID) -> tuple[int, int]:
    state = (await budgets.get(principal, id)).state
    return state.spent_micros, state.reserved_micros


async def test_nothing_is_held_where_nothing_limits(spending: Spending, principal: Principal) -> None:
    assert await spending.reserve(call_of(principal)) is None


async def test_a_workspace_without_limits_is_looked_at_once_in_a_while(
    spending: Spending, principal: Principal, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spending.reserve(call_of(principal))

    def refuse(*_: object) -> None:
        raise AssertionError("a round trip")

    monkeypatch.setattr(db, "transaction", refuse)
    monkeypatch.setattr(db, "call", refuse)
    for _ in range(100):
        assert await spending.reserve(call_of(principal)) is None
    spending.forget(str(principal.workspace_id))
    with pytest.raises(AssertionError, match="a round trip"):
        await spending.reserve(call_of(principal))


async def test_what_a_call_may_cost_is_held_and_what_it_did_cost_is_settled(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=250))

    hold = await held(spending, call_of(principal))
    assert await money(budgets, principal, budget.id) == (0, 100)
    await spending.settle(record_of(principal, hold, cost=30))

    state = (await budgets.get(principal, budget.id)).state
    assert (state.spent_micros, state.reserved_micros, state.remaining_micros) == (30, 0, 220)
    assert (state.spent_tokens, state.reserved_tokens, state.spent_calls, state.reserved_calls) == (20, 0, 1, 0)
    assert not state.is_exceeded


async def test_a_record_counts_once_however_often_it_is_written(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=250))
    record = record_of(principal, await held(spending, call_of(principal)))

    await asyncio.gather(*(spending.settle(record) for _ in range(5)))

    assert await money(budgets, principal, budget.id) == (30, 0)


async def test_a_call_without_room_is_told_which_budget_and_how_much(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=120, period="day"))
    await spending.settle(record_of(principal, await held(spending, call_of(principal)), cost=40))

    with pytest.raises(BudgetExceeded) as refused:
        await spending.reserve(call_of(principal))

    error = refused.value
    assert not isinstance(error, BudgetBusy)
    assert (error.code, error.status) == ("budget_exceeded", 402)
    assert (error.budget_id, error.scope, error.unit) == (budget.id, "workspace", "micros")
    assert (error.limit, error.spent, error.reserved, error.needed) == (120, 40, 0, 100)
    assert error.period_end is not None
    assert "120 micro-dollars" in error.message
    state = (await budgets.get(principal, budget.id)).state
    assert state.refused_calls == 1


async def test_what_only_others_hold_comes_back(budgets: Budgets, spending: Spending, principal: Principal) -> None:
    await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=120))
    first = await held(spending, call_of(principal))
    with pytest.raises(BudgetBusy) as busy:
        await spending.reserve(call_of(principal))
    assert (busy.value.status, busy.value.retry_after_seconds) == (429, 1.0)

    await spending.settle(record_of(principal, first, cost=5))

    assert (await held(spending, call_of(principal))).micros == 100


async def test_every_budget_of_a_call_must_have_room(
    budgets: Budgets, spending: Spending, principal: Principal, db: Database
) -> None:
    wide = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))
    narrow = await budgets.create(
        principal, BudgetSpec(scope="project", subject_id=principal.project_id, limit_micros=90)
    )

    with pytest.raises(BudgetExceeded) as refused:
        await spending.reserve(call_of(principal))
    assert refused.value.budget_id == narrow.id
    assert await money(budgets, principal, wide.id) == (0, 0)
    await budgets.update(principal, narrow.id, {"limit_micros": 100})
    await held(spending, call_of(principal))

    assert await money(budgets, principal, wide.id) == (0, 100)
    assert await money(budgets, principal, narrow.id) == (0, 100)


async def test_tokens_and_calls_are_limited_too(budgets: Budgets, spending: Spending, principal: Principal) -> None:
    free = CallBound(10, 0, 0, 80, 20)
    tokens = await budgets.create(principal, BudgetSpec(scope="workspace", limit_tokens=50))
    assert (await held(spending, call_of(principal, free))).output_tokens == 40
    await budgets.delete(principal, tokens.id)
    await budgets.create(principal, BudgetSpec(scope="workspace", limit_calls=1))

    await spending.settle(record_of(principal, await held(spending, call_of(principal, free)), cost=0))
    with pytest.raises(BudgetExceeded) as refused:
        await spending.reserve(call_of(principal, free))

    assert (refused.value.unit, refused.value.needed) == ("calls", 1)


async def test_an_answer_is_made_shorter_so_that_it_fits(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=60))
    bound = replace(HUNDRED, least_output_tokens=16)

    hold = await held(spending, call_of(principal, bound))

    assert (hold.output_tokens, hold.micros) == (40, 60)
    with pytest.raises(BudgetBusy):
        await spending.reserve(call_of(principal, bound))


async def test_free_calls_are_made_when_the_money_is_gone(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=0))

    hold = await held(spending, call_of(principal, CallBound(10, 0, 0, 80, 20)))

    assert (hold.micros, hold.output_tokens) == (0, None)
    with pytest.raises(BudgetExceeded):
        await spending.reserve(call_of(principal))


async def test_a_price_that_nobody_knows_is_refused_only_where_money_is_limited(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    unknown = replace(HUNDRED, input_micros=None, output_rate=0)
    calls = await budgets.create(principal, BudgetSpec(scope="workspace", limit_calls=5))
    await held(spending, call_of(principal, unknown))
    await budgets.delete(principal, calls.id)
    await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000_000))

    with pytest.raises(PriceUnknown, match="GLIA_PRICES"):
        await spending.reserve(call_of(principal, unknown))


async def test_a_run_step_that_is_tried_again_replaces_what_it_held(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=120))
    call = call_of(principal, run_id=new_id(), step=1)

    first = await held(spending, call)
    second = await held(spending, call)
    assert await money(budgets, principal, budget.id) == (0, 100)
    await spending.settle(record_of(principal, second))

    assert first.id != second.id
    assert await money(budgets, principal, budget.id) == (30, 0)


async def test_what_the_gateway_held_and_nobody_reported_is_booked_in_full_and_can_be_put_right(
    budgets: Budgets, db: Database, principal: Principal
) -> None:
    spending = Spending(db, SpendingConfig(hold_seconds=0))
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))
    late = await held(spending, call_of(principal))
    await held(spending, call_of(principal))

    state = (await budgets.get(principal, budget.id)).state
    assert (state.spent_micros, state.reserved_micros, state.unconfirmed_micros) == (200, 0, 200)
    assert [hold.is_open for hold in (await budgets.holds(principal, budget.id, Window())).items] == [False, False]
    await spending.settle(record_of(principal, late, cost=30))

    state = (await budgets.get(principal, budget.id)).state
    assert (state.spent_micros, state.unconfirmed_micros, state.spent_calls) == (130, 100, 2)


async def test_a_hold_that_is_given_back_leaves_nothing(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))

    await spending.release(principal.workspace_id, await held(spending, call_of(principal)))

    assert await money(budgets, principal, budget.id) == (0, 0)


async def test_a_reserve_that_is_cancelled_leaves_nothing(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10_000))
    for rest in range(20):
        task = asyncio.ensure_future(spending.reserve(call_of(principal)))
        await asyncio.sleep(rest / 5_000)
        if not task.cancel():
            await spending.release(principal.workspace_id, (await task) or Hold(new_id(), 0, None))
        await asyncio.gather(task, return_exceptions=True)

    async with asyncio.timeout(60):
        while await money(budgets, principal, budget.id) != (0, 0):
            await asyncio.sleep(0.02)


async def test_a_hundred_calls_at_once_never_hold_more_than_the_limit(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_050))
    most = 0

    async def one() -> int:
        nonlocal most
        try:
            hold = await held(spending, call_of(principal))
        except BudgetExceeded:
            return 0
        most = max(most, sum(await money(budgets, principal, budget.id)))
        await spending.settle(record_of(principal, hold, cost=100))
        return 100

    spent = sum(await asyncio.gather(*(one() for _ in range(100))))

    assert spent == 1_000
    assert most <= 1_050
    assert await money(budgets, principal, budget.id) == (1_000, 0)


async def test_without_reserving_a_hundred_calls_overshoot(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    """The control: to look first and to pay afterwards does not hold a limit."""
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_050))

    async def one() -> None:
        spent, _ = await money(budgets, principal, budget.id)
        if spent + 100 <= 1_050:
            await spending.settle(record_of(principal, None, cost=100))

    await asyncio.gather(*(one() for _ in range(100)))

    spent, _ = await money(budgets, principal, budget.id)
    assert spent > 1_050


async def test_many_budgets_in_any_combination_do_not_block_each_other(
    budgets: Budgets, spending: Spending, principal: Principal, db: Database
) -> None:
    agents, runs = [new_id() for _ in range(4)], [new_id() for _ in range(4)]
    async with db.transaction(principal.workspace_id) as tx:
        for agent in agents:
            await tx.execute(
                "insert into agents (id, workspace_id, project_id, slug, version)"
                " values (%(id)s, %(ws)s, %(project)s, %(slug)s, 1)",
                id=agent,
                ws=principal.workspace_id,
                project=principal.project_id,
                slug=agent.hex,
            )
    made = [await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10**9, period="month"))]
    made += [
        await budgets.create(principal, BudgetSpec(scope="agent", subject_id=a, limit_micros=10**9)) for a in agents
    ]
    made += [
        await budgets.create(
            principal, BudgetSpec(scope="project", subject_id=principal.project_id, limit_micros=10**9, period=period)
        )
        for period in ("hour", "day", "total")
    ]
    spent = 0

    async def one(number: int) -> None:
        nonlocal spent
        dice = random.Random(number)
        for _ in range(8):
            agent = dice.choice([*agents, None])
            run = dice.choice([*runs, None])
            step = None if run is None else number
            call = call_of(principal, agent_id=agent, run_id=run, step=step, key_id=dice.choice([None, new_id()]))
            hold = await held(spending, call)
            if dice.random() < 0.2:
                await spending.release(principal.workspace_id, hold)
            else:
                cost = dice.randint(0, 100)
                spent += cost
                await spending.settle(record_of(principal, hold, cost=cost, agent_id=agent))

    async with asyncio.timeout(60):
        await asyncio.gather(*(one(number) for number in range(30)))

    assert await money(budgets, principal, made[0].id) == (spent, 0)
    for budget in made[-3:]:
        assert await money(budgets, principal, budget.id) == (spent, 0)


async def test_a_new_period_begins_with_nothing_spent_and_late_calls_count_where_they_began(
    budgets: Budgets, spending: Spending, principal: Principal, db: Database
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100, period="day"))
    late = await held(spending, call_of(principal))
    async with db.transaction(principal.workspace_id) as tx:  # yesterday it was
        await tx.execute("update budget_windows set window_start = window_start - interval '1 day'")
        await tx.execute(
            "update holds set window_starts = array(select s - interval '1 day' from unnest(window_starts) s)"
        )

    assert await money(budgets, principal, budget.id) == (0, 0)
    now = await held(spending, call_of(principal))
    await spending.settle(record_of(principal, late, cost=99))

    assert await money(budgets, principal, budget.id) == (0, 100)
    await spending.settle(record_of(principal, now, cost=7))
    async with db.transaction(principal.workspace_id) as tx:
        assert await tx.values("select spent_micros from budget_windows order by window_start") == [99, 7]


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("hour", "2031-05-07T13:00:00+00:00", "2031-05-07T14:00:00+00:00"),
        ("day", "2031-05-07T00:00:00+00:00", "2031-05-08T00:00:00+00:00"),
        ("week", "2031-05-05T00:00:00+00:00", "2031-05-12T00:00:00+00:00"),
        ("month", "2031-05-01T00:00:00+00:00", "2031-06-01T00:00:00+00:00"),
        ("year", "2031-01-01T00:00:00+00:00", "2032-01-01T00:00:00+00:00"),
    ],
)
async def test_windows_are_those_of_the_calendar_in_utc(
    db: Database, principal: Principal, period: str, start: str, end: str
) -> None:
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute("set local time zone 'Asia/Kathmandu'")
        found = [
            await tx.value("select glia.window_start_of(%(period)s, '2031-05-07T13:14:15Z')", period=period),
            await tx.value("select glia.window_end_of(%(period)s, '2031-05-07T13:14:15Z')", period=period),
        ]

    from datetime import UTC

    assert [moment.astimezone(UTC).isoformat() for moment in found] == [start, end]


async def test_what_was_spent_in_the_period_before_the_budget_counts(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    await spending.settle(record_of(principal, None, cost=70))

    month = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000, period="month"))
    total = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=1_000))

    assert await money(budgets, principal, month.id) == (70, 0)
    assert await money(budgets, principal, total.id) == (0, 0)


async def test_calls_that_nothing_was_held_for_count_too(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=100, limit_calls=9))

    await spending.settle(record_of(principal, None, cost=170))

    state = (await budgets.get(principal, budget.id)).state
    assert (state.spent_micros, state.spent_calls, state.remaining_micros, state.is_exceeded) == (170, 1, 0, True)


async def test_thresholds_that_are_crossed_are_shown(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    spec = BudgetSpec(scope="workspace", limit_micros=200, limit_calls=1_000, warn_at_percent=(50, 90))
    budget = await budgets.create(principal, spec)
    seen = []
    for cost in (90, 10, 79, 1):
        await spending.settle(
            record_of(
                principal,
                await held(spending, call_of(principal, replace(HUNDRED, input_micros=0, output_rate=0))),
                cost=cost,
            )
        )
        seen.append((await budgets.get(principal, budget.id)).state.warned_percent)

    assert seen == [None, 50, 50, 90]


async def test_a_budget_that_is_paused_or_out_of_its_time_limits_nothing(
    budgets: Budgets, spending: Spending, principal: Principal
) -> None:
    from datetime import timedelta

    from glia.kit.clock import now

    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=0))
    with pytest.raises(BudgetExceeded):
        await spending.reserve(call_of(principal))

    await budgets.update(principal, budget.id, {"is_active": False})
    assert await spending.reserve(call_of(principal)) is None
    await budgets.update(principal, budget.id, {"is_active": True, "starts_at": now() + timedelta(days=1)})
    assert await spending.reserve(call_of(principal)) is None


async def test_another_process_hears_of_a_new_budget(
    budgets: Budgets, db: Database, principal: Principal, shared_urls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glia.kit.notifications import Notifications
    from glia.usage.service import LIMITS_CHANNEL

    monkeypatch.setattr("glia.usage.spending._REMEMBER_SECONDS", 3600.0)  # it does not look by itself
    monkeypatch.setattr("glia.usage.spending._TRUSTED_SECONDS", 3600.0)
    elsewhere = Spending(db)
    notifications = Notifications(shared_urls.app)
    notifications.on(LIMITS_CHANNEL, elsewhere.forget)
    await notifications.start()
    assert await elsewhere.reserve(call_of(principal)) is None

    await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=0))

    try:
        async with asyncio.timeout(60):
            while not await elsewhere.is_limited(principal.workspace_id):
                await asyncio.sleep(0.02)
    finally:
        await notifications.stop()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit_micros": None}, "limit_micros"),
        ({"limit_micros": -1}, "limit_micros"),
        ({"warn_at_percent": (0,)}, "warn_at_percent"),
        ({"period": "fortnight"}, "period"),
        ({"scope": "planet"}, "scope"),
        ({"scope": "agent"}, "subject_id"),
        ({"scope": "agent", "subject_id": new_id()}, "subject_id"),
    ],
)
async def test_a_budget_that_makes_no_sense_is_refused(
    budgets: Budgets, principal: Principal, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await budgets.create(principal, replace(BudgetSpec(scope="workspace", limit_micros=1), **changes))
    assert refused.value.field == field


async def test_another_workspace_sees_and_changes_no_budget(
    budgets: Budgets, spending: Spending, principal: Principal, stranger: Principal
) -> None:
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=0))

    assert await spending.reserve(call_of(stranger)) is None
    assert (await budgets.list(stranger, Window())).items == []
    for work in (
        budgets.get(stranger, budget.id),
        budgets.update(stranger, budget.id, {"limit_micros": 5}),
        budgets.delete(stranger, budget.id),
        budgets.holds(stranger, budget.id, Window()),
    ):
        with pytest.raises(BudgetNotFound):
            await work


async def test_whoever_is_limited_does_not_set_the_limits(budgets: Budgets, principal: Principal) -> None:
    from glia.identity.rights import SCOPES_OF
    from glia.identity.types import Role

    user = replace(principal, scopes=SCOPES_OF[Role.USER])

    assert (await budgets.list(user, Window())).items == []
    with pytest.raises(Forbidden, match="budgets:write"):
        await budgets.create(user, BudgetSpec(scope="workspace", limit_micros=1))
