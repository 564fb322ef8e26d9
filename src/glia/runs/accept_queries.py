"""SQL of accepting: messages, and the run that answers them, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

from glia.kit.db import Database, Transaction, json
from glia.runs.events import MessageReceived, encode
from glia.runs.types import ENGINE_ABI, Accepted, WhenBusy


@dataclass(frozen=True)
class Acceptance:
    """What became of a message, and the run it belongs to. base_seq: the sequence number before the first new event."""

    outcome: Literal["accepted", "queued", "steered", "known", "no_session", "no_agent", "busy", "full"]
    run_id: UUID | None
    agent_id: UUID | None
    agent_version: int | None
    model: str | None
    base_seq: int | None
    at: datetime


@dataclass(frozen=True)
class Acceptable:
    """A run to accept. worker_id: who begins it at once. dedupe_key: under which it is begun only once."""

    run_id: UUID
    session_id: UUID
    workspace_id: UUID
    project_id: UUID
    key_id: UUID | None
    is_background: bool
    worker_id: UUID | None = None
    when_busy: WhenBusy = "refuse"
    dedupe_key: str | None = None
    parent_run_id: UUID | None = None

    def parameters(self, messages: Sequence[MessageReceived]) -> dict[str, object]:
        return {
            "workspace_id": self.workspace_id,
            "project_id": self.project_id,
            "session_id": self.session_id,
            "run_id": self.run_id,
            "key_id": self.key_id,
            "is_background": self.is_background,
            "worker_id": self.worker_id,
            "abi": ENGINE_ABI,
            "messages": f"[{','.join(encode(message) for message in messages)}]",
            "when_busy": self.when_busy,
            "dedupe_key": self.dedupe_key,
            "parent_run_id": self.parent_run_id,
        }


_ACCEPT: LiteralString = """
    select outcome, run_id, agent_id, agent_version, model, base_seq, at
    from glia.accept_run(%(workspace_id)s, %(project_id)s, %(session_id)s, %(run_id)s, %(key_id)s,
      %(is_background)s, %(worker_id)s, %(abi)s, %(messages)s::json, %(when_busy)s, %(dedupe_key)s,
      %(parent_run_id)s)"""


async def accept(db: Database, wanted: Acceptable, messages: Sequence[MessageReceived]) -> Acceptance:
    """Stores messages and the run that answers them, whole or not at all."""
    accepted = await db.call(Acceptance, _ACCEPT, **wanted.parameters(messages))
    if accepted is None:
        raise LookupError("accept_run always returns a row.")
    return accepted


async def accept_in(tx: Transaction, wanted: Acceptable, messages: Sequence[MessageReceived]) -> Acceptance:
    """As `accept`, inside a transaction that does more."""
    return await tx.one(Acceptance, _ACCEPT, **wanted.parameters(messages))


@dataclass(frozen=True)
class Place:
    """Where a session's log ends, and whether a run is open in it."""

    last_seq: int
    is_busy: bool


async def hold_session(tx: Transaction, session_id: UUID) -> Place | None:
    """Holds the session for this transaction, so that what is seen stays so; None when there is none."""
    found = await tx.value(
        "select last_seq from sessions where id = %(session_id)s and deleted_at is null for update",
        session_id=session_id,
    )
    if found is None:
        return None
    is_busy = await tx.value(
        """
        select exists (select from runs where session_id = %(session_id)s
                       and status in ('queued', 'running', 'waiting'))""",
        session_id=session_id,
    )
    return Place(found, is_busy)


async def insert_run(
    tx: Transaction,
    id: UUID,
    *,
    session_id: UUID,
    workspace_id: UUID,
    project_id: UUID,
    key_id: UUID | None,
    kind: str,
    agent_id: UUID | None,
    agent_version: int | None,
    is_background: bool,
    input: dict[str, object],
    dedupe_key: str | None = None,
) -> None:
    await tx.execute(
        """
        insert into runs (id, workspace_id, project_id, session_id, kind, agent_id, agent_version, key_id, status,
          is_background, engine_abi, input, root_run_id, dedupe_key)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(kind)s, %(agent_id)s, %(agent_version)s,
          %(key_id)s, 'queued', %(is_background)s, %(abi)s, %(input)s, %(id)s, %(dedupe_key)s)""",
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        session_id=session_id,
        key_id=key_id,
        kind=kind,
        agent_id=agent_id,
        agent_version=agent_version,
        is_background=is_background,
        abi=ENGINE_ABI,
        input=json(input),
        dedupe_key=dedupe_key,
    )


async def known(tx: Transaction, dedupe_key: str) -> Accepted | None:
    """The run that was begun under a key."""
    return await tx.one_or_none(
        Accepted,
        """
        select r.id as run_id, r.session_id, 'known' as outcome,
          (select coalesce(min(seq) - 1, 0) from events where run_id = r.id) as after
        from runs r where r.dedupe_key = %(dedupe_key)s""",
        dedupe_key=dedupe_key,
    )


async def set_note(tx: Transaction, run_id: UUID, name: str, value: dict[str, object]) -> None:
    await tx.execute(
        "update runs set input = input || jsonb_build_object(%(name)s::text, %(value)s) where id = %(run_id)s",
        run_id=run_id,
        name=name,
        value=json(value),
    )


async def is_newest(tx: Transaction, session_id: UUID, run_id: UUID) -> bool:
    """Whether the session's newest event is this run's."""
    return bool(
        await tx.value(
            """
            select e.run_id = %(run_id)s from sessions s join events e on e.session_id = s.id and e.seq = s.last_seq
            where s.id = %(session_id)s""",
            session_id=session_id,
            run_id=run_id,
        )
    )


async def add_input(tx: Transaction, run_id: UUID, input: dict[str, object]) -> None:
    """Keeps more with a run that was accepted in this transaction."""
    await tx.execute("update runs set input = input || %(input)s where id = %(id)s", id=run_id, input=json(input))


async def forget_input(tx: Transaction, run_id: UUID, name: str) -> None:
    """Removes something that was kept with a run only until its end."""
    await tx.execute(
        "update runs set input = input - %(name)s::text where id = %(id)s and input ? %(name)s", id=run_id, name=name
    )


async def open_of_agent(tx: Transaction, agent_id: UUID) -> list[UUID]:
    return await tx.values(
        """
        select id from runs where agent_id = %(agent_id)s and status in ('queued', 'running', 'waiting')
        order by created_at desc""",
        agent_id=agent_id,
    )
