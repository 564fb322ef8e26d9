"""Keeps what runs think, in the transaction that puts it into their log."""

from __future__ import annotations

from glia.kit.db import Transaction
from glia.kit.ids import new_id
from glia.plans import queries
from glia.plans.types import PlanStatus
from glia.runs.events import PlanMade, ReflectionMade
from glia.runs.types import Run


class PlanNotebook:
    async def plan_made(self, tx: Transaction, run: Run, plan: PlanMade) -> None:
        await queries.insert_plan(
            tx,
            new_id(),
            plan,
            workspace_id=run.workspace_id,
            project_id=run.project_id,
            agent_id=run.agent_id,
            session_id=run.session_id,
            run_id=run.id,
            status=PlanStatus.EXECUTING,
            created_by="agent",
        )

    async def reflected(self, tx: Transaction, run: Run, reflection: ReflectionMade, *, task: str, answer: str) -> None:
        await queries.insert_reflection(
            tx,
            new_id(),
            reflection,
            workspace_id=run.workspace_id,
            project_id=run.project_id,
            agent_id=run.agent_id,
            session_id=run.session_id,
            run_id=run.id,
            task=task,
            answer=answer,
            created_by="agent",
        )
