"""SQL of triggers themselves, and of what is due. Their firings are in firing_queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString
from uuid import UUID

import msgspec

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.triggers.types import OnCondition, OnEvent, Trigger, TriggerSpec, When

CHANNEL: LiteralString = "glia_triggers"

_COLUMNS: LiteralString = """
    id, workspace_id, project_id, name, agent_id, session_id, is_in_session, message, workflow_id,
    input, spec as "when", overlap, missed, max_failures, status, pause_reason, next_at, is_armed, cooled_at, firings,
    last_fired_at, created_by, created_at, updated_at, slug, metadata, share_hash is not null as is_shared,
    is_system"""


def _event_type(when: When) -> str | None:
    """What is noticed for it; a condition is looked at whenever a run has ended well."""
    if isinstance(when, OnEvent):
        return when.event_type
    return "run.completed" if isinstance(when, OnCondition) else None


def _values(spec: TriggerSpec) -> dict[str, object]:
    when: Any = msgspec.to_builtins(spec.when)
    return {
        "name": spec.name,
        "agent_id": spec.agent_id,
        "session_id": spec.session_id,
        "is_in_session": spec.session_id is not None,
        "message": spec.message,
        "workflow_id": spec.workflow_id,
        "input": None if spec.workflow_id is None else json(spec.input),
        "kind": when["kind"],
        "spec": json(when),
        "overlap": str(spec.overlap),
        "missed": str(spec.missed),
        "max_failures": spec.max_failures,
        "event_type": _event_type(spec.when),
        "event_agent_id": spec.when.agent_id if isinstance(spec.when, (OnEvent, OnCondition)) else None,
        "slug": spec.slug,
        "metadata": json(spec.metadata),
        "is_system": spec.is_system,
    }


async def insert(
    tx: Transaction,
    id: UUID,
    spec: TriggerSpec,
    *,
    workspace_id: UUID,
    project_id: UUID,
    created_by: str,
    next_at: datetime | None,
    sealed_secret: bytes | None,
    token_hash: bytes | None,
) -> Trigger:
    return await tx.one(
        Trigger,
        """
        insert into triggers (id, workspace_id, project_id, name, agent_id, session_id, is_in_session, message,
          workflow_id, input, kind, spec, overlap, missed, max_failures, next_at, event_type, event_agent_id,
          sealed_secret, token_hash, created_by, slug, metadata, is_system)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(agent_id)s, %(session_id)s, %(is_in_session)s,
          %(message)s, %(workflow_id)s, %(input)s, %(kind)s, %(spec)s, %(overlap)s, %(missed)s, %(max_failures)s,
          %(next_at)s, %(event_type)s, %(event_agent_id)s, %(sealed_secret)s, %(token_hash)s, %(created_by)s, %(slug)s,
          %(metadata)s, %(is_system)s)
        returning """
        + _COLUMNS,
        **_values(spec),
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        created_by=created_by,
        next_at=next_at,
        sealed_secret=sealed_secret,
        token_hash=token_hash,
    )


async def count(tx: Transaction) -> int:
    return await tx.value("select count(*) from triggers")


async def get(tx: Transaction, id: UUID) -> Trigger | None:
    return await tx.one_or_none(Trigger, "select" + _COLUMNS + " from triggers where id = %(id)s", id=id)


async def lock(tx: Transaction, id: UUID) -> Trigger | None:
    """Whoever decides about a trigger holds it: its firings are admitted one after another."""
    return await tx.one_or_none(Trigger, "select" + _COLUMNS + " from triggers where id = %(id)s for update", id=id)


async def lock_due(tx: Transaction, id: UUID) -> Trigger | None:
    """None when somebody else has it, or has done it already."""
    return await tx.one_or_none(
        Trigger,
        "select"
        + _COLUMNS
        + """
        from triggers where id = %(id)s and status = 'active' and next_at <= clock_timestamp()
        for update skip locked""",
        id=id,
    )


async def list_page(
    tx: Transaction,
    window: Window,
    *,
    agent_id: UUID | None,
    workflow_id: UUID | None,
    kind: str | None,
    status: str | None,
) -> list[Trigger]:
    return await tx.many(
        Trigger,
        "select"
        + _COLUMNS
        + """
        from triggers
        where (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(workflow_id)s::uuid is null or workflow_id = %(workflow_id)s)
          and (%(kind)s::text is null or kind = %(kind)s)
          and (%(status)s::text is null or status = %(status)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        workflow_id=workflow_id,
        kind=kind,
        status=status,
        after=window.after,
        rows=window.limit + 1,
    )


async def update(tx: Transaction, id: UUID, spec: TriggerSpec, *, next_at: datetime | None, status: str) -> None:
    await tx.execute(
        """
        update triggers set name = %(name)s, agent_id = %(agent_id)s, session_id = %(session_id)s,
          is_in_session = %(is_in_session)s, message = %(message)s, workflow_id = %(workflow_id)s,
          input = %(input)s, kind = %(kind)s,
          is_armed = is_armed or spec is distinct from %(spec)s, spec = %(spec)s, overlap = %(overlap)s,
          missed = %(missed)s, max_failures = %(max_failures)s, event_type = %(event_type)s,
          event_agent_id = %(event_agent_id)s, slug = %(slug)s,
          metadata = %(metadata)s, is_system = %(is_system)s, next_at = %(next_at)s, status = %(status)s,
          updated_at = clock_timestamp()
        where id = %(id)s""",
        **_values(spec),
        id=id,
        next_at=next_at,
        status=status,
    )


async def set_status(
    tx: Transaction, id: UUID, status: str, *, next_at: datetime | None, reason: str | None = None
) -> None:
    """Becoming active forgives the failures so far, and lets a figure fire at once."""
    await tx.execute(
        """
        update triggers set status = %(status)s, next_at = %(next_at)s, pause_reason = %(reason)s,
          failing_since = case when %(status)s = 'active' then clock_timestamp() else failing_since end,
          is_armed = is_armed or %(status)s = 'active', updated_at = clock_timestamp()
        where id = %(id)s""",
        id=id,
        status=status,
        next_at=next_at,
        reason=reason,
    )


async def set_next(tx: Transaction, id: UUID, next_at: datetime | None, *, has_ended: bool = False) -> None:
    await tx.execute(
        """
        update triggers set next_at = %(next_at)s, status = case when %(has_ended)s then 'ended' else status end
        where id = %(id)s""",
        id=id,
        next_at=next_at,
        has_ended=has_ended,
    )


async def set_condition(tx: Transaction, id: UUID, *, is_armed: bool, cooldown_seconds: float | None) -> None:
    """cooldown_seconds: from now on; None leaves the present one."""
    await tx.execute(
        """
        update triggers set is_armed = %(is_armed)s, cooled_at = coalesce(
          clock_timestamp() + make_interval(secs => %(cooldown_seconds)s::float8), cooled_at)
        where id = %(id)s""",
        id=id,
        is_armed=is_armed,
        cooldown_seconds=cooldown_seconds,
    )


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from triggers where id = %(id)s", id=id) == 1


async def now(tx: Transaction) -> datetime:
    """Only the database's clock decides what is due."""
    return await tx.value("select clock_timestamp()")


async def tell(tx: Transaction) -> None:
    """Wakes whoever waits for the next due time, because that has changed."""
    await tx.execute("select pg_notify(%(channel)s, '')", channel=CHANNEL)


@dataclass(frozen=True)
class Due:
    """Something to do in `in_seconds`: a trigger whose time comes, a firing to take up, events to look at."""

    kind: Literal["trigger", "firing", "events"]
    id: UUID | None
    workspace_id: UUID
    in_seconds: float


async def due(tx: Transaction, resting: Sequence[UUID], limit: int) -> list[Due]:
    """What is due in all workspaces, or will be next, soonest first. resting: ids to leave alone for now."""
    return await tx.many(
        Due,
        """
        (select 'trigger' as kind, id, workspace_id,
           extract(epoch from next_at - clock_timestamp())::float8 as in_seconds
         from triggers where next_at is not null and id <> all(%(resting)s::uuid[]) order by next_at limit %(limit)s)
        union all
        (select 'firing', id, workspace_id, extract(epoch from retry_at - clock_timestamp())::float8
         from trigger_firings where retry_at is not null and id <> all(%(resting)s::uuid[])
         order by retry_at limit %(limit)s)
        union all
        (select distinct 'events', null::uuid, workspace_id, 0::float8
         from (select workspace_id from trigger_events where workspace_id <> all(%(resting)s::uuid[])
               order by id limit %(limit)s) queue)
        order by in_seconds""",
        resting=list(resting),
        limit=limit,
    )


@dataclass(frozen=True)
class Door:
    """Where a hook belongs. Found across workspaces, because whoever calls has no key."""

    id: UUID
    workspace_id: UUID


async def door(tx: Transaction, id: UUID | None, token_hash: bytes | None) -> Door | None:
    return await tx.one_or_none(
        Door,
        """
        select id, workspace_id from triggers
        where kind = 'webhook' and (id = %(id)s and token_hash is null or token_hash = %(token_hash)s)""",
        id=id,
        token_hash=token_hash,
    )


async def shared_door(tx: Transaction, share_hash: bytes) -> Door | None:
    return await tx.one_or_none(
        Door, "select id, workspace_id from triggers where share_hash = %(share_hash)s", share_hash=share_hash
    )


async def set_share(tx: Transaction, id: UUID, share_hash: bytes | None) -> None:
    await tx.execute(
        "update triggers set share_hash = %(share_hash)s, updated_at = clock_timestamp() where id = %(id)s",
        id=id,
        share_hash=share_hash,
    )


async def hold_slug(tx: Transaction, slug: str) -> UUID | None:
    """The trigger that has the slug; nobody else can take it until the transaction ends."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('triggers:' || current_workspace()::text || %(slug)s, 0))",
        slug=slug,
    )
    return await find_slug(tx, slug)


async def find_slug(tx: Transaction, slug: str) -> UUID | None:
    return await tx.value("select id from triggers where slug = %(slug)s", slug=slug)


async def of_target(tx: Transaction, id: UUID) -> list[UUID]:
    """The triggers of an agent or workflow, which is held until the transaction ends."""
    await tx.execute("select from agents where id = %(id)s for update", id=id)
    await tx.execute("select from workflows where id = %(id)s for update", id=id)
    return await tx.values("select id from triggers where agent_id = %(id)s or workflow_id = %(id)s", id=id)


async def sealed_secret(tx: Transaction, id: UUID) -> bytes | None:
    return await tx.value("select sealed_secret from triggers where id = %(id)s", id=id)


async def set_credentials(tx: Transaction, id: UUID, sealed_secret: bytes | None, token_hash: bytes | None) -> None:
    await tx.execute(
        """
        update triggers set sealed_secret = %(sealed_secret)s, token_hash = %(token_hash)s,
          updated_at = clock_timestamp() where id = %(id)s""",
        id=id,
        sealed_secret=sealed_secret,
        token_hash=token_hash,
    )


async def has_session(tx: Transaction, id: UUID, agent_id: UUID) -> bool:
    return bool(
        await tx.value(
            "select true from sessions where id = %(id)s and agent_id = %(agent_id)s and deleted_at is null",
            id=id,
            agent_id=agent_id,
        )
    )


async def has_agent(tx: Transaction, id: UUID) -> bool:
    return bool(await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=id))


async def has_workflow(tx: Transaction, id: UUID) -> bool:
    return bool(await tx.value("select true from workflows where id = %(id)s and deleted_at is null", id=id))
