"""All SQL of plans and reflections."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.plans.types import Plan, PlanFilter, PlanStatus, Reflection
from glia.runs.events import PlanMade, ReflectionMade

# A plan that a run carries out ends as the run does. The answer stays json: it may hold characters that text cannot.
_PLAN: LiteralString = """
  select p.id, p.agent_id, p.session_id, p.run_id, p.task, p.steps, p.reasoning, p.model, p.cost_micros,
    case when p.status = 'executing' and r.finished_at is not null then r.status else p.status end as status,
    case when p.result is not null or p.status <> 'executing' or r.status <> 'completed' then p.result::json
      else (select json_build_object('answer', e.data #> '{message,content}') from events e
            where e.run_id = p.run_id and e.type = 'run.completed' order by e.seq desc limit 1) end as result,
    p.created_by, p.created_at, p.updated_at, coalesce(p.completed_at,
      case when p.status = 'executing' then r.finished_at end) as completed_at
  from plans p left join runs r on r.id = p.run_id"""

_REFLECTION: LiteralString = """
  select id, number, agent_id, session_id, run_id, task, answer, quality, accuracy, completeness, clarity, relevance,
    confidence, issues, suggestions, is_revised, model, cost_micros, created_by, created_at,
    (select e.seq from events e where e.run_id = reflections.run_id and e.session_id = reflections.session_id
       and e.type = 'run.completed' order by e.seq desc limit 1) as answer_seq
  from reflections"""


async def insert_plan(
    tx: Transaction,
    id: UUID,
    made: PlanMade,
    *,
    workspace_id: UUID,
    project_id: UUID,
    agent_id: UUID | None,
    session_id: UUID | None,
    run_id: UUID | None,
    status: PlanStatus,
    created_by: str,
) -> None:
    await tx.execute(
        """
        insert into plans (id, workspace_id, project_id, agent_id, session_id, run_id, task, steps, reasoning, model,
          cost_micros, status, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(session_id)s,
          (select r.id from runs r where r.id = %(run_id)s), %(task)s,
          %(steps)s, %(reasoning)s, %(model)s, %(cost_micros)s, %(status)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=agent_id,
        session_id=session_id,
        run_id=run_id,
        task=plain(made.task),
        steps=json([step_json(step) for step in made.steps]),
        reasoning=plain(made.reasoning),
        model=made.model,
        cost_micros=made.cost_micros,
        status=status,
        created_by=created_by,
    )


async def get_plan(tx: Transaction, id: UUID) -> Plan | None:
    return await tx.one_or_none(Plan, _PLAN + " where p.id = %(id)s", id=id)


async def lock_plan(tx: Transaction, id: UUID) -> Plan | None:
    return await tx.one_or_none(Plan, _PLAN + " where p.id = %(id)s for update of p", id=id)


async def list_plans(tx: Transaction, window: Window, wanted: PlanFilter) -> list[Plan]:
    return await tx.many(
        Plan,
        "select * from ("
        + _PLAN
        + """
          where (%(agent_id)s::uuid is null or p.agent_id = %(agent_id)s)
            and (%(session_id)s::uuid is null or p.session_id = %(session_id)s)
            and (%(run_id)s::uuid is null or p.run_id = %(run_id)s)
            and (%(after)s::uuid is null or p.id < %(after)s)) found
        where %(status)s::text is null or status = %(status)s
        order by id desc limit %(rows)s""",
        agent_id=wanted.agent_id,
        session_id=wanted.session_id,
        run_id=wanted.run_id,
        status=wanted.status,
        after=window.after,
        rows=window.limit + 1,
    )


async def set_plan(tx: Transaction, id: UUID, status: PlanStatus, result: Any) -> None:
    """result: None leaves what is there. Any is JSON."""
    await tx.execute(
        """
        update plans set status = %(status)s, result = coalesce(%(result)s::jsonb, result), updated_at = now(),
          completed_at = case when %(is_final)s then coalesce(completed_at, now()) end
        where id = %(id)s""",
        id=id,
        status=status,
        is_final=status.is_final,
        result=None if result is None else json(result),
    )


async def carry_out(tx: Transaction, id: UUID, run_id: UUID, session_id: UUID) -> None:
    """From now on the plan ends as this run does."""
    await tx.execute(
        """
        update plans set status = 'executing', run_id = %(run_id)s, session_id = %(session_id)s, result = null,
          completed_at = null, updated_at = now()
        where id = %(id)s and run_id is distinct from %(run_id)s""",
        id=id,
        run_id=run_id,
        session_id=session_id,
    )


async def delete_plan(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from plans where id = %(id)s", id=id) == 1


async def insert_reflection(
    tx: Transaction,
    id: UUID,
    made: ReflectionMade,
    *,
    workspace_id: UUID,
    project_id: UUID,
    agent_id: UUID | None,
    session_id: UUID | None,
    run_id: UUID | None,
    task: str,
    answer: str,
    created_by: str,
) -> None:
    await tx.execute(
        """
        insert into reflections (id, workspace_id, project_id, agent_id, session_id, run_id, task, answer, quality,
          accuracy, completeness, clarity, relevance, confidence, issues, suggestions, is_revised, model, cost_micros,
          created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(session_id)s,
          (select r.id from runs r where r.id = %(run_id)s), %(task)s,
          %(answer)s, %(quality)s, %(accuracy)s, %(completeness)s, %(clarity)s, %(relevance)s, %(confidence)s,
          %(issues)s, %(suggestions)s, %(is_revised)s, %(model)s, %(cost_micros)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=agent_id,
        session_id=session_id,
        run_id=run_id,
        task=plain(task),
        answer=plain(answer),
        quality=made.quality,
        accuracy=made.accuracy,
        completeness=made.completeness,
        clarity=made.clarity,
        relevance=made.relevance,
        confidence=made.confidence,
        issues=json([plain(issue) for issue in made.issues]),
        suggestions=json([plain(suggestion) for suggestion in made.suggestions]),
        is_revised=made.is_revised,
        model=made.model,
        cost_micros=made.cost_micros,
        created_by=created_by,
    )


async def get_reflection(tx: Transaction, id: UUID) -> Reflection | None:
    return await tx.one_or_none(Reflection, _REFLECTION + " where id = %(id)s", id=id)


async def numbered_reflection(tx: Transaction, number: int) -> Reflection | None:
    return await tx.one_or_none(Reflection, _REFLECTION + " where number = %(number)s", number=number)


async def list_reflections(
    tx: Transaction, window: Window, *, agent_id: UUID | None, session_id: UUID | None, run_id: UUID | None
) -> list[Reflection]:
    return await tx.many(
        Reflection,
        _REFLECTION
        + """
        where (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(session_id)s::uuid is null or session_id = %(session_id)s)
          and (%(run_id)s::uuid is null or run_id = %(run_id)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        session_id=session_id,
        run_id=run_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def has_session(tx: Transaction, session_id: UUID) -> bool:
    found = await tx.value("select true from sessions where id = %(id)s and deleted_at is null", id=session_id)
    return found is True


def step_json(step: Any) -> dict[str, object]:
    """Any: a PlanStep, or what a surface read as one."""
    return {
        "action": plain(step.action),
        "tool": plain(step.tool),
        "depends_on": step.depends_on,
        "arguments": step.arguments,
        "is_parallel": step.is_parallel,
        "on_failure": step.on_failure,
    }


def plain(text: str) -> str:
    """Without the character that PostgreSQL cannot keep."""
    return text.replace("\0", "\ufffd")
