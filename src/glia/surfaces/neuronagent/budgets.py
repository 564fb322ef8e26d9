"""/api/v1/agents/{id}/budget: what an agent may spend in each period. Held before each model call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.clock import now, wire_time
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT, Window
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.words import ThePart, check_size, moment_in, usd, uuid_in
from glia.surfaces.shared.bodies import Body, Out, TheHouse, Time, WatchedRoute
from glia.usage.types import Budget, BudgetSpec, Period
from glia.wiring import House

router = APIRouter(prefix="/api/v1", tags=["budgets"], route_class=WatchedRoute)

KEY = "neuronagent"
PeriodName = Literal["daily", "weekly", "monthly", "yearly", "total"]
_PERIODS: dict[str, Period] = {
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "yearly": "year",
    "total": "total",
}
_NAMES = {period: name for name, period in _PERIODS.items()}
_LARGEST_USD = 1e9
_WARN_AT = 80
_MOST_WARNINGS = 10


class BudgetBody(Body):
    """budget_amount: USD. max_cost: another name of it. alert_threshold: a share (0.8) or a percentage (80) at which
    a warning is given. currency: USD. period_type: `monthly` when not given."""

    budget_amount: float | None = Field(None, ge=0, le=_LARGEST_USD, strict=False)
    max_cost: float | None = Field(None, ge=0, le=_LARGEST_USD, strict=False)
    period_type: PeriodName = "monthly"
    start_date: str | None = None
    end_date: str | None = None
    currency: str | None = None
    alert_threshold: float | None = Field(None, gt=0, le=100, strict=False)
    metadata: dict[str, Any] | None = None


class BudgetChanges(Body):
    """What is given changes."""

    budget_amount: float | None = Field(None, ge=0, le=_LARGEST_USD, strict=False)
    max_cost: float | None = Field(None, ge=0, le=_LARGEST_USD, strict=False)
    period_type: PeriodName | None = None
    start_date: str | None = None
    end_date: str | None = None
    currency: str | None = None
    alert_threshold: float | None = Field(None, gt=0, le=100, strict=False)
    metadata: dict[str, Any] | None = None


class BudgetOut(Out):
    id: UUID
    agent_id: UUID
    budget_amount: float
    period_type: PeriodName
    start_date: Time
    end_date: Time | None
    is_active: bool
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class LiveBudgetOut(Out):
    """total_cost: spent in the present window, USD; reserved: held for calls under way. remaining is never below 0."""

    agent_id: UUID
    period_type: PeriodName
    budget_set: bool
    budget_amount: float | None = None
    total_cost: float | None = None
    reserved: float | None = None
    remaining: float | None = None
    within_budget: bool | None = None
    start_date: Time | None = None
    end_date: Time | None = None
    id: UUID | None = None


PeriodText = Annotated[PeriodName, Query(description="Which of the agent's budgets.")]


def setter_of(principal: Principal) -> Principal:
    """Who may change an agent may limit what it spends with a budget made here; no other budget is within reach."""
    if not principal.allows("agents:write"):
        return principal
    scopes = (principal.scopes - {"-budgets:write"}) | {"budgets:write", "budgets:read"}
    return replace(principal, scopes=frozenset(scopes))


async def _of_agent(house: House, principal: Principal, agent: UUID) -> list[Budget]:
    """The agent's budgets in money, newest first."""
    page = await house.budgets.list(principal, Window(LARGEST_LIMIT), scope="agent", subject_id=agent)
    return [one for one in page.items if one.limit_micros is not None and one.period in _NAMES and one.is_active]


async def _present(house: House, principal: Principal, agent: UUID, period: str) -> Budget | None:
    """What was set here comes before what was set elsewhere."""
    found = [one for one in await _of_agent(house, principal, agent) if one.period == _PERIODS[period]]
    return next((one for one in found if KEY in one.metadata), found[0] if found else None)


def _kept(budget: Budget) -> dict[str, Any]:
    found = budget.metadata.get(KEY)
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def budget_out(budget: Budget) -> BudgetOut:
    return BudgetOut(
        id=budget.id,
        agent_id=budget.subject_id,
        budget_amount=usd(budget.limit_micros),
        period_type=_NAMES[budget.period],  # type: ignore[arg-type] # the names above
        start_date=budget.starts_at or budget.created_at,
        end_date=budget.ends_at,
        is_active=budget.is_active,
        metadata=_kept(budget).get("metadata") or {},
        created_at=budget.created_at,
        updated_at=budget.updated_at,
    )


@router.get("/agents/{id}/budget", response_model_exclude_none=True)
async def get(id: str, house: TheHouse, principal: TheCaller, period_type: PeriodText = "monthly") -> LiveBudgetOut:
    """What an agent may still spend in a period."""
    agent = (await house.agents.get(principal, uuid_in(id))).id
    budget = await _present(house, principal, agent, period_type)
    if budget is None:
        return LiveBudgetOut(agent_id=agent, period_type=period_type, budget_set=False)
    state = budget.state
    start = budget.starts_at or budget.created_at if budget.period == "total" else state.window_start
    return LiveBudgetOut(
        id=budget.id,
        agent_id=agent,
        period_type=period_type,
        budget_set=True,
        budget_amount=usd(budget.limit_micros),
        total_cost=usd(state.spent_micros),
        reserved=usd(state.reserved_micros),
        remaining=usd(state.remaining_micros),
        within_budget=state.spent_micros < (budget.limit_micros or 0) or state.spent_micros == 0,
        start_date=start,
        end_date=budget.ends_at if budget.period == "total" else state.window_end,
    )


@router.post("/agents/{id}/budget", status_code=201)
async def create(id: str, body: BudgetBody, house: TheHouse, principal: TheCaller) -> BudgetOut:
    """Set what an agent may spend in a period, in place of what was set before."""
    agent = (await house.agents.get(principal, uuid_in(id))).id
    amount = body.budget_amount if body.budget_amount is not None else body.max_cost
    if amount is None:
        raise InvalidRequest("`budget_amount` is missing; it is in USD.", field="budget_amount")
    _check_currency(body.currency)
    check_size(body.metadata or {}, "metadata", 5_000)
    start, end = _dates(body.start_date, body.end_date)
    wanted = Wanted(amount, body.period_type, (_percent(body.alert_threshold),), start, end, _metadata(body))
    return budget_out(await set_budget(house, principal, agent, wanted))


@dataclass(frozen=True)
class Wanted:
    """amount: USD. warn_at: percentages."""

    amount: float
    period: str
    warn_at: tuple[int, ...] = (_WARN_AT,)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])


async def set_budget(house: House, principal: Principal, agent: UUID, wanted: Wanted) -> Budget:
    """In place of what was set here for the period before."""
    setter, before = setter_of(principal), await _present(house, principal, agent, wanted.period)
    spec = BudgetSpec(
        scope="agent",
        subject_id=agent,
        period=_PERIODS[wanted.period],
        limit_micros=round(wanted.amount * 1_000_000),
        name=f"{wanted.period} budget",
        warn_at_percent=wanted.warn_at,
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        metadata={KEY: {"metadata": wanted.metadata}},
    )
    made = await house.budgets.create(setter, spec)
    if before is not None and KEY in before.metadata:
        await house.budgets.update(setter, before.id, {"is_active": False})
    return made


def budget_in(config: Mapping[str, Any]) -> Wanted | None:
    """What `config.budget` of an agent sets: `max_cost` in USD, `period_type`, and the thresholds of `alerts`.

    None when it names no amount. Raises InvalidRequest.
    """
    given: object = config.get("budget")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise InvalidRequest('`config.budget` must be an object, as {"max_cost": 5}.', field="config.budget")
    budget = cast(dict[str, object], given)
    amount = budget.get("max_cost", budget.get("budget_amount"))
    if amount is None:
        return None
    period, currency = budget.get("period_type", "monthly"), budget.get("currency")
    if not _is_number(amount, _LARGEST_USD):
        raise InvalidRequest("`config.budget.max_cost` must be an amount in USD.", field="config.budget.max_cost")
    if not isinstance(period, str) or period not in _PERIODS:
        raise InvalidRequest(
            f"`config.budget.period_type` must be one of {', '.join(_PERIODS)}.", field="config.budget.period_type"
        )
    _check_currency(None if currency is None else str(currency))
    return Wanted(cast(float, amount), period, _thresholds(budget.get("alerts")))


def _thresholds(alerts: object) -> tuple[int, ...]:
    found = [
        cast(dict[str, object], alert).get("threshold")
        for alert in (cast(list[object], alerts) if isinstance(alerts, list) else [])
        if isinstance(alert, dict)
    ]
    known = {_percent(cast(float, threshold)) for threshold in found if _is_number(threshold, 100)}
    return tuple(sorted(known)[:_MOST_WARNINGS]) or (_WARN_AT,)


def _is_number(value: object, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= largest


@router.put("/agents/{id}/budget")
async def update(
    id: str,
    body: BudgetChanges,
    house: TheHouse,
    principal: TheCaller,
    period_type: PeriodText = "monthly",
) -> BudgetOut:
    """Change the agent's budget of a period."""
    agent = (await house.agents.get(principal, uuid_in(id))).id
    budget = await _present(house, principal, agent, body.period_type or period_type)
    if budget is None:
        raise NotFound(f"The agent '{agent}' has no {body.period_type or period_type} budget; set one with POST.")
    return budget_out(await _changed(house, principal, budget, body))


async def _changed(house: House, principal: Principal, budget: Budget, body: BudgetChanges) -> Budget:
    _check_currency(body.currency)
    changes: dict[str, Any] = {}
    amount = body.budget_amount if body.budget_amount is not None else body.max_cost
    if amount is not None:
        changes["limit_micros"] = round(amount * 1_000_000)
    start, end = _dates(body.start_date, body.end_date)
    if start is not None:
        changes["starts_at"] = start
    if end is not None:
        changes["ends_at"] = end
    if body.alert_threshold is not None:
        changes["warn_at_percent"] = (_percent(body.alert_threshold),)
    if body.metadata is not None:
        check_size(body.metadata, "metadata", 5_000)
        changes["metadata"] = {**budget.metadata, KEY: {"metadata": body.metadata}}
    if not changes:
        return budget
    # A budget that was set elsewhere is changed by those only who may change any.
    setter = setter_of(principal) if KEY in budget.metadata else principal
    return await house.budgets.update(setter, budget.id, changes)


@router.get("/budgets")
async def list_budgets(house: TheHouse, principal: TheCaller, part: ThePart) -> list[BudgetOut]:
    """List the budgets of all agents, newest first."""
    page = await house.budgets.list(principal, Window(LARGEST_LIMIT), scope="agent")
    found = [one for one in page.items if one.limit_micros is not None and one.period in _NAMES and one.is_active]
    return [budget_out(one) for one in part.of(found)]


class NamedBudgetBody(BudgetBody):
    agent_id: str


@router.post("/budgets", status_code=201)
async def create_named(body: NamedBudgetBody, house: TheHouse, principal: TheCaller) -> BudgetOut:
    """Set a budget, with the agent in the body."""
    return await create(body.agent_id, body, house, principal)


@router.put("/budgets/{id}")
async def update_named(id: str, body: BudgetChanges, house: TheHouse, principal: TheCaller) -> BudgetOut:
    """Change a budget by its id."""
    budget = await house.budgets.get(principal, uuid_in(id))
    if budget.scope != "agent" or budget.limit_micros is None or budget.period not in _NAMES:
        raise NotFound(f"There is no agent's budget '{id}' in this workspace.")
    return budget_out(await _changed(house, principal, budget, body))


def _metadata(body: BudgetBody) -> dict[str, Any]:
    more = {
        "currency": body.currency,
        "alert_threshold": body.alert_threshold,
        "max_cost": body.max_cost,
        "start_date": body.start_date,
    }
    return {**{name: value for name, value in more.items() if value is not None}, **(body.metadata or {})}


def _check_currency(currency: str | None) -> None:
    if currency is not None and currency.upper() != "USD":
        raise InvalidRequest(f"`currency` {currency[:20]!r}: costs are known in USD only.", field="currency")


def _percent(threshold: float | None) -> int:
    if threshold is None:
        return _WARN_AT
    return max(1, min(100, round(threshold * 100 if threshold <= 1 else threshold)))


def _dates(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """A start that has passed is none: the window of a period counts from its own beginning."""
    since, until = moment_in(start, "start_date"), moment_in(end, "end_date")
    if until is not None and until <= (since or now()):
        raise InvalidRequest(f"`end_date` {wire_time(until)} must be after `start_date`.", field="end_date")
    return since, until
