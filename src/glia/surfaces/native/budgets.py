"""/v1/budgets"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.times import moment_of
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given, id_of
from glia.usage.types import Budget, BudgetSpec, OpenHold, Period, Scope

router = APIRouter(prefix="/v1/budgets", tags=["budgets"], route_class=WatchedRoute)

_WARNINGS = Field(default_factory=lambda: [80], max_length=10)


class BudgetBody(Body):
    """scope: what is limited; subject_id: which one, left away for the workspace.

    period: windows of the calendar in UTC, weeks from Monday; `total` never starts anew. At least one of limit_micros
    (micro-dollars), limit_tokens and limit_calls is given. warn_at_percent: of any of them.
    """

    scope: Scope
    subject_id: str | None = None
    period: Period = "total"
    limit_micros: int | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    name: str = Field("", max_length=200)
    warn_at_percent: list[int] = _WARNINGS
    is_active: bool = True
    starts_at: str | None = None
    ends_at: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class BudgetChanges(Changes):
    """Null takes a limit, `starts_at` or `ends_at` away. Scope, subject and period never change."""

    limit_micros: int | None = None
    limit_tokens: int | None = None
    limit_calls: int | None = None
    name: str = Field("", max_length=200)
    warn_at_percent: list[int] = _WARNINGS
    is_active: bool = True
    starts_at: str | None = None
    ends_at: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class BudgetStateOut(Out):
    """The present window. reserved: held for calls under way. remaining: null without such a limit.

    unconfirmed_micros: the part of what is spent that was booked in full because nobody reported the calls' end.
    warned_percent: the highest threshold that was crossed. refused_calls: how many had no room.
    """

    window_start: Time | None
    window_end: Time | None
    spent_micros: int
    reserved_micros: int
    remaining_micros: int | None
    spent_tokens: int
    reserved_tokens: int
    remaining_tokens: int | None
    spent_calls: int
    reserved_calls: int
    remaining_calls: int | None
    is_exceeded: bool
    unconfirmed_micros: int
    refused_calls: int
    refused_at: Time | None
    warned_percent: int | None
    warned_at: Time | None


class BudgetOut(Out):
    id: UUID
    name: str
    scope: Scope
    subject_id: UUID
    period: Period
    limit_micros: int | None
    limit_tokens: int | None
    limit_calls: int | None
    warn_at_percent: list[int]
    is_active: bool
    starts_at: Time | None
    ends_at: Time | None
    metadata: dict[str, Any]
    state: BudgetStateOut
    created_by: str
    created_at: Time
    updated_at: Time


class HoldOut(Out):
    """A call under way. is_open: false for one that was booked in full because nobody reported its end.

    expires_at: when it will be; null for a run's, which lasts until the run resumes or ends. credit_micros: held of the
    workspace's credit. budget_ids: the budgets that it counts against.
    """

    id: UUID
    run_id: UUID | None
    step: int | None
    key_id: UUID | None
    model: str
    micros: int
    tokens: int
    is_open: bool
    created_at: Time
    expires_at: Time | None
    credit_micros: int
    budget_ids: list[UUID]


class SuspensionOut(Out):
    """A run that waits for room. id: the run's. budget_id: null when the workspace's credit does not cover the call.

    seq: of the event `budget.exceeded`. unit: what limit, spent, reserved and needed count: `micros`, `tokens` or
    `calls`. is_of_agent: the limit is the agent's own; resuming the run with `max_cost_micros` raises it.
    """

    id: UUID
    session_id: UUID
    agent_id: UUID | None
    budget_id: UUID | None
    seq: int
    at: Time
    scope: str
    unit: str
    limit: int
    spent: int
    reserved: int
    needed: int
    message: str
    is_of_agent: bool
    wake_at: Time | None


@router.post("", status_code=201)
async def create(body: BudgetBody, house: TheHouse, principal: ThePrincipal) -> BudgetOut:
    """Set a budget; it is in force at once. What was spent in the present period counts already."""
    spec = BudgetSpec(
        scope=body.scope,
        subject_id=None if body.subject_id is None else id_of(body.subject_id, "subject_id"),
        period=body.period,
        limit_micros=body.limit_micros,
        limit_tokens=body.limit_tokens,
        limit_calls=body.limit_calls,
        name=body.name,
        warn_at_percent=tuple(body.warn_at_percent),
        is_active=body.is_active,
        starts_at=None if body.starts_at is None else moment_of(body.starts_at, "starts_at"),
        ends_at=None if body.ends_at is None else moment_of(body.ends_at, "ends_at"),
        metadata=body.metadata,
    )
    return budget_out(await house.budgets.create(principal, spec))


@router.get("")
async def list_budgets(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    scope: Annotated[str | None, Query(description="Only budgets of this scope.")] = None,
    subject_id: Annotated[str | None, Query(description="Only budgets of this thing.")] = None,
) -> ListOf[BudgetOut]:
    """List budgets with what is spent and left, newest first."""
    subject = None if subject_id is None else id_of(subject_id, "subject_id")
    return page_of(await house.budgets.list(principal, window, scope=scope, subject_id=subject), budget_out)


@router.get("/holds")
async def all_holds(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[HoldOut]:
    """What any budget or the credit holds, and calls whose end nobody reported; newest first."""
    return page_of(await house.budgets.holds(principal, None, window), hold_out)


@router.get("/waiting")
async def waiting(
    house: TheHouse,
    principal: ThePrincipal,
    window: TheWindow,
    budget_id: Annotated[str | None, Query(description="Only runs that wait for this budget.")] = None,
) -> ListOf[SuspensionOut]:
    """Runs that wait for a budget or for credit, and how much each lacked. They go on when it is raised."""
    budget = None if budget_id is None else (await house.budgets.get(principal, id_of(budget_id, "budget_id"))).id
    return page_of(await house.suspensions.list(principal, window, budget_id=budget), SuspensionOut.of)


@router.get("/{budget}")
async def get(budget: str, house: TheHouse, principal: ThePrincipal) -> BudgetOut:
    """One budget with what is spent, held and left."""
    return budget_out(await house.budgets.get(principal, parse_id(budget, "budget")))


@router.patch("/{budget}")
async def update(budget: str, body: BudgetChanges, house: TheHouse, principal: ThePrincipal) -> BudgetOut:
    """Raise, lower, pause or rename a budget. Runs that wait for it look again."""
    changes = given(body)
    if "warn_at_percent" in changes:
        changes["warn_at_percent"] = tuple(body.warn_at_percent)
    for name, text in (("starts_at", body.starts_at), ("ends_at", body.ends_at)):
        if text is not None:
            changes[name] = moment_of(text, name)
    return budget_out(await house.budgets.update(principal, parse_id(budget, "budget"), changes))


@router.delete("/{budget}", status_code=204, response_class=Response)
async def delete(budget: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a budget with what it has counted. Usage records stay."""
    await house.budgets.delete(principal, parse_id(budget, "budget"))
    return Response(status_code=204)


@router.get("/{budget}/holds")
async def holds(budget: str, house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[HoldOut]:
    """What a budget holds for calls under way, and calls whose end nobody reported; newest first."""
    return page_of(await house.budgets.holds(principal, parse_id(budget, "budget"), window), hold_out)


def budget_out(budget: Budget) -> BudgetOut:
    return BudgetOut.of(budget)


def hold_out(hold: OpenHold) -> HoldOut:
    return HoldOut.of(hold)
