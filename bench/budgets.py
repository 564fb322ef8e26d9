"""CPU time of holding and settling what a model call costs.

    python bench/budgets.py --database-url postgresql://... [--calls 2000] [--clients 8]

Makes a database of its own on that server and drops it again. For each kind of limit it reserves and settles calls, as
the gateway does: two round trips, two commits. Prints CPU of this process and of PostgreSQL's backends per call, when
they run on this machine, and the wall time of one call alone. `none` is a workspace that nothing limits: no round trip,
and the usage record goes into the meter's batch, which is not in the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import psutil
import psycopg

from databases import fresh_database
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.usage.service import Budgets, Credits, Spending
from glia.usage.types import BudgetSpec, CallBound, Period, SpendingCall, UsageRecord

BOUND = CallBound(
    input_tokens=900, input_micros=900, output_rate=1_000_000, most_output_tokens=4096, least_output_tokens=256
)
PERIODS: tuple[Period, ...] = ("total", "hour", "day", "week", "month", "year")
PLENTY = 10**14


async def workspace(db: Database) -> Principal:
    principal = Principal(new_id(), new_id(), frozenset({"*"}))
    async with db.across_workspaces() as tx:
        await tx.execute(
            "insert into workspaces (id, name, slug) values (%(id)s, 'Bench', %(slug)s)",
            id=principal.workspace_id,
            slug=principal.workspace_id.hex,
        )
    return principal


async def prepare(db: Database, spending: Spending, budgets: int, has_credit: bool) -> Principal:
    principal = await workspace(db)
    for number in range(budgets):
        await Budgets(db, spending).create(
            principal, BudgetSpec(scope="workspace", period=PERIODS[number % len(PERIODS)], limit_micros=PLENTY)
        )
    if has_credit:
        credit = Credits(db, spending)
        await credit.enable(principal, is_enabled=True)
        await credit.grant(principal, 10**12)
    return principal


async def one(spending: Spending, principal: Principal) -> float:
    started = time.perf_counter()
    hold = await spending.reserve(
        SpendingCall(
            workspace_id=principal.workspace_id, project_id=principal.project_id, model="openai/gpt-5", bound=BOUND
        )
    )
    if hold is not None:
        await spending.settle(
            UsageRecord(
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                operation="chat",
                model="openai/gpt-5",
                input_tokens=300,
                output_tokens=200,
                latency_ms=900,
                cost_micros=500,
                hold_id=hold.id,
            )
        )
    return time.perf_counter() - started


def backends(url: str) -> float:
    """CPU seconds of the database's backends so far; 0 when they are not on this machine."""
    with psycopg.connect(url) as connection:
        pids = [
            pid
            for (pid,) in connection.execute(
                "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )
        ]
    seconds = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    return seconds


async def measure(
    db: Database, url: str, name: str, *, calls: int, clients: int, budgets: int, has_credit: bool
) -> None:
    spending = Spending(db)
    principal = await prepare(db, spending, budgets, has_credit)

    async def client(count: int) -> list[float]:
        return [await one(spending, principal) for _ in range(count)]

    await client(50)
    alone = statistics.median(await client(200))
    before, cpu, wall = backends(url), time.process_time(), time.perf_counter()
    await asyncio.gather(*(client(calls // clients) for _ in range(clients)))
    cpu, wall, database = time.process_time() - cpu, time.perf_counter() - wall, backends(url) - before
    done = calls // clients * clients
    print(
        f"{name:24s} cpu {cpu / done * 1000:6.3f} ms  postgres {database / done * 1000:6.3f} ms"
        f"  alone p50 {alone * 1000:6.2f} ms  {done / wall:6.0f} calls/s at {clients}"
    )


async def main(arguments: argparse.Namespace) -> None:
    with fresh_database(arguments.database_url) as url:
        db = Database(url, largest_pool=arguments.clients)
        await db.open()
        for label, budgets, has_credit in (
            ("none", 0, False),
            ("1 budget", 1, False),
            ("3 budgets", 3, False),
            ("6 budgets", 6, False),
            ("credit", 0, True),
            ("3 budgets and credit", 3, True),
        ):
            await measure(
                db, url, label, calls=arguments.calls, clients=arguments.clients, budgets=budgets, has_credit=has_credit
            )
        await db.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    asyncio.run(main(parser.parse_args()))
