"""All SQL of the verification slice."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.verification.types import Rule, RuleKind, Verdict, Verification

_RULE: LiteralString = "id, agent_id, kind, criteria, is_enabled, created_at, updated_at"
_VERIFICATION: LiteralString = (
    "id, agent_id, session_id, output_id, output_content, priority, status, passed, issues, suggestions, confidence,"
    " verified_by, error, created_at, verified_at"
)


async def has_agent(tx: Transaction, agent_id: UUID, session_id: UUID | None) -> bool:
    return bool(
        await tx.value(
            """
            select exists (select from agents where id = %(agent_id)s and deleted_at is null)
              and (%(session_id)s::uuid is null or exists (select from sessions where id = %(session_id)s))""",
            agent_id=agent_id,
            session_id=session_id,
        )
    )


async def insert_rule(
    tx: Transaction,
    id: UUID,
    agent_id: UUID,
    kind: RuleKind,
    criteria: dict[str, Any],
    *,
    is_enabled: bool,
    workspace_id: UUID,
    project_id: UUID,
) -> Rule:
    return await tx.one(
        Rule,
        """
        insert into verification_rules (id, workspace_id, project_id, agent_id, kind, criteria, is_enabled)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(kind)s, %(criteria)s, %(is_enabled)s)
        returning """
        + _RULE,
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=agent_id,
        kind=kind,
        criteria=json(criteria),
        is_enabled=is_enabled,
    )


async def get_rule(tx: Transaction, id: UUID) -> Rule | None:
    return await tx.one_or_none(
        Rule, "select " + _RULE + " from verification_rules where id = %(id)s for update", id=id
    )


async def update_rule(tx: Transaction, rule: Rule) -> Rule:
    return await tx.one(
        Rule,
        """
        update verification_rules set kind = %(kind)s, criteria = %(criteria)s, is_enabled = %(is_enabled)s,
          updated_at = now()
        where id = %(id)s returning """
        + _RULE,
        id=rule.id,
        kind=rule.kind,
        criteria=json(rule.criteria),
        is_enabled=rule.is_enabled,
    )


async def delete_rule(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from verification_rules where id = %(id)s", id=id) == 1


async def rules_of(tx: Transaction, agent_id: UUID) -> list[Rule]:
    """Oldest first."""
    return await tx.many(
        Rule,
        "select " + _RULE + " from verification_rules where agent_id = %(agent_id)s order by id",
        agent_id=agent_id,
    )


async def count_waiting(tx: Transaction) -> int:
    return await tx.value("select count(*) from verifications where status = 'pending'")


async def insert(
    tx: Transaction,
    id: UUID,
    agent_id: UUID,
    content: str,
    *,
    session_id: UUID | None,
    output_id: str | None,
    priority: int,
    workspace_id: UUID,
    project_id: UUID,
) -> Verification:
    return await tx.one(
        Verification,
        """
        insert into verifications (id, workspace_id, project_id, agent_id, session_id, output_id, output_content,
          priority)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(agent_id)s, %(session_id)s, %(output_id)s, %(content)s,
          %(priority)s)
        returning """
        + _VERIFICATION,
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        agent_id=agent_id,
        session_id=session_id,
        output_id=output_id,
        content=content,
        priority=priority,
    )


async def take(tx: Transaction, job: UUID) -> Verification | None:
    """The one that this job was at before a crash, else the most urgent one that waits, the oldest of them."""
    return await tx.one_or_none(
        Verification,
        """
        update verifications set status = 'running', taken_by = %(job)s
        where id = coalesce(
          (select id from verifications where taken_by = %(job)s and status = 'running' limit 1),
          (select id from verifications where status = 'pending'
           order by priority desc, id for update skip locked limit 1))
        returning """
        + _VERIFICATION,
        job=job,
    )


async def finish(tx: Transaction, id: UUID, verdict: Verdict) -> None:
    await tx.execute(
        """
        update verifications set status = 'completed', passed = %(passed)s, issues = %(issues)s,
          suggestions = %(suggestions)s, confidence = %(confidence)s, verified_by = %(verified_by)s,
          verified_at = now()
        where id = %(id)s""",
        id=id,
        passed=verdict.passed,
        issues=json([issue.stored() for issue in verdict.issues]),
        suggestions=json(list(verdict.suggestions)),
        confidence=verdict.confidence,
        verified_by=verdict.verified_by,
    )


async def fail(tx: Transaction, job: UUID, error: str) -> None:
    await tx.execute(
        """
        update verifications set status = 'failed', error = %(error)s, verified_at = now()
        where taken_by = %(job)s and status = 'running'""",
        job=job,
        error=error,
    )


async def get(tx: Transaction, id: UUID) -> Verification | None:
    return await tx.one_or_none(
        Verification, "select " + _VERIFICATION + " from verifications where id = %(id)s", id=id
    )


async def list_page(tx: Transaction, agent_id: UUID, window: Window) -> list[Verification]:
    return await tx.many(
        Verification,
        "select "
        + _VERIFICATION
        + """ from verifications
        where agent_id = %(agent_id)s and (%(after)s::uuid is null or id < %(after)s)
        order by id desc limit %(rows)s""",
        agent_id=agent_id,
        after=window.after,
        rows=window.limit + 1,
    )
