"""Payloads about what a run asks of models, and what they answer, plan and think of their answer."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec

from glia.runs.message_events import CalledTool


class ModelRequested(msgspec.Struct, frozen=True):
    """step: counts the model calls of a run from 1."""

    type: ClassVar = "model.requested"
    step: int
    model: str | None = None


class TextDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """offset: where in the step's text this begins, in characters. pieces: how long each piece is that was shown by
    itself while the model wrote; empty when this is one."""

    type: ClassVar = "text.delta"
    step: int
    attempt: int
    offset: int
    text: str
    pieces: list[int] = []


class ThinkingDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    type: ClassVar = "thinking.delta"
    step: int
    attempt: int
    offset: int
    text: str
    pieces: list[int] = []


def as_shown(delta: TextDelta | ThinkingDelta) -> list[TextDelta | ThinkingDelta]:
    """The pieces that were shown by themselves while the model wrote."""
    found: list[TextDelta | ThinkingDelta] = []
    start = 0
    for length in delta.pieces or [len(delta.text)]:
        text = delta.text[start : start + length]
        found.append(msgspec.structs.replace(delta, offset=delta.offset + start, text=text, pieces=[]))
        start += length
    return found


class StepUsage(msgspec.Struct, frozen=True):
    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    thinking_tokens: int = 0
    cache_write_tokens: int = 0
    is_estimated: bool = False


class ModelResponded(msgspec.Struct, frozen=True):
    """provider_state: what the provider wants to see again with the next request, such as signed thinking.

    heard: the sequence number up to which the request told the model what was said; 0: everything before this event.
    context: names what was sent besides the messages: instructions, tools, settings. max_output_tokens: the cap that
    the request had, when a budget set another than the agent's settings.
    """

    type: ClassVar = "model.responded"
    step: int
    model: str
    text: str
    thinking: str
    tool_calls: list[CalledTool]
    usage: StepUsage
    cost_micros: int | None
    latency_ms: int
    finish_reason: str
    provider_state: str = ""
    heard: int = 0
    context: str = ""
    max_output_tokens: int | None = None


class ContextCompacted(msgspec.Struct, frozen=True):
    """The conversation came near what the model can read: from here on it sees a summary of what lies up to after_seq.

    tokens_before and tokens_after: of the messages, estimated. model: who wrote the summary.
    """

    type: ClassVar = "context.compacted"
    step: int
    after_seq: int
    summary: str
    tokens_before: int
    tokens_after: int
    model: str
    usage: StepUsage
    cost_micros: int | None


class PlanStep(msgspec.Struct, frozen=True):
    """depends_on: numbers of steps, from 1, that come first. arguments: for the tool, as far as they are known.

    is_parallel: may be done beside others. on_failure: what becomes of the plan when the step fails.
    """

    action: str
    tool: str = ""
    depends_on: list[int] = []
    arguments: dict[str, Any] = {}
    is_parallel: bool = False
    on_failure: Literal["retry", "skip", "abort"] = "retry"


class PlanMade(msgspec.Struct, frozen=True):
    """What the agent means to do, made before it acts."""

    type: ClassVar = "plan.made"
    task: str
    steps: list[PlanStep]
    reasoning: str
    model: str
    usage: StepUsage
    cost_micros: int | None


class ReflectionMade(msgspec.Struct, frozen=True):
    """What the agent thinks of its own answer. Scores from 0 to 1. is_revised: it answers once more because of it."""

    type: ClassVar = "reflection.made"
    step: int
    quality: float
    accuracy: float
    completeness: float
    clarity: float
    relevance: float
    confidence: float
    issues: list[str]
    suggestions: list[str]
    is_revised: bool
    model: str
    usage: StepUsage
    cost_micros: int | None
