"""/api/v1/approval-requests and /api/v1/approvals: what waits for a person, and what people decide."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.clock import now
from glia.kit.errors import InvalidRequest
from glia.runs.types import Approval
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import Part, ThePart, part_from, uuid_in
from glia.surfaces.neuronagent.workflow_words import approval_config
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["approvals"], route_class=WatchedRoute)

StatusName = Literal["pending", "approved", "rejected", "expired", "cancelled"]
_STATUSES = {"pending": "pending", "approved": "approved", "rejected": "denied", "expired": "expired"}
_EMAIL_KINDS = frozenset({"email", "webhook", "ticket"})


class ApprovalOut(Out):
    """payload: the tool and its arguments. approved_by: who decided, either way. workflow_execution_id: of a
    workflow's step that asks."""

    id: UUID
    agent_id: UUID | None
    session_id: UUID
    run_id: UUID
    request_type: Literal["tool_execution", "agent_action", "budget_exceeded", "sensitive_operation"]
    action_description: str
    payload: dict[str, Any]
    status: StatusName
    requested_by: str
    approved_by: str | None
    rejection_reason: str | None
    reason: str | None
    approval_type: str | None
    workflow_execution_id: UUID | None
    step_execution_id: str | None
    metadata: dict[str, Any]
    expires_at: Time | None
    created_at: Time
    requested_at: Time
    updated_at: Time
    resolved_at: Time | None
    responded_at: Time | None


class ApproveBody(Body):
    """approved_by: whoever this key belongs to when not given. comment: for the record."""

    approved_by: str | None = Field(None, max_length=200)
    comment: str | None = Field(None, max_length=10_000)


class RejectBody(Body):
    """reason: the agent's model reads it."""

    rejected_by: str | None = Field(None, max_length=200)
    reason: str | None = Field(None, max_length=10_000)


def approval_out(found: Approval) -> ApprovalOut:
    is_workflow = found.run_kind == "workflow"
    decided = found.decided_at
    arguments: Any = found.arguments
    config = approval_config(cast(dict[str, Any], arguments)) if isinstance(arguments, dict) else {}
    kind = config.get("approval_type")
    is_grave = found.effect == "once" and not is_workflow
    return ApprovalOut(
        id=found.id,
        agent_id=found.agent_id,
        session_id=found.session_id,
        run_id=found.run_id,
        request_type="agent_action" if is_workflow else "sensitive_operation" if is_grave else "tool_execution",
        action_description=found.reason or f"Call the tool {found.tool}.",
        payload={"tool": found.tool, "arguments": arguments, "edited_arguments": found.edited_arguments},
        status=_status(found),
        requested_by=found.agent_name or found.session_title or found.run_kind,
        approved_by=found.decided_by,
        rejection_reason=(found.note or None) if found.status == "denied" else None,
        reason=found.note or None,
        approval_type=kind if kind in _EMAIL_KINDS else None,
        workflow_execution_id=found.run_id if is_workflow else None,
        step_execution_id=found.tool_call_id if is_workflow else None,
        metadata={"effect": found.effect, "tool_call_id": found.tool_call_id},
        expires_at=found.expires_at,
        created_at=found.created_at,
        requested_at=found.created_at,
        updated_at=decided or found.created_at,
        resolved_at=decided,
        responded_at=decided,
    )


def _status(found: Approval) -> StatusName:
    if found.status == "denied":
        return "rejected"
    if found.status == "pending" and _is_over(found.expires_at):
        return "expired"
    return found.status


def _is_over(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at <= now()


async def _listed(
    house: House, principal: Principal, part: Part, agent_id: str | None, status: str | None
) -> list[ApprovalOut]:
    """Oldest first, so the core's order, newest first, is turned around once all are there."""
    if status is not None and status not in {*_STATUSES, "cancelled", "all"}:
        raise InvalidRequest(
            f"`status` {status[:50]!r} is none of {', '.join([*_STATUSES, 'cancelled', 'all'])}.", field="status"
        )
    wanted = status or "pending"
    agent = None if agent_id is None else uuid_in(agent_id, "agent_id")
    found = await part_from(
        lambda window: house.approvals.list(
            principal,
            window,
            # What nobody decided in time is still pending in the core until its run looks.
            status=None if wanted in {"all", "expired"} else _STATUSES.get(wanted, wanted),
            agent_id=agent,
        ),
        Part(10_000, 0),
        lambda one: wanted == "all" or _status(one) == wanted,
    )
    return [approval_out(one) for one in part.of(found[::-1])]


AgentText = Annotated[str | None, Query(description="Only this agent's.", max_length=100)]
StatusText = Annotated[str | None, Query(description="`pending` when not given; `all` for every one.", max_length=50)]


@router.get("/approval-requests")
async def list_requests(
    house: TheHouse, principal: TheCaller, part: ThePart, agent_id: AgentText = None, status: StatusText = None
) -> list[ApprovalOut]:
    """List what waits for a person, oldest first."""
    return await _listed(house, principal, part, agent_id, status)


@router.get("/approvals")
async def list_approvals(
    house: TheHouse, principal: TheCaller, part: ThePart, agent_id: AgentText = None, status: StatusText = None
) -> list[ApprovalOut]:
    """The same under another name."""
    return await _listed(house, principal, part, agent_id, status)


@router.get("/approval-requests/{id}")
async def get_request(id: str, house: TheHouse, principal: TheCaller) -> ApprovalOut:
    """One request."""
    return approval_out(await house.approvals.get(principal, uuid_in(id)))


@router.get("/approvals/{id}")
async def get_approval(id: str, house: TheHouse, principal: TheCaller) -> ApprovalOut:
    """The same under another name."""
    return approval_out(await house.approvals.get(principal, uuid_in(id)))


@router.post("/approval-requests/{id}/approve")
async def approve_request(
    id: str, house: TheHouse, principal: TheCaller, body: ApproveBody | None = None
) -> ApprovalOut:
    """Let it happen; the run goes on."""
    return await _approve(id, body or ApproveBody.model_validate({}), house, principal)


@router.post("/approvals/{id}/approve")
async def approve(id: str, house: TheHouse, principal: TheCaller, body: ApproveBody | None = None) -> ApprovalOut:
    """The same under another name."""
    return await _approve(id, body or ApproveBody.model_validate({}), house, principal)


async def _approve(id: str, body: ApproveBody, house: House, principal: Principal) -> ApprovalOut:
    decided = await house.approvals.decide(
        principal, uuid_in(id), "approved", note=body.comment or "", by=body.approved_by
    )
    return approval_out(decided)


@router.post("/approval-requests/{id}/reject")
async def reject_request(id: str, house: TheHouse, principal: TheCaller, body: RejectBody | None = None) -> ApprovalOut:
    """Do not let it happen."""
    return await _reject(id, body or RejectBody.model_validate({}), house, principal)


@router.post("/approvals/{id}/reject")
async def reject(id: str, house: TheHouse, principal: TheCaller, body: RejectBody | None = None) -> ApprovalOut:
    """The same under another name."""
    return await _reject(id, body or RejectBody.model_validate({}), house, principal)


async def _reject(id: str, body: RejectBody, house: House, principal: Principal) -> ApprovalOut:
    decided = await house.approvals.decide(
        principal, uuid_in(id), "denied", note=body.reason or "", by=body.rejected_by
    )
    return approval_out(decided)
