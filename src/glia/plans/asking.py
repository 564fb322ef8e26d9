"""Model calls for a plan or a judgement that belong to no run: held against every budget and recorded, like any."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from glia.agents.service import Agents
from glia.identity.types import Principal
from glia.kit.errors import UpstreamFailed
from glia.models.service import Models, ResolvedModel, largest_call, largest_input
from glia.models.types import Message, ModelRequest, ModelResponse, ModelSettings
from glia.runs.asides import Aside, step_usage
from glia.runs.types import Spent
from glia.tools.service import Tools
from glia.usage.service import Spending, Usage
from glia.usage.types import Hold, SpendingCall, UsageRecord

_SECONDS = 180.0


@dataclass(frozen=True)
class Thinkers:
    """What thinking outside of a run takes."""

    agents: Agents
    tools: Tools
    models: Models
    spending: Spending
    usage: Usage


class Asking:
    """One call for one agent. record: what it took, for the transaction that keeps what came of it."""

    def __init__(self, models: Models, spending: Spending, principal: Principal, agent_id: UUID) -> None:
        self._models = models
        self._spending = spending
        self._principal = principal
        self._agent_id = agent_id
        self.record: UsageRecord | None = None

    async def ask(self, number: int, model: ResolvedModel, messages: list[Message], *, most_tokens: int) -> Aside:
        """Raises what a model call raises, BudgetExceeded and InsufficientCredit included."""
        del number  # holds of calls outside of runs replace nothing
        settings = ModelSettings(temperature=0.0, max_output_tokens=most_tokens)
        request = ModelRequest("", messages, (), settings)
        hold = await self._hold(model, request, most_tokens)
        try:
            async with asyncio.timeout(_SECONDS):
                response = await self._answer(model, request)
        except BaseException as error:
            if hold is not None:
                await self._spending.release(self._principal.workspace_id, hold)
            if isinstance(error, TimeoutError):
                raise UpstreamFailed(f"The model {model.id!r} did not answer within {_SECONDS:g} s.") from None
            raise
        self.record = self._record(response, hold)
        return Aside(
            response.text, response.model, step_usage(response.usage), response.cost_micros, Spent(), record=None
        )

    async def _hold(self, model: ResolvedModel, request: ModelRequest, most_tokens: int) -> Hold | None:
        who = self._principal
        if not await self._spending.must_reserve(who.workspace_id):
            return None
        call = SpendingCall(
            workspace_id=who.workspace_id,
            project_id=who.project_id,
            key_id=who.key_id,
            agent_id=self._agent_id,
            model=model.id,
            bound=largest_call(
                [model], input_tokens=largest_input(request), most_output=most_tokens, least_output=most_tokens
            ),
        )
        return await self._spending.reserve(call)

    async def _answer(self, model: ResolvedModel, request: ModelRequest) -> ModelResponse:
        async with aclosing(self._models.stream(model, request)) as events:
            async for event in events:
                if isinstance(event, ModelResponse):
                    return event
        raise UpstreamFailed("The model ended without an answer.")

    def _record(self, response: ModelResponse, hold: Hold | None) -> UsageRecord:
        usage = response.usage
        return UsageRecord(
            workspace_id=self._principal.workspace_id,
            project_id=self._principal.project_id,
            key_id=self._principal.key_id,
            agent_id=self._agent_id,
            operation="chat",
            model=response.model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            thinking_tokens=usage.thinking_tokens,
            is_estimated=usage.is_estimated,
            cost_micros=response.cost_micros,
            latency_ms=response.latency_ms,
            hold_id=None if hold is None else hold.id,
        )
