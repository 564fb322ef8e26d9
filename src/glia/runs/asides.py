"""Model calls beside a run's conversation: for a summary, a plan, a look back. Held and recorded like any other."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec

from glia.kit.errors import GliaError, UpstreamFailed
from glia.models.service import Models, ResolvedModel
from glia.models.types import Message, ModelRequest, ModelResponse, ModelSettings, TokenUsage
from glia.runs.events import ToolReturned
from glia.runs.model_events import StepUsage
from glia.runs.purse import Purse
from glia.runs.types import Run, Spent
from glia.tools.types import Charge
from glia.usage.types import CallStatus, Hold, UsageRecord


@dataclass(frozen=True)
class Aside:
    """What a call brought. spent and record go into the write that stores what came of it."""

    text: str
    model: str
    usage: StepUsage
    cost_micros: int | None
    spent: Spent
    record: str | None


class Asides:
    def __init__(self, models: Models, purse: Purse, run: Run) -> None:
        self._models = models
        self._purse = purse
        self._run = run

    async def ask(self, number: int, model: ResolvedModel, messages: list[Message], *, most_tokens: int) -> Aside:
        """number: negative, and of this call alone within the run, so that its hold is not another call's.

        Raises what a model call raises, BudgetExceeded and InsufficientCredit included.
        """
        settings = ModelSettings(temperature=0.0, max_output_tokens=most_tokens)
        hold, request = await self._purse.hold(number, ModelRequest("", messages, (), settings), model)
        try:
            response = await self._answer(model, request)
        except GliaError:
            await self._purse.give_back(hold)
            raise
        usage = response.usage
        record = usage_json(self._run, response.model, usage, response.cost_micros, response.latency_ms, hold=hold)
        spent = Spent(1, 0, usage.input_tokens, usage.output_tokens, response.cost_micros)
        return Aside(response.text, response.model, step_usage(usage), response.cost_micros, spent, record)

    async def _answer(self, model: ResolvedModel, request: ModelRequest) -> ModelResponse:
        stream = self._models.stream(model, request)
        try:
            async for event in stream:
                if isinstance(event, ModelResponse):
                    return event
        finally:
            await stream.aclose()
        raise UpstreamFailed("The model ended without an answer.")


def free(text: str, model: str) -> Aside:
    """What was found without asking any model."""
    return Aside(text, model, StepUsage(0, 0), None, Spent(), None)


def step_usage(usage: TokenUsage) -> StepUsage:
    return StepUsage(
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.thinking_tokens,
        usage.cache_write_tokens,
        usage.is_estimated,
    )


def usage_json(
    run: Run,
    model: str,
    usage: TokenUsage,
    cost_micros: int | None,
    latency_ms: int,
    *,
    status: CallStatus = "ok",
    hold: Hold | None = None,
    step: int | None = None,
) -> str:
    """The usage record of one model call, as JSON. step: of the run; None for a call beside its steps."""
    hold_id: UUID | None = None if hold is None else hold.id
    record = UsageRecord(
        workspace_id=run.workspace_id,
        project_id=run.project_id,
        operation="chat",
        model=model,
        agent_id=run.agent_id,
        run_id=run.id,
        key_id=run.key_id,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        thinking_tokens=usage.thinking_tokens,
        is_estimated=usage.is_estimated,
        cost_micros=cost_micros,
        latency_ms=latency_ms,
        status=status,
        step=step,
        hold_id=hold_id,
    )
    return msgspec.json.encode(record).decode()


def charge_json(run: Run, charge: Charge, returned: ToolReturned) -> str:
    """The usage record of a tool call that cost something, as JSON."""
    record = UsageRecord(
        workspace_id=run.workspace_id,
        project_id=run.project_id,
        operation=charge.operation,
        model=charge.service,
        agent_id=run.agent_id,
        run_id=run.id,
        key_id=run.key_id,
        input_tokens=0,
        output_tokens=0,
        is_streamed=False,
        cost_micros=charge.cost_micros,
        latency_ms=returned.duration_ms,
        status="ok" if returned.status == "ok" else "failed",
        step=returned.step,
        tool_call_id=returned.tool_call_id,
        hold_id=charge.hold_id,
    )
    return msgspec.json.encode(record).decode()
