"""SQL of forks, exports and imports: histories that consist of pieces of several sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.runs.events import Event
from glia.runs.log_queries import CONVERSATION_TYPES
from glia.runs.queries import RUN_COLUMNS
from glia.runs.types import Run

_LINEAGE: LiteralString = """
    select e.seq, e.type, e.at, e.run_id, e.attempt, e.data::text as data
    from lineage(%(session_id)s) l join events e
      on e.session_id = l.piece and e.seq > l.from_seq and e.seq <= l.to_seq """


async def read_history(
    tx: Transaction, session_id: UUID, *, after: int = 0, upto: int = 2**62, limit: int = 1_000_000
) -> list[Event]:
    """The whole history of a session, what it shares with others included, in order."""
    return await tx.many(
        Event,
        _LINEAGE + "where e.seq > %(after)s and e.seq <= %(upto)s order by e.seq limit %(limit)s",
        session_id=session_id,
        after=after,
        upto=upto,
        limit=limit,
    )


async def read_conversation(tx: Transaction, session_id: UUID, run_id: UUID | None) -> list[Event]:
    """As log_queries.read_conversation, for a session whose history has several pieces."""
    return await tx.many(
        Event,
        "with history as ("
        + _LINEAGE
        + """)
        select * from history
        where (type = any(%(types)s) or seq = (select last_seq from sessions where id = %(session_id)s))
          and (%(run_id)s::uuid is null or run_id = %(run_id)s or seq > coalesce((
            select (h.data::json->>'after_seq')::bigint from history h
            where h.type = 'context.compacted' order by h.seq desc limit 1), 0))
        order by seq""",
        session_id=session_id,
        run_id=run_id,
        types=list(CONVERSATION_TYPES),
    )


@dataclass(frozen=True)
class Forkable:
    """A session that others are made from."""

    agent_id: UUID | None
    agent_version: int | None
    title: str
    last_seq: int
    metadata: dict[str, object]


async def forkable(tx: Transaction, session_id: UUID) -> Forkable | None:
    return await tx.one_or_none(
        Forkable,
        """
        select agent_id, agent_version, title, last_seq, metadata
        from sessions where id = %(session_id)s and deleted_at is null""",
        session_id=session_id,
    )


async def version_at(tx: Transaction, session_id: UUID, seq: int) -> int | None:
    """The agent version of the newest run that had begun by then."""
    return await tx.value(
        """
        select (e.data->>'agent_version')::int
        from lineage(%(session_id)s) l join events e
          on e.session_id = l.piece and e.seq > l.from_seq and e.seq <= l.to_seq
        where e.seq <= %(seq)s and e.type = 'run.created' and e.data->>'agent_version' is not null
        order by e.seq desc limit 1""",
        session_id=session_id,
        seq=seq,
    )


@dataclass(frozen=True)
class TakenSnapshot:
    """session_id: whose workspace it is of."""

    id: UUID
    session_id: UUID


async def snapshot_at(tx: Transaction, session_id: UUID, seq: int) -> TakenSnapshot | None:
    """The newest snapshot of the session's workspace by then."""
    return await tx.one_or_none(
        TakenSnapshot,
        """
        select (e.data->>'snapshot_id')::uuid as id, e.session_id
        from lineage(%(session_id)s) l join events e
          on e.session_id = l.piece and e.seq > l.from_seq and e.seq <= l.to_seq
        where e.seq <= %(seq)s and e.type = 'tool.returned' and e.data->>'snapshot_id' is not null
        order by e.seq desc limit 1""",
        session_id=session_id,
        seq=seq,
    )


async def set_parent(tx: Transaction, id: UUID, *, parent_session_id: UUID, forked_at: int) -> None:
    await tx.execute(
        """
        update sessions set parent_session_id = %(parent)s, forked_at = %(forked_at)s, last_seq = %(forked_at)s
        where id = %(id)s""",
        id=id,
        parent=parent_session_id,
        forked_at=forked_at,
    )


async def mark_imported(tx: Transaction, id: UUID, last_seq: int) -> None:
    await tx.execute(
        "update sessions set origin = 'import', last_seq = %(last_seq)s where id = %(id)s", id=id, last_seq=last_seq
    )


async def insert_events(tx: Transaction, session_id: UUID, workspace_id: UUID, events: Sequence[Event]) -> None:
    """Events from elsewhere, as they were stored there. Nobody is told of them as if they had just happened."""
    await tx.execute("set local glia.is_quiet = 'on'")
    await tx.execute(
        """
        insert into events (session_id, seq, workspace_id, run_id, attempt, type, at, data)
        select %(session_id)s, e.seq, %(workspace_id)s, e.run_id, e.attempt, e.type, e.at, e.data
        from unnest(%(seqs)s::bigint[], %(run_ids)s::uuid[], %(attempts)s::int[], %(types)s::text[],
          %(ats)s::timestamptz[], %(data)s::json[]) as e(seq, run_id, attempt, type, at, data)""",
        session_id=session_id,
        workspace_id=workspace_id,
        seqs=[event.seq for event in events],
        run_ids=[event.run_id for event in events],
        attempts=[event.attempt for event in events],
        types=[event.type for event in events],
        ats=[event.at for event in events],
        data=[event.data for event in events],
    )


@dataclass(frozen=True)
class EndedRun:
    """A run from elsewhere, as an import keeps it."""

    id: UUID
    status: str
    kind: str
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    error: dict[str, object] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


async def insert_run(tx: Transaction, run: EndedRun, *, session_id: UUID, workspace_id: UUID, project_id: UUID) -> None:
    await tx.execute(
        """
        insert into runs (id, workspace_id, project_id, session_id, kind, status, is_background, engine_abi,
          root_run_id, model_calls, tool_calls, input_tokens, output_tokens, cost_micros, error, created_at,
          started_at, finished_at)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(kind)s, %(status)s, true, 0, %(id)s,
          %(model_calls)s, %(tool_calls)s, %(input_tokens)s, %(output_tokens)s, %(cost_micros)s, %(error)s,
          %(created_at)s, %(started_at)s, %(finished_at)s)""",
        id=run.id,
        workspace_id=workspace_id,
        project_id=project_id,
        session_id=session_id,
        kind=run.kind,
        status=run.status,
        model_calls=run.model_calls,
        tool_calls=run.tool_calls,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cost_micros=run.cost_micros,
        error=None if run.error is None else json(run.error),
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


async def runs_of(tx: Transaction, run_ids: Sequence[UUID]) -> list[Run]:
    return await tx.many(Run, f"select {RUN_COLUMNS} from runs where id = any(%(ids)s) order by id", ids=list(run_ids))


async def contexts(tx: Transaction, keys: Sequence[str]) -> list[str]:
    """As JSON objects {key, body}."""
    return await tx.values(
        "select json_build_object('key', key, 'body', body)::text from model_contexts where key = any(%(keys)s)",
        keys=list(keys),
    )


async def prune(tx: Transaction, workspace_id: UUID, session_id: UUID) -> int:
    return await tx.value(
        "select prune_events(%(workspace_id)s, %(session_id)s)", workspace_id=workspace_id, session_id=session_id
    )
