"""SQL of evaluations and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import msgspec

from glia.evaluations.comparing import Scored
from glia.evaluations.types import Case, Evaluation, EvaluationSpec, Outcome, Result, Score, Summary
from glia.kit.db import Transaction, json
from glia.kit.pages import Window

_EVALUATIONS: LiteralString = """
    select id, workspace_id, project_id, set_id, agent_id, agent_version, name, settings, metadata, status, error,
      cancel_requested_at, run_id, total, created_by, created_at, started_at, finished_at, counted.done, counted.failed
    from evaluations e cross join lateral (
      select count(*) filter (where r.status in ('completed', 'failed')) as done,
        count(*) filter (where r.status = 'failed') as failed
      from evaluation_results r where r.evaluation_id = e.id
    ) counted """


async def insert(
    tx: Transaction,
    id: UUID,
    spec: EvaluationSpec,
    *,
    workspace_id: UUID,
    project_id: UUID,
    agent_version: int,
    run_id: UUID,
    total: int,
    created_by: str,
) -> None:
    await tx.execute(
        """
        insert into evaluations (id, workspace_id, project_id, set_id, agent_id, agent_version, name, settings,
          metadata, run_id, total, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(set_id)s, %(agent_id)s, %(agent_version)s, %(name)s,
          %(settings)s, %(metadata)s, %(run_id)s, %(total)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        set_id=spec.set_id,
        agent_id=spec.agent_id,
        agent_version=agent_version,
        name=spec.name,
        settings=json(msgspec.to_builtins(spec.settings)),
        metadata=json(spec.metadata),
        run_id=run_id,
        total=total,
        created_by=created_by,
    )


async def count_chosen(tx: Transaction, set_id: UUID, tags: Sequence[str]) -> int:
    return await tx.value(
        """
        select count(*) from evaluation_cases
        where set_id = %(set_id)s and is_current and (cardinality(%(tags)s::text[]) = 0 or tags && %(tags)s::text[])""",
        set_id=set_id,
        tags=list(tags),
    )


async def insert_results(
    tx: Transaction,
    id: UUID,
    set_id: UUID,
    *,
    workspace_id: UUID,
    tags: Sequence[str],
    repeats: int,
    most_cases: int | None,
) -> None:
    """One for each case and repeat, in the versions that the cases have now: the whole set once, then again."""
    await tx.execute(
        """
        insert into evaluation_results (workspace_id, evaluation_id, number, case_id, case_version, repeat)
        select %(workspace_id)s, %(id)s, row_number() over (order by repeat, position), c.id, c.version, repeat
        from (select id, version, position from evaluation_cases
              where set_id = %(set_id)s and is_current
                and (cardinality(%(tags)s::text[]) = 0 or tags && %(tags)s::text[])
              order by position limit %(most_cases)s) c
        cross join generate_series(1, %(repeats)s::int) repeat""",
        most_cases=most_cases,
        id=id,
        set_id=set_id,
        workspace_id=workspace_id,
        tags=list(tags),
        repeats=repeats,
    )


async def count_open(tx: Transaction, set_id: UUID | None = None) -> int:
    return await tx.value(
        """
        select count(*) from evaluations
        where status in ('queued', 'running') and (%(set_id)s::uuid is null or set_id = %(set_id)s)""",
        set_id=set_id,
    )


async def get(tx: Transaction, id: UUID) -> Evaluation | None:
    return await tx.one_or_none(Evaluation, _EVALUATIONS + "where e.id = %(id)s", id=id)


async def list_page(
    tx: Transaction, window: Window, *, set_id: UUID | None, agent_id: UUID | None, status: str | None
) -> list[Evaluation]:
    return await tx.many(
        Evaluation,
        _EVALUATIONS
        + """
        where (%(set_id)s::uuid is null or set_id = %(set_id)s)
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(status)s::text is null or status = %(status)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        set_id=set_id,
        agent_id=agent_id,
        status=status,
        after=window.after,
        rows=window.limit + 1,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from evaluations where id = %(id)s", id=id) == 1


async def request_cancel(tx: Transaction, id: UUID) -> None:
    """From here on no case is begun; the lock lets those go first that are being begun."""
    await tx.execute(
        """
        update evaluations set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
        where id = %(id)s and status in ('queued', 'running')""",
        id=id,
    )


async def runs_at_work(tx: Transaction, id: UUID) -> list[UUID]:
    return await tx.values(
        """
        select run_id from evaluation_results
        where evaluation_id = %(id)s and status in ('running', 'cancelled') and run_id is not null""",
        id=id,
    )


async def may_begin(tx: Transaction, id: UUID) -> bool:
    """False once somebody wants it to stop; until the end of tx nobody can want that."""
    return bool(
        await tx.value(
            "select true from evaluations where id = %(id)s and cancel_requested_at is null for share", id=id
        )
    )


async def set_running(tx: Transaction, id: UUID) -> None:
    await tx.execute(
        """
        update evaluations set status = 'running', started_at = coalesce(started_at, clock_timestamp())
        where id = %(id)s and status = 'queued'""",
        id=id,
    )


async def set_completed(tx: Transaction, id: UUID) -> None:
    await tx.execute(
        """
        update evaluations set status = 'completed', finished_at = clock_timestamp()
        where id = %(id)s and status in ('queued', 'running')""",
        id=id,
    )


async def end_early(tx: Transaction, run_id: UUID, *, status: str, error: dict[str, object] | None) -> None:
    """Ends the evaluation of a job that was cancelled or has failed. What has not ended is cancelled."""
    await tx.execute(
        """
        with ended as (
          update evaluations set status = %(status)s, error = %(error)s, finished_at = clock_timestamp()
          where run_id = %(run_id)s and status in ('queued', 'running') returning id
        )
        update evaluation_results set status = 'cancelled', finished_at = clock_timestamp()
        where evaluation_id in (select id from ended) and status in ('pending', 'running')""",
        run_id=run_id,
        status=status,
        error=None if error is None else json(error),
    )


@dataclass(frozen=True)
class Task:
    """A result that is to be made, with its case in the version of this evaluation."""

    result_id: UUID
    number: int
    repeat: int
    case: Case


async def open_tasks(tx: Transaction, evaluation_id: UUID, *, after: int, limit: int) -> list[Task]:
    return await tx.many(
        Task,
        """
        select r.id as result_id, r.number, r.repeat,
          jsonb_build_object('id', c.id, 'version', c.version, 'set_id', c.set_id, 'name', c.name, 'input', c.input,
            'expected_answer', c.expected_answer, 'rubric', c.rubric, 'expected_tools', c.expected_tools,
            'expected_documents', c.expected_documents, 'tags', c.tags, 'metadata', c.metadata,
            'created_at', c.created_at) as case
        from evaluation_results r join evaluation_cases c on c.id = r.case_id and c.version = r.case_version
        where r.evaluation_id = %(evaluation_id)s and r.status in ('pending', 'running') and r.number > %(after)s
        order by r.number limit %(limit)s""",
        evaluation_id=evaluation_id,
        after=after,
        limit=limit,
    )


async def set_begun(tx: Transaction, result_id: UUID, *, run_id: UUID, session_id: UUID) -> None:
    await tx.execute(
        """
        update evaluation_results set status = 'running', run_id = %(run_id)s, session_id = %(session_id)s,
          started_at = coalesce(started_at, clock_timestamp())
        where id = %(result_id)s and status in ('pending', 'running')""",
        result_id=result_id,
        run_id=run_id,
        session_id=session_id,
    )


async def finish(
    tx: Transaction, result_id: UUID, outcome: Outcome, scores: Sequence[Score], judge_cost_micros: int | None
) -> bool:
    """False when it has ended before."""
    figures = outcome.figures
    error = None if outcome.error is None else json({"code": outcome.error_code, "message": outcome.error})
    touched = await tx.execute(
        """
        update evaluation_results set status = %(status)s, answer = %(answer)s, tools = %(tools)s,
          documents = %(documents)s, error = %(error)s, scores = %(scores)s, duration_ms = %(duration_ms)s,
          model_calls = %(model_calls)s, tool_calls = %(tool_calls)s, input_tokens = %(input_tokens)s,
          output_tokens = %(output_tokens)s, cost_micros = %(cost_micros)s, judge_cost_micros = %(judge_cost_micros)s,
          finished_at = clock_timestamp()
        where id = %(result_id)s and status in ('pending', 'running')""",
        result_id=result_id,
        status="failed" if outcome.answer is None else "completed",
        answer=outcome.answer,
        tools=json(list(outcome.tools)),
        documents=json(msgspec.to_builtins(outcome.documents)),
        error=error,
        scores=json(msgspec.to_builtins(list(scores))),
        duration_ms=None if figures is None else figures.duration_ms,
        model_calls=None if figures is None else figures.model_calls,
        tool_calls=None if figures is None else figures.tool_calls,
        input_tokens=None if figures is None else figures.input_tokens,
        output_tokens=None if figures is None else figures.output_tokens,
        cost_micros=None if figures is None else figures.cost_micros,
        judge_cost_micros=judge_cost_micros,
    )
    return touched == 1


_RESULTS: LiteralString = """
    select r.id, r.evaluation_id, r.number, r.case_id, r.case_version, c.name as case_name, c.input, c.expected_answer,
      c.tags, r.repeat, r.status, r.run_id, r.session_id, r.answer, r.tools, r.documents, r.error, r.scores,
      r.duration_ms, r.model_calls, r.tool_calls, r.input_tokens, r.output_tokens, r.cost_micros, r.judge_cost_micros,
      r.started_at, r.finished_at
    from evaluation_results r join evaluation_cases c on c.id = r.case_id and c.version = r.case_version """


async def get_result(tx: Transaction, evaluation_id: UUID, id: UUID) -> Result | None:
    return await tx.one_or_none(
        Result,
        _RESULTS + "where r.id = %(id)s and r.evaluation_id = %(evaluation_id)s",
        id=id,
        evaluation_id=evaluation_id,
    )


async def list_results(
    tx: Transaction,
    evaluation_id: UUID,
    window: Window,
    *,
    status: str | None = None,
    passed: bool | None = None,
    case_id: UUID | None = None,
) -> list[Result]:
    """passed: False for those that any scorer lets fail, True for those that none does and some scored."""
    return await tx.many(
        Result,
        _RESULTS
        + """
        where r.evaluation_id = %(evaluation_id)s
          and (%(status)s::text is null or r.status = %(status)s)
          and (%(case_id)s::uuid is null or r.case_id = %(case_id)s)
          and (%(passed)s::bool is null
            or (%(passed)s and r.scores @> '[{"passed": true}]' and not r.scores @> '[{"passed": false}]')
            or (not %(passed)s and r.scores @> '[{"passed": false}]'))
          and (%(after)s::uuid is null or r.number > (
            select number from evaluation_results where id = %(after)s and evaluation_id = %(evaluation_id)s))
        order by r.number limit %(rows)s""",
        evaluation_id=evaluation_id,
        status=status,
        passed=passed,
        case_id=case_id,
        after=window.after,
        rows=window.limit + 1,
    )


@dataclass(frozen=True)
class ScoreSum:
    name: str
    scored: int
    unscored: int
    passed: int
    mean: float | None


async def score_sums(tx: Transaction, evaluation_id: UUID) -> list[ScoreSum]:
    return await tx.many(
        ScoreSum,
        """
        select s.name, count(s.score) as scored, count(*) - count(s.score) as unscored,
          count(*) filter (where s.passed) as passed, avg(s.score)::float8 as mean
        from evaluation_results r
        cross join lateral jsonb_to_recordset(r.scores) s(name text, score float8, passed bool)
        where r.evaluation_id = %(evaluation_id)s group by s.name""",
        evaluation_id=evaluation_id,
    )


async def figures(tx: Transaction, evaluation_id: UUID) -> Summary:
    """Without the scorers."""
    return await tx.one(
        Summary,
        """
        select '[]'::jsonb as scorers, avg(duration_ms)::float8 as duration_ms_mean,
          percentile_cont(0.5) within group (order by duration_ms)::float8 as duration_ms_median,
          percentile_cont(0.95) within group (order by duration_ms)::float8 as duration_ms_p95,
          coalesce(sum(input_tokens), 0)::bigint as input_tokens,
          coalesce(sum(output_tokens), 0)::bigint as output_tokens,
          sum(cost_micros)::bigint as cost_micros, sum(judge_cost_micros)::bigint as judge_cost_micros
        from evaluation_results where evaluation_id = %(evaluation_id)s""",
        evaluation_id=evaluation_id,
    )


async def scores_of(tx: Transaction, evaluation_id: UUID) -> list[Scored]:
    return await tx.many(
        Scored,
        """
        select case_id, case_version, scores from evaluation_results
        where evaluation_id = %(evaluation_id)s and status in ('completed', 'failed')""",
        evaluation_id=evaluation_id,
    )


async def matches(tx: Transaction, text: str, pattern: str, *, ignore_case: bool, milliseconds: int) -> bool:
    """Whether a regular expression is found in a text. The database gives up on one that takes too long."""
    await tx.execute("select set_config('statement_timeout', %(value)s, true)", value=f"{milliseconds}ms")
    return bool(
        await tx.value(
            "select case when %(ignore_case)s then %(text)s ~* %(pattern)s else %(text)s ~ %(pattern)s end",
            text=text,
            pattern=pattern,
            ignore_case=ignore_case,
        )
    )


async def agent_version(tx: Transaction, agent_id: UUID, version: int | None) -> int | None:
    """The version that there is of an agent that there is, the newest if none is named; else None."""
    found: Any = await tx.value(
        """
        select v.version from agents a join agent_versions v on v.agent_id = a.id
          and v.version = coalesce(%(version)s::int, a.version)
        where a.id = %(agent_id)s and a.deleted_at is null""",
        agent_id=agent_id,
        version=version,
    )
    return None if found is None else int(found)
