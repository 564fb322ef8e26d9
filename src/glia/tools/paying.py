"""What a tool's call of a paid service may cost, held before it is made."""

from __future__ import annotations

import zlib

from glia.tools.types import ToolContext
from glia.usage.service import Spending
from glia.usage.types import CallBound, Hold, SpendingCall


async def held(spending: Spending | None, context: ToolContext, service: str, price: int | None) -> Hold | None:
    """What is held for one paid call, so that no budget is passed. Costs nothing where nothing limits spending.

    service: who is paid, as usage records call it. price: the most in micro-dollars; None when nobody knows.
    Raises BudgetExceeded, InsufficientCredit, and PriceUnknown when money is limited and the price is not known.
    """
    if spending is None or price == 0:
        return None
    call = SpendingCall(
        workspace_id=context.workspace_id,
        project_id=context.project_id,
        key_id=context.key_id,
        agent_id=context.agent_id,
        run_id=context.run_id,
        step=_place_of(context.idempotency_key),
        model=service,
        bound=CallBound(0, price, 0, 0, 0),
    )
    return await spending.reserve(call)


def _place_of(key: str) -> int:
    """A negative step: a run holds once for each step, and its tool calls have none of their own."""
    return -1 - (zlib.crc32(key.encode()) & 0x3FFFFFFF)
