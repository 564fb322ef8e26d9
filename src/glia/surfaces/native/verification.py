"""/v1/verifications: rules for an agent's answers, answers to check, what was found"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, agent_id_of, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of
from glia.verification.types import Priority, RuleKind, VerificationStatus

router = APIRouter(prefix="/v1", tags=["verification"], route_class=WatchedRoute)


class RuleBody(Body):
    """criteria: `format`, `required_fields`, `min_length`, `max_length`, `must_contain`, `must_not_contain` and
    `required_sections` are measured; everything else is judged by the default model."""

    kind: RuleKind
    criteria: dict[str, Any] = Field(default_factory=dict[str, Any])
    is_enabled: bool = True


class RuleChanges(Changes):
    kind: RuleKind = "completeness"
    criteria: dict[str, Any] = Field(default_factory=dict[str, Any])
    is_enabled: bool = True


class RuleOut(Out):
    id: UUID
    agent_id: UUID
    kind: RuleKind
    criteria: dict[str, Any]
    is_enabled: bool
    created_at: Time
    updated_at: Time


class VerificationBody(Body):
    """priority: what is more urgent is checked first. output_id: what you know the answer by."""

    output_content: str
    session_id: str | None = None
    output_id: str | None = Field(None, max_length=200)
    priority: Literal["low", "medium", "high"] = "medium"


class IssueOut(Out):
    """rule_id: of the rule that is broken. severity: a `warning` lets nothing fail."""

    kind: str
    message: str
    rule_id: UUID | None
    severity: Literal["error", "warning"]


class VerificationOut(Out):
    """passed, confidence, verified_by, verified_at: null until it is done. verified_by: `rules`, or a model's name."""

    id: UUID
    agent_id: UUID
    session_id: UUID | None
    output_id: str | None
    output_content: str
    priority: Priority = Field(validation_alias="priority_name")
    status: VerificationStatus
    passed: bool | None
    issues: list[IssueOut]
    suggestions: list[str]
    confidence: float | None
    verified_by: str | None
    error: str | None
    created_at: Time
    verified_at: Time | None


@router.get("/agents/{agent}/verification-rules")
async def list_rules(agent: str, house: TheHouse, principal: ThePrincipal) -> ListOf[RuleOut]:
    """What an agent's answers have to keep, oldest first."""
    id = await agent_id_of(house, principal, agent)
    return ListOf(data=[RuleOut.of(rule) for rule in await house.verifications.rules(principal, id)])


@router.post("/agents/{agent}/verification-rules", status_code=201)
async def add_rule(agent: str, body: RuleBody, house: TheHouse, principal: ThePrincipal) -> RuleOut:
    """Add a rule; it holds for what is checked from now on."""
    id = await agent_id_of(house, principal, agent)
    made = await house.verifications.add_rule(principal, id, body.kind, body.criteria, is_enabled=body.is_enabled)
    return RuleOut.of(made)


@router.patch("/verification-rules/{rule}")
async def update_rule(rule: str, body: RuleChanges, house: TheHouse, principal: ThePrincipal) -> RuleOut:
    """Change a rule; `criteria` is replaced whole."""
    id = parse_id(rule, "verification rule")
    return RuleOut.of(await house.verifications.update_rule(principal, id, given(body)))


@router.delete("/verification-rules/{rule}", status_code=204, response_class=Response)
async def delete_rule(rule: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a rule."""
    await house.verifications.delete_rule(principal, parse_id(rule, "verification rule"))
    return Response(status_code=204)


@router.post("/agents/{agent}/verifications", status_code=202)
async def verify(agent: str, body: VerificationBody, house: TheHouse, principal: ThePrincipal) -> VerificationOut:
    """Have an answer checked against the agent's rules."""
    id = await agent_id_of(house, principal, agent)
    made = await house.verifications.enqueue(
        principal,
        id,
        body.output_content,
        session_id=None if body.session_id is None else id_of(body.session_id, "session_id"),
        output_id=body.output_id,
        priority=Priority(body.priority),
    )
    return VerificationOut.of(made)


@router.get("/agents/{agent}/verifications")
async def list_verifications(
    agent: str, house: TheHouse, principal: ThePrincipal, window: TheWindow
) -> ListOf[VerificationOut]:
    """What was checked, newest first."""
    id = await agent_id_of(house, principal, agent)
    return page_of(await house.verifications.list(principal, id, window), VerificationOut.of)


@router.get("/verifications/{verification}")
async def get_verification(verification: str, house: TheHouse, principal: ThePrincipal) -> VerificationOut:
    """One verification, with what was found."""
    return VerificationOut.of(await house.verifications.get(principal, parse_id(verification, "verification")))
