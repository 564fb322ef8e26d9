"""What a run's model calls were sent, read from the log: every message, instruction and tool, with its share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import NotFound
from glia.models.service import estimate_tokens
from glia.models.types import AssistantMessage, Message, ToolMessage
from glia.runs import fork_queries, log_queries, queries
from glia.runs.conversation import SUMMARY, Conversation, tokens_of
from glia.runs.errors import RunNotFound
from glia.runs.events import Event, ModelResponded, PlanMade, ReflectionMade
from glia.runs.model_contexts import SentContext
from glia.runs.progress import hear


@dataclass(frozen=True)
class ModelCall:
    """One call. seq: of the event that holds its answer."""

    step: int
    seq: int
    model: str
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cost_micros: int | None
    latency_ms: int
    finish_reason: str


@dataclass(frozen=True)
class Part:
    """A part of what was sent. kind: instructions, tools, summary, or a message's role. share: of the input tokens.

    tokens: estimated, and scaled so that all parts together are what the provider counted.
    """

    kind: str
    name: str
    tokens: int
    share: float


@dataclass(frozen=True)
class SentCall:
    """A call with everything that was sent, as the provider's client was given it."""

    call: ModelCall
    instructions: str
    tools: list[dict[str, Any]]
    settings: dict[str, Any]
    messages: list[dict[str, Any]]
    parts: list[Part]


class ModelCalls:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, principal: Principal, run_id: UUID) -> list[ModelCall]:
        return [_call(event, response) for event, response in await self._responses(principal, run_id)]

    async def get(self, principal: Principal, run_id: UUID, step: int) -> SentCall:
        """Raises NotFound when the run made no such call, or it has not answered yet."""
        found = [pair for pair in await self._responses(principal, run_id) if pair[1].step == step]
        if not found:
            raise NotFound(f"The run made no model call {step}, or it has not been answered.", field="step")
        event, response = found[-1]
        async with self._db.transaction(principal.workspace_id) as tx:
            run = await queries.get(tx, run_id)
            session_id = run.session_id if run is not None else run_id
            history = await fork_queries.read_history(tx, session_id, upto=event.seq - 1)
            body = await queries.get_context(tx, response.context)
        context = SentContext(None, "", [], {}) if body is None else msgspec.json.decode(body, type=SentContext)
        talk = Conversation()
        for earlier in history:
            hear(talk, earlier, earlier.payload)
        talk.release(response.heard or None)
        return SentCall(
            call=_call(event, response),
            instructions=context.instructions,
            tools=[msgspec.to_builtins(tool) for tool in context.tools],
            settings=context.settings | _cap(response),
            messages=[_shown(message) for message in talk.messages],
            parts=_parts(context, talk, response.usage.input_tokens),
        )

    async def instructions(self, principal: Principal, context: str) -> str:
        """What a model was told beside the messages; empty when that is not kept. context: as `model.responded` has it.

        It never changes, so it may be remembered.
        """
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            body = await queries.get_context(tx, context)
        return "" if body is None else msgspec.json.decode(body, type=SentContext).instructions

    async def plans(self, principal: Principal, run_id: UUID) -> list[PlanMade]:
        events = await self._events(principal, run_id)
        return [event.payload for event in events if isinstance(event.payload, PlanMade)]

    async def reflections(self, principal: Principal, run_id: UUID) -> list[ReflectionMade]:
        events = await self._events(principal, run_id)
        return [event.payload for event in events if isinstance(event.payload, ReflectionMade)]

    async def _responses(self, principal: Principal, run_id: UUID) -> list[tuple[Event, ModelResponded]]:
        return [
            (event, payload)
            for event in await self._events(principal, run_id)
            if isinstance(payload := event.payload, ModelResponded)
        ]

    async def _events(self, principal: Principal, run_id: UUID) -> list[Event]:
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.get(tx, run_id) is None:
                raise RunNotFound(f"There is no run '{run_id}' in this workspace.", run_id=str(run_id))
            return await log_queries.read_steps(tx, run_id)


def _cap(response: ModelResponded) -> dict[str, Any]:
    """The cap on the answer, which a budget may have set for this call alone."""
    return {} if response.max_output_tokens is None else {"max_output_tokens": response.max_output_tokens}


def _call(event: Event, response: ModelResponded) -> ModelCall:
    return ModelCall(
        response.step,
        event.seq,
        response.model,
        response.usage.input_tokens,
        response.usage.output_tokens,
        response.usage.cached_input_tokens,
        response.cost_micros,
        response.latency_ms,
        response.finish_reason,
    )


def _shown(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": _role(message), "content": message.text}
    if isinstance(message, AssistantMessage) and message.tool_calls:
        shown["tool_calls"] = [
            {"id": call.provider_id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        shown |= {"tool_call_id": message.tool_call_id, "name": message.name}
    return shown


def _role(message: Message) -> str:
    return type(message).__name__.removesuffix("Message").lower()


def _parts(context: SentContext, talk: Conversation, input_tokens: int) -> list[Part]:
    sizes = [("instructions", "", estimate_tokens(context.instructions))] if context.instructions else []
    sizes += [
        ("tool", tool.name, estimate_tokens(f"{tool.name}{tool.description}{tool.schema}")) for tool in context.tools
    ]
    for number, message in enumerate(talk.messages):
        kind = "summary" if message.text.startswith(SUMMARY) else _role(message)
        sizes.append((kind, f"messages[{number}]", tokens_of(message)))
    whole = sum(tokens for _, _, tokens in sizes) or 1
    return [
        Part(kind, name, round(tokens * input_tokens / whole) if input_tokens else tokens, tokens / whole)
        for kind, name, tokens in sizes
    ]
