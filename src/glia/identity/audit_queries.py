"""SQL of the audit log."""

from __future__ import annotations

from uuid import UUID

from glia.identity.types import AuditEntry, AuditFilter
from glia.kit.db import Transaction, json
from glia.kit.pages import Window


async def insert_audit(
    tx: Transaction,
    *,
    id: UUID,
    workspace_id: UUID,
    actor_kind: str,
    actor_id: UUID | None,
    action: str,
    subject: str,
    data: dict[str, object],
    address: str,
) -> None:
    await tx.execute(
        """
        insert into audit_log (id, workspace_id, actor_kind, actor_id, action, subject, data, address)
        values (%(id)s, %(workspace_id)s, %(actor_kind)s, %(actor_id)s, %(action)s, %(subject)s, %(data)s,
          %(address)s)""",
        id=id,
        workspace_id=workspace_id,
        actor_kind=actor_kind,
        actor_id=actor_id,
        action=action,
        subject=subject,
        data=json(data),
        address=address,
    )


async def audit_log(tx: Transaction, window: Window, only: AuditFilter) -> list[AuditEntry]:
    return await tx.many(
        AuditEntry,
        """
        select a.id, a.at, a.actor_kind, a.actor_id, coalesce(k.name, nullif(u.name, ''), u.email) as actor_name,
          a.action, a.subject, a.data, a.address
        from audit_log a left join api_keys k on k.id = a.actor_id and a.actor_kind = 'key'
          left join users u on u.id = a.actor_id and a.actor_kind = 'user'
        where (%(after)s::uuid is null or a.id < %(after)s)
          and (%(actor_id)s::uuid is null or a.actor_id = %(actor_id)s)
          and (%(actor_kind)s::text is null or a.actor_kind = %(actor_kind)s)
          and (%(action)s::text is null or a.action = %(action)s)
          and (%(family)s::text is null or starts_with(a.action, %(family)s))
          and (%(subject)s::text is null or a.subject = %(subject)s)
          and (%(since)s::timestamptz is null or a.at >= %(since)s)
          and (%(until)s::timestamptz is null or a.at < %(until)s)
        order by a.id desc limit %(rows)s""",
        actor_id=only.actor_id,
        actor_kind=only.actor_kind,
        action=None if only.is_family else only.action,
        family=only.action[:-1] if only.action is not None and only.is_family else None,
        subject=only.subject,
        since=only.since,
        until=only.until,
        after=window.after,
        rows=window.limit + 1,
    )
