"""A model call outside an agent's loop, as judges and planners make it: held against every budget, and recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from glia.kit.errors import UpstreamFailed
from glia.models.bounds import largest_call, largest_input
from glia.models.resolving import ResolvedModel
from glia.models.types import ModelEvent, ModelRequest, ModelResponse
from glia.usage.service import Spending
from glia.usage.types import Hold, Payer, SpendingCall, UsageRecord


class _Models(Protocol):
    def stream(self, name: ResolvedModel, request: ModelRequest, /) -> AsyncGenerator[ModelEvent, None]: ...


@dataclass(frozen=True)
class Patience:
    """seconds: how long the answer may take. late, silent: what is said of one that takes longer, or never comes."""

    seconds: float
    late: str
    silent: str


async def ask_held(
    models: _Models,
    spending: Spending | None,
    model: ResolvedModel,
    request: ModelRequest,
    payer: Payer,
    patience: Patience,
) -> tuple[ModelResponse, UsageRecord]:
    """The answer, and the record of what it took, for the transaction that keeps what came of it.

    request: with `max_output_tokens`, which bounds what is held. spending: None for models that no budget limits.
    Raises ValueError without it, what a model call raises, UpstreamFailed, BudgetExceeded and InsufficientCredit;
    nothing stays held then.
    """
    hold = await _hold(spending, model, request, payer)
    try:
        async with asyncio.timeout(patience.seconds):
            response = await _answer(models, model, request, patience)
    except BaseException as error:
        if hold is not None and spending is not None:
            await spending.release(payer.workspace_id, hold)
        if isinstance(error, TimeoutError):
            raise UpstreamFailed(patience.late) from None
        raise
    return response, _record(response, payer, hold)


async def _hold(spending: Spending | None, model: ResolvedModel, request: ModelRequest, payer: Payer) -> Hold | None:
    if spending is None or not await spending.must_reserve(payer.workspace_id):
        return None
    most = request.settings.max_output_tokens
    if most is None:
        raise ValueError("A call that is held says how long its answer may be.")
    call = SpendingCall(
        workspace_id=payer.workspace_id,
        project_id=payer.project_id,
        key_id=payer.key_id,
        agent_id=payer.agent_id,
        run_id=payer.run_id,
        step=payer.step,
        model=model.id,
        bound=largest_call([model], input_tokens=largest_input(request), most_output=most, least_output=most),
    )
    return await spending.reserve(call)


async def _answer(models: _Models, model: ResolvedModel, request: ModelRequest, patience: Patience) -> ModelResponse:
    async with aclosing(models.stream(model, request)) as events:
        async for event in events:
            if isinstance(event, ModelResponse):
                return event
    raise UpstreamFailed(patience.silent)


def _record(response: ModelResponse, payer: Payer, hold: Hold | None) -> UsageRecord:
    usage = response.usage
    return UsageRecord(
        workspace_id=payer.workspace_id,
        project_id=payer.project_id,
        key_id=payer.key_id,
        agent_id=payer.agent_id,
        run_id=payer.run_id,
        operation="chat",
        model=response.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        thinking_tokens=usage.thinking_tokens,
        is_estimated=usage.is_estimated,
        cost_micros=response.cost_micros,
        latency_ms=response.latency_ms,
        step=payer.step,
        hold_id=None if hold is None else hold.id,
    )
