"""SQL of messages: entries of a session's log, numbers of sessions, and how much agents and tools were used."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec

from glia.kit.db import Transaction
from glia.runs.events import Event, ToolReturned
from glia.runs.transcript import ENTRY_TYPES
from glia.tools.types import CallsOfTool

_MOST_CALLS = 200_000
_CHARACTERS_PER_TOKEN = 4


async def read_entries(tx: Transaction, session_id: UUID) -> list[Event]:
    return await tx.many(
        Event,
        """
        select seq, type, at, run_id, attempt, data::text as data from events
        where session_id = %(session_id)s and type = any(%(types)s) order by seq""",
        session_id=session_id,
        types=list(ENTRY_TYPES),
    )


async def number_of(tx: Transaction, workspace_id: UUID, session_id: UUID) -> int | None:
    """None when there is no such session."""
    found: int | None = await tx.value(
        "select number from session_numbers where session_id = %(session_id)s", session_id=session_id
    )
    if found is not None:
        return found
    await tx.execute(
        """
        insert into session_numbers (session_id, workspace_id)
        select id, workspace_id from sessions where id = %(session_id)s and workspace_id = %(workspace_id)s
        on conflict (session_id) do nothing""",
        session_id=session_id,
        workspace_id=workspace_id,
    )
    return await tx.value("select number from session_numbers where session_id = %(session_id)s", session_id=session_id)


async def numbered(tx: Transaction, number: int) -> UUID | None:
    return await tx.value("select session_id from session_numbers where number = %(number)s", number=number)


@dataclass(frozen=True)
class Count:
    """How many messages a session shows."""

    session_id: UUID
    messages: int


async def counts(tx: Transaction, session_ids: list[UUID]) -> list[Count]:
    """What was said and answered in these sessions, without what was deleted. Sessions with nothing are left out."""
    return await tx.many(
        Count,
        """
        with entries as (
          select session_id, seq, type, data from events
          where session_id = any(%(ids)s) and (type in ('message.received', 'message.deleted', 'run.completed')
            or (type in ('run.failed', 'run.cancelled') and data ->> 'text' <> ''))
        ), gone as (
          select session_id, (data ->> 'seq')::bigint as seq from entries where type = 'message.deleted'
        )
        select e.session_id, count(*) as messages from entries e
        where e.type <> 'message.deleted' and (e.session_id, e.seq) not in (select session_id, seq from gone)
        group by e.session_id""",
        ids=session_ids,
    )


@dataclass(frozen=True)
class Activity:
    """sessions: conversations that are still there. messages: what was said and answered in them. tokens: of all
    finished runs."""

    sessions: int
    messages: int
    tokens: int


async def activity(tx: Transaction, agent_id: UUID) -> Activity:
    return await tx.one(
        Activity,
        """
        with mine as (select id from sessions where agent_id = %(agent_id)s and deleted_at is null)
        select (select count(*) from mine) as sessions,
          (select count(*) from events e join mine on e.session_id = mine.id
           where e.type in ('message.received', 'run.completed')) as messages,
          (select coalesce(sum(r.input_tokens + r.output_tokens), 0)::bigint from runs r join mine
           on r.session_id = mine.id) as tokens""",
        agent_id=agent_id,
    )


@dataclass(frozen=True)
class ToolUse:
    """milliseconds: of all calls together. tokens: about how many the models read of the results."""

    calls: int = 0
    successes: int = 0
    milliseconds: int = 0
    tokens: int = 0


async def tool_use(tx: Transaction, wanted: CallsOfTool) -> ToolUse:
    """Counted here, because a result may hold what PostgreSQL cannot read out of JSON."""
    stored = await tx.values(
        """
        select data::text from events
        where workspace_id = %(workspace_id)s and type = 'tool.returned' and at >= %(since)s and at < %(until)s
        order by at desc limit %(limit)s""",
        workspace_id=wanted.workspace_id,
        since=wanted.since,
        until=wanted.until,
        limit=_MOST_CALLS,
    )
    decoder = msgspec.json.Decoder(ToolReturned)
    calls = [call for call in map(decoder.decode, stored) if call.tool == wanted.tool]
    return ToolUse(
        len(calls),
        sum(call.status == "ok" for call in calls),
        sum(call.duration_ms for call in calls),
        sum(-(-len(call.text) // _CHARACTERS_PER_TOKEN) for call in calls),
    )
