"""SQL of firings: the outbox between a trigger and the runs it starts, and the history of both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.pages import Window
from glia.triggers.types import Cause, Firing, Outcome

KEY = "trigger:"
"""A firing's id behind this is the dedupe key of its run; of an execution the part behind the workflow's own."""

_FIRED = re.compile(KEY + r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z")

_SHOWN: LiteralString = """
    f.id, f.trigger_id, f.cause, f.outcome, f.reason, f.missed, f.scheduled_at, f.fired_at, f.run_id, f.session_id,
    r.status as run_status
    from trigger_firings f left join runs r on r.id = f.run_id """


@dataclass(frozen=True)
class Draft:
    """A firing as it is admitted. key: what makes it this one and no other, for its trigger.

    message: what an agent is told, or the input of the workflow as JSON. problem: why no run can come of it.
    depth: how many triggered runs led to it, one after another.
    """

    id: UUID
    workspace_id: UUID
    trigger_id: UUID
    key: str
    cause: Cause
    message: str
    scheduled_at: datetime
    session_id: UUID | None = None
    workflow_id: UUID | None = None
    problem: str | None = None
    missed: int = 0
    depth: int = 0


async def insert(
    tx: Transaction, draft: Draft, outcome: Outcome, *, reason: str | None, retry_seconds: float | None
) -> bool:
    """False when the trigger has a firing with this key. Its message is kept only until it has become a run."""
    count = await tx.execute(
        """
        insert into trigger_firings (id, workspace_id, trigger_id, key, cause, outcome, reason, message, missed, depth,
          scheduled_at, retry_at, session_id, workflow_id)
        values (%(id)s, %(workspace_id)s, %(trigger_id)s, %(key)s, %(cause)s, %(outcome)s, %(reason)s, %(message)s,
          %(missed)s, %(depth)s, %(scheduled_at)s,
          clock_timestamp() + make_interval(secs => %(retry_seconds)s::float8), %(session_id)s, %(workflow_id)s)
        on conflict (trigger_id, key) do nothing""",
        id=draft.id,
        workspace_id=draft.workspace_id,
        trigger_id=draft.trigger_id,
        key=draft.key,
        cause=str(draft.cause),
        outcome=str(outcome),
        reason=reason,
        message=None if retry_seconds is None else draft.message,
        missed=draft.missed,
        depth=draft.depth,
        scheduled_at=draft.scheduled_at,
        retry_seconds=retry_seconds,
        session_id=draft.session_id,
        workflow_id=draft.workflow_id,
    )
    return count == 1


async def count_one(tx: Transaction, trigger_id: UUID) -> int:
    """How many firings the trigger has had, with this one."""
    return await tx.value(
        "update triggers set firings = firings + 1 where id = %(id)s returning firings", id=trigger_id
    )


async def prune(tx: Transaction, trigger_id: UUID, *, keep: int) -> None:
    await tx.execute(
        """
        delete from trigger_firings f where trigger_id = %(id)s and outcome not in ('waiting', 'starting')
          and not exists (select from runs r where r.id = f.run_id and r.status in ('queued', 'running', 'waiting'))
          and id < (select id from trigger_firings where trigger_id = %(id)s order by id desc offset %(keep)s limit 1)
        """,
        id=trigger_id,
        keep=keep,
    )


async def get(tx: Transaction, id: UUID) -> Firing:
    return await tx.one(Firing, "select" + _SHOWN + "where f.id = %(id)s", id=id)


async def list_page(tx: Transaction, trigger_id: UUID, window: Window) -> list[Firing]:
    return await tx.many(
        Firing,
        "select"
        + _SHOWN
        + """
        where f.trigger_id = %(trigger_id)s and (%(after)s::uuid is null or f.id < %(after)s)
        order by f.id desc limit %(rows)s""",
        trigger_id=trigger_id,
        after=window.after,
        rows=window.limit + 1,
    )


@dataclass(frozen=True)
class Open:
    """A firing that is not over: not a run yet, or one that has not ended."""

    id: UUID
    outcome: Outcome
    run_id: UUID | None


async def open_firings(tx: Transaction, trigger_id: UUID, *, but: UUID | None = None) -> list[Open]:
    """Oldest first. but: one to leave out. Runs are looked for among the last 50 that there were."""
    return await tx.many(
        Open,
        """
        select id, outcome, run_id from trigger_firings
        where trigger_id = %(trigger_id)s and outcome in ('waiting', 'starting') and id is distinct from %(but)s
        union all
        select f.id, f.outcome, f.run_id from (
          select id, outcome, run_id from trigger_firings
          where trigger_id = %(trigger_id)s and outcome = 'started' order by id desc limit 50) f
        join runs r on r.id = f.run_id
        where r.status in ('queued', 'running', 'waiting')
        order by id""",
        trigger_id=trigger_id,
        but=but,
    )


async def skip_waiting(tx: Transaction, trigger_id: UUID, reason: str) -> None:
    await tx.execute(
        """
        update trigger_firings set outcome = 'skipped', reason = %(reason)s, retry_at = null, message = null
        where trigger_id = %(trigger_id)s and outcome = 'waiting'""",
        trigger_id=trigger_id,
        reason=reason,
    )


@dataclass(frozen=True)
class Pending:
    """A firing that somebody has to turn into a run."""

    id: UUID
    trigger_id: UUID
    outcome: Outcome
    message: str
    session_id: UUID | None
    workflow_id: UUID | None
    tries: int


_PENDING: LiteralString = "id, trigger_id, outcome, coalesce(message, '') as message, session_id, workflow_id, tries"


async def take(tx: Transaction, id: UUID, lease_seconds: float) -> Pending | None:
    """Takes up a firing whose time has come; None when somebody else has, or it is settled."""
    return await tx.one_or_none(
        Pending,
        """
        update trigger_firings set tries = tries + (outcome = 'starting')::int,
          retry_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
        where id = (select id from trigger_firings where id = %(id)s and retry_at <= clock_timestamp()
                      and outcome in ('waiting', 'starting') for update skip locked)
        returning """
        + _PENDING,
        id=id,
        lease_seconds=lease_seconds,
    )


async def trigger_of(tx: Transaction, id: UUID) -> UUID | None:
    return await tx.value("select trigger_id from trigger_firings where id = %(id)s", id=id)


async def begin(tx: Transaction, id: UUID, lease_seconds: float) -> None:
    """Its turn has come. Whoever said so has this long to make it a run, before somebody else tries."""
    await tx.execute(
        """
        update trigger_firings set outcome = 'starting',
          retry_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
        where id = %(id)s and outcome in ('waiting', 'starting')""",
        id=id,
        lease_seconds=lease_seconds,
    )


async def put_off(tx: Transaction, id: UUID) -> None:
    """It waits on: half a second at first, in the end ten."""
    await tx.execute(
        """
        update trigger_firings set outcome = 'waiting', retry_at = clock_timestamp() + make_interval(
          secs => least(10, greatest(0.5, extract(epoch from clock_timestamp() - fired_at)::float8 / 10)))
        where id = %(id)s and outcome in ('waiting', 'starting')""",
        id=id,
    )


async def settle(tx: Transaction, id: UUID, outcome: Outcome, reason: str) -> None:
    await tx.execute(
        """
        update trigger_firings set outcome = %(outcome)s, reason = %(reason)s, retry_at = null, message = null
        where id = %(id)s and outcome in ('waiting', 'starting')""",
        id=id,
        outcome=str(outcome),
        reason=reason,
    )


async def mark_started(tx: Transaction, id: UUID, *, run_id: UUID, session_id: UUID) -> None:
    await tx.execute(
        """
        with done as (
          update trigger_firings set outcome = 'started', run_id = %(run_id)s, session_id = %(session_id)s,
            retry_at = null, message = null
          where id = %(id)s and outcome in ('waiting', 'starting') returning trigger_id, fired_at
        ) update triggers t set last_fired_at = greatest(t.last_fired_at, done.fired_at)
        from done where t.id = done.trigger_id""",
        id=id,
        run_id=run_id,
        session_id=session_id,
    )


async def failures_in_a_row(tx: Transaction, trigger_id: UUID, most: int) -> int:
    """How many of the newest firings that are over have failed, counted up to `most` and back to the last success.

    Those before the trigger was last switched on do not count. Runs are found by their key, because a firing is marked
    as started only after its run was.
    """
    return await tx.value(
        """
        select count(*) from (
          select bool_and(failed) over (order by id desc) as still from (
            select f.id, f.outcome = 'failed' or r.status = 'failed' as failed
            from trigger_firings f
            left join runs r on r.workspace_id = f.workspace_id and r.dedupe_key =
              coalesce('workflow:' || f.workflow_id || ':', '') || %(key)s || f.id
            where f.trigger_id = %(trigger_id)s
              and f.fired_at >= (select failing_since from triggers where id = %(trigger_id)s)
              and (f.outcome = 'failed' or r.status in ('completed', 'failed', 'cancelled'))
            order by f.id desc limit %(most)s) latest) streak
        where still""",
        trigger_id=trigger_id,
        most=most,
        key=KEY,
    )


async def deliver(tx: Transaction, trigger_id: UUID, webhook_id: str, firing_id: UUID, workspace_id: UUID) -> bool:
    """Notes the id of a signed request; False when it is known. Those older than any good signature are forgotten."""
    await tx.execute(
        "delete from trigger_deliveries where trigger_id = %(trigger_id)s and at < now() - interval '1 hour'",
        trigger_id=trigger_id,
    )
    count = await tx.execute(
        """
        insert into trigger_deliveries (trigger_id, webhook_id, workspace_id, firing_id)
        values (%(trigger_id)s, %(webhook_id)s, %(workspace_id)s, %(firing_id)s) on conflict do nothing""",
        trigger_id=trigger_id,
        webhook_id=webhook_id,
        workspace_id=workspace_id,
        firing_id=firing_id,
    )
    return count == 1


@dataclass(frozen=True)
class Happened:
    """An event that a trigger waits for. run_id is there: only events of runs are noticed."""

    id: int
    trigger_id: UUID
    session_id: UUID
    seq: int
    type: str
    at: datetime
    run_id: UUID
    agent_id: UUID | None
    data: Any


async def take_events(tx: Transaction, limit: int) -> list[Happened]:
    """Takes noticed events out of the queue, those of one trigger together and in order."""
    return await tx.many(
        Happened,
        """
        with taken as (
          delete from trigger_events where id in (
            select id from trigger_events order by id limit %(limit)s for update skip locked)
          returning id, trigger_id, session_id, seq
        ) select t.id, t.trigger_id, e.session_id, e.seq, e.type, e.at, e.run_id, r.agent_id, e.data
        from taken t join events e on e.session_id = t.session_id and e.seq = t.seq join runs r on r.id = e.run_id
        where r.kind in ('agent', 'workflow')
        order by t.trigger_id, t.id""",
        limit=limit,
    )


@dataclass(frozen=True)
class Ancestor:
    """The firing that began the run which an event belongs to, or the run that this one works for."""

    trigger_id: UUID
    depth: int


async def ancestor(tx: Transaction, run_id: UUID) -> Ancestor | None:
    """Found by the run's key, because a firing is marked as started only after its run was."""
    key: str | None = await tx.value(
        "select root.dedupe_key from runs r join runs root on root.id = r.root_run_id where r.id = %(id)s", id=run_id
    )
    fired = None if key is None else _FIRED.search(key)
    if fired is None:
        return None
    return await tx.one_or_none(
        Ancestor,
        "select trigger_id, depth from trigger_firings where id = %(id)s",
        id=UUID(fired[1]),
    )


@dataclass(frozen=True)
class Told:
    """Something that happened in a run. what: `user`, `tool <name> <status>`, `assistant` or `error`."""

    what: str
    text: str


async def told(tx: Transaction, run_id: UUID) -> list[Told]:
    """What was said in a run, in order, its tools' results shortened."""
    return await tx.many(
        Told,
        """
        select case type when 'message.received' then data->>'role'
            when 'tool.returned' then concat('tool ', data->>'tool', ' ', data->>'status')
            when 'run.failed' then 'error' else 'assistant' end as what,
          coalesce(case type when 'message.received' then data->>'content'
            when 'tool.returned' then left(data->>'text', 500)
            when 'run.failed' then data->'error'->>'message' else data->'message'->>'content' end, '') as text
        from events where run_id = %(run_id)s
          and type in ('message.received', 'tool.returned', 'run.completed', 'run.failed')
        order by seq limit 100""",
        run_id=run_id,
    )


async def began(tx: Transaction, trigger_id: UUID, run_id: UUID) -> bool:
    """Whether a firing of this trigger became this run."""
    return bool(
        await tx.value(
            "select true from trigger_firings where trigger_id = %(trigger_id)s and run_id = %(run_id)s limit 1",
            trigger_id=trigger_id,
            run_id=run_id,
        )
    )
