"""How runs end, as clients of this API are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from glia.gateway.service import Choice, calls_json
from glia.identity.types import Principal
from glia.kit.errors import GliaError, Unavailable
from glia.models.types import TokenUsage, ToolCall
from glia.runs.events import RunCompleted, RunFailed, RunWaiting
from glia.runs.service import Runs, Watcher
from glia.runs.types import Accepted
from glia.surfaces.openai.words import RunEndedBadly

_LONGEST_WAIT_SECONDS = 3600.0


async def outcome(
    runs: Runs, principal: Principal, accepted: Accepted, watcher: Watcher | None
) -> RunCompleted | GliaError:
    """How the run ended, or what it waits for that a person has to do."""
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            last = await runs.outcome(principal, accepted, watcher, or_need=True)
    except TimeoutError:
        return Unavailable(f"The run {accepted.run_id} is still going on after an hour; GET /v1/runs/ shows it.")
    payload = last.payload
    return payload if isinstance(payload, RunCompleted) else bad_end(payload, accepted)


def bad_end(ended: object, accepted: Accepted) -> RunEndedBadly:
    """What a client is told of a run that did not complete."""
    if isinstance(ended, RunFailed):
        return RunEndedBadly(ended.error.code, ended.error.message)
    if isinstance(ended, RunWaiting) and "budget" in ended.waiting_for:
        return RunEndedBadly(
            "budget_exceeded",
            f"{ended.detail} The run {accepted.run_id} keeps what it has done and goes on by itself once there is room;"
            f" the answer is then in GET /v1/sessions/{accepted.session_id}/messages.",
        )
    if isinstance(ended, RunWaiting):
        words = " and ".join(ended.waiting_for)
        return RunEndedBadly(
            "run_waiting",
            f"The run {accepted.run_id} waits for: {words}. Decide it under /v1/approvals, or raise the budget; the"
            f" answer is then in GET /v1/sessions/{accepted.session_id}/messages.",
        )
    return RunEndedBadly("run_cancelled", f"The run {accepted.run_id} was cancelled before it answered.")


def choice_of(completed: RunCompleted) -> Choice:
    text = completed.message.content if completed.message else ""
    message: dict[str, object] = {"content": text, "refusal": None, "citations": citations(completed)}
    if calls := called(completed):
        message |= {"content": text or None, "tool_calls": calls_json(calls)}
    return Choice(message, finish_reason(completed))


def called(completed: RunCompleted) -> tuple[ToolCall, ...]:
    """Calls of the client's functions."""
    return tuple(ToolCall(c.id, c.provider_id, c.name, c.arguments) for c in completed.tool_calls or ())


def finish_reason(completed: RunCompleted) -> str:
    return "tool_calls" if completed.tool_calls else completed.finish_reason or "stop"


def citations(completed: RunCompleted) -> object:
    return msgspec.to_builtins(completed.message.citations) if completed.message else []


def usage_of(completed: Sequence[RunCompleted]) -> TokenUsage:
    """All model calls of the runs together."""
    known = [each.usage for each in completed if each.usage is not None]
    return TokenUsage(
        input_tokens=sum(usage.input_tokens for usage in known),
        output_tokens=sum(usage.output_tokens for usage in known),
    )
