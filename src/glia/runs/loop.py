"""The loop of an agent's run: ask the model, call the tools it wants, again, until it answers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import msgspec

from glia.agents.types import AgentVersion
from glia.kit.db import Transaction
from glia.kit.ids import new_id
from glia.models.errors import ModelFailed
from glia.models.service import Models, ResolvedModel, estimate_input_tokens, estimate_tokens, format_problem
from glia.models.types import (
    FinishReason,
    Message,
    ModelRequest,
    ModelResponse,
    SystemMessage,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolSpec,
    UserMessage,
)
from glia.runs import accept_queries
from glia.runs.asides import Asides, step_usage, usage_json
from glia.runs.calls import ToolCalls
from glia.runs.context import Context
from glia.runs.deliberation import Notebook, advice, make_plan, plan_text, reflect
from glia.runs.deltas import Deltas
from glia.runs.documents import DOCUMENT, Seal, document_of, with_document
from glia.runs.errors import LimitReached, WrongFormat
from glia.runs.events import (
    AnswerMessage,
    CalledTool,
    Citation,
    MessageReceived,
    ModelRequested,
    ModelResponded,
    Payload,
    RunCompleted,
    RunUsage,
    ToolCalled,
)
from glia.runs.log import AlsoWrite, RunLog
from glia.runs.model_contexts import ModelContexts
from glia.runs.options import NO_OPTIONS, RunOptions
from glia.runs.permissions import Gate
from glia.runs.pictures import Pictures, ReadFile, no_files
from glia.runs.progress import Progress, fold, note_aside, note_response
from glia.runs.purse import Purse
from glia.runs.toolbox import Toolbox
from glia.runs.types import Run, RunStatus, Spent
from glia.tools.types import Source
from glia.usage.errors import BudgetExceeded, InsufficientCredit
from glia.usage.service import Spending
from glia.usage.types import CallStatus, Hold

Cite = Callable[[str, Sequence[Source]], tuple[list[Citation], int]]
"""Finds the citations in an answer that point to these sources, and counts those that point elsewhere."""

_EARLY = (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)

_DEFAULT_INSTRUCTIONS = "You are a helpful assistant."

_CITE = (
    "When a sentence of your answer rests on a passage of the knowledge base, put the passage's uri in square brackets"
    " after it, as in [kb://...]. Cite only passages you were given."
)


def _rules(agent: AgentVersion) -> str:
    if not agent.standing_instructions:
        return ""
    return "\n".join(["Always follow these rules:", *(f"- {rule.text}" for rule in agent.standing_instructions)])


Verify = Callable[[Transaction, Run, str], Awaitable[None]]
"""Queues an answer for being checked, in the transaction that ends its run."""


@dataclass(frozen=True)
class Crew:
    """What every agent's run works with. notebook: keeps plans and reflections beside the log. seal: opens what is kept
    with a run only until its end. verify: has a finished run's answer checked, if its agent wants that."""

    models: Models
    cite: Cite
    spending: Spending
    contexts: ModelContexts
    notebook: Notebook | None = None
    read_file: ReadFile = no_files
    seal: Seal | None = None
    verify: Verify | None = None


@dataclass(frozen=True)
class _Asked:
    """A model call that is under way, or whose answer is not stored yet."""

    model: ResolvedModel
    request: ModelRequest
    at: float
    hold: Hold | None
    context: str
    heard: int


class AgentLoop:
    """One attempt of one run. `partial` is what the model has written of the answer it is working on."""

    def __init__(
        self,
        crew: Crew,
        log: RunLog,
        agent: AgentVersion,
        toolbox: Toolbox,
        gate: Gate,
        pinned: str = "",
        options: RunOptions = NO_OPTIONS,
    ) -> None:
        """pinned: what memory adds to the instructions."""
        self._options = options
        self._theirs = {tool.name for tool in options.client_tools}
        self._pictures = Pictures(crew.read_file, log.run.workspace_id)
        self._crew = crew
        self._log = log
        self._agent = agent
        self._toolbox = toolbox
        self._pinned = pinned
        self._progress = Progress()
        self._deltas: Deltas | None = None
        self._asked: _Asked | None = None
        self._is_finished = False
        self._calls = ToolCalls(log, agent, toolbox, gate, self._theirs)
        self._document = document_of(log.run.id, log.run.input, crew.seal)
        self._question: UserMessage | None = None
        """The user's message that the run answers, if a document goes with it."""
        self._purse = Purse(crew.spending, crew.models, log, agent)
        self._asides = Asides(crew.models, self._purse, log.run)
        self._context = Context(crew.models, self._asides, log, agent)

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
        return spent, self._usage(self._progress.step + 1, model, usage, cost, latency_ms, status)

    async def run(self) -> None:
        """Goes on until the answer is stored, or the run has let go of its worker to wait."""
        progress = self._progress = fold(await self._log.read(), self._log.run.id)
        self._calls.inherited = {id: called for id, called in progress.called.items() if id not in progress.returned}
        await self._enter_queued()
        if self._document:
            said = (message for message in reversed(progress.talk.messages) if isinstance(message, UserMessage))
            self._question = next(said, None)
        try:
            while not self._is_finished:
                if self._calls.ours(progress):
                    if not await self._calls.settle(progress, asks_again=self._asks_again):
                        return
                elif progress.pending:  # the caller answers what is left
                    await self._log.finish(self._completed(progress.pending), status=RunStatus.COMPLETED)
                    self._is_finished = True
                elif not progress.is_answered:
                    await self._ask_model()
                elif self._will_reflect:
                    await self._reflect()
                else:
                    break
        except (BudgetExceeded, InsufficientCredit) as refused:  # there is no money for the next model call
            await self._purse.wait(progress.step + 1, refused)
            return
        if not self._is_finished:  # an earlier attempt stored the answer and stopped before the end
            await self._log.finish(self._completed(), status=RunStatus.COMPLETED, also=self._farewell)

    @property
    def _farewell(self) -> AlsoWrite | None:
        """What is forgotten, and what is begun, with the run's end."""
        run, response = self._log.run, self._progress.response
        verify = self._crew.verify if self._agent.deliberation.verifies and response is not None else None
        if not self._document and verify is None:
            return None

        async def also(tx: Transaction) -> None:
            if self._document:
                await accept_queries.forget_input(tx, run.id, DOCUMENT)
            if verify is not None and response is not None:
                await verify(tx, run, response.text)

        return also

    async def _enter_queued(self) -> None:
        """Messages that waited with the run behind another one come into the log when it begins."""
        given = self._log.run.input.get("messages", [])
        waiting = msgspec.convert(given, list[MessageReceived])
        new = [message for message in waiting if message.message_id not in self._progress.talk.said]
        if new:
            await self._log.append(*new)
            for message in new:
                self._progress.talk.receive(message)

    async def _hear(self) -> None:
        """Takes in what was said to the run while it was at work."""
        for event in await self._log.news():
            self._progress.talk.hear(event)
        self._progress.talk.release()

    @property
    def _will_reflect(self) -> bool:
        return self._agent.deliberation.reflects and self._progress.reflection is None

    async def _model(self) -> ResolvedModel:
        agent = self._agent
        return await self._crew.models.resolve(agent.model, or_default=agent.settings.default_if_unknown)

    async def _plan(self) -> None:
        model = await self._model()
        plan, aside = await make_plan(self._asides, model, self._progress.talk.asked, self._toolbox.tools)
        book, run = self._crew.notebook, self._log.run
        also: AlsoWrite | None = None if book is None else lambda tx: book.plan_made(tx, run, plan)
        await self._log.append(plan, spent=aside.spent, usage=aside.record, also=also)
        note_aside(self._progress, plan.usage, plan.cost_micros)
        self._progress.plan = plan

    async def _reflect(self) -> None:
        progress, deliberation = self._progress, self._agent.deliberation
        model = await self._model()
        answer = progress.response.text if progress.response else ""
        made, aside = await reflect(
            self._asides,
            model,
            progress.step,
            self._progress.talk.asked,
            answer,
            revise_below=deliberation.revise_below if self._limit_reached() is None else None,
        )
        book, run, task = self._crew.notebook, self._log.run, progress.talk.asked
        also: AlsoWrite | None = (
            None if book is None else lambda tx: book.reflected(tx, run, made, task=task, answer=answer)
        )
        await self._log.append(made, spent=aside.spent, usage=aside.record, also=also)
        note_aside(progress, made.usage, made.cost_micros)
        progress.reflection = made
        if made.is_revised:
            progress.talk.say(UserMessage(advice(made)))

    async def _ask_model(self) -> None:
        """Raises BudgetExceeded or InsufficientCredit when there is no money for it."""
        progress = self._progress
        self._check_limits()
        step = progress.step + 1
        if progress.requested_step < step:
            await self._log.append(ModelRequested(step, self._agent.model))
            progress.requested_step = step
        progress.talk.request(self._log.run.id)
        await self._hear()
        if self._agent.deliberation.plans and progress.plan is None:
            await self._plan()
        response = await self._answered(step)
        note, calls = self._responded(step, response)
        deltas = cast(Deltas, self._deltas)
        await deltas.settle()
        progress.talk.at = (self._log.seq or 0) + 1
        progress.talk.respond(note)
        note_response(progress, note)
        progress.called.update({call.tool_call_id: call for call in calls})
        self._check_format(note)
        spent = Spent(
            model_calls=1,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            cost_micros=response.cost_micros,
        )
        usage = self._usage(step, response.model, response.usage, response.cost_micros, response.latency_ms)
        pieces = deltas.rest().pieces
        # The answer and the run's end are one write, unless someone has said more meanwhile.
        while progress.is_answered and not self._will_reflect:
            if await self._log.finish(
                *pieces,
                note,
                self._completed(),
                status=RunStatus.COMPLETED,
                spent=spent,
                usage=usage,
                unless_news=True,
                also=self._farewell,
                stored=self._forget_deltas,
            ):
                self._is_finished = True
                return
            await self._hear()
        await self._log.append(*pieces, note, *calls, spent=spent, usage=usage, stored=self._forget_deltas)

    def _forget_deltas(self) -> None:
        """The response is stored; whoever ends the run after this has nothing partial to keep."""
        self._deltas = self._asked = None

    async def _answered(self, step: int) -> ModelResponse:
        """The model's answer. A conversation that turns out to be too long for it is compacted, once."""
        model = await self._model()
        await self._context.fit(self._progress, model, fixed_tokens=self._fixed_tokens)
        try:
            return await self._stream(step, await self._prepare(step, model))
        except ModelFailed as failed:
            if failed.kind != "context_too_long" or self.partial or self._options.truncation == "disabled":
                raise
            self._deltas = self._asked = None
            keep = self._progress.talk.tokens // 3
            if not await self._context.compact(self._progress, model, keep_tokens=keep):
                raise
            return await self._stream(step, await self._prepare(step, model))

    async def _prepare(self, step: int, model: ResolvedModel) -> _Asked:
        """The call that is to be made, with what is held for it."""
        await self._hear()
        heard = self._log.heard
        request = await self._pictures.put_into(self._request())
        key = await self._crew.contexts.keep(self._log.run.workspace_id, self._agent.model, request)
        hold, request = await self._purse.hold(step, request, model)
        return _Asked(model, request, time.monotonic(), hold, key, heard)

    async def _stream(self, step: int, asked: _Asked) -> ModelResponse:
        self._deltas = deltas = Deltas(self._log, step)
        self._asked = asked
        stream = self._crew.models.stream(asked.model, asked.request, fallback=self._agent.fallback_model)
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
        own = self._agent.instructions or (_DEFAULT_INSTRUCTIONS if self._log.run.agent_id else "")
        cite = _CITE if self._agent.has_knowledge else ""
        plan = plan_text(self._progress.plan) if self._progress.plan else ""
        rules = _rules(self._agent)
        parts = (own, rules, self._options.instructions, cite, self._pinned, plan)
        return "\n\n".join(part for part in parts if part)

    @property
    def _messages(self) -> list[Message]:
        if self._question is None:
            return self._progress.talk.messages
        whole = replace(self._question, text=with_document(self._question.text, self._document))
        return [whole if message is self._question else message for message in self._progress.talk.messages]

    @property
    def _offered(self) -> list[ToolSpec]:
        """Only the caller's functions for the last model call of an agent that is to answer with what it has."""
        limits = self._agent.limits
        if limits.ends_with_answer and self._progress.step + 1 >= limits.max_iterations:
            return self._options.specs()
        return self._tools

    @cached_property
    def _own_tools(self) -> list[ToolSpec]:
        tools = (tool for tool in self._toolbox.tools if tool.name not in self._theirs)
        return [ToolSpec(tool.name, tool.description, tool.schema) for tool in tools]

    @property
    def _tools(self) -> list[ToolSpec]:
        """The caller's functions, and ours unless the run has made as many calls as it may."""
        most = self._options.max_tool_calls
        own = self._own_tools if most is None or self._progress.tool_calls < most else []
        return [*self._options.specs(), *own]

    @cached_property
    def _tool_tokens(self) -> int:
        return sum(estimate_tokens(f"{tool.name}{tool.description}{tool.schema}") for tool in self._tools)

    @property
    def _fixed_tokens(self) -> int:
        """About how many tokens every request has besides the messages."""
        return estimate_tokens(self._instructions) + self._tool_tokens + estimate_tokens(self._document)

    def _request(self) -> ModelRequest:
        instructions = [SystemMessage(self._instructions)] if self._instructions else []
        tools = self._offered
        settings = self._options.settings(self._agent.settings, is_first=self._progress.step == 0)
        if settings.tool_choice not in (None, "auto", "none", "required", *(tool.name for tool in tools)):
            settings = replace(settings, tool_choice=None)
        return ModelRequest(
            model="",
            messages=[*instructions, *self._messages],
            tools=tools,
            settings=settings,
        )

    def _check_format(self, answer: ModelResponded) -> None:
        """Raises WrongFormat for a whole answer that is not what was asked for."""
        form = self._options.response_format
        if form is None or answer.tool_calls or answer.finish_reason != FinishReason.STOP:
            return
        if problem := format_problem(form, answer.text):
            raise WrongFormat(f"The answer of {answer.model} is not in the format that was asked for: {problem}.")

    def _responded(self, step: int, response: ModelResponse) -> tuple[ModelResponded, list[ToolCalled]]:
        calls = [CalledTool(c.id, c.provider_id, c.name, c.arguments) for c in response.tool_calls]
        asked = cast(_Asked, self._asked)
        usage = response.usage
        note = ModelResponded(
            step=step,
            model=response.model,
            text=response.text,
            thinking=response.thinking,
            tool_calls=calls,
            usage=step_usage(usage),
            cost_micros=response.cost_micros,
            latency_ms=response.latency_ms,
            finish_reason=response.finish_reason,
            provider_state=response.provider_state,
            heard=asked.heard,
            context=asked.context,
            max_output_tokens=asked.request.settings.max_output_tokens,
        )
        return note, [self._calls.announce(step, call) for call in calls if self._calls.is_free(call)]

    @property
    def _asks_again(self) -> bool:
        """Whether the model is asked once the pending calls that are made here have come back."""
        return self._limit_reached() is None and len(self._calls.ours(self._progress)) == len(self._progress.pending)

    def _completed(self, handed_over: Sequence[CalledTool] = ()) -> RunCompleted:
        """handed_over: calls that the caller answers."""
        progress = self._progress
        text = progress.response.text if progress.response else ""
        reason = progress.response.finish_reason if progress.response else FinishReason.STOP
        citations, dropped = self._crew.cite(text, progress.sources)
        return RunCompleted(
            message=AnswerMessage(str(new_id()), text, citations),
            usage=RunUsage(progress.step, progress.tool_calls, progress.input_tokens, progress.output_tokens),
            cost_micros=progress.cost_micros,
            dropped_citations=dropped,
            tool_calls=list(handed_over) or msgspec.UNSET,
            finish_reason=reason if reason in _EARLY else msgspec.UNSET,
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
        return None

    def _usage(
        self,
        step: int,
        model: str,
        usage: TokenUsage,
        cost_micros: int | None,
        latency_ms: int,
        status: CallStatus = "ok",
    ) -> str:
        hold = self._asked.hold if self._asked is not None else None
        return usage_json(self._log.run, model, usage, cost_micros, latency_ms, status=status, hold=hold, step=step)
