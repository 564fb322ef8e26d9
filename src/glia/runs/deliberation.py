"""Planning before an agent acts, and looking back at its answer: both are model calls beside the conversation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta

from glia.kit.db import Transaction
from glia.models.service import ResolvedModel
from glia.models.types import Message, SystemMessage, UserMessage
from glia.runs.asides import Aside, free
from glia.runs.events import PlanMade, ReflectionMade
from glia.runs.model_events import PlanStep
from glia.runs.plain_thoughts import plain_judgement, plain_plan
from glia.runs.types import Run
from glia.tools.types import Tool

PLAN, REFLECT = -1, -2
"""Numbers of these calls within a run; those of summaries are below -9."""

_MOST_STEPS = 30
_MOST_TOKENS = 1_500
_LONGEST = 20_000
_JSON = re.compile(r"\{.*\}", re.DOTALL)

_PLANNER = (
    "You plan how an assistant does what the user wants, before it acts. Answer with JSON only:"
    ' {"reasoning": "...", "steps": [{"action": "...", "tool": "name of a tool or empty", "arguments": {},'
    ' "depends_on": [1], "is_parallel": false, "on_failure": "retry"}]}. Steps count from 1; on_failure is retry,'
    " skip or abort. As few steps as will do. The tools are:\n"
)
_JUDGE = (
    "You judge an assistant's answer to a user. Answer with JSON only: {"
    '"quality": 0.0, "accuracy": 0.0, "completeness": 0.0, "clarity": 0.0, "relevance": 0.0, "confidence": 0.0,'
    ' "issues": ["..."], "suggestions": ["..."]}. Scores are from 0 to 1; confidence is how sure you are.'
)


T = TypeVar("T", bound=msgspec.Struct)

Score = Annotated[float, Meta(ge=0, le=1)]


class _Plan(msgspec.Struct):
    steps: list[PlanStep] = []
    reasoning: str = ""


class _Judgement(msgspec.Struct):
    quality: Score
    accuracy: Score = 0.5
    completeness: Score = 0.5
    clarity: Score = 0.5
    relevance: Score = 0.5
    confidence: Score = 0.5
    issues: list[str] = []
    suggestions: list[str] = []


class Asks(Protocol):
    """What a plan or judgement is asked with: a run's asides, or calls that belong to no run."""

    async def ask(self, number: int, model: ResolvedModel, messages: list[Message], *, most_tokens: int) -> Aside: ...


class Notebook(Protocol):
    """Told of what runs think, in the transaction that puts it into their log."""

    async def plan_made(self, tx: Transaction, run: Run, plan: PlanMade) -> None: ...

    async def reflected(
        self, tx: Transaction, run: Run, reflection: ReflectionMade, *, task: str, answer: str
    ) -> None: ...


async def make_plan(asides: Asks, model: ResolvedModel, task: str, tools: Sequence[Tool]) -> tuple[PlanMade, Aside]:
    """By plain rules when the model answers with anything but a plan, or is the built-in one."""
    listed = "\n".join(f"- {tool.name}: {tool.description[:200]}" for tool in tools) or "none"
    messages: list[Message] = [SystemMessage(_PLANNER + listed), UserMessage(task[:_LONGEST])]
    aside = await _ask(asides, PLAN, model, messages)
    plan = _read(aside.text, _Plan)
    if plan is None or not plan.steps:
        plan = _Plan(plain_plan(task, tools), "By plain rules: the parts of the task in their order.")
    steps = plan.steps[:_MOST_STEPS]
    made = PlanMade(task[:_LONGEST], steps, plan.reasoning, aside.model, aside.usage, aside.cost_micros)
    return made, aside


def plan_text(plan: PlanMade) -> str:
    """The plan as the model that acts reads it."""
    steps = "\n".join(f"{number}. {step.action}" for number, step in enumerate(plan.steps, 1))
    return f"Your plan for the user's last message:\n{steps}\nFollow it as far as it helps."


async def reflect(
    asides: Asks,
    model: ResolvedModel,
    step: int,
    task: str,
    answer: str,
    *,
    revise_below: float | None = None,
    found: str = "",
) -> tuple[ReflectionMade, Aside]:
    """revise_below: the quality below which the answer is to be given once more. found: what the tools returned."""
    said = f"The user said:\n{task[:_LONGEST]}\n\nThe assistant answered:\n{answer[:_LONGEST]}"
    if found:
        said += f"\n\nIts tools had returned:\n{found[:_LONGEST]}"
    messages: list[Message] = [SystemMessage(_JUDGE), UserMessage(said)]
    aside = await _ask(asides, REFLECT, model, messages) if answer.strip() else free("", model.id)
    judged = _read(aside.text, _Judgement) or plain_judgement(task, answer, found)
    made = ReflectionMade(
        step=step,
        quality=judged.quality,
        accuracy=judged.accuracy,
        completeness=judged.completeness,
        clarity=judged.clarity,
        relevance=judged.relevance,
        confidence=judged.confidence,
        issues=judged.issues[:20],
        suggestions=judged.suggestions[:20],
        is_revised=revise_below is not None and judged.quality < revise_below,
        model=aside.model,
        usage=aside.usage,
        cost_micros=aside.cost_micros,
    )
    return made, aside


def advice(reflection: ReflectionMade) -> str:
    """What the model that answers once more is told."""
    found = [*reflection.issues, *reflection.suggestions]
    listed = "\n".join(f"- {text}" for text in found) or "- It could be better."
    return f"Your last answer was judged and fell short:\n{listed}\nAnswer the user again, better, and in full."


async def _ask(asides: Asks, number: int, model: ResolvedModel, messages: list[Message]) -> Aside:
    if model.is_embedded:  # it quotes and reckons; it does not plan or judge
        return free("", model.id)
    return await asides.ask(number, model, messages, most_tokens=_MOST_TOKENS)


def _read(text: str, type: type[T]) -> T | None:
    found = _JSON.search(text)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.group(), type=type)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
