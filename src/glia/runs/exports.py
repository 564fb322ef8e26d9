"""Exports: one file with everything about a session, and its import elsewhere as evidence of what happened.

An imported session is read and replayed like any other, without a model call, and can be forked. Nothing is learnt from
it by itself: it is no active memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec

from glia.agents.errors import AgentNotFound
from glia.agents.service import Agents
from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.runs import fork_queries, log_queries, queries
from glia.runs.errors import RunNotFound
from glia.runs.events import Event
from glia.runs.fork_queries import EndedRun
from glia.runs.model_contexts import SentContext
from glia.runs.types import Run
from glia.sessions.errors import SessionNotFound
from glia.sessions.service import open_session
from glia.sessions.types import Session

FORMAT = "glia.session/1"
MOST_EVENTS = 200_000
_HIGHEST_SEQ = 2**53


class ExportedEvent(msgspec.Struct):
    seq: int
    type: str
    at: datetime
    run_id: UUID | None
    attempt: int | None
    data: msgspec.Raw


class ExportedRun(msgspec.Struct):
    id: UUID
    kind: str
    status: str
    agent_id: UUID | None
    agent_version: int | None
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Export(msgspec.Struct):
    """The file. agents: the versions that were at work. contexts: what model calls were sent besides the messages."""

    format: str
    exported_at: datetime
    title: str
    metadata: dict[str, Any]
    agents: list[dict[str, Any]]
    runs: list[ExportedRun]
    contexts: list[msgspec.Raw]
    events: list[ExportedEvent]


class Exports:
    def __init__(self, db: Database, agents: Agents) -> None:
        self._db = db
        self._agents = agents

    async def session(self, principal: Principal, session_id: UUID) -> bytes:
        """The whole session as one JSON file, its shared history included."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            source = await fork_queries.forkable(tx, session_id)
            if source is None:
                raise SessionNotFound(f"There is no session '{session_id}' in this workspace.")
            events = await fork_queries.read_history(tx, session_id, limit=MOST_EVENTS)
            return await self._export(principal, tx, source.title, source.metadata, events)

    async def run(self, principal: Principal, run_id: UUID) -> bytes:
        """The session up to the end of one run, so that it can be replayed with what came before it."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            run = await queries.get(tx, run_id)
            if run is None:
                raise RunNotFound(f"There is no run '{run_id}' in this workspace.", run_id=str(run_id))
            last = await log_queries.answer_of(tx, run_id)
            upto = 2**62 if last is None else last.seq
            events = await fork_queries.read_history(tx, run.session_id, upto=upto, limit=MOST_EVENTS)
            return await self._export(principal, tx, run.kind, {}, events)

    async def _export(
        self, principal: Principal, tx: Transaction, title: str, metadata: dict[str, object], events: Sequence[Event]
    ) -> bytes:
        run_ids = list(dict.fromkeys(event.run_id for event in events if event.run_id is not None))
        runs = await fork_queries.runs_of(tx, run_ids)
        keys = {key for event in events if (key := _context_of(event))}
        contexts = await fork_queries.contexts(tx, sorted(keys))
        export = Export(
            format=FORMAT,
            exported_at=clock.now(),
            title=title,
            metadata=metadata,
            agents=[await self._version(principal, run) for run in _one_per_version(runs)],
            runs=[_exported(run) for run in runs],
            contexts=[msgspec.Raw(text.encode()) for text in contexts],
            events=[
                ExportedEvent(e.seq, e.type, e.at, e.run_id, e.attempt, msgspec.Raw(e.data.encode())) for e in events
            ],
        )
        return msgspec.json.encode(export)

    async def _version(self, principal: Principal, run: Run) -> dict[str, Any]:
        if run.agent_id is None or run.agent_version is None:
            return {}
        try:
            agent = await self._agents.get(principal, run.agent_id, version=run.agent_version)
        except AgentNotFound:
            return {"id": str(run.agent_id), "version": run.agent_version}
        return {"id": str(agent.id), "slug": agent.slug, **msgspec.to_builtins(agent.current)}

    async def import_session(self, principal: Principal, body: bytes, *, agent_id: UUID | None = None) -> Session:
        """Keeps an export as a session of its own, under new ids, marked as imported.

        agent_id: the agent that answers if the session is forked and goes on; None for none.
        Raises InvalidRequest when the file is no export, or not whole.
        """
        principal.require("sessions:write")
        export = _read(body)
        new = {run.id: new_id() for run in export.runs}
        events = [_renamed(event, new) for event in export.events]
        async with self._db.transaction(principal.workspace_id) as tx:
            metadata: dict[str, object] = {
                **export.metadata,
                "imported_at": clock.now().isoformat(),
                "agents": export.agents,
            }
            session = await open_session(tx, principal, agent_id=agent_id, title=export.title[:500], metadata=metadata)
            where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
            for run in export.runs:
                await fork_queries.insert_run(tx, _ended(run, new[run.id]), session_id=session.id, **where)
            await fork_queries.insert_events(tx, session.id, principal.workspace_id, events)
            for context in export.contexts:
                named = msgspec.json.decode(context, type=_Context)
                await queries.keep_context(tx, principal.workspace_id, named.key, bytes(named.body).decode())
            await fork_queries.mark_imported(tx, session.id, events[-1].seq if events else 0)
        return session


class _Context(msgspec.Struct):
    key: str
    body: msgspec.Raw


class _Named(msgspec.Struct):
    context: str = ""


def _context_of(event: Event) -> str:
    if event.type != "model.responded":
        return ""
    return msgspec.json.decode(event.data, type=_Named).context


def _one_per_version(runs: Sequence[Run]) -> list[Run]:
    return list({(run.agent_id, run.agent_version): run for run in runs if run.agent_id is not None}.values())


def _exported(run: Run) -> ExportedRun:
    names: tuple[str, ...] = ExportedRun.__struct_fields__
    values: dict[str, Any] = {name: getattr(run, name) for name in names}
    values["status"] = run.status.value
    return ExportedRun(**values)


def _ended(run: ExportedRun, id: UUID) -> EndedRun:
    """A run that was open when it was exported did not end: nobody here goes on with it."""
    is_open = run.status not in {"completed", "failed", "cancelled"}
    return EndedRun(
        id=id,
        status="cancelled" if is_open else run.status,
        kind=run.kind,
        model_calls=run.model_calls,
        tool_calls=run.tool_calls,
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cost_micros=run.cost_micros,
        error=run.error,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def _renamed(event: ExportedEvent, new: dict[UUID, UUID]) -> Event:
    data = bytes(event.data).decode()
    for old, id in new.items():
        if str(old) in data:
            data = data.replace(str(old), str(id))
    run_id = None if event.run_id is None else new.get(event.run_id)
    return Event(event.seq, event.type, event.at, run_id, event.attempt, data)


def _read(body: bytes) -> Export:
    try:
        export = msgspec.json.decode(body, type=Export)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The file is not an export of a session: {error}.", field="file") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The file is not JSON: {error}.", field="file") from None
    checks: list[tuple[bool, str]] = [
        (export.format == FORMAT, f"its format is {export.format[:50]!r}, not {FORMAT!r}"),
        (len(export.events) <= MOST_EVENTS, f"it has {len(export.events)} events; the most is {MOST_EVENTS}"),
        (_is_rising(export.events), "its events are not in order"),
        (_is_plain(export.events), "an event's data is no JSON object"),
    ]
    for is_right, wrong in checks:
        if not is_right:
            raise InvalidRequest(f"The file cannot be imported: {wrong}.", field="file")
    _check_data(export)
    return export


def _check_data(export: Export) -> None:
    """Whoever reads the log later may rely on its events, so one that cannot be read is refused here.

    Events of types that this version does not know come from a newer one; readers pass over them.
    """
    at = "contexts"
    try:
        for number, context in enumerate(export.contexts):
            at = f"contexts[{number}]"
            msgspec.convert(msgspec.json.decode(msgspec.json.decode(context, type=_Context).body), SentContext)
        for number, event in enumerate(export.events):
            at = f"events[{number}]"
            _ = Event(event.seq, event.type, event.at, None, None, bytes(event.data).decode()).payload
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The file cannot be imported: `{at}` is damaged: {error}.", field="file") from None


def _is_rising(events: Sequence[ExportedEvent]) -> bool:
    return all(one.seq < other.seq for one, other in pairwise(events)) and all(
        0 < event.seq <= _HIGHEST_SEQ for event in events
    )


def _is_plain(events: Sequence[ExportedEvent]) -> bool:
    return all(bytes(event.data).lstrip().startswith(b"{") for event in events)
