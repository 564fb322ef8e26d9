"""A call that must not be made: a budget is used up, the credit is, or nobody knows the price."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from glia.kit.clock import wire_time
from glia.kit.errors import InvalidRequest, NotFound, PaymentRequired
from glia.usage.types import Refusal, Unit

_WHO = {
    "workspace": "This workspace",
    "project": "This project",
    "key": "This key",
    "agent": "This agent",
    "session": "This session",
    "run": "This run",
}
_UNITS = {"micros": "micro-dollars", "tokens": "tokens", "calls": "calls"}


class BudgetNotFound(NotFound):
    code = "budget_not_found"


class BudgetExceeded(PaymentRequired):
    """A budget has no room for the most that the call can take.

    unit: what ran out: `micros`, `tokens` or `calls`; limit, spent, reserved and needed count in it.
    period_end: when the budget's next window begins; None for a budget without periods.
    """

    code = "budget_exceeded"

    def __init__(self, refusal: Refusal, message: str | None = None) -> None:
        self.budget_id: UUID = refusal.budget_id
        self.scope = refusal.scope
        self.unit: Unit = refusal.unit
        self.limit = refusal.limit_amount
        self.spent = refusal.spent
        self.reserved = refusal.reserved
        self.needed = refusal.needed
        self.period_end: datetime | None = refusal.period_end
        super().__init__(message or _exceeded(refusal), field=None, **_facts(refusal))


class BudgetBusy(BudgetExceeded):
    """Only what other calls hold at this moment stands in the way; some of it comes back when they end."""

    code, status = "budget_busy", 429
    retry_after_seconds = 1.0

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal, _busy(refusal))


class InsufficientCredit(PaymentRequired):
    """The balance does not cover the most that the call can cost."""

    code = "insufficient_credit"

    def __init__(self, *, balance_micros: int, held_micros: int, needed_micros: int) -> None:
        self.balance_micros = balance_micros
        self.held_micros = held_micros
        self.needed_micros = needed_micros
        super().__init__(
            f"This call may cost {needed_micros} micro-dollars and the balance is {balance_micros}"
            f" ({held_micros} more are held for calls under way). Have credit granted by POST /v1/credits/grants, or"
            " ask for a shorter answer.",
            balance_micros=balance_micros,
            held_micros=held_micros,
            needed_micros=needed_micros,
        )


class PriceUnknown(InvalidRequest):
    """Money is limited, and nobody knows what the model costs."""

    code = "price_unknown"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"A budget or credit limits what this call may cost, and the price of {model!r} is not known. Put it into a"
            ' file as {"models": {"' + model + '": {"input": 150000, "output": 600000}}}, in micro-dollars per million'
            " tokens, and set GLIA_PRICES to that file's path.",
            field="model",
            model=model,
        )


def _amount(refusal: Refusal) -> str:
    unit = _UNITS[refusal.unit]
    return f"{refusal.limit_amount} {unit.removesuffix('s') if refusal.limit_amount == 1 else unit}"


def refused(refusal: Refusal) -> BudgetExceeded:
    return BudgetBusy(refusal) if refusal.is_passing else BudgetExceeded(refusal)


def _exceeded(refusal: Refusal) -> str:
    end = refusal.period_end
    until = "" if end is None else f", wait until {wire_time(end)}"
    return (
        f"{_WHO[refusal.scope]} has a budget of {_amount(refusal)} and has used"
        f" {refusal.spent}; this call may take {refusal.needed} more. Raise the budget"
        f" (PATCH /v1/budgets/{refusal.budget_id}){until}, or ask for less."
    )


def _busy(refusal: Refusal) -> str:
    return (
        f"{_WHO[refusal.scope]} has a budget of {_amount(refusal)}, has used"
        f" {refusal.spent} and holds {refusal.reserved} for calls under way; this call may take {refusal.needed} more."
        " Try again when some of them have ended."
    )


def _facts(refusal: Refusal) -> dict[str, object]:
    amounts = {"limit": refusal.limit_amount, "spent": refusal.spent, "reserved": refusal.reserved}
    return {
        "budget_id": str(refusal.budget_id),
        "scope": refusal.scope,
        **{f"{name}_{refusal.unit}": amount for name, amount in amounts.items()},
        f"needed_{refusal.unit}": refusal.needed,
        "period_end": None if refusal.period_end is None else wire_time(refusal.period_end),
    }
