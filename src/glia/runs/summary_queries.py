"""SQL about whole sessions: what was said in them, what they cost, and which others work for them."""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.runs.queries import RUN_COLUMNS
from glia.runs.types import ChildSession, JobFilter, Run, SessionSummary, SummaryFilter

_SUMMARY: LiteralString = """
    select s.id, s.project_id, s.agent_id, s.title, s.is_system, s.created_at, s.updated_at, s.metadata,
      (select count(*) from events e where e.session_id = s.id
         and (e.type = 'message.received' or e.type = 'run.completed' and e.data ->> 'message' is not null)
      ) as message_count,
      case when s.title = '' and exists (
        select from events e where e.session_id = s.id and e.type = 'run.completed') then (
          select left(e.data ->> 'content', 2000) from events e
          where e.session_id = s.id and e.type = 'message.received' and e.data ->> 'role' = 'user'
          order by e.seq limit 1) end as first_message,
      spent.cost_micros, coalesce(spent.input_tokens, 0)::bigint as input_tokens,
      coalesce(spent.output_tokens, 0)::bigint as output_tokens
    from sessions s
    left join lateral (
      select sum(t.cost_micros)::bigint as cost_micros, sum(t.input_tokens) as input_tokens,
        sum(t.output_tokens) as output_tokens
      from runs t where t.root_run_id in (select r.id from runs r where r.session_id = s.id)
    ) spent on true"""

_WANTED: LiteralString = """
    where s.deleted_at is null and s.agent_id is not null
      and not exists (select from runs r where r.session_id = s.id and r.parent_run_id is not null)
      and (%(project_id)s::uuid is null or s.project_id = %(project_id)s)
      and (%(agent_id)s::uuid is null or s.agent_id = %(agent_id)s)
      and (%(is_system)s::boolean is null or s.is_system = %(is_system)s)
      and (%(created_after)s::timestamptz is null or s.created_at >= %(created_after)s)
      and (%(created_before)s::timestamptz is null or s.created_at < %(created_before)s)
      and (%(text)s = '' or strpos(lower(s.title), lower(%(text)s)) > 0 or exists (
        select from events e where e.session_id = s.id and e.type = 'message.received'
          and strpos(lower(e.data ->> 'content'), lower(%(text)s)) > 0))"""

_ORDERS: dict[tuple[str, bool], LiteralString] = {
    ("created_at", True): " order by s.id desc",
    ("created_at", False): " order by s.id",
    ("updated_at", True): " order by s.updated_at desc, s.id desc",
    ("updated_at", False): " order by s.updated_at, s.id",
}

_TITLE: LiteralString = " order by lower(btrim(coalesce(nullif(s.title, ''), s.first_message)))"
_BY_TITLE: dict[bool, LiteralString] = {
    True: _TITLE + " desc nulls last, s.id desc",
    False: _TITLE + " nulls last, s.id",
}
"""Titles are made of first messages when they are read, so they have to be read before they can be put in order."""


def _parameters(wanted: SummaryFilter) -> dict[str, object]:
    return {
        "project_id": wanted.project_id,
        "agent_id": wanted.agent_id,
        "is_system": wanted.is_system,
        "created_after": wanted.created_after,
        "created_before": wanted.created_before,
        "text": wanted.text,
    }


async def search(tx: Transaction, wanted: SummaryFilter) -> list[SessionSummary]:
    found: LiteralString = _SUMMARY + _WANTED
    if wanted.sort == "title":
        found = "select * from (" + found + ") s" + _BY_TITLE[wanted.is_descending]
    else:
        found += _ORDERS[wanted.sort, wanted.is_descending]
    return await tx.many(
        SessionSummary,
        found + " limit %(limit)s offset %(offset)s",
        limit=wanted.limit,
        offset=wanted.offset,
        **_parameters(wanted),
    )


async def count(tx: Transaction, wanted: SummaryFilter) -> int:
    return await tx.value("select count(*) from sessions s" + _WANTED, **_parameters(wanted))


async def get(tx: Transaction, id: UUID) -> SessionSummary | None:
    return await tx.one_or_none(
        SessionSummary, _SUMMARY + " where s.id = %(id)s and s.deleted_at is null and s.agent_id is not null", id=id
    )


async def children(tx: Transaction, session_id: UUID) -> list[ChildSession]:
    """The sessions of runs that worked for the runs of this one, however deep below."""
    return await tx.many(
        ChildSession,
        """
        select distinct on (t.session_id) t.session_id, t.agent_id, t.parent_run_id, p.agent_id as parent_agent_id
        from runs t join runs p on p.id = t.parent_run_id
        where t.root_run_id in (select r.id from runs r where r.session_id = %(session_id)s)
          and t.agent_id is not null
        order by t.session_id, t.id limit 1000""",
        session_id=session_id,
    )


_JOBS: LiteralString = """
    from runs where parent_run_id is null and kind in ('agent', 'workflow')
      and (%(project_id)s::uuid is null or project_id = %(project_id)s)
      and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
      and (%(session_id)s::uuid is null or session_id = %(session_id)s)
      and (%(workflow_id)s::text is null or kind = 'workflow' and input ->> 'workflow_id' = %(workflow_id)s)
      and (cardinality(%(statuses)s::text[]) = 0 or exists (
        select from unnest(%(statuses)s::text[], %(reasons)s::text[]) as wanted(status, reason)
        where wanted.status = runs.status and (wanted.reason is null or wanted.reason = any(runs.waiting_for))))"""


async def jobs(tx: Transaction, wanted: JobFilter) -> tuple[list[Run], int]:
    parameters: dict[str, object] = {
        "project_id": wanted.project_id,
        "agent_id": wanted.agent_id,
        "session_id": wanted.session_id,
        "workflow_id": None if wanted.workflow_id is None else str(wanted.workflow_id),
        "statuses": [status.value for status, _ in wanted.statuses],
        "reasons": [reason for _, reason in wanted.statuses],
    }
    rows = await tx.many(
        Run,
        "select " + RUN_COLUMNS + _JOBS + " order by id desc limit %(limit)s offset %(offset)s",
        limit=wanted.limit,
        offset=wanted.offset,
        **parameters,
    )
    return rows, await tx.value("select count(*)" + _JOBS, **parameters)
