"""SQL of budgets and of what is held against them. The rules of holding and settling are functions of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

import msgspec

from glia.kit.db import Database, Transaction, json
from glia.kit.pages import Window
from glia.usage.types import Budget, BudgetSpec, OpenHold, Scope, SpendingCall, Unit, UsageRecord

CHANNEL: LiteralString = "glia_limits"
"""Carries the id of a workspace whose budgets or credits were made, changed or dropped."""


@dataclass(frozen=True)
class Reservation:
    """What became of a wish to spend. See the function `reserve_call` for the outcomes."""

    outcome: Literal["free", "held", "budget", "credit", "price"]
    output_tokens: int | None
    held_micros: int | None
    budget_id: UUID | None
    scope: Scope | None
    unit: Unit | None
    limit_amount: int | None
    spent: int | None
    reserved: int | None
    needed: int | None
    period_end: datetime | None


async def reserve(db: Database, hold_id: UUID, call: SpendingCall, *, hold_seconds: float) -> Reservation:
    bound = call.bound
    reservation = await db.call(
        Reservation,
        """
        select outcome, output_tokens, held_micros, budget_id, scope, unit, limit_amount, spent, reserved, needed,
          period_end
        from glia.reserve_call(%(workspace_id)s, %(hold_id)s, %(project_id)s, %(key_id)s, %(agent_id)s, %(run_id)s,
          %(step)s, %(model)s, %(input_tokens)s, %(input_micros)s, %(output_rate)s, %(most_output)s,
          %(least_output)s, %(run_limit)s, %(hold_seconds)s)""",
        workspace_id=call.workspace_id,
        hold_id=hold_id,
        project_id=call.project_id,
        key_id=call.key_id,
        agent_id=call.agent_id,
        run_id=call.run_id,
        step=call.step,
        model=call.model,
        input_tokens=bound.input_tokens,
        input_micros=bound.input_micros,
        output_rate=bound.output_rate,
        most_output=bound.most_output_tokens,
        least_output=bound.least_output_tokens,
        run_limit=call.run_limit_micros,
        hold_seconds=hold_seconds,
    )
    if reservation is None:
        raise LookupError("reserve_call always returns a row.")
    return reservation


@dataclass(frozen=True)
class Done:
    is_done: bool


async def settle(db: Database, record: UsageRecord) -> None:
    """Stores a usage record and settles what was held for it; a record that is there already changes nothing."""
    await db.call(
        Done,
        "select is_done from glia.settle_call(%(workspace_id)s, %(record)s)",
        workspace_id=record.workspace_id,
        record=msgspec.json.encode(record).decode(),
    )


async def release(db: Database, workspace_id: UUID, hold_id: UUID) -> None:
    await db.call(
        Done,
        "select is_done from glia.release_hold(%(workspace_id)s, %(hold_id)s)",
        workspace_id=workspace_id,
        hold_id=hold_id,
    )


async def has_limits(tx: Transaction, workspace_id: UUID) -> bool:
    return bool(await tx.value("select glia.has_limits(%(workspace_id)s)", workspace_id=workspace_id))


async def announce(tx: Transaction, workspace_id: UUID) -> None:
    await tx.execute("select pg_notify(%(channel)s, %(id)s)", channel=CHANNEL, id=str(workspace_id))


async def book_overdue(tx: Transaction, workspace_id: UUID) -> None:
    """Books what the gateway has held for longer than it may as spent in full. For runs see `close_spending`."""
    await tx.execute(
        """
        select glia.book_holds(%(workspace_id)s, array_agg(id)) from holds
        where workspace_id = %(workspace_id)s and is_open and expires_at < clock_timestamp()
        having count(*) > 0""",
        workspace_id=workspace_id,
    )


async def insert(tx: Transaction, id: UUID, *, workspace_id: UUID, spec: BudgetSpec, created_by: str) -> None:
    await tx.execute(
        """
        insert into budgets (id, workspace_id, name, scope, subject_id, period, limit_micros, limit_tokens,
          limit_calls, warn_at_percent, is_active, starts_at, ends_at, metadata, created_by)
        values (%(id)s, %(workspace_id)s, %(name)s, %(scope)s, coalesce(%(subject_id)s, %(workspace_id)s), %(period)s,
          %(limit_micros)s, %(limit_tokens)s, %(limit_calls)s, %(warn)s::smallint[], %(is_active)s, %(starts_at)s,
          %(ends_at)s, %(metadata)s, %(created_by)s)""",
        id=id,
        workspace_id=workspace_id,
        name=spec.name,
        scope=spec.scope,
        subject_id=spec.subject_id,
        period=spec.period,
        limit_micros=spec.limit_micros,
        limit_tokens=spec.limit_tokens,
        limit_calls=spec.limit_calls,
        warn=list(spec.warn_at_percent),
        is_active=spec.is_active,
        starts_at=spec.starts_at,
        ends_at=spec.ends_at,
        metadata=json(spec.metadata),
        created_by=created_by,
    )


async def count_past(tx: Transaction, id: UUID) -> None:
    """Opens the present window of a new budget with what its usage records already show.

    A period counts from its beginning, or from `starts_at`; a total from `starts_at`, for a session or run from its
    own beginning, otherwise from now.
    """
    await tx.execute(
        """
        insert into budget_windows (budget_id, window_start, workspace_id, spent_micros, spent_tokens, spent_calls)
        select b.id, glia.window_start_of(b.period, clock_timestamp()), b.workspace_id,
          coalesce(sum(u.cost_micros), 0), coalesce(sum(u.input_tokens + u.output_tokens), 0), count(u.id)
        from budgets b left join usage_records u on u.workspace_id = b.workspace_id
          and u.at >= greatest(glia.window_start_of(b.period, clock_timestamp()), b.starts_at,
            case when b.period = 'total' and b.starts_at is null and b.scope not in ('session', 'run')
              then b.created_at end)
          and case b.scope
            when 'workspace' then true
            when 'project' then u.project_id = b.subject_id
            when 'key' then u.key_id = b.subject_id
            when 'agent' then u.agent_id = b.subject_id
            when 'session' then u.run_id in (select r.id from runs r where r.session_id = b.subject_id)
            else u.run_id = b.subject_id end
        where b.id = %(id)s group by b.id
        on conflict do nothing""",
        id=id,
    )


_BUDGET: LiteralString = """
    select b.id, b.name, b.scope, b.subject_id, b.period, b.limit_micros, b.limit_tokens, b.limit_calls,
      b.warn_at_percent, b.is_active, b.starts_at, b.ends_at, b.metadata, b.is_of_agent, b.created_by, b.created_at,
      b.updated_at,
      jsonb_build_object(
        'window_start', case when b.period <> 'total' then glia.window_start_of(b.period, clock_timestamp()) end,
        'window_end', glia.window_end_of(b.period, clock_timestamp()),
        'spent_micros', coalesce(w.spent_micros, 0), 'reserved_micros', coalesce(w.reserved_micros, 0),
        'remaining_micros',
          case when b.limit_micros is not null
            then greatest(0, b.limit_micros - coalesce(w.spent_micros, 0) - coalesce(w.reserved_micros, 0)) end,
        'spent_tokens', coalesce(w.spent_tokens, 0), 'reserved_tokens', coalesce(w.reserved_tokens, 0),
        'remaining_tokens',
          case when b.limit_tokens is not null
            then greatest(0, b.limit_tokens - coalesce(w.spent_tokens, 0) - coalesce(w.reserved_tokens, 0)) end,
        'spent_calls', coalesce(w.spent_calls, 0), 'reserved_calls', coalesce(w.reserved_calls, 0),
        'remaining_calls',
          case when b.limit_calls is not null
            then greatest(0, b.limit_calls - coalesce(w.spent_calls, 0) - coalesce(w.reserved_calls, 0)) end,
        'unconfirmed_micros', coalesce(w.unconfirmed_micros, 0), 'refused_calls', coalesce(w.refused_calls, 0),
        'refused_at', w.refused_at, 'warned_percent', w.warned_percent, 'warned_at', w.warned_at) as state
    from budgets b
    left join budget_windows w
      on w.budget_id = b.id and w.window_start = glia.window_start_of(b.period, clock_timestamp()) """


async def get(tx: Transaction, id: UUID) -> Budget | None:
    return await tx.one_or_none(Budget, _BUDGET + "where b.id = %(id)s", id=id)


async def list_page(tx: Transaction, window: Window, *, scope: str | None, subject_id: UUID | None) -> list[Budget]:
    return await tx.many(
        Budget,
        _BUDGET
        + """
        where not b.is_of_agent and (%(after)s::uuid is null or b.id < %(after)s)
          and (%(scope)s::text is null or b.scope = %(scope)s)
          and (%(subject_id)s::uuid is null or b.subject_id = %(subject_id)s)
        order by b.id desc limit %(rows)s""",
        after=window.after,
        scope=scope,
        subject_id=subject_id,
        rows=window.limit + 1,
    )


async def update(tx: Transaction, id: UUID, spec: BudgetSpec) -> None:
    await tx.execute(
        """
        update budgets set name = %(name)s, limit_micros = %(limit_micros)s, limit_tokens = %(limit_tokens)s,
          limit_calls = %(limit_calls)s, warn_at_percent = %(warn)s::smallint[], is_active = %(is_active)s,
          starts_at = %(starts_at)s, ends_at = %(ends_at)s, metadata = %(metadata)s, updated_at = clock_timestamp()
        where id = %(id)s""",
        id=id,
        name=spec.name,
        limit_micros=spec.limit_micros,
        limit_tokens=spec.limit_tokens,
        limit_calls=spec.limit_calls,
        warn=list(spec.warn_at_percent),
        is_active=spec.is_active,
        starts_at=spec.starts_at,
        ends_at=spec.ends_at,
        metadata=json(spec.metadata),
    )


async def still_limits(tx: Transaction, id: UUID, unit: Unit, limit: int) -> bool:
    """Whether a budget is in force with the same limit as before, or a lower one. Nobody changes it before tx ends."""
    return bool(
        await tx.value(
            """
            select true from budgets where id = %(id)s and is_active
              and case %(unit)s when 'micros' then limit_micros when 'tokens' then limit_tokens else limit_calls end
                <= %(limit)s
            for share""",
            id=id,
            unit=unit,
            limit=limit,
        )
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from budgets where id = %(id)s", id=id) > 0


async def count(tx: Transaction) -> int:
    return int(await tx.value("select count(*) from budgets where not is_of_agent"))


async def set_run_limit(tx: Transaction, run_id: UUID, limit_micros: int) -> bool:
    """Changes the budget that a run has made for its agent's own limit; False when it has made none."""
    changed = await tx.execute(
        """
        update budgets set limit_micros = %(limit)s, updated_at = clock_timestamp()
        where subject_id = %(run_id)s and is_of_agent""",
        run_id=run_id,
        limit=limit_micros,
    )
    return changed > 0


async def subject_exists(tx: Transaction, scope: Scope, id: UUID) -> bool:
    return bool(await tx.value(_SUBJECTS[scope], id=id))


_SUBJECTS: Mapping[Scope, LiteralString] = {
    "workspace": "select exists (select from workspaces where id = %(id)s)",
    "project": "select exists (select from projects where id = %(id)s)",
    "key": "select exists (select from api_keys where id = %(id)s)",
    "agent": "select exists (select from agents where id = %(id)s and deleted_at is null)",
    "session": "select exists (select from sessions where id = %(id)s and deleted_at is null)",
    "run": "select exists (select from runs where id = %(id)s)",
}


async def holds(tx: Transaction, budget_id: UUID | None, window: Window) -> list[OpenHold]:
    return await tx.many(
        OpenHold,
        """
        select id, run_id, step, key_id, model, micros, tokens, is_open, created_at, expires_at, credit_micros,
          budget_ids
        from holds where (%(budget_id)s::uuid is null or %(budget_id)s = any(budget_ids))
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        budget_id=budget_id,
        after=window.after,
        rows=window.limit + 1,
    )
