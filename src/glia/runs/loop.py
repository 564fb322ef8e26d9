"""The loop of an agent's run: ask the model, call the tools it wants, again, until it answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
import orjson

from glia.agents.types import AgentVersion
from glia.kit.ids import new_id
from glia.models.service import Models, ResolvedModel, estimate_input_tokens, estimate_tokens
from glia.models.types import (
    ModelRequest,
    ModelResponse,
    ModelSettings,
    SystemMessage,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolSpec,
)
from glia.runs.deltas import Deltas
from glia.runs.errors import LimitReached
from glia.runs.events import (
    AnswerMessage,
    ArtifactCreated,
    CalledTool,
    Citation,
    ModelRequested,
    ModelResponded,
    Payload,
    RunCompleted,
    RunUsage,
    StepUsage,
    ToolCalled,
    ToolReturned,
)
from glia.runs.log import RunLog
from glia.runs.progress import Progress, fold, note_response, note_return
from glia.runs.toolbox import Toolbox
from glia.runs.types import RunStatus, Spent
from glia.tools.types import Source
from glia.usage.types import CallStatus, UsageRecord

Cite = Callable[[str, Sequence[Source]], tuple[list[Citation], int]]
"""Finds the citations in an answer that point to these sources, and counts those that point elsewhere."""

_DEFAULT_INSTRUCTIONS = "You are a helpful assistant."

_CITE = (
    "When a sentence of your answer rests on a passage of the knowledge base, put the passage's uri in square brackets"
    " after it, as in [kb://...]. Cite only passages you were given."
)


@dataclass(frozen=True)
class Crew:
    """What every agent's run works with."""

    models: Models
    cite: Cite


@dataclass(frozen=True)
class _Asked:
    """A model call that is under way, or whose answer is not stored yet."""

    model: ResolvedModel
    request: ModelRequest
    at: float


class AgentLoop:
    """One attempt of one run. `partial` is what the model has written of the answer it is working on."""

    def __init__(self, crew: Crew, log: RunLog, agent: AgentVersion, toolbox: Toolbox, pinned: str = "") -> None:
        """pinned: what memory adds to the instructions."""
        self._crew = crew
        self._log = log
        self._agent = agent
        self._toolbox = toolbox
        self._pinned = pinned
        self._progress = Progress()
        self._deltas: Deltas | None = None
        self._asked: _Asked | None = None
        self._is_finished = False
        self._inherited: dict[str, ToolCalled] = {}
        """Tool calls that an earlier attempt committed for dispatch and never saw return."""

    @property
    def partial(self) -> str:
        return self._deltas.text if self._deltas is not None else ""

    async def unsaved(self) -> list[Payload]:
        """Deltas that were shown but not stored, for whoever ends the run early."""
        if self._deltas is None:
            return []
        await self._deltas.settle()
        return list(self._deltas.rest().pieces)

    def unsettled(self, status: CallStatus) -> tuple[Spent, str] | None:
        """What a call that was cut off has cost, estimated: the provider charges for it and will not say how much."""
        if self._asked is None or self._deltas is None:
            return None
        usage = TokenUsage(
            input_tokens=estimate_input_tokens(self._asked.request),
            output_tokens=estimate_tokens(self._deltas.text) + estimate_tokens(self._deltas.thinking),
            is_estimated=True,
        )
        model, cost = self._asked.model.id, self._asked.model.cost_micros(usage)
        latency_ms = round((time.monotonic() - self._asked.at) * 1000)
        spent = Spent(1, 0, usage.input_tokens, usage.output_tokens, cost)
        return spent, self._usage(model, usage, cost, latency_ms, status)

    async def run(self) -> None:
        progress = self._progress = fold(await self._log.read(), self._log.run.id)
        self._inherited = {id: called for id, called in progress.called.items() if id not in progress.returned}
        while not progress.is_answered:
            if progress.pending:
                await self._call_tools(progress.pending)
            else:
                await self._ask_model()
        if not self._is_finished:  # an earlier attempt stored the answer and stopped before the end
            await self._log.finish(self._completed(), status=RunStatus.COMPLETED)

    async def _ask_model(self) -> None:
        progress = self._progress
        self._check_limits()
        step = progress.step + 1
        if progress.requested_step < step:
            await self._log.append(ModelRequested(step, self._agent.model))
            progress.requested_step = step
        response = await self._stream(step)
        note, calls = self._responded(step, response)
        deltas = cast(Deltas, self._deltas)
        await deltas.settle()
        progress.respond(note)
        note_response(progress, note)
        progress.called.update({call.tool_call_id: call for call in calls})
        spent = Spent(
            model_calls=1,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            cost_micros=response.cost_micros,
        )
        usage = self._usage(response.model, response.usage, response.cost_micros, response.latency_ms)
        pieces = deltas.rest().pieces
        if progress.is_answered:  # the answer and the run's end are one write
            completed = self._completed()
            await self._log.finish(
                *pieces,
                note,
                completed,
                status=RunStatus.COMPLETED,
                spent=spent,
                usage=usage,
                stored=self._forget_deltas,
            )
            self._is_finished = True
        else:
            await self._log.append(*pieces, note, *calls, spent=spent, usage=usage, stored=self._forget_deltas)

    def _forget_deltas(self) -> None:
        """The response is stored; whoever ends the run after this has nothing partial to keep."""
        self._deltas = self._asked = None

    async def _stream(self, step: int) -> ModelResponse:
        self._deltas = deltas = Deltas(self._log, step)
        request = self._request()
        model = await self._crew.models.resolve(self._agent.model)
        stream = self._crew.models.stream(model, request, fallback=self._agent.fallback_model)
        self._asked = _Asked(model, request, time.monotonic())
        try:
            async for event in stream:
                match event:
                    case TextDelta(text=text):
                        deltas.add_text(text)
                    case ThinkingDelta(text=text):
                        deltas.add_thinking(text)
                    case ModelResponse():
                        return event
                deltas.check()
        finally:
            deltas.stop()
            await stream.aclose()
        raise AssertionError("A model's stream ends with its response.")

    @property
    def _instructions(self) -> str:
        own = self._agent.instructions or _DEFAULT_INSTRUCTIONS
        cite = _CITE if self._agent.knowledge_base_ids else ""
        return "\n\n".join(part for part in (own, cite, self._pinned) if part)

    def _request(self) -> ModelRequest:
        settings = self._agent.settings
        return ModelRequest(
            model="",
            messages=[SystemMessage(self._instructions), *self._progress.messages],
            tools=[ToolSpec(tool.name, tool.description, tool.schema) for tool in self._toolbox.tools],
            settings=ModelSettings(
                temperature=settings.temperature,
                top_p=settings.top_p,
                max_output_tokens=settings.max_output_tokens,
                thinking_effort=settings.thinking_effort,
            ),
        )

    def _responded(self, step: int, response: ModelResponse) -> tuple[ModelResponded, list[ToolCalled]]:
        calls = [CalledTool(c.id, c.provider_id, c.name, c.arguments) for c in response.tool_calls]
        usage = response.usage
        note = ModelResponded(
            step=step,
            model=response.model,
            text=response.text,
            thinking=response.thinking,
            tool_calls=calls,
            usage=StepUsage(
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_input_tokens,
                usage.thinking_tokens,
                usage.cache_write_tokens,
                usage.is_estimated,
            ),
            cost_micros=response.cost_micros,
            latency_ms=response.latency_ms,
            finish_reason=response.finish_reason,
            provider_state=response.provider_state,
        )
        return note, [self._announce(step, call) for call in calls]

    def _announce(self, step: int, call: CalledTool) -> ToolCalled:
        """The note that must be committed before the tool is dispatched."""
        return ToolCalled(
            step=step,
            tool_call_id=call.id,
            tool=call.name,
            arguments=_parsed(call.arguments),
            effect=self._toolbox.effect_of(call.name),
            idempotency_key=f"{self._log.run.id}:{call.id}",
        )

    async def _call_tools(self, calls: list[CalledTool]) -> None:
        """Calls all that are pending, at the same time; each result is stored as soon as it is there."""
        progress = self._progress
        missing = [self._announce(progress.step, call) for call in calls if call.id not in progress.called]
        if missing:
            await self._log.append(*missing)
            progress.called.update({call.tool_call_id: call for call in missing})
        left = len(calls)

        async def one(call: CalledTool) -> None:
            nonlocal left
            returned = await self._toolbox.call(
                call, step=progress.step, key=f"{self._log.run.id}:{call.id}", earlier=self._inherited.get(call.id)
            )
            left -= 1
            payloads: list[Payload] = [*_created(returned), returned]
            if left == 0 and self._limit_reached() is None:
                payloads.append(ModelRequested(progress.step + 1, self._agent.model))
                progress.requested_step = progress.step + 1
            await self._log.append(*payloads, spent=Spent(tool_calls=1))
            note_return(progress, returned)

        await _together([one(call) for call in calls])
        for call in calls:  # in the model's order, however they came back
            progress.take_back(progress.returned[call.id])

    def _completed(self) -> RunCompleted:
        progress = self._progress
        text = progress.response.text if progress.response else ""
        citations, dropped = self._crew.cite(text, progress.sources)
        return RunCompleted(
            message=AnswerMessage(str(new_id()), text, citations),
            usage=RunUsage(progress.step, progress.tool_calls, progress.input_tokens, progress.output_tokens),
            cost_micros=progress.cost_micros,
            dropped_citations=dropped,
        )

    def _check_limits(self) -> None:
        reached = self._limit_reached()
        if reached is not None:
            raise reached

    def _limit_reached(self) -> LimitReached | None:
        limits, progress = self._agent.limits, self._progress
        tokens = progress.input_tokens + progress.output_tokens
        if progress.step >= limits.max_iterations:
            return LimitReached(
                f"The run made {progress.step} model calls, as many as `limits.max_iterations` allows."
                " Raise the limit or narrow the task.",
                limit="max_iterations",
            )
        if tokens >= limits.max_tokens:
            return LimitReached(
                f"The run used {tokens} tokens; `limits.max_tokens` is {limits.max_tokens}.", limit="max_tokens"
            )
        cost = progress.cost_micros
        if limits.max_cost_micros is not None and cost is not None and cost >= limits.max_cost_micros:
            return LimitReached(
                f"The run cost {cost} micro-dollars; `limits.max_cost_micros` is {limits.max_cost_micros}.",
                limit="max_cost_micros",
            )
        return None

    def _usage(
        self, model: str, usage: TokenUsage, cost_micros: int | None, latency_ms: int, status: CallStatus = "ok"
    ) -> str:
        """The usage record of one model call, as JSON."""
        run = self._log.run
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
        )
        return msgspec.json.encode(record).decode()


def _created(returned: ToolReturned) -> list[ArtifactCreated]:
    return [
        ArtifactCreated(returned.step, returned.tool_call_id, each.id, each.name, each.media_type, each.size_bytes)
        for each in returned.artifacts
    ]


def _parsed(arguments: str) -> object:
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments


async def _together(calls: list[Awaitable[None]]) -> None:
    """Runs all at once. The first failure cancels the others and is raised as itself, not wrapped in a group."""

    async def wait(call: Awaitable[None]) -> None:
        await call

    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(wait(call))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
