"""SQL of approvals: what people are asked, what they decided, and what they allowed for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from glia.kit.db import Transaction
from glia.kit.pages import Window
from glia.runs.events import ApprovalRequested, encode_any
from glia.runs.types import Approval, Run

_APPROVALS = """
    select a.id, a.run_id, a.session_id, a.agent_id, a.tool_call_id, a.tool, a.effect, a.reason, a.arguments, a.status,
      a.edited_arguments, a.note, a.decided_by, a.decided_at, a.expires_at, a.created_at, s.title as session_title,
      v.name as agent_name, r.kind as run_kind
    from approvals a join sessions s on s.id = a.session_id join runs r on r.id = a.run_id
      left join agent_versions v on v.agent_id = r.agent_id and v.version = r.agent_version """


async def insert(tx: Transaction, run: Run, asked: ApprovalRequested) -> None:
    await tx.execute(
        """
        insert into approvals (id, workspace_id, project_id, run_id, session_id, agent_id, tool_call_id, tool, effect,
          reason, arguments, expires_at)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(run_id)s, %(session_id)s, %(agent_id)s, %(tool_call_id)s,
          %(tool)s, %(effect)s, %(reason)s, %(arguments)s::json, %(expires_at)s)""",
        id=asked.approval_id,
        workspace_id=run.workspace_id,
        project_id=run.project_id,
        run_id=run.id,
        session_id=run.session_id,
        agent_id=run.agent_id,
        tool_call_id=asked.tool_call_id,
        tool=asked.tool,
        effect=asked.effect,
        reason=asked.reason,
        arguments=encode_any(asked.arguments),
        expires_at=asked.expires_at,
    )


async def get(tx: Transaction, id: UUID) -> Approval | None:
    return await tx.one_or_none(Approval, _APPROVALS + "where a.id = %(id)s", id=id)


async def list_page(
    tx: Transaction,
    window: Window,
    *,
    status: str | None,
    run_id: UUID | None,
    session_id: UUID | None,
    agent_id: UUID | None,
    project_id: UUID | None,
) -> list[Approval]:
    return await tx.many(
        Approval,
        _APPROVALS
        + """
        where (%(status)s::text is null or a.status = %(status)s)
          and (%(run_id)s::uuid is null or a.run_id = %(run_id)s)
          and (%(session_id)s::uuid is null or a.session_id = %(session_id)s)
          and (%(agent_id)s::uuid is null or a.agent_id = %(agent_id)s)
          and (%(project_id)s::uuid is null or a.project_id = %(project_id)s)
          and (%(after)s::uuid is null or a.id < %(after)s)
        order by a.id desc limit %(rows)s""",
        status=status,
        run_id=run_id,
        session_id=session_id,
        agent_id=agent_id,
        project_id=project_id,
        after=window.after,
        rows=window.limit + 1,
    )


@dataclass(frozen=True)
class Pending:
    """An approval that may be decided, held until the transaction ends, together with its run."""

    run_id: UUID
    session_id: UUID
    agent_id: UUID | None
    tool: str
    tool_call_id: str
    status: str
    is_expired: bool
    attempt: int
    run_kind: str


async def hold(tx: Transaction, id: UUID) -> Pending | None:
    """The run's row is held before the approval's: it is what a run that begins to wait holds."""
    await tx.execute("select from runs where id = (select run_id from approvals where id = %(id)s) for update", id=id)
    return await tx.one_or_none(
        Pending,
        """
        select a.run_id, a.session_id, a.agent_id, a.tool, a.tool_call_id, a.status,
          coalesce(a.expires_at <= clock_timestamp(), false) as is_expired, r.attempt, r.kind as run_kind
        from approvals a join runs r on r.id = a.run_id where a.id = %(id)s for update of a""",
        id=id,
    )


async def decide(tx: Transaction, id: UUID, *, status: str, by: str, note: str, edited_arguments: str | None) -> None:
    await tx.execute(
        """
        update approvals set status = %(status)s, decided_by = %(by)s, decided_at = clock_timestamp(), note = %(note)s,
          edited_arguments = %(edited_arguments)s::json
        where id = %(id)s and status = 'pending'""",
        id=id,
        status=status,
        by=by,
        note=note,
        edited_arguments=edited_arguments,
    )


async def has_pending(tx: Transaction, run_id: UUID) -> bool:
    return bool(
        await tx.value(
            "select true from approvals where run_id = %(run_id)s and status = 'pending' limit 1", run_id=run_id
        )
    )


async def expire(tx: Transaction, ids: Sequence[UUID]) -> list[UUID]:
    """Ends those of these that nobody decided in time, and returns them."""
    return await tx.values(
        """
        update approvals set status = 'expired', decided_at = clock_timestamp()
        where id = any(%(ids)s) and status in ('pending', 'expired') and expires_at <= clock_timestamp()
        returning id""",
        ids=list(ids),
    )


async def withdraw(tx: Transaction, run_id: UUID) -> None:
    """The run has ended; nobody need decide anything for it."""
    await tx.execute(
        "update approvals set status = 'cancelled' where run_id = %(run_id)s and status = 'pending'", run_id=run_id
    )


async def grant(tx: Transaction, workspace_id: UUID, agent_id: UUID, tool: str, by: str) -> None:
    await tx.execute(
        """
        insert into permission_grants (workspace_id, agent_id, tool, granted_by)
        values (%(workspace_id)s, %(agent_id)s, %(tool)s, %(by)s) on conflict do nothing""",
        workspace_id=workspace_id,
        agent_id=agent_id,
        tool=tool,
        by=by,
    )


async def revoke(tx: Transaction, agent_id: UUID, tool: str) -> bool:
    count = await tx.execute(
        "delete from permission_grants where agent_id = %(agent_id)s and tool = %(tool)s",
        agent_id=agent_id,
        tool=tool,
    )
    return count == 1


async def granted(tx: Transaction, agent_id: UUID) -> list[str]:
    return await tx.values(
        "select tool from permission_grants where agent_id = %(agent_id)s order by tool limit 1000", agent_id=agent_id
    )
