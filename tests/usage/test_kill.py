"""Processes that spend are killed in the middle; what the database keeps is whole."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.usage.service import Budgets, Credits, Spending
from glia.usage.types import BudgetSpec
from tests.conftest import DatabaseUrls
from tests.usage.test_ledger import check

_NAME = f"spender-{uuid4().hex}"
_SPENDER = """
import asyncio, random, sys
from dataclasses import replace
from uuid import UUID
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.usage.service import Spending
from tests.usage.test_budgets import HUNDRED, call_of, record_of

async def main():
    db = Database(sys.argv[1], largest_pool=6)
    await db.open()
    principal = Principal(UUID(sys.argv[2]), UUID(sys.argv[3]), frozenset("*"))
    spending = Spending(db)

    async def one():
        while True:
            run = new_id() if random.random() < 0.5 else None
            step = None if run is None else 1
            call = call_of(principal, replace(HUNDRED, least_output_tokens=1), run_id=run, step=step)
            hold = await spending.reserve(call)
            await spending.settle(record_of(principal, hold, cost=random.randint(0, hold.micros)))

    await asyncio.gather(*(one() for _ in range(6)))

asyncio.run(main())
"""


async def test_what_a_killed_process_leaves_behind_adds_up(
    db: Database, principal: Principal, database_urls: DatabaseUrls
) -> None:
    spending = Spending(db)
    budgets, ledger = Budgets(db, spending), Credits(db, spending)
    budget = await budgets.create(principal, BudgetSpec(scope="workspace", limit_micros=10**9, period="day"))
    await ledger.enable(principal, is_enabled=True)
    await ledger.grant(principal, 10**8)

    for _ in range(3):
        await _spend_and_die(db, principal, database_urls)
        await check(db, principal)

    async with db.transaction(principal.workspace_id) as tx:
        left = await tx.values("select micros from holds where is_open")
        settled = await tx.value("select sum(cost_micros)::bigint from usage_records")
        await tx.execute("update holds set expires_at = clock_timestamp() - interval '1 second'")
    state = (await budgets.get(principal, budget.id)).state
    found = await ledger.balance(principal)
    assert (state.spent_micros, state.reserved_micros) == (settled + sum(left), 0)
    assert state.unconfirmed_micros == sum(left)
    assert (found.spent_micros, found.held_micros) == (settled + sum(left), 0)
    await check(db, principal)


async def _spend_and_die(db: Database, principal: Principal, urls: DatabaseUrls) -> None:
    """Lets a process spend for a while and kills it with -9."""

    async def count() -> int:
        async with db.transaction(principal.workspace_id) as tx:
            return await tx.value("select count(*) from usage_records")

    before = await count()
    spender = subprocess.Popen(
        [sys.executable, "-c", _SPENDER, urls.app, str(principal.workspace_id), str(principal.project_id)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PGAPPNAME": _NAME},
    )
    try:
        async with asyncio.timeout(60):
            while await count() < before + 60:
                assert spender.poll() is None
                await asyncio.sleep(0.005)
        assert await _connections(urls) > 0
    finally:
        spender.send_signal(signal.SIGKILL)
        spender.wait(10)
    # The server still does what the process had asked for, until it finds that nobody is there.
    async with asyncio.timeout(60):
        while await _connections(urls):
            await asyncio.sleep(0.02)


async def _connections(urls: DatabaseUrls) -> int:
    """Those of the spender. Only an administrator sees what other connections are called."""
    async with await psycopg.AsyncConnection.connect(urls.admin) as admin:
        found = await admin.execute("select count(*) from pg_stat_activity where application_name = %s", (_NAME,))
        row = await found.fetchone()
        assert row is not None
        return row[0]
