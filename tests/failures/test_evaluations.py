"""kill -9 in the middle of an evaluation: another process goes on, and no case is run twice."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

from tests.conftest import DatabaseUrls
from tests.failures.conftest import Installation

CASES = 6
VERDICT = '{"score": 0.5}'
SCORERS = [{"kind": "exact"}, {"kind": "rubric", "model": "openai/scripted", "rubric": "Be done."}]


async def until(admin: psycopg.Connection, sql: str, seconds: float = 60) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(seconds):
        while not value(admin, sql):
            await asyncio.sleep(0.05)


def value(admin: psycopg.Connection, sql: str) -> Any:
    row = admin.execute(sql.encode()).fetchone()
    return None if row is None else row[0]


@pytest.mark.parametrize("is_answered", [False, True], ids=["while cases run", "before their results are stored"])
async def test_an_evaluation_survives_its_process(
    place: Installation, database_urls: DatabaseUrls, is_answered: bool
) -> None:
    first = await place.serve()
    place.outside.is_answering.clear()
    place.outside.words = (VERDICT,)  # the agent's answer, and the judge's
    cases = [{"input": f"Case {number}", "expected_answer": VERDICT} for number in range(CASES)]
    status, made = await first.post("/v1/evaluation-sets", {"name": "Set", "cases": cases})
    assert status == 201, made
    body = {"evaluation_set_id": made["id"], "agent_id": str(place.agents["agent"]), "concurrency": 2}
    status, evaluation = await first.post("/v1/evaluations", body | {"scorers": SCORERS})
    assert status == 202, evaluation
    with (
        psycopg.connect(database_urls.admin, autocommit=True, options="-csearch_path=glia") as admin,
        psycopg.connect(database_urls.admin, options="-csearch_path=glia") as holder,
    ):
        await until(admin, "select count(*) = 2 from evaluation_results where status = 'running'")
        async with asyncio.timeout(60):
            while place.outside.model_calls < 2:
                await asyncio.sleep(0.02)
        if is_answered:
            # The runs can end, and what came of them cannot be stored.
            holder.execute("lock table evaluation_results in share mode")
            place.outside.is_answering.set()
            await until(admin, "select count(*) = 2 from runs where kind = 'agent' and status = 'completed'")
        before = value(admin, "select array_agg(run_id order by number) from evaluation_results where number <= 2")

        first.kill()
        holder.rollback()
        # The control: without what is written down, the next process would have to begin these two again.
        assert value(admin, "select count(*) from evaluation_results where status = 'running'") == 2
        place.outside.is_answering.set()
        await place.worker("second").ready()

        await until(admin, "select true from evaluations where status = 'completed'")
        after = value(admin, "select array_agg(run_id order by number) from evaluation_results where number <= 2")
        assert before == after
        assert value(admin, "select count(*) from runs where kind = 'agent'") == CASES
        assert value(admin, "select count(*) from sessions where agent_id is not null") == CASES
        done = "select count(*) from evaluation_results where status = 'completed' and scores @> %s"
        assert admin.execute(done, ['[{"name": "exact", "score": 1.0}]']).fetchone() == (CASES,)
        assert admin.execute(done, ['[{"name": "rubric", "score": 0.5}]']).fetchone() == (CASES,)
        judged = "select count(*) from usage_records u join evaluations e on e.run_id = u.run_id"
        assert value(admin, judged) == CASES
