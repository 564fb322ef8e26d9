"""How a run that gave no answer is told to a client of Neura's API."""

from __future__ import annotations

from typing import Any

from glia.identity.types import Principal
from glia.kit.errors import Forbidden, GliaError, PaymentRequired
from glia.runs.events import BudgetExceeded, RunCancelled, RunFailed
from glia.runs.types import Accepted
from glia.surfaces.neura.tale import Tale
from glia.wiring import House

_STATUS_OF = {
    "limit_reached": 400,
    "model_not_found": 400,
    "not_found": 400,
    "tool_not_found": 400,
    "invalid_request": 400,
    "price_unknown": 400,
    "context_too_long": 400,
    "payment_required": 402,
    "budget_exceeded": 402,
    "insufficient_credit": 402,
    "model_rate_limited": 429,
}


class RunEndedBadly(GliaError):
    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.code = code
        self.status = _STATUS_OF.get(code, 500)


class NoCredits(PaymentRequired):
    """Raised when the balance does not cover the most that the answer may cost."""

    def __init__(self, balance_micros: int) -> None:
        super().__init__("Insufficient credits", detail=f"Balance: ${balance_micros / 1_000_000:.2f}")


async def ended_badly(house: House, principal: Principal, accepted: Accepted, tale: Tale) -> GliaError | None:
    """The error for a run that has not answered; None for one that has.

    A run that no money is left for is stopped: nobody waits for it any more.
    """
    run = str(accepted.run_id)
    if tale.completed is not None:
        return None
    if isinstance(tale.ended_badly, RunFailed):
        error = tale.ended_badly.error
        return RunEndedBadly(error.code, error.message, detail=f"Run: {run}")
    if isinstance(tale.ended_badly, RunCancelled):
        return RunEndedBadly("invalid_request", "The run was cancelled before it answered.", detail=f"Run: {run}")
    if tale.refused is not None:
        await house.runs.cancel(principal, accepted.run_id)
        return _no_money(tale.refused)
    return Forbidden(
        "A person must approve a tool call before the agent can answer.",
        detail=f"Decide it under /v1/approvals; the answer is then in conversation {accepted.session_id}.",
    )


def _no_money(refused: BudgetExceeded) -> GliaError:
    if refused.budget_id is None:
        return NoCredits(refused.limit - refused.reserved)
    return PaymentRequired("Budget exceeded", detail=refused.message)
