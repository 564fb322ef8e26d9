"""Approvals: the inbox of tool calls that wait for a person, and what people decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.pages import Page, Window, page_of
from glia.runs import approval_queries, queries
from glia.runs.engine import Engine
from glia.runs.errors import ApprovalDecidedAlready, ApprovalNotFound
from glia.runs.events import ApprovalDecided, encode_any
from glia.runs.live import Live
from glia.runs.log import append_unfenced
from glia.runs.types import AGENT, Approval

LONGEST_NOTE = 10_000
LARGEST_ARGUMENTS = 1_000_000
_LONGEST_NAME = 200
_STATUSES = ("pending", "approved", "denied", "expired", "cancelled")


class Approvals:
    def __init__(self, db: Database, live: Live, engine: Engine) -> None:
        self._db = db
        self._live = live
        self._engine = engine

    async def get(self, principal: Principal, id: UUID) -> Approval:
        principal.require("approvals:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id)

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        status: str | None = None,
        run_id: UUID | None = None,
        session_id: UUID | None = None,
        agent_id: UUID | None = None,
        project_id: UUID | None = None,
    ) -> Page[Approval]:
        """Newest first. status: `pending` for the inbox; None for all."""
        principal.require("approvals:read")
        if status is not None and status not in _STATUSES:
            raise InvalidRequest(f"`status` {status[:50]!r} is none of {', '.join(_STATUSES)}.", field="status")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await approval_queries.list_page(
                tx,
                window,
                status=status,
                run_id=run_id,
                session_id=session_id,
                agent_id=agent_id,
                project_id=project_id,
            )
        return page_of(rows, window, lambda approval: approval.id)

    async def decide(
        self,
        principal: Principal,
        id: UUID,
        decision: Literal["approved", "denied"],
        *,
        note: str = "",
        arguments: Mapping[str, object] | None = None,
        is_remembered: bool = False,
        by: str | None = None,
    ) -> Approval:
        """Lets the call happen, with other arguments if they are given, or not; the run goes on.

        note: for the model, which reads it when the call was denied. is_remembered: the agent may call this tool from
        now on without asking. by: in whose name, if the principal decides for somebody.
        Raises ApprovalNotFound; ApprovalDecidedAlready, also when it has expired.
        """
        principal.require("approvals:write")
        by = (by or "").replace("\0", "").strip()[:_LONGEST_NAME] or principal.name
        edited = _checked(decision, note, arguments, is_remembered=is_remembered)
        async with self._db.transaction(principal.workspace_id) as tx:
            pending = await approval_queries.hold(tx, id)
            if pending is None:
                raise _missing(id)
            if pending.status != "pending" or pending.is_expired:
                status = "expired" if pending.status == "pending" else pending.status
                raise ApprovalDecidedAlready(
                    f"This approval is {status}; it cannot be decided any more.", status=status
                )
            if is_remembered and pending.agent_id is None:
                raise InvalidRequest(
                    "`always` is for the calls of agents; this one belongs to a workflow, whose step says when to ask.",
                    field="always",
                )
            await approval_queries.decide(tx, id, status=decision, by=by, note=note, edited_arguments=edited)
            if is_remembered and pending.agent_id is not None:
                where = (principal.workspace_id, pending.agent_id)
                await approval_queries.grant(tx, *where, pending.tool, principal.name)
            decided = ApprovalDecided(id, pending.tool_call_id, decision, by, note, arguments, is_remembered)
            place = (pending.session_id, pending.run_id, pending.attempt)
            await append_unfenced(tx, self._live, *place, [decided])
            # An agent's model is asked once all its calls are decided; the branches of a workflow go on one by one.
            if pending.run_kind != AGENT or not await approval_queries.has_pending(tx, pending.run_id):
                await queries.resume(tx, pending.run_id, "approval")
                tx.after_commit.append(self._engine.wake)
            return await _get(tx, id)

    async def granted(self, principal: Principal, agent_id: UUID) -> list[str]:
        """Tools that the agent may call without asking because a person said so when it asked."""
        principal.require("approvals:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await approval_queries.granted(tx, agent_id)

    async def revoke(self, principal: Principal, agent_id: UUID, tool: str) -> None:
        principal.require("approvals:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await approval_queries.revoke(tx, agent_id, tool):
                raise ApprovalNotFound(f"Nobody has allowed this agent to call {tool[:100]!r} without asking.")


def _checked(decision: str, note: str, arguments: Mapping[str, object] | None, *, is_remembered: bool) -> str | None:
    if len(note) > LONGEST_NOTE:
        raise InvalidRequest(f"`note` has {len(note)} characters; the most is {LONGEST_NOTE}.", field="note")
    if decision == "denied" and arguments is not None:
        raise InvalidRequest("`arguments` can be changed only when the call is approved.", field="arguments")
    if decision == "denied" and is_remembered:
        raise InvalidRequest("`always` goes with approving; to forbid a tool, change the agent.", field="always")
    edited = None if arguments is None else encode_any(arguments)
    if edited is not None and len(edited) > LARGEST_ARGUMENTS:
        raise InvalidRequest(f"`arguments` takes more than {LARGEST_ARGUMENTS} bytes.", field="arguments")
    return edited


async def _get(tx: Transaction, id: UUID) -> Approval:
    approval = await approval_queries.get(tx, id)
    if approval is None:
        raise _missing(id)
    return approval


def _missing(id: UUID) -> ApprovalNotFound:
    return ApprovalNotFound(f"There is no approval '{id}' in this workspace.", approval_id=str(id))
