"""The credits ledger: every transaction adds up to zero, accounts are the sums of their entries, no balance below 0."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import psycopg
import pytest

from glia.identity.rights import SCOPES_OF
from glia.identity.types import Principal, Role
from glia.kit.db import Database, Transaction
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Window, read_cursor
from glia.usage.errors import BudgetExceeded, InsufficientCredit
from glia.usage.ledger_queries import balance
from glia.usage.service import Budgets, Credits, Spending, SpendingConfig
from glia.usage.types import Account, BudgetSpec, CallBound
from tests.usage.test_budgets import HUNDRED, call_of, held, record_of


@pytest.fixture
def spending(db: Database) -> Spending:
    return Spending(db)


@pytest.fixture
def ledger(db: Database, spending: Spending) -> Credits:
    return Credits(db, spending)


async def check(db: Database, principal: Principal) -> None:
    """What must hold at any time, all of it read at one moment."""
    async with db.transaction(principal.workspace_id) as tx:
        await tx.execute("set transaction isolation level repeatable read")
        await check_in(tx, principal)


async def check_in(tx: Transaction, principal: Principal) -> None:
    found = await balance(tx, principal.workspace_id)
    assert found is not None
    assert found.balance_micros >= 0
    assert found.held_micros >= 0
    assert found.balance_micros + found.held_micros + found.spent_micros == (
        found.granted_micros + found.adjusted_micros + found.shortfall_micros
    )
    sums = dict(
        zip(
            await tx.values("select account from ledger_entries group by account order by account"),
            await tx.values("select sum(amount_micros)::bigint from ledger_entries group by account order by account"),
            strict=True,
        )
    )
    held_by_calls = await tx.value("select coalesce(sum(credit_micros), 0)::bigint from holds where is_open")
    uneven = await tx.values("select transaction_id from ledger_entries group by 1 having sum(amount_micros) <> 0")
    assert uneven == []
    assert sums.get("balance", 0) == found.balance_micros
    assert sums.get("held", 0) == found.held_micros == held_by_calls
    assert sums.get("spent", 0) == found.spent_micros
    assert -sums.get("granted", 0) == found.granted_micros


async def test_credits_are_off_until_they_are_switched_on(
    ledger: Credits, spending: Spending, principal: Principal
) -> None:
    await ledger.grant(principal, 50)

    assert await spending.reserve(call_of(principal)) is None
    assert (await ledger.enable(principal, is_enabled=True)).balance_micros == 50
    with pytest.raises(InsufficientCredit) as refused:
        await spending.reserve(call_of(principal))

    assert (refused.value.code, refused.value.status) == ("insufficient_credit", 402)
    assert (refused.value.needed_micros, refused.value.balance_micros) == (100, 50)
    await ledger.enable(principal, is_enabled=False)
    assert await spending.reserve(call_of(principal)) is None


async def test_what_is_not_needed_of_a_hold_comes_back(
    ledger: Credits, spending: Spending, principal: Principal, db: Database
) -> None:
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 130, "first payment")

    hold = await held(spending, call_of(principal))
    between = await ledger.balance(principal)
    await spending.settle(record_of(principal, hold, cost=30))
    after = await ledger.balance(principal)

    assert (between.balance_micros, between.held_micros) == (30, 100)
    assert (after.balance_micros, after.held_micros, after.spent_micros) == (100, 0, 30)
    statement = (await ledger.transactions(principal, Window())).items
    assert [entry.kind for entry in statement] == ["settlement", "hold", "grant"]
    assert {e.account: e.amount_micros for e in statement[0].entries} == {"held": -100, "spent": 30, "balance": 70}
    assert {e.account: e.amount_micros for e in statement[2].entries} == {"granted": -130, "balance": 130}
    assert statement[2].note == "first payment"
    await check(db, principal)


async def test_the_entries_of_an_account_add_up_to_what_it_holds(
    ledger: Credits, spending: Spending, principal: Principal
) -> None:
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 500)
    await ledger.adjust(principal, -20)
    await spending.settle(replace(record_of(principal, await held(spending, call_of(principal)), cost=30), step=7))
    await held(spending, call_of(principal))
    found = await ledger.balance(principal)

    async def total(account: Account) -> int:
        lines = (await ledger.transactions(principal, Window(), account=account)).items
        return sum(entry.amount_micros for line in lines for entry in line.entries if entry.account == account)

    assert await total("balance") == found.balance_micros == 350
    assert await total("held") == found.held_micros == 100
    assert await total("spent") == found.spent_micros == 30
    assert -await total("granted") == found.granted_micros == 500
    assert -await total("adjusted") == found.adjusted_micros == -20
    (settled,) = (await ledger.transactions(principal, Window(), account="spent")).items
    assert (settled.kind, settled.step) == ("settlement", 7)


async def test_a_call_reserves_against_budgets_and_balance_or_against_neither(
    ledger: Credits, spending: Spending, principal: Principal, db: Database
) -> None:
    budgets = Budgets(db, spending)
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=150))
    await ledger.enable(principal, is_enabled=True)

    with pytest.raises(InsufficientCredit):
        await spending.reserve(call_of(principal))
    assert (await budgets.get(principal, budget.id)).state.reserved_micros == 0
    await ledger.grant(principal, 1_000)
    await held(spending, call_of(principal))
    with pytest.raises(BudgetExceeded):
        await spending.reserve(call_of(principal))

    assert (await ledger.balance(principal)).held_micros == 100
    await check(db, principal)


async def test_an_answer_is_made_shorter_so_that_the_balance_covers_it(
    ledger: Credits, spending: Spending, principal: Principal
) -> None:
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 60)

    assert (await held(spending, call_of(principal, replace(HUNDRED, least_output_tokens=16)))).output_tokens == 40


async def test_free_calls_need_no_credit(ledger: Credits, spending: Spending, principal: Principal) -> None:
    await ledger.enable(principal, is_enabled=True)

    hold = await held(spending, call_of(principal, CallBound(10, 0, 0, 80, 20)))
    await spending.settle(record_of(principal, hold, cost=0))

    assert (await ledger.transactions(principal, Window())).items == []


async def test_a_cost_beyond_the_balance_shows_as_shortfall(
    ledger: Credits, spending: Spending, principal: Principal, db: Database
) -> None:
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 20)

    await spending.settle(record_of(principal, None, cost=50))

    found = await ledger.balance(principal)
    assert (found.balance_micros, found.spent_micros, found.shortfall_micros) == (0, 50, 30)
    await check(db, principal)


async def test_adjustments_stop_at_nothing(ledger: Credits, principal: Principal, db: Database) -> None:
    await ledger.grant(principal, 20)
    await ledger.adjust(principal, -15, "paid twice")

    with pytest.raises(InvalidRequest, match="below 0"):
        await ledger.adjust(principal, -6)

    assert (await ledger.balance(principal)).balance_micros == 5
    await check(db, principal)


async def test_an_expired_hold_is_spent_and_put_right_by_a_late_report(
    ledger: Credits, principal: Principal, db: Database
) -> None:
    spending = Spending(db, SpendingConfig(hold_seconds=0))
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 130)
    hold = await held(spending, call_of(principal))

    expired = await ledger.balance(principal)
    await spending.settle(record_of(principal, hold, cost=30))
    after = await ledger.balance(principal)

    assert (expired.balance_micros, expired.held_micros, expired.spent_micros) == (30, 0, 100)
    assert (after.balance_micros, after.held_micros, after.spent_micros) == (100, 0, 30)
    await check(db, principal)


async def test_the_invariants_hold_under_random_work_at_once(
    ledger: Credits, spending: Spending, principal: Principal, db: Database
) -> None:
    budgets = Budgets(db, spending)
    await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10**9, period="hour"))
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 2_000)
    seed = random.randrange(10**6)

    async def one(number: int) -> None:
        dice = random.Random(seed * 100 + number)
        for step in range(12):
            match dice.randrange(6):
                case 0:
                    await ledger.grant(principal, dice.randint(1, 300))
                case 1:
                    await asyncio.gather(ledger.adjust(principal, -dice.randint(1, 200)), return_exceptions=True)
                case 2:
                    await spending.settle(record_of(principal, None, cost=dice.randint(0, 150)))
                case _:
                    run = new_id() if dice.random() < 0.5 else None
                    bound = replace(HUNDRED, input_micros=dice.randint(0, 50), least_output_tokens=dice.randint(0, 80))
                    call = call_of(principal, bound, run_id=run, step=None if run is None else step)
                    try:
                        hold = await held(spending, call)
                        if dice.random() < 0.3 and run is not None:
                            hold = await held(spending, call)
                    except InsufficientCredit:
                        continue
                    record = record_of(principal, hold, cost=dice.randint(0, hold.micros + 5))
                    if dice.random() < 0.2:
                        await spending.release(principal.workspace_id, hold)
                    else:
                        await asyncio.gather(spending.settle(record), spending.settle(record))
            if step % 4 == 0:
                await check(db, principal)

    async with asyncio.timeout(90):
        await asyncio.gather(*(one(number) for number in range(12)))

    await check(db, principal)
    found = await ledger.balance(principal)
    async with db.transaction(principal.workspace_id) as tx:
        recorded = await tx.value("select sum(cost_micros)::bigint from usage_records")
        open_holds = await tx.value("select count(*) from holds")
    assert (found.spent_micros, found.held_micros, open_holds) == (recorded, 0, 0), f"seed {seed}"


async def test_the_database_refuses_entries_that_do_not_add_up(
    ledger: Credits, principal: Principal, db: Database
) -> None:
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 100)
    id = new_id()
    begun = "insert into ledger_transactions (id, workspace_id, kind) values (%(id)s, %(ws)s, 'grant')"
    entry = (
        "insert into ledger_entries (transaction_id, workspace_id, account, amount_micros)"
        " values (%(id)s, %(ws)s, 'spent', 5)"
    )

    with pytest.raises(psycopg.errors.CheckViolation):
        async with db.transaction(principal.workspace_id) as tx:
            await tx.execute(begun, id=id, ws=principal.workspace_id)
            await tx.execute(entry, id=id, ws=principal.workspace_id)

    await check(db, principal)


@pytest.mark.parametrize("table", ["ledger_entries", "ledger_transactions"])
@pytest.mark.parametrize("statement", ["delete from {}", "update {} set workspace_id = workspace_id"])
async def test_nobody_changes_the_past(db: Database, principal: Principal, table: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with db.transaction(principal.workspace_id) as tx:
            await tx.connection.execute(statement.format(table).encode())


async def test_the_statement_has_pages(ledger: Credits, principal: Principal, stranger: Principal) -> None:
    for amount in (1, 2, 3):
        await ledger.grant(principal, amount, f"number {amount}")

    first = await ledger.transactions(principal, Window(2))
    rest = await ledger.transactions(principal, Window(2, read_cursor(first.next_cursor)))

    assert [t.note for t in first.items + rest.items] == ["number 3", "number 2", "number 1"]
    assert (await ledger.transactions(stranger, Window())).items == []
    assert (await ledger.balance(stranger)).balance_micros == 0


async def test_only_admins_grant(ledger: Credits, principal: Principal) -> None:
    user = replace(principal, scopes=SCOPES_OF[Role.USER])

    await ledger.balance(user)
    for work in (ledger.grant(user, 1), ledger.adjust(user, 1), ledger.enable(user, is_enabled=True)):
        with pytest.raises(Forbidden, match="credits:write"):
            await work
