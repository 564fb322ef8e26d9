"""/v1/interventions: what jobs wait for a person to decide."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.runs.types import AGENT, Approval
from glia.surfaces.auvy.auth import GivenBrain, InBrain
from glia.surfaces.auvy.job_words import require_brain
from glia.surfaces.auvy.words import LimitText, OffsetText, id_in_path, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.wiring import House

router = APIRouter(prefix="/v1/interventions", tags=["interventions"], route_class=WatchedRoute)

Action = Literal["approve", "approved", "reject", "rejected", "deny", "denied"]
StatusName = Literal["pending", "approved", "rejected", "expired", "cancelled"]
_OURS = {"rejected": "denied"}
_THEIRS: dict[str, StatusName] = {
    "pending": "pending",
    "approved": "approved",
    "denied": "rejected",
    "expired": "expired",
    "cancelled": "cancelled",
}


class InterventionOut(Out):
    """A decision that a job waits for. type: `reflex` for a tool call, `pathway` for a human step.

    fields: what is proposed, and may be changed while approving. edited_fields: what a person put in its place.
    """

    id: UUID
    type: Literal["reflex", "pathway"]
    status: StatusName
    title: str
    reason: str
    tool: str
    fields: Any
    edited_fields: Any
    comment: str
    job_id: UUID
    trace_id: UUID | None
    neuron_id: UUID | None
    neuron_name: str | None
    responded_by: str | None
    responded_at: Time | None
    expires_at: Time | None
    created_at: Time


class InterventionsOut(Out):
    interventions: list[InterventionOut]
    total: int
    limit: int
    offset: int


class RespondBody(Body):
    """action: `approve` or `reject`. fields: in place of what was proposed, with `approve` only."""

    action: Action
    comment: str = Field("", max_length=10_000)
    fields: dict[str, Any] | None = None


StatusText = Annotated[
    str | None,
    WithJsonSchema({"type": "string", "enum": list(_THEIRS.values())}),
    Query(description="Only interventions in this state; all unless given."),
]


@router.get("")
async def list_interventions(
    house: TheHouse,
    principal: InBrain,
    brain: GivenBrain,
    status: StatusText = None,
    job_id: Annotated[str | None, Query(description="Only those of this job.")] = None,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> InterventionsOut:
    """Interventions, newest first; the last 1,000 at most."""
    number, passed = page_of(limit, offset)
    if status is not None and status not in _THEIRS.values():
        raise InvalidRequest(f"`status` {status[:50]!r} is none of {', '.join(_THEIRS.values())}.", field="status")
    ours = None if status is None else _OURS.get(status, status)
    run = None if job_id is None else id_in_path(job_id, "job")
    found = (
        await house.approvals.list(principal, Window(LARGEST_LIMIT), status=ours, run_id=run, project_id=brain)
    ).items
    shown = [_out(approval) for approval in found[passed : passed + number]]
    return InterventionsOut(interventions=shown, total=len(found), limit=number, offset=passed)


@router.get("/{id}")
async def get(id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> InterventionOut:
    """One intervention."""
    return _out(await _intervention(house, principal, id, brain))


@router.post("/{id}/respond")
async def respond(
    id: str, body: RespondBody, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> InterventionOut:
    """Decide; the job goes on. 409 when it was decided already, or has expired."""
    found = await _intervention(house, principal, id, brain)
    return _out(await decide(house, principal, found.id, body.action, comment=body.comment, fields=body.fields))


async def decide(
    house: House,
    principal: Principal,
    id: UUID,
    action: Action,
    *,
    comment: str,
    fields: dict[str, Any] | None,
) -> Approval:
    """Raises ApprovalNotFound, ApprovalDecidedAlready, InvalidRequest."""
    if action in ("approve", "approved"):
        return await house.approvals.decide(principal, id, "approved", note=comment, arguments=fields)
    if fields is not None:
        raise InvalidRequest("`fields` can be changed only when approving.", field="fields")
    return await house.approvals.decide(principal, id, "denied", note=comment)


async def _intervention(house: House, principal: Principal, text: str, brain: UUID | None) -> Approval:
    found = await house.approvals.get(principal, id_in_path(text, "intervention"))
    if brain is not None:
        require_brain(await house.runs.get(principal, found.run_id), brain)
    return found


def _out(approval: Approval) -> InterventionOut:
    is_neuron = approval.run_kind == AGENT
    return InterventionOut(
        id=approval.id,
        type="reflex" if is_neuron else "pathway",
        status=_THEIRS[approval.status],
        title=approval.session_title or approval.tool,
        reason=approval.reason,
        tool=approval.tool,
        fields=approval.arguments,
        edited_fields=approval.edited_arguments,
        comment=approval.note,
        job_id=approval.run_id,
        trace_id=approval.session_id if is_neuron else None,
        neuron_id=approval.agent_id,
        neuron_name=approval.agent_name,
        responded_by=approval.decided_by,
        responded_at=approval.decided_at,
        expires_at=approval.expires_at,
        created_at=approval.created_at,
    )
