"""SQL for sandboxes and the processes that hold them. Snapshots, artifacts and logs are in `kept_queries.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.sandboxes.records import Host, SandboxRecord, SandboxStatus

_COLUMNS: LiteralString = """
  id, workspace_id, project_id, session_id, name, template, status, reason, limits, env, allow_hosts, secrets, metadata,
  backend, backend_id, host_id, host_name, machine, lease_seconds, lease_until, on_timeout, created_by, created_at,
  started_at, ended_at, sealed_secrets"""

_HOST: LiteralString = """
  id, name, machine, namespace, pid, process_started,
  extract(epoch from clock_timestamp() - seen_at)::float8 as seconds_silent"""


async def lock_workspace(tx: Transaction, workspace_id: UUID) -> None:
    """Until the transaction ends, no other sandbox of this workspace is counted and made."""
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('glia.sandboxes.' || %(id)s, 0))", id=str(workspace_id)
    )


async def count_living(tx: Transaction) -> int:
    return int(await tx.value("select count(*) from sandboxes where status <> 'stopped'"))


async def has_session(tx: Transaction, id: UUID) -> bool:
    return bool(await tx.value("select exists (select from sessions where id = %(id)s and deleted_at is null)", id=id))


async def insert(tx: Transaction, record: SandboxRecord) -> None:
    await tx.execute(
        """
        insert into sandboxes (id, workspace_id, project_id, session_id, name, template, status, limits, env,
          allow_hosts, secrets, sealed_secrets, metadata, backend, backend_id, host_id, host_name, machine,
          lease_seconds, lease_until, on_timeout, created_by)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(name)s, %(template)s, %(status)s,
          %(limits)s, %(env)s, %(allow_hosts)s, %(secrets)s, %(sealed_secrets)s, %(metadata)s, %(backend)s,
          %(backend_id)s, %(host_id)s, %(host_name)s, %(machine)s, %(lease_seconds)s, %(lease_until)s,
          %(on_timeout)s, %(created_by)s)""",
        id=record.id,
        workspace_id=record.workspace_id,
        project_id=record.project_id,
        session_id=record.session_id,
        name=record.name,
        template=record.template,
        status=record.status.value,
        limits=json(record.limits),
        env=json(record.env),
        allow_hosts=list(record.allow_hosts),
        secrets=json(list(record.secrets)),
        sealed_secrets=record.sealed_secrets,
        metadata=json(record.metadata),
        backend=record.backend,
        backend_id=record.backend_id,
        host_id=record.host_id,
        host_name=record.host_name,
        machine=record.machine,
        lease_seconds=record.lease_seconds,
        lease_until=record.lease_until,
        on_timeout=record.on_timeout,
        created_by=record.created_by,
    )


async def get(tx: Transaction, id: UUID) -> SandboxRecord | None:
    return await tx.one_or_none(SandboxRecord, f"select {_COLUMNS} from sandboxes where id = %(id)s", id=id)


async def of_session(tx: Transaction, session_id: UUID) -> SandboxRecord | None:
    """The session's sandbox, unless it has stopped."""
    return await tx.one_or_none(
        SandboxRecord,
        f"select {_COLUMNS} from sandboxes where session_id = %(session_id)s and status <> 'stopped'",
        session_id=session_id,
    )


async def list_page(tx: Transaction, window: Window, session_id: UUID | None) -> list[SandboxRecord]:
    return await tx.many(
        SandboxRecord,
        f"""
        select {_COLUMNS} from sandboxes
        where (%(session_id)s::uuid is null or session_id = %(session_id)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        session_id=session_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def set_status(
    tx: Transaction, id: UUID, status: SandboxStatus, *, host_id: UUID, reason: str = "", backend_id: str | None = None
) -> bool:
    """False when another process has taken the sandbox over, or it was deleted."""
    count = await tx.execute(
        """
        update sandboxes set status = %(status)s, reason = %(reason)s,
          backend_id = coalesce(%(backend_id)s, backend_id),
          started_at = case when %(status)s = 'running' then coalesce(started_at, now()) else started_at end,
          ended_at = case when %(status)s = 'stopped' then now() end,
          host_id = case when %(status)s in ('stopped', 'sleeping') then null else host_id end
        where id = %(id)s and host_id = %(host_id)s""",
        id=id,
        status=status.value,
        reason=reason,
        host_id=host_id,
        backend_id=backend_id,
    )
    return count == 1


async def take_over(tx: Transaction, id: UUID, *, old: UUID | None, new: Host, lease_until: datetime) -> bool:
    """Makes a process the sandbox's holder if it is still held as before."""
    count = await tx.execute(
        """
        update sandboxes set host_id = %(new)s, host_name = %(name)s, machine = %(machine)s, status = 'starting',
          lease_until = %(lease_until)s
        where id = %(id)s and host_id is not distinct from %(old)s and status <> 'stopped'""",
        id=id,
        old=old,
        new=new.id,
        name=new.name,
        machine=new.machine,
        lease_until=lease_until,
    )
    return count == 1


async def set_lease(tx: Transaction, id: UUID, seconds: int, until: datetime) -> bool:
    count = await tx.execute(
        "update sandboxes set lease_seconds = %(seconds)s, lease_until = %(until)s where id = %(id)s",
        id=id,
        seconds=seconds,
        until=until,
    )
    return count == 1


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from sandboxes where id = %(id)s", id=id) == 1


# --- across workspaces: what a process does for all of its sandboxes ------------------------------------------------


async def beat(tx: Transaction, host: Host) -> None:
    """Says that the process lives, and forgets those that have been silent for a day."""
    await tx.execute(
        """
        insert into sandbox_hosts (id, name, machine, namespace, pid, process_started)
        values (%(id)s, %(name)s, %(machine)s, %(namespace)s, %(pid)s, %(process_started)s)
        on conflict (id) do update set seen_at = clock_timestamp()""",
        id=host.id,
        name=host.name,
        machine=host.machine,
        namespace=host.namespace,
        pid=host.pid,
        process_started=host.process_started,
    )
    await tx.execute("delete from sandbox_hosts where seen_at < now() - interval '1 day'")


async def leave(tx: Transaction, host_id: UUID) -> None:
    """The process ends: its sandboxes sleep."""
    await tx.execute(
        """
        update sandboxes set status = 'sleeping', host_id = null, reason = 'The server was stopped; the files are kept.'
        where host_id = %(id)s""",
        id=host_id,
    )
    await tx.execute("delete from sandbox_hosts where id = %(id)s", id=host_id)


async def hosts(tx: Transaction, ids: Sequence[UUID]) -> list[Host]:
    return await tx.many(Host, f"select {_HOST} from sandbox_hosts where id = any(%(ids)s)", ids=list(ids))


async def hosts_of_machine(tx: Transaction, machine: str) -> list[Host]:
    return await tx.many(Host, f"select {_HOST} from sandbox_hosts where machine = %(machine)s", machine=machine)


async def held_by(tx: Transaction, host_id: UUID) -> list[UUID]:
    return await tx.values("select id from sandboxes where host_id = %(host_id)s", host_id=host_id)


async def kept_on(tx: Transaction, machine: str) -> list[str]:
    """The workspaces on this machine that still belong to a sandbox."""
    return await tx.values(
        "select backend_id from sandboxes where machine = %(machine)s and status <> 'stopped'", machine=machine
    )


async def put_to_sleep(tx: Transaction, host_ids: Sequence[UUID], reason: str) -> int:
    """The sandboxes of processes that are dead."""
    return await tx.execute(
        """
        update sandboxes set status = 'sleeping', host_id = null, reason = %(reason)s where host_id = any(%(ids)s)""",
        ids=list(host_ids),
        reason=reason,
    )


async def write_leases(tx: Transaction, leases: Sequence[tuple[UUID, datetime]]) -> None:
    await tx.execute_many(
        "update sandboxes set lease_until = %(until)s where id = %(id)s",
        [{"id": id, "until": until} for id, until in leases],
    )


async def expired_asleep(tx: Transaction, machine: str, limit: int) -> list[SandboxRecord]:
    """Sleeping sandboxes of this machine whose lease is over, and stopped ones that nobody looked at for a day."""
    return await tx.many(
        SandboxRecord,
        f"""
        select {_COLUMNS} from sandboxes
        where machine = %(machine)s and (
          status = 'sleeping' and on_timeout = 'kill' and lease_until < now()
          or status = 'stopped' and ended_at < now() - interval '1 day')
        order by id limit %(limit)s""",
        machine=machine,
        limit=limit,
    )


async def close_asleep(tx: Transaction, id: UUID, reason: str) -> bool:
    """Ends a sleeping sandbox, unless someone has woken it meanwhile."""
    count = await tx.execute(
        """
        update sandboxes set status = 'stopped', reason = %(reason)s, ended_at = now()
        where id = %(id)s and status = 'sleeping'""",
        id=id,
        reason=reason,
    )
    return count == 1
