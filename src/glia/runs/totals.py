"""Figures of a workspace for those who have to account for it: what was done, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from glia.identity.types import Principal
from glia.kit.db import Database


@dataclass(frozen=True)
class Counts:
    """Of a span of time."""

    runs: int
    failed_runs: int
    tool_calls: int
    refused_tool_calls: int
    approvals: int
    denied_approvals: int
    exceeded_budgets: int
    sessions: int
    deleted_sessions: int


class Totals:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def counts(self, principal: Principal, since: datetime, until: datetime) -> Counts:
        """deleted_sessions: as the audit log has them, which keeps them for ever."""
        principal.require("usage:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await tx.one(
                Counts,
                """
                with happened as (
                  select type, data->>'status' as status from events
                  where type in ('tool.called', 'tool.returned', 'budget.exceeded')
                    and at >= %(since)s and at < %(until)s
                )
                select (select count(*) from runs where created_at >= %(since)s and created_at < %(until)s) as runs,
                  (select count(*) from runs where status = 'failed' and finished_at >= %(since)s
                     and finished_at < %(until)s) as failed_runs,
                  (select count(*) from happened where type = 'tool.called') as tool_calls,
                  (select count(*) from happened where type = 'tool.returned' and status = 'denied')
                    as refused_tool_calls,
                  (select count(*) from approvals where created_at >= %(since)s and created_at < %(until)s)
                    as approvals,
                  (select count(*) from approvals where status = 'denied' and created_at >= %(since)s
                     and created_at < %(until)s) as denied_approvals,
                  (select count(*) from happened where type = 'budget.exceeded') as exceeded_budgets,
                  (select count(*) from sessions where created_at >= %(since)s and created_at < %(until)s) as sessions,
                  (select count(*) from audit_log where action = 'session.deleted' and at >= %(since)s
                     and at < %(until)s) as deleted_sessions""",
                since=since,
                until=until,
            )
