"""What a run's model calls may cost: held before each call, and waited for when there is no room."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime, timedelta

from glia.agents.types import AgentVersion
from glia.kit import clock
from glia.kit.db import Transaction
from glia.kit.errors import GliaError
from glia.models.service import Models, ResolvedModel, largest_call, largest_input
from glia.models.types import ModelRequest
from glia.runs import queries
from glia.runs.events import BudgetExceeded as Exceeded
from glia.runs.log import RunLog
from glia.usage.errors import BudgetBusy, BudgetExceeded, InsufficientCredit
from glia.usage.service import Spending
from glia.usage.types import Hold, SpendingCall

_LONGEST_STAY_SECONDS = 20.0
"""How long a run keeps its worker while only other calls stand in its way."""

_LOOKS_AGAIN_SECONDS = 15.0


class Purse:
    """Of one attempt of one run."""

    def __init__(self, spending: Spending, models: Models, log: RunLog, agent: AgentVersion) -> None:
        self._spending = spending
        self._models = models
        self._log = log
        self._agent = agent

    async def hold(self, step: int, request: ModelRequest, model: ResolvedModel) -> tuple[Hold | None, ModelRequest]:
        """What is held for a model call, and the request with an answer that fits. Costs nothing without limits.

        Raises BudgetExceeded, InsufficientCredit, PriceUnknown. While only calls under way stand in the way, it waits
        for them first, up to 20 seconds.
        """
        run, limit = self._log.run, self._agent.limits.max_cost_micros
        is_child = run.parent_run_id is not None
        if not await self._spending.must_reserve(run.workspace_id, run_limit_micros=limit, is_child=is_child):
            return None, request
        named = request.settings.max_output_tokens
        most, least = (named, named) if named is not None else self._spending.config.span_of(_max_output(model))
        call = SpendingCall(
            workspace_id=run.workspace_id,
            project_id=run.project_id,
            key_id=run.key_id,
            agent_id=run.agent_id,
            run_id=run.id,
            step=step,
            model=model.id,
            run_limit_micros=limit,
            is_child=is_child,
            bound=largest_call(
                [model, *await self._fallback()],
                input_tokens=largest_input(request),
                most_output=most,
                least_output=least,
            ),
        )
        hold = await self._patiently(call)
        if named is not None or hold is None or hold.output_tokens is None:
            return hold, request
        return hold, replace(request, settings=replace(request.settings, max_output_tokens=hold.output_tokens))

    async def give_back(self, hold: Hold | None) -> None:
        """For a call that has failed without an answer."""
        if hold is not None:
            await self._spending.release(self._log.run.workspace_id, hold)

    async def wait(self, step: int, refused: BudgetExceeded | InsufficientCredit) -> None:
        """Lets go of the run until there is room: the limit is raised, a new period begins, or calls have ended."""

        async def also(tx: Transaction) -> None:
            # Whoever raises a limit changes its row and then looks for runs that wait: one of the two sees the other.
            if await self._has_changed(tx, refused):
                await queries.resume(tx, self._log.run.id)

        await self._log.suspend(
            _event(step, refused), waiting_for=["budget"], wake_at=_wake_at(refused), detail=refused.message, also=also
        )

    async def _patiently(self, call: SpendingCall) -> Hold | None:
        pause, left = 0.1, _LONGEST_STAY_SECONDS
        while True:
            try:
                return await self._spending.reserve(call)
            except (BudgetBusy, InsufficientCredit) as refused:
                if left <= 0 or not _is_passing(refused):
                    raise
            wait = pause * random.uniform(0.5, 1)  # noqa: S311 - only spreads the tries
            await asyncio.sleep(wait)
            left -= wait
            pause = min(2.0, pause * 1.5)

    async def _fallback(self) -> list[ResolvedModel]:
        name = self._agent.fallback_model
        if name is None:
            return []
        try:
            return [await self._models.resolve(name)]
        except GliaError:
            return []  # then it will not answer either

    async def _has_changed(self, tx: Transaction, refused: BudgetExceeded | InsufficientCredit) -> bool:
        if isinstance(refused, InsufficientCredit):
            return await self._spending.covers(tx, self._log.run.workspace_id, refused.needed_micros)
        return await self._spending.is_raised(tx, refused)


def _max_output(model: ResolvedModel) -> int | None:
    return None if model.price is None else model.price.max_output


def _is_passing(refused: BudgetExceeded | InsufficientCredit) -> bool:
    if isinstance(refused, InsufficientCredit):
        return refused.needed_micros <= refused.balance_micros + refused.held_micros
    return isinstance(refused, BudgetBusy)


def _wake_at(refused: BudgetExceeded | InsufficientCredit) -> datetime | None:
    if _is_passing(refused):
        return clock.now() + timedelta(seconds=_LOOKS_AGAIN_SECONDS * random.uniform(0.5, 1))  # noqa: S311
    return None if isinstance(refused, InsufficientCredit) else refused.period_end


def _event(step: int, refused: BudgetExceeded | InsufficientCredit) -> Exceeded:
    if isinstance(refused, InsufficientCredit):
        balance, held = refused.balance_micros, refused.held_micros
        return Exceeded(step, "workspace", "micros", balance + held, 0, held, refused.needed_micros, refused.message)
    return Exceeded(
        step,
        refused.scope,
        refused.unit,
        refused.limit,
        refused.spent,
        refused.reserved,
        refused.needed,
        refused.message,
        refused.budget_id,
        refused.period_end,
    )
