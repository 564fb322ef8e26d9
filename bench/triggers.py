"""What triggers cost when nothing fires: 1,000 schedules that are not due, and events that nobody waits for.

    python bench/triggers.py --database-url postgresql://superuser@host/database [--schedules 1000] [--seconds 30]

The database named is only used to make another beside it, which is dropped in the end. CPU time is the scheduler's own
count: of this process, and of the PostgreSQL backends that serve it when they run on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from databases import fresh_database
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.kit.notifications import Notifications
from glia.triggers.firings import Firings
from glia.triggers.queries import CHANNEL
from glia.triggers.ticker import Ticker

EVENTS = 4
"""In one append, as in a step of a run."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--appends", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with fresh_database(given.database_url) as url:
        asyncio.run(measure(url, given))


async def measure(url: str, given: argparse.Namespace) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("set search_path = glia, public")
        workspace, agent = furnish(admin)
        for schedules in (0, given.schedules):
            plant(admin, workspace, agent, schedules)
            ours, theirs = await idle(url, given.seconds)
            print(f"{schedules:6} schedules, idle: {ours:.3f} % of a core here, {theirs:.3f} % in PostgreSQL")
        appends(admin, workspace, agent, given)


def furnish(admin: psycopg.Connection) -> tuple[UUID, UUID]:
    workspace, project, agent = new_id(), new_id(), new_id()
    admin.execute("insert into workspaces (id, name, slug) values (%s, 'Bench', 'bench')", (workspace,))
    admin.execute(
        "insert into projects (id, workspace_id, name, slug) values (%s, %s, 'Bench', 'bench')", (project, workspace)
    )
    admin.execute(
        "insert into agents (id, workspace_id, project_id, slug, version) values (%s, %s, %s, 'bench', 1)",
        (agent, workspace, project),
    )
    return workspace, agent


def plant(admin: psycopg.Connection, workspace: UUID, agent: UUID, count: int) -> None:
    """Daily schedules whose times lie an hour to a day ahead."""
    admin.execute("delete from triggers")
    admin.execute(
        """
        insert into triggers (id, workspace_id, project_id, name, agent_id, message, kind, spec, overlap, missed,
          next_at, created_by)
        select gen_random_uuid(), %(workspace)s, a.project_id, 'Bench ' || n, a.id, 'Report.', 'cron',
          '{"kind": "cron", "cron": "0 7 * * *", "timezone": "Europe/Berlin"}', 'skip', 'once',
          now() + make_interval(secs => 3600 + n * 80), 'system'
        from agents a, generate_series(1, %(count)s) n where a.id = %(agent)s""",
        {"workspace": workspace, "agent": agent, "count": count},
    )
    admin.execute("analyze triggers")


async def idle(url: str, seconds: float) -> tuple[float, float]:
    """CPU time that looking after the schedules takes, in percent of a core: this process, and its backends."""
    async with ticking(url) as db:
        await asyncio.sleep(2)
        pids = await backends(db)
        began, here, there = time.monotonic(), time.process_time(), sum(map(cpu_seconds, pids))
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        return 100 * (time.process_time() - here) / took, 100 * (sum(map(cpu_seconds, pids)) - there) / took


@asynccontextmanager
async def ticking(url: str) -> AsyncIterator[Database]:
    db = Database(url, largest_pool=2)
    await db.open()
    nobody: Any = None  # nothing fires, so nothing is started
    ticker = Ticker(db, Firings(db, nobody, nobody))
    notifications = Notifications(url)
    notifications.on(CHANNEL, lambda _note: ticker.wake())
    await notifications.start()
    task = asyncio.create_task(ticker.run())
    yield db
    task.cancel()
    await notifications.stop()
    await db.close()


async def backends(db: Database) -> list[int]:
    async with db.across_workspaces() as tx:
        return await tx.values(
            "select pid from pg_stat_activity where datname = current_database() and pid is not null"
        )


def cpu_seconds(pid: int) -> float:
    """0 for a backend on another machine."""
    file = Path(f"/proc/{pid}/schedstat")
    return int(file.read_text().split()[0]) / 1e9 if file.exists() else 0.0


def appends(admin: psycopg.Connection, workspace: UUID, agent: UUID, given: argparse.Namespace) -> None:
    """What an append of four events takes with and without somebody listening, as the app role."""
    run = start_run(admin, workspace, agent)
    found: dict[str, list[float]] = {"without": [], "with, no trigger on events": [], "with one that never fits": []}
    for _ in range(given.rounds):
        for name, times in found.items():
            verb = "disable" if name == "without" else "enable"
            admin.execute(f"alter table events {verb} trigger events_for_triggers".encode())
            admin.execute(
                "update triggers set event_type = %s where id = (select id from triggers limit 1)",
                ("run.completed" if name == "with one that never fits" else None,),
            )
            times.append(append_many(admin, workspace, run, given.appends))
    print(f"an append of {EVENTS} events, µs of PostgreSQL's CPU (least of {given.rounds}):")
    base = min(found["without"])
    for name, times in found.items():
        print(f"  {name:28} {min(times):7.1f}  {min(times) - base:+6.1f}")


def start_run(admin: psycopg.Connection, workspace: UUID, agent: UUID) -> UUID:
    run, session = new_id(), new_id()
    admin.execute(
        "insert into sessions (id, workspace_id, project_id, agent_id)"
        " select %s, workspace_id, project_id, id from agents where id = %s",
        (session, agent),
    )
    admin.execute(
        """
        insert into runs (id, root_run_id, workspace_id, project_id, session_id, kind, agent_id, status, is_background,
          engine_abi, attempt)
        select %(run)s, %(run)s, workspace_id, project_id, %(session)s, 'agent', id, 'running', true, 1, 1
        from agents where id = %(agent)s""",
        {"run": run, "session": session, "agent": agent},
    )
    return run


def append_many(admin: psycopg.Connection, workspace: UUID, run: UUID, count: int) -> float:
    """Microseconds of PostgreSQL's CPU for one append; all in one transaction, so that the disk has no part in it."""
    payloads = "[" + ",".join(['{"step": 1, "text": "Some words that a model said."}'] * EVENTS) + "]"
    with admin.transaction():
        admin.execute("set local role glia_app")
        admin.execute("select set_config('glia.workspace', %s, true)", (str(workspace),))
        pid = admin.info.backend_pid
        began = cpu_seconds(pid)
        for _ in range(count):
            admin.execute(
                "select glia.append_events(%s, %s, 1, 'model.responded,tool.called,tool.returned,model.requested', %s)",
                (workspace, run, payloads),
            )
        return (cpu_seconds(pid) - began) / count * 1e6


if __name__ == "__main__":
    main()
