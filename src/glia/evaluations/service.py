"""Evaluations: start, look at what came of each case, compare two, take them along. Their sets are in sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from uuid import UUID

from glia.agents.errors import AgentNotFound
from glia.evaluations import checks, comparing, exporting, queries
from glia.evaluations import result_queries as rows
from glia.evaluations.checks import read_settings
from glia.evaluations.errors import (
    EvaluationNotFound,
    EvaluationUnderWay,
    ResultNotFound,
    TooMuchToEvaluate,
)
from glia.evaluations.exporting import Format
from glia.evaluations.jobs import KIND
from glia.evaluations.planned import PlannedEvaluations
from glia.evaluations.sets import EXPORTED_AT_ONCE, EvaluationSets, no_set
from glia.evaluations.types import (
    LARGEST_IMPORT_BYTES,
    MOST_AT_WORK,
    MOST_RESULTS,
    Comparison,
    Evaluation,
    EvaluationSpec,
    Result,
    ResultStatus,
    Rubric,
    Scorer,
    ScorerSummary,
    Summary,
)
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.kit.jobs import StartJob
from glia.kit.pages import Page, Window, page_of
from glia.models.service import Models
from glia.runs.service import Runs

__all__ = ["LARGEST_IMPORT_BYTES", "EvaluationSets", "Evaluations", "PlannedEvaluations", "read_settings"]


class Evaluations:
    def __init__(self, db: Database, runs: Runs, start_job: StartJob, models: Models) -> None:
        self._db = db
        self._runs = runs
        self._start_job = start_job
        self._models = models

    async def start(self, principal: Principal, spec: EvaluationSpec) -> Evaluation:
        """Queues it and returns at once. The cases are those of the set at this moment, in their present versions.

        Raises InvalidRequest, EvaluationSetNotFound, AgentNotFound, TooMuchToEvaluate.
        """
        _require_starter(principal)
        checks.check_name(spec.name, may_be_empty=True)
        checks.check_metadata(spec.metadata)
        await self._check_judges(spec.settings.scorers)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.lock_set(tx, spec.set_id):
                raise no_set(spec.set_id)
            version = await _agent_version(tx, spec)
            total = await _total(tx, spec)
            run_id = await self._start_job(
                tx,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                kind=KIND,
                input={"evaluation_id": str(id)},
            )
            where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
            await rows.insert(
                tx, id, spec, **where, agent_version=version, run_id=run_id, total=total, created_by=principal.name
            )
            await rows.insert_results(
                tx,
                id,
                spec.set_id,
                workspace_id=principal.workspace_id,
                tags=spec.settings.tags,
                repeats=spec.settings.repeats,
                most_cases=spec.settings.most_cases,
            )
            return await _evaluation(tx, id)

    async def _check_judges(self, scorers: Sequence[Scorer]) -> None:
        """A name that no provider knows would leave every case unscored. The built-in model is let through: it says so
        at each case."""
        for index, scorer in enumerate(scorers):
            if isinstance(scorer, Rubric) and scorer.model is not None:
                try:
                    await self._models.resolve(scorer.model)
                except (NotFound, InvalidRequest) as error:
                    raise InvalidRequest(error.message, field=f"scorers[{index}].model") from None

    async def get(self, principal: Principal, id: UUID) -> Evaluation:
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _evaluation(tx, id)

    async def summary(self, principal: Principal, id: UUID) -> Summary:
        """Of the results so far."""
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            evaluation = await _evaluation(tx, id)
            sums = {one.name: one for one in await rows.score_sums(tx, id)}
            figures = await rows.figures(tx, id)
        scorers = [_summary_of(scorer, sums.get(scorer.name)) for scorer in evaluation.settings.scorers]
        return replace(figures, scorers=scorers)

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        set_id: UUID | None = None,
        agent_id: UUID | None = None,
        status: str | None = None,
    ) -> Page[Evaluation]:
        """Newest first."""
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await rows.list_page(tx, window, set_id=set_id, agent_id=agent_id, status=status)
        return page_of(found, window, lambda evaluation: evaluation.id)

    async def cancel(self, principal: Principal, id: UUID) -> Evaluation:
        """Begins no further case and stops those at work. What is done stays; one that has ended stays as it is."""
        _require_starter(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            evaluation = await _evaluation(tx, id)
            await rows.request_cancel(tx, id)
        if evaluation.status.is_final:
            return evaluation
        await self._runs.cancel(principal, evaluation.run_id)
        async with self._db.transaction(principal.workspace_id) as tx:
            at_work = await rows.runs_at_work(tx, id)
        for run in at_work:
            await self._runs.cancel(principal, run)
        return await self.get(principal, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """With its results; their runs and sessions stay. Raises EvaluationUnderWay."""
        principal.require("evaluations:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not (await _evaluation(tx, id)).status.is_final:
                raise EvaluationUnderWay("The evaluation is under way; cancel it or wait for its end.")
            await rows.delete(tx, id)

    async def results(
        self,
        principal: Principal,
        id: UUID,
        window: Window,
        *,
        status: ResultStatus | None = None,
        passed: bool | None = None,
        case_id: UUID | None = None,
    ) -> Page[Result]:
        """In the order of the cases. passed: False for those that some scorer lets fail."""
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _evaluation(tx, id)
            found = await rows.list_results(tx, id, window, status=status, passed=passed, case_id=case_id)
        return page_of(found, window, lambda result: result.id)

    async def result(self, principal: Principal, id: UUID, result_id: UUID) -> Result:
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _evaluation(tx, id)
            found = await rows.get_result(tx, id, result_id)
        if found is None:
            raise ResultNotFound(f"There is no result '{result_id}' in this evaluation.", result_id=str(result_id))
        return found

    async def compare(self, principal: Principal, first_id: UUID, second_id: UUID) -> Comparison:
        """What the second does better or worse than the first; of what has ended in both so far."""
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            first = await _evaluation(tx, first_id)
            second = await _evaluation(tx, second_id)
            if first.set_id != second.set_id:
                raise InvalidRequest("The two evaluations are of different sets; compare two of one.", field="with")
            first_results = await rows.scores_of(tx, first_id)
            second_results = await rows.scores_of(tx, second_id)
        return await asyncio.to_thread(comparing.compare, first, second, first_results, second_results)

    async def export(self, principal: Principal, id: UUID, format: Format) -> AsyncGenerator[bytes, None]:
        """The evaluation with all of its results, in pieces."""
        evaluation, summary = await self.get(principal, id), await self.summary(principal, id)

        async def pages() -> AsyncGenerator[Sequence[Result], None]:
            window = Window(EXPORTED_AT_ONCE)
            while True:
                page = await self.results(principal, id, window)
                yield page.items
                if not page.has_more:
                    return
                window = Window(EXPORTED_AT_ONCE, page.items[-1].id)

        if format == "csv":
            return exporting.csv_of(evaluation, pages())
        return exporting.json_of(evaluation, summary, pages())


def _require_starter(principal: Principal) -> None:
    """An evaluation runs an agent, so it takes the right to start runs as well."""
    principal.require("evaluations:write")
    principal.require("runs:write")


async def _agent_version(tx: Transaction, spec: EvaluationSpec) -> int:
    found = await rows.agent_version(tx, spec.agent_id, spec.agent_version)
    if found is not None:
        return found
    if spec.agent_version is None:
        raise AgentNotFound(f"There is no agent '{spec.agent_id}' in this workspace.", field="agent_id")
    raise InvalidRequest(
        f"The agent '{spec.agent_id}' has no version {spec.agent_version}, or is not in this workspace.",
        field="agent_version",
    )


async def _total(tx: Transaction, spec: EvaluationSpec) -> int:
    """How many results it will have. Raises when that is none, or too many."""
    settings = spec.settings
    cases = await rows.count_chosen(tx, spec.set_id, settings.tags)
    cases = cases if settings.most_cases is None else min(cases, settings.most_cases)
    if not cases and settings.tags:
        raise InvalidRequest("No case of the set has one of these tags.", field="tags")
    if not cases:
        raise InvalidRequest("The set has no cases; add some first.", field="evaluation_set_id")
    if cases * settings.repeats > MOST_RESULTS:
        raise InvalidRequest(
            f"{cases} cases times {settings.repeats} are too many; the most is {MOST_RESULTS}.", field="repeats"
        )
    if await rows.count_open(tx) >= MOST_AT_WORK:
        raise TooMuchToEvaluate(f"{MOST_AT_WORK} evaluations of this workspace are under way, the most; wait for one.")
    return cases * settings.repeats


def _summary_of(scorer: Scorer, found: rows.ScoreSum | None) -> ScorerSummary:
    if found is None:
        return ScorerSummary(scorer.name, scorer.kind, scorer.threshold, 0, 0, 0, None, None)
    return ScorerSummary(
        name=scorer.name,
        kind=scorer.kind,
        threshold=scorer.threshold,
        scored=found.scored,
        unscored=found.unscored,
        passed=found.passed,
        mean=None if found.mean is None else round(found.mean, 6),
        pass_rate=round(found.passed / found.scored, 6) if found.scored else None,
    )


async def _evaluation(tx: Transaction, id: UUID) -> Evaluation:
    found = await rows.get(tx, id)
    if found is None:
        raise EvaluationNotFound(f"There is no evaluation '{id}' in this workspace.", evaluation_id=str(id))
    return found
