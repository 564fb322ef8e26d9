"""Verifications: rules for an agent, answers to check, what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.kit.jobs import StartJob
from glia.kit.pages import Page, Window, page_of
from glia.runs.types import Run
from glia.verification import queries
from glia.verification.errors import InvalidRule, RuleNotFound, TooManyVerifications, VerificationNotFound
from glia.verification.measures import check_criteria
from glia.verification.types import (
    LARGEST_CRITERIA_BYTES,
    LARGEST_OUTPUT,
    MOST_RULES,
    MOST_WAITING,
    PRIORITIES,
    Priority,
    Rule,
    RuleKind,
    Verification,
)

KIND = "verification.check"


class Verifications:
    def __init__(self, db: Database, start_job: StartJob) -> None:
        self._db = db
        self._start_job = start_job

    async def add_rule(
        self,
        principal: Principal,
        agent_id: UUID,
        kind: RuleKind,
        criteria: dict[str, Any],
        *,
        is_enabled: bool = True,
    ) -> Rule:
        """Raises InvalidRule."""
        principal.require("agents:write")
        _check(kind, criteria)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_agent(tx, agent_id)
            if len(await queries.rules_of(tx, agent_id)) >= MOST_RULES:
                raise InvalidRule(f"The agent has {MOST_RULES} rules, the most; delete some.")
            where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
            return await queries.insert_rule(tx, new_id(), agent_id, kind, criteria, is_enabled=is_enabled, **where)

    async def rules(self, principal: Principal, agent_id: UUID) -> list[Rule]:
        """Oldest first."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_agent(tx, agent_id)
            return await queries.rules_of(tx, agent_id)

    async def update_rule(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> Rule:
        """changes: `kind`, `criteria` (replaced whole) and `is_enabled`."""
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            rule = await queries.get_rule(tx, id)
            if rule is None:
                raise _no_rule(id)
            changed = replace(rule, **changes)
            _check(changed.kind, changed.criteria)
            return await queries.update_rule(tx, changed)

    async def delete_rule(self, principal: Principal, id: UUID) -> None:
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete_rule(tx, id):
                raise _no_rule(id)

    async def enqueue(
        self,
        principal: Principal,
        agent_id: UUID,
        content: str,
        *,
        session_id: UUID | None = None,
        output_id: str | None = None,
        priority: Priority = Priority.MEDIUM,
    ) -> Verification:
        """Has an answer checked. What is more urgent is taken first. output_id: whatever the caller knows it by."""
        principal.require("runs:write")
        if not content.strip() or len(content) > LARGEST_OUTPUT:
            raise InvalidRequest(
                f"`output_content` has {len(content)} characters; it must have 1 to {LARGEST_OUTPUT}.",
                field="output_content",
            )
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_agent(tx, agent_id, session_id)
            if await queries.count_waiting(tx) >= MOST_WAITING:
                raise TooManyVerifications(f"{MOST_WAITING} verifications wait already; try again later.")
            return await self._insert(
                tx, where, agent_id, content, session_id=session_id, output_id=output_id, priority=priority
            )

    async def answered(self, tx: Transaction, run: Run, answer: str) -> None:
        """Has the answer of a run checked, with the run's id as its output's. When the queue is full it is left out:
        an answer must not fail because nobody has the time to check it."""
        if run.agent_id is None or not answer.strip() or await queries.count_waiting(tx) >= MOST_WAITING:
            return
        where = {"workspace_id": run.workspace_id, "project_id": run.project_id}
        await self._insert(
            tx, where, run.agent_id, answer[:LARGEST_OUTPUT], session_id=run.session_id, output_id=str(run.id)
        )

    async def _insert(
        self,
        tx: Transaction,
        where: Mapping[str, UUID],
        agent_id: UUID,
        content: str,
        *,
        session_id: UUID | None,
        output_id: str | None,
        priority: Priority = Priority.MEDIUM,
    ) -> Verification:
        made = await queries.insert(
            tx,
            new_id(),
            agent_id,
            content,
            session_id=session_id,
            output_id=output_id,
            priority=PRIORITIES.index(priority),
            **where,
        )
        # One job for each, and each job takes the most urgent: as many places as answers, in the right order.
        await self._start_job(tx, **where, kind=KIND, input={})
        return made

    async def get(self, principal: Principal, id: UUID) -> Verification:
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.get(tx, id)
        if found is None:
            raise VerificationNotFound(f"There is no verification '{id}' in this workspace.", verification_id=str(id))
        return found

    async def list(self, principal: Principal, agent_id: UUID, window: Window) -> Page[Verification]:
        """Newest first."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_agent(tx, agent_id)
            rows = await queries.list_page(tx, agent_id, window)
        return page_of(rows, window, lambda verification: verification.id)


def _check(kind: str, criteria: Mapping[str, Any]) -> None:
    kinds = get_args(RuleKind)
    if kind not in kinds:
        raise InvalidRule(f"{kind[:50]!r} is no kind of rule; there are {', '.join(kinds)}.", field="kind")
    try:
        data = orjson.dumps(criteria)
    except (TypeError, orjson.JSONEncodeError):
        raise InvalidRule("`criteria` is nested too deeply.", field="criteria") from None
    if len(data) > LARGEST_CRITERIA_BYTES:
        raise InvalidRule(f"`criteria` has {len(data)} bytes; the most is {LARGEST_CRITERIA_BYTES}.", field="criteria")
    check_criteria(criteria)


async def _require_agent(tx: Transaction, agent_id: UUID, session_id: UUID | None = None) -> None:
    if not await queries.has_agent(tx, agent_id, session_id):
        also = "" if session_id is None else f", or no session '{session_id}',"
        raise NotFound(f"There is no agent '{agent_id}'{also} in this workspace.", agent_id=str(agent_id))


def _no_rule(id: UUID) -> RuleNotFound:
    return RuleNotFound(f"There is no verification rule '{id}' in this workspace.", rule_id=str(id))
