"""Evaluations that are meant to be done: noted first, begun later, or filled in by those who did them elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString
from uuid import UUID

from glia.agents.errors import AgentNotFound
from glia.evaluations.checks import check_metadata
from glia.evaluations.errors import EvaluationNotFound, ResultNotFound
from glia.evaluations.types import PlannedEvaluation, RetrievalMeasure
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction, json
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

LONGEST_VERSION = 200
MOST_PASSAGES = 1000


_PLANNED: LiteralString = (
    "id, dataset_version, agent_id, evaluation_id, total, passed, failed, score, metadata, created_at, completed_at"
)
_MEASURE: LiteralString = "id, result_id, recall_at_k, mrr, grounding_passed, retrieved, relevant, created_at"


class PlannedEvaluations:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        principal: Principal,
        dataset_version: str,
        *,
        agent_id: UUID | None = None,
        total: int = 0,
        metadata: dict[str, object] | None = None,
    ) -> PlannedEvaluation:
        principal.require("evaluations:write")
        if not 1 <= len(dataset_version) <= LONGEST_VERSION:
            raise InvalidRequest(
                f"`dataset_version` has {len(dataset_version)} characters; it must have 1 to {LONGEST_VERSION}.",
                field="dataset_version",
            )
        check_metadata(metadata or {})
        async with self._db.transaction(principal.workspace_id) as tx:
            if agent_id is not None and not await _has_agent(tx, agent_id):
                raise AgentNotFound(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")
            return await tx.one(
                PlannedEvaluation,
                """
                insert into planned_evaluations (id, workspace_id, project_id, dataset_version, agent_id, total,
                  metadata)
                values (%(id)s, %(workspace_id)s, %(project_id)s, %(version)s, %(agent_id)s, %(total)s, %(metadata)s)
                returning """
                + _PLANNED,
                id=new_id(),
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                version=dataset_version,
                agent_id=agent_id,
                total=total,
                metadata=json(metadata or {}),
            )

    async def get(self, principal: Principal, id: UUID) -> PlannedEvaluation:
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _planned(tx, id)

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        dataset_version: str | None = None,
        agent_id: UUID | None = None,
    ) -> Page[PlannedEvaluation]:
        """Newest first."""
        principal.require("evaluations:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await tx.many(
                PlannedEvaluation,
                "select "
                + _PLANNED
                + """ from planned_evaluations
                where (%(version)s::text is null or dataset_version = %(version)s)
                  and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
                  and (%(after)s::uuid is null or id < %(after)s)
                order by id desc limit %(rows)s""",
                version=dataset_version,
                agent_id=agent_id,
                after=window.after,
                rows=window.limit + 1,
            )
        return page_of(rows, window, lambda planned: planned.id)

    async def update(
        self, principal: Principal, id: UUID, changes: Mapping[str, Any], *, is_over: bool = False
    ) -> PlannedEvaluation:
        """changes: `evaluation_id`, `total`, `passed`, `failed` and `score`; what is not given stays."""
        principal.require("evaluations:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await _planned(tx, id)
            after = {
                name: changes.get(name, getattr(before, name))
                for name in ("evaluation_id", "total", "passed", "failed", "score")
            }
            return await tx.one(
                PlannedEvaluation,
                """
                update planned_evaluations set evaluation_id = %(evaluation_id)s, total = %(total)s,
                  passed = %(passed)s, failed = %(failed)s, score = %(score)s,
                  completed_at = case when %(is_over)s then now() else completed_at end
                where id = %(id)s returning """
                + _PLANNED,
                id=id,
                is_over=is_over,
                **after,
            )

    async def add_measure(
        self,
        principal: Principal,
        result_id: UUID,
        *,
        retrieved: list[str],
        relevant: list[str],
        grounding_passed: bool,
        recall_at_k: float | None = None,
        mrr: float | None = None,
    ) -> RetrievalMeasure:
        """recall_at_k, mrr: counted from the passages when they are not given and some are relevant."""
        principal.require("evaluations:write")
        if len(retrieved) > MOST_PASSAGES or len(relevant) > MOST_PASSAGES:
            raise InvalidRequest(f"There are more than {MOST_PASSAGES} passages.", field="retrieved_chunks")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await tx.value("select true from evaluation_results where id = %(id)s", id=result_id):
                raise ResultNotFound(f"There is no result '{result_id}' in this workspace.", result_id=str(result_id))
            return await tx.one(
                RetrievalMeasure,
                """
                insert into retrieval_measures (id, workspace_id, result_id, recall_at_k, mrr, grounding_passed,
                  retrieved, relevant)
                values (%(id)s, %(workspace_id)s, %(result_id)s, %(recall)s, %(mrr)s, %(grounding)s, %(retrieved)s,
                  %(relevant)s)
                returning """
                + _MEASURE,
                id=new_id(),
                workspace_id=principal.workspace_id,
                result_id=result_id,
                recall=recall_of(retrieved, relevant) if recall_at_k is None else recall_at_k,
                mrr=reciprocal_rank_of(retrieved, relevant) if mrr is None else mrr,
                grounding=grounding_passed,
                retrieved=json(retrieved),
                relevant=json(relevant),
            )


def recall_of(retrieved: list[str], relevant: list[str]) -> float | None:
    """How much of what is relevant was found; None when nothing is."""
    wanted = set(relevant)
    return len(wanted & set(retrieved)) / len(wanted) if wanted else None


def reciprocal_rank_of(retrieved: list[str], relevant: list[str]) -> float | None:
    """One divided by the rank of the first passage that is relevant; 0 when none is found, None when nothing is."""
    wanted = set(relevant)
    if not wanted:
        return None
    return next((1 / rank for rank, passage in enumerate(retrieved, start=1) if passage in wanted), 0.0)


async def _has_agent(tx: Transaction, id: UUID) -> bool:
    return bool(await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=id))


async def _planned(tx: Transaction, id: UUID) -> PlannedEvaluation:
    found = await tx.one_or_none(
        PlannedEvaluation, "select " + _PLANNED + " from planned_evaluations where id = %(id)s", id=id
    )
    if found is None:
        raise EvaluationNotFound(f"There is no evaluation '{id}' in this workspace.", evaluation_id=str(id))
    return found
