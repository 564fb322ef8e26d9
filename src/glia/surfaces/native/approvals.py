"""/v1/approvals: tool calls that wait for a person, and what people decide. And what they allowed for good."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import ConfigDict

from glia.kit.errors import InvalidRequest
from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1", tags=["approvals"], route_class=WatchedRoute)


class ApprovalOut(Out):
    """A tool call that a person decides about.

    arguments: as the model wrote them; edited_arguments: what a person put in their place. effect: `once` for a call
    that must not happen twice. reason: why it was asked. expires_at: when it counts as denied.
    """

    id: UUID
    status: Literal["pending", "approved", "denied", "expired", "cancelled"]
    run_id: UUID
    run_kind: str
    session_id: UUID
    session_title: str
    agent_id: UUID | None
    agent_name: str | None
    tool: str
    tool_call_id: str
    effect: str
    reason: str
    arguments: Any
    edited_arguments: Any
    note: str
    decided_by: str | None
    decided_at: Time | None
    expires_at: Time | None
    created_at: Time


class Decision(Body):
    """A misspelt field would let a call happen as nobody meant it, so here one is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DecisionBody(Decision):
    """decision: `approved` or `denied`. arguments: in place of the model's. note: the model reads it.

    always: the agent may call this tool from now on without asking.
    """

    decision: str
    arguments: dict[str, Any] | None = None
    note: str = ""
    always: bool = False


class ApproveBody(Decision):
    """As a decision that approves."""

    arguments: dict[str, Any] | None = None
    note: str = ""
    always: bool = False


class DenyBody(Decision):
    """note: why, for the model."""

    note: str = ""


class GrantOut(Out):
    tool: str


@router.get("/approvals")
async def list_approvals(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    status: Annotated[str | None, Query(description="`pending` for those that wait; all when not given.")] = None,
    run_id: Annotated[str | None, Query(description="Only those of this run.")] = None,
    session_id: Annotated[str | None, Query(description="Only those of this session.")] = None,
    agent_id: Annotated[str | None, Query(description="Only those of this agent; its id or slug.")] = None,
) -> ListOf[ApprovalOut]:
    """List tool calls that people decide about, newest first."""
    found = await house.approvals.list(
        principal,
        window,
        status=status,
        run_id=None if run_id is None else parse_id(run_id, "run"),
        session_id=None if session_id is None else parse_id(session_id, "session"),
        agent_id=None if agent_id is None else await agent_id_of(house, principal, agent_id),
    )
    return page_of(found, ApprovalOut.of)


@router.get("/approvals/{approval}")
async def get(approval: str, house: TheHouse, principal: ThePrincipal) -> ApprovalOut:
    """One approval."""
    return ApprovalOut.of(await house.approvals.get(principal, parse_id(approval, "approval")))


@router.post("/approvals/{approval}/decide")
async def decide(approval: str, body: DecisionBody, house: TheHouse, principal: ThePrincipal) -> ApprovalOut:
    """Decide about a call; its run goes on once all its questions are answered."""
    if body.decision not in ("approved", "denied"):
        raise InvalidRequest(f"`decision` {body.decision[:50]!r} is neither approved nor denied.", field="decision")
    decided = await house.approvals.decide(
        principal,
        parse_id(approval, "approval"),
        body.decision,
        note=body.note,
        arguments=body.arguments,
        is_remembered=body.always,
    )
    return ApprovalOut.of(decided)


@router.post("/approvals/{approval}/approve")
async def approve(approval: str, body: ApproveBody, house: TheHouse, principal: ThePrincipal) -> ApprovalOut:
    """Let the call happen."""
    decided = await house.approvals.decide(
        principal,
        parse_id(approval, "approval"),
        "approved",
        note=body.note,
        arguments=body.arguments,
        is_remembered=body.always,
    )
    return ApprovalOut.of(decided)


@router.post("/approvals/{approval}/deny")
async def deny(approval: str, body: DenyBody, house: TheHouse, principal: ThePrincipal) -> ApprovalOut:
    """Do not let the call happen."""
    decided = await house.approvals.decide(principal, parse_id(approval, "approval"), "denied", note=body.note)
    return ApprovalOut.of(decided)


@router.get("/agents/{agent}/grants")
async def grants(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[GrantOut]:
    """Tools that the agent calls without asking because a person answered `always`."""
    id = (await house.agents.find(principal, agent)).id
    return ListOf(data=[GrantOut(tool=tool) for tool in await house.approvals.granted(principal, id)])


@router.delete("/agents/{agent}/grants/{tool_name}", status_code=204, response_class=Response)
async def revoke(agent: str, tool_name: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Let the agent ask again."""
    id = (await house.agents.find(principal, agent)).id
    await house.approvals.revoke(principal, id, tool_name)
    return Response(status_code=204)
