"""What following logs costs while nothing is written, and how soon a line comes: 50 followers of 10 deployments.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/log_followers.py [--followers 50] [--seconds 10]

`cpu` is what this process and PostgreSQL's processes for its connections spent (`schedstat`), as a share of a core;
the latency is from the commit of a line to its arrival. The database named in the URL is only used to create one of its
own, which is dropped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path
from uuid import UUID

import psycopg

from databases import fresh_database
from glia.deployments.service import Deployments
from glia.deployments.types import DeploymentSpec, Program
from glia.identity.types import system_principal
from glia.kit.db import Database
from glia.kit.ids import new_id

_DEPLOYMENTS, _LINES = 10, 20


class Plain:
    def seal(self, secret: bytes, context: str) -> bytes:
        return secret

    def open(self, sealed: bytes, context: str) -> bytes:
        return sealed


async def measure(url: str, followers: int, seconds: float) -> None:
    workspace, project = new_id(), new_id()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("set search_path = glia, public")
        admin.execute("insert into workspaces (id, name, slug) values (%s, 'W', 'w')", (workspace,))
        admin.execute(
            "insert into projects (id, workspace_id, name, slug) values (%s, %s, 'P', 'p')", (project, workspace)
        )
        db = Database(url)
        await db.open()
        try:
            await _measure(db, admin, system_principal(workspace, project), followers, seconds)
        finally:
            await db.close()


async def _measure(db: Database, admin: psycopg.Connection, principal, followers: int, seconds: float) -> None:
    deployments = Deployments(db, Plain())
    made = [
        await deployments.create(principal, DeploymentSpec(f"d{n}", Program("python", "storage://a.py"), replicas=0))
        for n in range(_DEPLOYMENTS)
    ]
    arrived: asyncio.Queue[float] = asyncio.Queue()

    async def follow(id: UUID) -> None:
        async for lines in deployments.follow(principal, str(id)):
            for _ in lines:
                arrived.put_nowait(time.perf_counter())

    following = [asyncio.create_task(follow(made[n % _DEPLOYMENTS].id)) for n in range(followers)]
    await asyncio.sleep(2)
    began, spent = time.perf_counter(), _cpu_seconds(admin)
    await asyncio.sleep(seconds)
    share = (_cpu_seconds(admin) - spent) / (time.perf_counter() - began)
    print(f"{followers} followers, nothing written: cpu {100 * share:.1f} % of a core")

    waits: list[float] = []
    for number in range(_LINES):
        await asyncio.sleep(0.137)
        one = made[number % _DEPLOYMENTS]
        await asyncio.to_thread(
            admin.execute,
            """
            insert into deployment_logs (workspace_id, deployment_id, replica_id, at, level, message)
            values (%s, %s, %s, now(), 1, 'hello')""",
            (principal.workspace_id, one.id, new_id()),
        )
        written = time.perf_counter()
        readers = sum(n % _DEPLOYMENTS == number % _DEPLOYMENTS for n in range(followers))
        waits += [(await asyncio.wait_for(arrived.get(), 30) - written) * 1000 for _ in range(readers)]
    print(f"a line arrives after p50 {statistics.median(waits):.0f} ms, at most {max(waits):.0f} ms")
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


def _cpu_seconds(admin: psycopg.Connection) -> float:
    rows = admin.execute("select pid from pg_stat_activity where datname = current_database()").fetchall()
    return sum(_of(int(pid)) for (pid,) in rows) + time.process_time()


def _of(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except FileNotFoundError:
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--followers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"]) as url:
        asyncio.run(measure(url, given.followers, given.seconds))


if __name__ == "__main__":
    main()
