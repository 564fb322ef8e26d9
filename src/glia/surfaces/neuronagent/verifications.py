"""/api/v1/verifications: rules for an agent's answers, a queue of answers, and what was found."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import NotFound
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, part_from, uuid_in
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.verification.types import Priority, Rule, RuleKind, Verification, VerificationStatus

router = APIRouter(prefix="/api/v1", tags=["verification"], route_class=WatchedRoute)


class VerificationBody(Body):
    """priority: what is more urgent is checked first."""

    session_id: str
    output_content: str
    output_id: str | None = Field(None, max_length=200)
    priority: Literal["low", "medium", "high"] = "medium"


class QueuedOut(Out):
    """output_id: the caller's; the run's for an answer that was queued because of `config.verification_enabled`."""

    queue_id: UUID
    session_id: UUID | None
    agent_id: UUID
    output_id: str | None
    status: VerificationStatus
    priority: Priority


class ResultOut(Out):
    """verifier_agent_id: null: a model judges, or rules that are measured, no agent. verified_by: which of them."""

    id: UUID
    queue_id: UUID
    verifier_agent_id: UUID | None = None
    passed: bool
    issues: list[dict[str, Any]]
    suggestions: list[str]
    confidence: float
    verified_by: str
    verified_at: Time


class RuleBody(Body):
    """criteria: `format`, `required_fields`, `min_length`, `max_length`, `must_contain`, `must_not_contain` and
    `required_sections` are measured; everything else is judged by the default model."""

    rule_type: RuleKind
    criteria: dict[str, Any]
    enabled: bool = True


class RuleChanges(Changes):
    rule_type: RuleKind = "completeness"
    criteria: dict[str, Any] = Field(default_factory=dict[str, Any])
    enabled: bool = True


class RuleOut(Out):
    id: UUID
    agent_id: UUID
    rule_type: RuleKind
    criteria: dict[str, Any]
    enabled: bool
    created_at: Time
    updated_at: Time


@router.post("/agents/{agent_id}/verifications", status_code=201)
async def enqueue(agent_id: str, body: VerificationBody, house: TheHouse, principal: TheCaller) -> QueuedOut:
    """Have an answer checked against the agent's rules."""
    made = await house.verifications.enqueue(
        principal,
        uuid_in(agent_id, "agent_id"),
        body.output_content,
        session_id=uuid_in(body.session_id, "session_id"),
        output_id=body.output_id,
        priority=Priority(body.priority),
    )
    return _queued(made)


@router.get("/agents/{agent_id}/verifications")
async def list_verifications(agent_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[QueuedOut]:
    """What of an agent's answers was queued for being checked, newest first."""
    agent = uuid_in(agent_id, "agent_id")
    found = await part_from(lambda window: house.verifications.list(principal, agent, window), part, lambda _: True)
    return [_queued(one) for one in found]


@router.get("/verifications/{queue_id}/results")
async def results(queue_id: str, house: TheHouse, principal: TheCaller) -> ResultOut:
    """What was found; 404 until it is done."""
    found = await house.verifications.get(principal, uuid_in(queue_id, "queue_id"))
    if found.status == "failed":
        raise NotFound(f"The verification '{found.id}' could not be done: {found.error}", status="failed")
    if found.passed is None or found.confidence is None or found.verified_at is None:
        raise NotFound(f"The verification '{found.id}' is not done yet; ask again shortly.", status=found.status)
    return ResultOut(
        id=found.id,
        queue_id=found.id,
        passed=found.passed,
        issues=found.issues,
        suggestions=found.suggestions,
        confidence=found.confidence,
        verified_by=found.verified_by or "rules",
        verified_at=found.verified_at,
    )


@router.get("/agents/{agent_id}/verification-rules")
async def rules(agent_id: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[RuleOut]:
    """What an agent's answers have to keep."""
    found = await house.verifications.rules(principal, uuid_in(agent_id, "agent_id"))
    return [_rule(rule) for rule in part.of(found)]


@router.post("/agents/{agent_id}/verification-rules", status_code=201)
async def add_rule(agent_id: str, body: RuleBody, house: TheHouse, principal: TheCaller) -> RuleOut:
    """Add a rule; it holds for what is checked from now on."""
    made = await house.verifications.add_rule(
        principal, uuid_in(agent_id, "agent_id"), body.rule_type, body.criteria, is_enabled=body.enabled
    )
    return _rule(made)


@router.put("/verification-rules/{rule_id}")
async def update_rule(rule_id: str, body: RuleChanges, house: TheHouse, principal: TheCaller) -> RuleOut:
    """Change a rule: what is given, nothing else."""
    names = {"rule_type": "kind", "criteria": "criteria", "enabled": "is_enabled"}
    changes = {names[name]: value for name, value in given(body).items()}
    return _rule(await house.verifications.update_rule(principal, uuid_in(rule_id, "rule_id"), changes))


@router.delete("/verification-rules/{rule_id}", status_code=204, response_class=Response)
async def delete_rule(rule_id: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a rule."""
    await house.verifications.delete_rule(principal, uuid_in(rule_id, "rule_id"))
    return Response(status_code=204)


def _queued(made: Verification) -> QueuedOut:
    return QueuedOut(
        queue_id=made.id,
        session_id=made.session_id,
        agent_id=made.agent_id,
        output_id=made.output_id,
        status=made.status,
        priority=made.priority_name,
    )


def _rule(rule: Rule) -> RuleOut:
    return RuleOut(
        id=rule.id,
        agent_id=rule.agent_id,
        rule_type=rule.kind,
        criteria=rule.criteria,
        enabled=rule.is_enabled,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
    )
