"""SQL for what sandboxes leave behind: snapshots, artifacts, egress decisions, usage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from glia.files.types import FileRef
from glia.kit.db import Transaction
from glia.kit.pages import Window
from glia.sandboxes.egress.types import Decision
from glia.sandboxes.records import Artifact, EgressEntry, Owner, SandboxRecord, SandboxUsage, Snapshot


async def insert_snapshot(tx: Transaction, snapshot: Snapshot, *, workspace_id: UUID, project_id: UUID) -> None:
    await tx.execute(
        """
        insert into sandbox_snapshots (id, workspace_id, project_id, session_id, sandbox_id, name, file_id,
          content_sha256, size_bytes, created_at)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(sandbox_id)s, %(name)s, %(file_id)s,
          %(content_sha256)s, %(size_bytes)s, %(created_at)s)""",
        id=snapshot.id,
        workspace_id=workspace_id,
        project_id=project_id,
        session_id=snapshot.session_id,
        sandbox_id=snapshot.sandbox_id,
        name=snapshot.name,
        file_id=snapshot.file_id,
        content_sha256=snapshot.content_sha256,
        size_bytes=snapshot.size_bytes,
        created_at=snapshot.created_at,
    )


async def insert_forked(tx: Transaction, snapshot: Snapshot) -> None:
    """For a session of the transaction's workspace; its workspace and project are the session's."""
    await tx.execute(
        """
        insert into sandbox_snapshots (id, workspace_id, project_id, session_id, name, file_id, content_sha256,
          size_bytes, created_at)
        select %(id)s, workspace_id, project_id, id, %(name)s, %(file_id)s, %(content_sha256)s, %(size_bytes)s,
          %(created_at)s
        from sessions where id = %(session_id)s""",
        id=snapshot.id,
        session_id=snapshot.session_id,
        name=snapshot.name,
        file_id=snapshot.file_id,
        content_sha256=snapshot.content_sha256,
        size_bytes=snapshot.size_bytes,
        created_at=snapshot.created_at,
    )


async def snapshot(tx: Transaction, id: UUID) -> Snapshot | None:
    return await tx.one_or_none(
        Snapshot,
        """
        select id, session_id, sandbox_id, name, file_id, content_sha256, size_bytes, created_at
        from sandbox_snapshots where id = %(id)s""",
        id=id,
    )


async def snapshots(
    tx: Transaction, window: Window, *, session_id: UUID | None = None, sandbox_id: UUID | None = None
) -> list[Snapshot]:
    """Newest first: of a session, of a sandbox, or all."""
    return await tx.many(
        Snapshot,
        """
        select id, session_id, sandbox_id, name, file_id, content_sha256, size_bytes, created_at
        from sandbox_snapshots
        where (%(session_id)s::uuid is null or session_id = %(session_id)s)
          and (%(sandbox_id)s::uuid is null or sandbox_id = %(sandbox_id)s)
          and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        session_id=session_id,
        sandbox_id=sandbox_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def delete_snapshot(tx: Transaction, id: UUID) -> UUID | None:
    """The file that nothing needs any more, if that is so."""
    return await tx.value(
        """
        with gone as (delete from sandbox_snapshots where id = %(id)s returning file_id)
        select file_id from gone
        where not exists (select from sandbox_snapshots s where s.file_id = gone.file_id and s.id <> %(id)s)""",
        id=id,
    )


async def surplus_snapshots(tx: Transaction, session_id: UUID, *, most: int, most_bytes: int) -> list[UUID]:
    """The oldest of a session's unnamed snapshots beyond so many, or so many bytes of distinct files."""
    return await tx.values(
        """
        with sized as (
          select id, name, row_number() over newest as place,
            sum(case when is_first then size_bytes else 0 end) over newest as bytes
          from (
            select *, row_number() over (partition by file_id order by id desc) = 1 as is_first
            from sandbox_snapshots where session_id = %(session_id)s) each
          window newest as (order by id desc))
        select id from sized where name = '' and place > 1 and (place > %(most)s or bytes > %(most_bytes)s)""",
        session_id=session_id,
        most=most,
        most_bytes=most_bytes,
    )


async def insert_artifact(
    tx: Transaction, id: UUID, file: FileRef, *, owner: Owner, session_id: UUID, run_id: UUID | None, path: str
) -> Artifact:
    return await tx.one(
        Artifact,
        """
        insert into artifacts (id, workspace_id, project_id, session_id, run_id, path, name, media_type, size_bytes,
          sha256, file_id)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(session_id)s, %(run_id)s, %(path)s, %(name)s,
          %(media_type)s, %(size_bytes)s, %(sha256)s, %(file_id)s)
        returning id, session_id, run_id, path, name, media_type, size_bytes, sha256, file_id, created_at""",
        id=id,
        workspace_id=owner.workspace_id,
        project_id=owner.project_id,
        session_id=session_id,
        run_id=run_id,
        path=path,
        name=file.name,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        file_id=file.id,
    )


async def artifact(tx: Transaction, session_id: UUID, id: UUID) -> Artifact | None:
    return await tx.one_or_none(
        Artifact,
        """
        select id, session_id, run_id, path, name, media_type, size_bytes, sha256, file_id, created_at
        from artifacts where id = %(id)s and session_id = %(session_id)s""",
        id=id,
        session_id=session_id,
    )


async def artifacts(tx: Transaction, session_id: UUID, window: Window) -> list[Artifact]:
    return await tx.many(
        Artifact,
        """
        select id, session_id, run_id, path, name, media_type, size_bytes, sha256, file_id, created_at
        from artifacts where session_id = %(session_id)s and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        session_id=session_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def write_decisions(
    tx: Transaction, decisions: Sequence[Decision], *, workspace_id: UUID, sandbox_id: UUID
) -> None:
    """New ones, and the bytes of those that are known. None when the sandbox was deleted meanwhile."""
    await tx.execute_many(
        """
        insert into sandbox_egress (id, workspace_id, sandbox_id, at, method, host, port, verdict, reason, sent_bytes,
          received_bytes)
        select %(id)s, %(workspace_id)s, %(sandbox_id)s, %(at)s, %(method)s, %(host)s, %(port)s, %(verdict)s,
          %(reason)s, %(sent_bytes)s, %(received_bytes)s
        where exists (select from sandboxes where id = %(sandbox_id)s)
        on conflict (id) do update set verdict = excluded.verdict, reason = excluded.reason,
          sent_bytes = excluded.sent_bytes, received_bytes = excluded.received_bytes""",
        [
            {
                "id": each.id,
                "workspace_id": workspace_id,
                "sandbox_id": sandbox_id,
                "at": each.at,
                "method": each.method,
                "host": each.host,
                "port": each.port,
                "verdict": each.verdict,
                "reason": each.reason,
                "sent_bytes": each.sent_bytes,
                "received_bytes": each.received_bytes,
            }
            for each in decisions
        ],
    )


async def cap_decisions(tx: Transaction, sandbox_id: UUID, most: int) -> None:
    await tx.execute(
        """
        delete from sandbox_egress where sandbox_id = %(sandbox_id)s and id < (
          select id from sandbox_egress where sandbox_id = %(sandbox_id)s order by id desc offset %(most)s limit 1)""",
        sandbox_id=sandbox_id,
        most=most - 1,
    )


async def decisions(tx: Transaction, sandbox_id: UUID, window: Window) -> list[EgressEntry]:
    return await tx.many(
        EgressEntry,
        """
        select id, at, method, host, port, verdict, reason, sent_bytes, received_bytes
        from sandbox_egress where sandbox_id = %(sandbox_id)s and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        sandbox_id=sandbox_id,
        after=window.after,
        rows=window.limit + 1,
    )


async def insert_usage(
    tx: Transaction, id: UUID, of: SandboxRecord, *, wall_seconds: float, cpu_seconds: float, memory_gib_seconds: float
) -> None:
    await tx.execute(
        """
        insert into sandbox_usage (id, workspace_id, project_id, sandbox_id, session_id, wall_seconds, cpu_seconds,
          memory_gib_seconds)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(sandbox_id)s, %(session_id)s, %(wall_seconds)s,
          %(cpu_seconds)s, %(memory_gib_seconds)s)""",
        id=id,
        workspace_id=of.workspace_id,
        project_id=of.project_id,
        sandbox_id=of.id,
        session_id=of.session_id,
        wall_seconds=wall_seconds,
        cpu_seconds=cpu_seconds,
        memory_gib_seconds=memory_gib_seconds,
    )


async def usage(
    tx: Transaction, since: datetime, until: datetime, group_by: str | None, limit: int
) -> list[SandboxUsage]:
    return await tx.many(
        SandboxUsage,
        """
        select case %(group_by)s::text
            when 'day' then to_char(at at time zone 'UTC', 'YYYY-MM-DD')
            when 'sandbox' then sandbox_id::text
            when 'session' then session_id::text
          end as group,
          count(distinct sandbox_id) as sandboxes,
          coalesce(sum(wall_seconds), 0) as wall_seconds,
          coalesce(sum(cpu_seconds), 0) as cpu_seconds,
          coalesce(sum(memory_gib_seconds), 0) as memory_gib_seconds
        from sandbox_usage where at >= %(since)s and at < %(until)s
        group by 1 order by (case when %(group_by)s::text = 'day' then 0 else sum(cpu_seconds) end) desc, 1
        limit %(limit)s""",
        since=since,
        until=until,
        group_by=group_by,
        limit=limit,
    )
