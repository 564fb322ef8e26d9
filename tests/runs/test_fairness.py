"""Who is taken first: fair between workspaces, exact in shares, in order of priority, not before its time."""

from __future__ import annotations

import asyncio
from collections import Counter

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.ids import new_id
from glia.runs import lease_queries
from glia.runs.types import ENGINE_ABI, Run
from tests.conftest import make_principal


async def _queue(db: Database, who: Principal, count: int, **values: object) -> None:
    async with db.transaction(who.workspace_id) as tx:
        for _ in range(count):
            session = new_id()
            await tx.execute(
                """
                with s as (insert into sessions (id, workspace_id, project_id)
                           values (%(session)s, %(workspace)s, %(project)s) returning id, workspace_id, project_id)
                insert into runs (id, workspace_id, project_id, session_id, status, is_background, engine_abi, priority,
                                  run_after, root_run_id)
                select %(run)s, workspace_id, project_id, id, 'queued', true, %(abi)s, %(priority)s,
                  clock_timestamp() + make_interval(secs => %(delay)s), %(run)s from s""",
                session=session,
                run=new_id(),
                workspace=who.workspace_id,
                project=who.project_id,
                abi=ENGINE_ABI,
                **({"priority": 0, "delay": 0.0} | values),
            )


async def _claim(db: Database, want: int, largest_share: int = 100) -> list[Run]:
    worker = new_id()
    async with db.across_workspaces() as tx:
        values = {"id": worker, "name": "test", "version": "0", "abi": ENGINE_ABI, "lease_seconds": 60}
        await tx.execute(lease_queries.REGISTER, **values)
        return await lease_queries.claim(tx, worker, want=want, largest_share=largest_share, kinds=["agent"])


async def test_one_run_passes_forty_of_another_workspace(db: Database, principal: Principal) -> None:
    other = await make_principal(db, name="Other")
    await _queue(db, principal, 40)
    await _queue(db, other, 1)

    first = await _claim(db, 2)

    assert {run.workspace_id for run in first} == {principal.workspace_id, other.workspace_id}


async def test_without_turns_the_older_forty_would_go_first(db: Database, principal: Principal) -> None:
    """The control: plain order of age, as a simple queue would have it."""
    other = await make_principal(db, name="Other")
    await _queue(db, principal, 40)
    await _queue(db, other, 1)
    async with db.across_workspaces() as tx:
        first = await tx.values("select workspace_id from runs order by run_after, id limit 2")

    assert set(first) == {principal.workspace_id}


async def test_a_share_is_exact_under_four_engines_at_once(db: Database, principal: Principal) -> None:
    other = await make_principal(db, name="Other")
    await _queue(db, principal, 40)
    await _queue(db, other, 40)

    claimed = await asyncio.gather(*[_claim(db, 5, largest_share=7) for _ in range(8)])

    runs = [run for some in claimed for run in some]
    assert Counter(run.workspace_id for run in runs) == {principal.workspace_id: 7, other.workspace_id: 7}
    assert len({run.id for run in runs}) == 14


async def test_priority_goes_first_and_what_is_not_due_waits(db: Database, principal: Principal) -> None:
    await _queue(db, principal, 3)
    await _queue(db, principal, 1, priority=5)
    await _queue(db, principal, 2, delay=60.0)

    first = await _claim(db, 1)
    rest = await _claim(db, 10)

    async with db.across_workspaces() as tx:
        assert await tx.value("select priority from runs where id = %(id)s", id=first[0].id) == 5
    assert len(rest) == 3


async def test_a_worker_whose_lease_lapsed_claims_nothing(db: Database, principal: Principal) -> None:
    await _queue(db, principal, 1)
    async with db.across_workspaces() as tx:
        assert await lease_queries.claim(tx, new_id(), want=5, largest_share=5, kinds=["agent"]) == []
    assert len(await _claim(db, 5)) == 1
