"""SQL that reads the log of a session: the whole of it, one run's part, what a model or a person needs of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction
from glia.runs.events import Event

_EVENTS = "select seq, type, at, run_id, attempt, data::text as data from events "


async def read_log(tx: Transaction, session_id: UUID, *, after: int, limit: int) -> list[Event]:
    return await tx.many(
        Event,
        _EVENTS + "where session_id = %(session_id)s and seq > %(after)s order by seq limit %(limit)s",
        session_id=session_id,
        after=after,
        limit=limit,
    )


async def read_run(
    tx: Transaction, run_id: UUID, *, after: int, limit: int, types: Sequence[str] | None = None
) -> list[Event]:
    return await tx.many(
        Event,
        _EVENTS
        + """where run_id = %(run_id)s and seq > %(after)s and (%(types)s::text[] is null or type = any(%(types)s))
        order by seq limit %(limit)s""",
        run_id=run_id,
        types=None if types is None else list(types),
        after=after,
        limit=limit,
    )


@dataclass(frozen=True)
class LastSign:
    """The newest event that an attempt of a run stored. worker: who stored it; tool: which one it was about."""

    attempt: int
    type: str
    at: datetime
    worker: str | None
    tool: str | None


async def last_sign(tx: Transaction, session_id: UUID, run_id: UUID) -> LastSign | None:
    return await tx.one_or_none(
        LastSign,
        """
        select e.attempt, e.type, e.at, e.data->>'tool' as tool,
          (select s.data->>'worker' from events s where s.session_id = e.session_id and s.run_id = e.run_id
             and s.type = 'run.started' and s.attempt = e.attempt order by s.seq desc limit 1) as worker
        from events e where e.session_id = %(session_id)s and e.run_id = %(run_id)s and e.attempt is not null
        order by e.seq desc limit 1""",
        session_id=session_id,
        run_id=run_id,
    )


CONVERSATION_TYPES = (
    "message.received",
    "message.edited",
    "message.deleted",
    "model.requested",
    "model.responded",
    "tool.called",
    "tool.returned",
    "context.compacted",
    "events.summarised",
    "plan.made",
    "reflection.made",
    "approval.requested",
    "approval.decided",
    "child.started",
    "run.completed",
    "run.failed",
    "run.cancelled",
)
"""What a model needs to know of a session: no deltas, no notes about progress."""


async def read_conversation(tx: Transaction, session_id: UUID, run_id: UUID | None = None) -> list[Event]:
    """The session's own events of these types, without those that were compacted.

    run_id: the run that reads; of its own events none is left out. The session's newest event is there in any case.
    """
    return await tx.many(
        Event,
        _EVENTS
        + """
        where session_id = %(session_id)s
          and (type = any(%(types)s) or seq = (select last_seq from sessions where id = %(session_id)s))
          and (%(run_id)s::uuid is null or run_id = %(run_id)s or seq > coalesce((
            select (data->>'after_seq')::bigint from events
            where session_id = %(session_id)s and type = 'context.compacted' order by seq desc limit 1), 0))
        order by seq""",
        session_id=session_id,
        run_id=run_id,
        types=list(CONVERSATION_TYPES),
    )


async def read_steps(tx: Transaction, run_id: UUID) -> list[Event]:
    """A run's model calls, its plan and its reflections."""
    return await tx.many(
        Event,
        _EVENTS
        + """
        where run_id = %(run_id)s and type in ('model.responded', 'plan.made', 'reflection.made') order by seq""",
        run_id=run_id,
    )


async def read_said(tx: Transaction, session_id: UUID) -> list[Event]:
    """What people see of a session: messages and how each run ended."""
    return await tx.many(
        Event,
        _EVENTS
        + """
        where session_id = %(session_id)s
          and type in ('message.received', 'message.edited', 'message.deleted', 'run.completed', 'run.failed',
            'run.cancelled')
        order by seq""",
        session_id=session_id,
    )


async def read_messages(tx: Transaction, session_id: UUID, *, after: int) -> list[Event]:
    """What was said in a session after an event."""
    return await tx.many(
        Event,
        _EVENTS + "where session_id = %(session_id)s and seq > %(after)s and type = 'message.received' order by seq",
        session_id=session_id,
        after=after,
    )


async def last_said(tx: Transaction, session_id: UUID) -> str:
    found: str | None = await tx.value(
        """
        select data->>'content' from events
        where session_id = %(session_id)s and type = 'message.received' and data->>'role' = 'user'
        order by seq desc limit 1""",
        session_id=session_id,
    )
    return found or ""


async def answer_of(tx: Transaction, run_id: UUID) -> Event | None:
    """The event that ended a run."""
    return await tx.one_or_none(
        Event,
        _EVENTS
        + """
        where run_id = %(run_id)s and type in ('run.completed', 'run.failed', 'run.cancelled')
        order by seq desc limit 1""",
        run_id=run_id,
    )


async def before_run(tx: Transaction, run_id: UUID) -> int:
    """The sequence number before a run's first event."""
    return await tx.value("select coalesce(min(seq) - 1, 0) from events where run_id = %(run_id)s", run_id=run_id)
