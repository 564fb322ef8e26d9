"""What the search of everything costs with 200,000 runs and sessions, 20,000 documents and 50,000 memories.

    GLIA_TEST_DATABASE_URL=postgresql://... python bench/search_everything.py

`cpu` is what PostgreSQL's process for the connection spent for one search of all kinds but passages (`schedstat`, when
it is on this machine). Every tenth session has a title. The database named in the URL is only
used to create one of its own, which is dropped at the end.
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
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.search import queries
from glia.search.service import wanted_of
from glia.search.types import Kind

_AGENTS, _RUNS, _DOCUMENTS, _MEMORIES = 200, 200_000, 20_000, 50_000
_ASKED = ("zebra", "ancient okapi", "report", "e", "agent 17", "failed")


def fill(url: str) -> UUID:
    workspace, project, base = new_id(), new_id(), new_id()
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("set search_path = glia, public")
        db.execute("insert into workspaces (id, name, slug) values (%s, 'W', 'w')", (workspace,))
        db.execute(
            "insert into projects (id, workspace_id, name, slug) values (%s, %s, 'P', 'p')", (project, workspace)
        )
        given = {"w": workspace, "p": project, "b": base, "agents": _AGENTS}
        db.execute(
            """
            insert into agents (id, workspace_id, project_id, slug, version)
            select md5('agent' || n)::uuid, %(w)s, %(p)s, 'agent-' || n, 1 from generate_series(1, %(agents)s) n""",
            given,
        )
        db.execute(
            """
            insert into agent_versions (agent_id, version, workspace_id, name, description, instructions, settings,
              knowledge_base_ids, limits, metadata, created_by)
            select md5('agent' || n)::uuid, 1, %(w)s, 'Agent ' || n, '', '', '{}', '{}', '{}', '{}', 'x'
            from generate_series(1, %(agents)s) n""",
            given,
        )
        db.execute(
            """
            insert into sessions (id, workspace_id, project_id, agent_id, title)
            select (lpad(to_hex(n), 12, '0') || '7000800000000000' || lpad(to_hex(n), 4, '0'))::uuid, %(w)s, %(p)s,
              md5('agent' || (n %% %(agents)s + 1))::uuid,
              case when n = 7 then 'An ancient okapi' when n %% 10 = 0 then 'Report ' || n else '' end
            from generate_series(1, %(runs)s) n""",
            given | {"runs": _RUNS},
        )
        db.execute(
            """
            insert into runs (id, root_run_id, workspace_id, project_id, session_id, agent_id, status,
              is_background, engine_abi, error)
            select s.id, s.id, %(w)s, %(p)s, s.id, s.agent_id,
              case when n %% 50 = 0 then 'failed' else 'completed' end, true, 1,
              case when n %% 50 = 0 then '{"message": "The model did not answer."}'::jsonb end
            from (select id, agent_id, row_number() over (order by id) as n from sessions) s""",
            given,
        )
        db.execute(
            """
            insert into knowledge_bases (id, workspace_id, project_id, name, embedding_set)
            values (%(b)s, %(w)s, %(p)s, 'B', %(b)s)""",
            given,
        )
        db.execute(
            """
            insert into documents (id, workspace_id, project_id, knowledge_base_id, name, media_type, size_bytes,
              sha256, status)
            select gen_random_uuid(), %(w)s, %(p)s, %(b)s, 'report-' || n || '.pdf', 'application/pdf', 1, md5(n::text),
              'ready' from generate_series(1, %(n)s) n""",
            given | {"n": _DOCUMENTS},
        )
        db.execute(
            """
            insert into memories (id, workspace_id, project_id, content)
            select gen_random_uuid(), %(w)s, %(p)s, 'User ' || n || ' likes ' || md5(n::text) || ' more than reports.'
            from generate_series(1, %(n)s) n""",
            given | {"n": _MEMORIES},
        )
        db.execute("vacuum analyze")
        size = db.execute("select pg_size_pretty(pg_total_relation_size('search_words'))").fetchone()
        print("search_words:", size[0] if size else "")
    return workspace


async def measure(url: str, workspace: UUID, times: int) -> None:
    db = Database(url, largest_pool=1)
    await db.open()
    try:
        async with db.transaction(workspace) as tx:
            (pid,) = await tx.values("select pg_backend_pid()")
        for asked in _ASKED:
            wanted = wanted_of(asked, 5)
            walls, cpus, found = [], [], {}
            for _ in range(times + 1):
                began, spent = time.perf_counter(), _cpu_ms(pid)
                async with db.transaction(workspace) as tx:
                    for kind in Kind:
                        if kind is not Kind.PASSAGE:
                            found[kind] = len(await queries.find(tx, kind, wanted))
                walls.append((time.perf_counter() - began) * 1000)
                cpus.append(_cpu_ms(pid) - spent)
            shown = " ".join(f"{kind}={n}" for kind, n in found.items() if n)
            cpu, wall = statistics.median(cpus[1:]), statistics.median(walls[1:])
            print(f"{asked!r}: cpu {cpu:.0f} ms, wall {wall:.0f} ms; {shown}")
    finally:
        await db.close()


def _cpu_ms(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6
    except FileNotFoundError:
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with fresh_database(os.environ["GLIA_TEST_DATABASE_URL"]) as url:
        began = time.perf_counter()
        workspace = fill(url)
        print(f"filled in {time.perf_counter() - began:.0f} s")
        asyncio.run(measure(url, workspace, times))


if __name__ == "__main__":
    main()
