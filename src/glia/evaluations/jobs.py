"""The job that does an evaluation. What it has done is in its results, so after a crash it goes on with the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import UUID

import structlog

from glia.evaluations import result_queries as rows
from glia.evaluations.judging import Judge
from glia.evaluations.outcomes import dedupe_key, outcome_of
from glia.evaluations.patterns import pattern_score
from glia.evaluations.result_queries import Task
from glia.evaluations.scoring import rule_score, without_answer
from glia.evaluations.types import MOST_SCORERS, Evaluation, Exact, Outcome, Rubric, Score
from glia.identity.types import Principal, system_principal
from glia.kit.clock import monotonic
from glia.kit.db import Database, Transaction, seen_through
from glia.kit.errors import DatabaseUnavailable, GliaError, StorageFull
from glia.kit.jobs import JobContext
from glia.runs.errors import Fenced
from glia.runs.service import Runs
from glia.runs.types import Accepted, Said
from glia.usage.service import Usage
from glia.usage.types import Payer, UsageRecord

log = structlog.get_logger(__name__)

KIND = "evaluation.run"
_READ_AT_ONCE = 100
_TELLS_EVERY_SECONDS = 1.0


class Evaluator:
    """runs: set once the service that starts runs exists; it is built after the engine, which needs this."""

    runs: Runs

    def __init__(self, db: Database, judge: Judge, usage: Usage) -> None:
        self._db = db
        self.judge = judge
        self._usage = usage

    async def work(self, job: JobContext) -> None:
        """The function of jobs of KIND."""
        id = UUID(str(job.input["evaluation_id"]))
        async with job.transaction() as tx:
            evaluation = await rows.get(tx, id)
            if evaluation is None:
                return
            await rows.set_running(tx, id)
        work = _Work(job, evaluation, _principal(evaluation), evaluation.done)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(evaluation.settings.concurrency):
                    group.create_task(self._take(work))
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        async with job.transaction() as tx:
            if await rows.may_begin(tx, id):
                await rows.set_completed(tx, id)
            else:  # whoever wanted it to stop did not come to stopping the job
                await rows.end_early(tx, job.run_id, status="cancelled", error=None)
        log.info("evaluation done", evaluation=str(id), results=work.done)

    async def ended(self, tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
        """For the engine, when it ends such a job early."""
        is_cancelled = code == "cancelled"
        await rows.end_early(
            tx,
            run_id,
            status="cancelled" if is_cancelled else "failed",
            error=None if is_cancelled else {"code": code, "message": message},
        )

    async def _take(self, work: _Work) -> None:
        """One of several that share the cases."""
        while (task := await work.next()) is not None:
            outcome = await self._outcome(work, task)
            if outcome is None:
                return
            scores, records = await self._scores(work, task, outcome)
            costs = [record.cost_micros for record in records if record.cost_micros is not None]
            async with work.job.transaction() as tx:
                await rows.finish(tx, task.result_id, outcome, scores, sum(costs) if costs else None)
                for record in records:
                    await self._usage.record(tx, record)
            await work.one_more()

    async def _outcome(self, work: _Work, task: Task) -> Outcome | None:
        """None when the evaluation is to stop."""
        try:
            # Seen through: a run that was begun must be known to whoever cancels the evaluation.
            accepted = await seen_through(self._begin(work, task))
            if accepted is None:
                return None
            seconds = work.evaluation.settings.case_timeout_seconds
            return await outcome_of(self.runs, work.principal, accepted, seconds)
        except (DatabaseUnavailable, StorageFull):
            raise
        except GliaError as error:
            return Outcome(None, error=error.message, error_code=error.code, is_agents_fault=False)

    async def _begin(self, work: _Work, task: Task) -> Accepted | None:
        evaluation, case = work.evaluation, task.case
        async with work.job.transaction() as tx:
            if not await rows.may_begin(tx, evaluation.id):
                return None
        accepted = await self.runs.start(
            work.principal,
            evaluation.agent_id,
            [Said("user", case.input)],
            is_background=True,
            agent_version=evaluation.agent_version,
            title=(case.name or case.input)[:100],
            metadata={"evaluation_id": str(evaluation.id), "case_id": str(case.id), "repeat": task.repeat},
            dedupe_key=dedupe_key(evaluation.id, case.id, task.repeat),
        )
        if await self._note(work, task, accepted):
            return accepted
        await self.runs.cancel(work.principal, accepted.run_id)
        return None

    async def _note(self, work: _Work, task: Task, accepted: Accepted) -> bool:
        """Writes down which run a case has; False when meanwhile nobody wants it any more."""
        try:
            async with work.job.transaction() as tx:
                if await rows.may_begin(tx, work.evaluation.id):
                    await rows.set_begun(tx, task.result_id, run_id=accepted.run_id, session_id=accepted.session_id)
                    return True
        except Fenced:
            async with self._db.transaction(work.evaluation.workspace_id) as tx:
                if await rows.may_begin(tx, work.evaluation.id):
                    raise  # another worker goes on with it
        return False

    async def _scores(self, work: _Work, task: Task, outcome: Outcome) -> tuple[list[Score], list[UsageRecord]]:
        scores: list[Score] = []
        records: list[UsageRecord] = []
        for index, scorer in enumerate(work.evaluation.settings.scorers):
            score = without_answer(scorer, outcome)
            if score is None and isinstance(scorer, Rubric):
                judgement = await self.judge.score(scorer, task.case, outcome, work.payer(task, index))
                score = judgement.score
                if judgement.record is not None:
                    records.append(judgement.record)
            elif score is None and isinstance(scorer, Exact) and scorer.mode == "regex":
                workspace_id, expected = work.evaluation.workspace_id, task.case.expected_answer
                score = await pattern_score(self._db, workspace_id, scorer, expected, outcome.answer or "")
            scores.append(score or rule_score(scorer, task.case, outcome))
        return scores, records


@dataclass
class _Work:
    """One attempt at one evaluation: hands out what is left to do, and tells how far it is."""

    job: JobContext
    evaluation: Evaluation
    principal: Principal
    done: int
    _page: deque[Task] = field(default_factory=deque[Task])
    _read_to: int = 0
    _is_read: bool = False
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _told_at: float = 0.0

    async def next(self) -> Task | None:
        async with self._reading:
            if not self._page and not self._is_read:
                async with self.job.transaction() as tx:
                    found = await rows.open_tasks(tx, self.evaluation.id, after=self._read_to, limit=_READ_AT_ONCE)
                self._page.extend(found)
                self._is_read = len(found) < _READ_AT_ONCE
                self._read_to = found[-1].number if found else self._read_to
        return self._page.popleft() if self._page else None

    async def one_more(self) -> None:
        self.done += 1
        is_last = self.done >= self.evaluation.total
        if is_last or monotonic() - self._told_at >= _TELLS_EVERY_SECONDS:
            self._told_at = monotonic()
            await self.job.progress("cases", self.done, self.evaluation.total)

    def payer(self, task: Task, scorer: int) -> Payer:
        return Payer(
            workspace_id=self.evaluation.workspace_id,
            project_id=self.evaluation.project_id,
            key_id=self.principal.key_id,
            run_id=self.job.run_id,
            step=task.number * MOST_SCORERS + scorer,
        )


def _principal(evaluation: Evaluation) -> Principal:
    """The server, on behalf of the key that started the evaluation: its budgets hold for what the cases cost."""
    principal = system_principal(evaluation.workspace_id, evaluation.project_id)
    kind, _, id = evaluation.created_by.partition(":")
    return replace(principal, key_id=UUID(id)) if kind == "key" else principal


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What the engine is to hear of: that the job is another's now, or that the database is away, before all else."""
    found = _leaves(errors)
    for kind in (Fenced, DatabaseUnavailable, StorageFull):
        for one in found:
            if isinstance(one, kind):
                return one
    return found[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast(BaseExceptionGroup[BaseException], error)
    return [leaf for one in group.exceptions for leaf in _leaves(one)]
