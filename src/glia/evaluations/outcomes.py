"""What came of a case's run, waited for and then read from the run's log."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from glia.evaluations.types import Cited, Figures, Outcome
from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.pages import Window
from glia.runs.events import RunCompleted, RunFailed, ToolCalled
from glia.runs.service import Runs
from glia.runs.types import Accepted, Run, RunStatus

_LOOKS_AGAIN_SECONDS = 30.0
_ENDS_WITHIN_SECONDS = 30.0
_READ_AT_ONCE = 500


@dataclass(frozen=True)
class _End:
    """How the wait for a run ended. late: why it was cancelled, if it was; waited_for: what it waited for then."""

    run: Run
    late: str | None = None
    waited_for: tuple[str, ...] = ()


async def outcome_of(runs: Runs, principal: Principal, accepted: Accepted, timeout_seconds: float) -> Outcome:
    """Waits for a run; one that takes longer is cancelled. timeout_seconds: from when some worker began it."""
    end = await _wait(runs, principal, accepted, timeout_seconds)
    outcome = await _read(runs, principal, end.run)
    if end.late is not None and outcome.answer is None:
        return replace(outcome, error=end.late, error_code="case_timeout", is_agents_fault=not end.waited_for)
    return outcome


async def _wait(runs: Runs, principal: Principal, accepted: Accepted, timeout_seconds: float) -> _End:
    while True:
        run = await runs.get(principal, accepted.run_id)
        if run.status.is_final:
            return _End(run)
        left = timeout_seconds
        if run.started_at is not None:
            left -= (clock.now() - run.started_at).total_seconds()
        if left <= 0:
            return await _give_up(runs, principal, accepted, run, timeout_seconds)
        await _follow(runs, principal, accepted, min(left, _LOOKS_AGAIN_SECONDS))


async def _follow(runs: Runs, principal: Principal, accepted: Accepted, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await runs.outcome(principal, accepted)


async def _give_up(runs: Runs, principal: Principal, accepted: Accepted, run: Run, timeout_seconds: float) -> _End:
    waited_for = run.waiting_for
    await runs.cancel(principal, run.id)
    await _follow(runs, principal, accepted, _ENDS_WITHIN_SECONDS)
    late = f"The run had not ended after {timeout_seconds:g} s"
    if waited_for:
        late += f"; it was waiting for: {', '.join(waited_for)}"
    return _End(await runs.get(principal, run.id), f"{late}.", waited_for)


async def _read(runs: Runs, principal: Principal, run: Run) -> Outcome:
    tools: dict[str, str] = {}
    end: RunCompleted | RunFailed | None = None
    after = 0
    while events := await runs.run_events(principal, run.id, after=after, limit=_READ_AT_ONCE):
        after = events[-1].seq
        for event in events:
            if event.type not in (ToolCalled.type, RunCompleted.type, RunFailed.type):
                continue
            match event.payload:
                case ToolCalled(tool_call_id=id, tool=tool):  # after a crash it may be there a second time
                    tools.setdefault(id, tool)
                case RunCompleted() | RunFailed() as payload:
                    end = payload
                case _:
                    pass
        if len(events) < _READ_AT_ONCE:
            break
    found = Outcome(None, tuple(tools.values()), figures=await _figures(runs, principal, run))
    match end:
        case RunCompleted(message=message) if message is not None:
            cited = {one.document_id: Cited(one.document_id, one.document_name) for one in message.citations}
            return replace(found, answer=message.content, documents=tuple(cited.values()))
        case RunFailed(error=error):
            return replace(found, error=error.message, error_code=error.code)
        case _:
            # Somebody cancelled it; what the agent would have said nobody knows.
            is_cancelled = run.status is RunStatus.CANCELLED
            error = "The run was cancelled." if is_cancelled else "The run ended without an answer."
            return replace(found, error=error, error_code="cancelled", is_agents_fault=not is_cancelled)


async def _figures(runs: Runs, principal: Principal, run: Run) -> Figures:
    tree = (await runs.list(principal, Window(1000), root_run_id=run.id)).items
    costs = [one.cost_micros for one in tree if one.cost_micros is not None]
    return Figures(
        duration_ms=_duration_ms(run),
        model_calls=sum(one.model_calls for one in tree),
        tool_calls=sum(one.tool_calls for one in tree),
        input_tokens=sum(one.input_tokens for one in tree),
        output_tokens=sum(one.output_tokens for one in tree),
        cost_micros=sum(costs) if costs else None,
    )


def _duration_ms(run: Run) -> int:
    if run.started_at is None or run.finished_at is None:
        return 0
    return max(0, round(((run.finished_at - run.started_at).total_seconds() - run.waited_seconds) * 1000))


def dedupe_key(evaluation_id: UUID, case_id: UUID, repeat: int) -> str:
    """Under which the run of a case is begun, once, however often somebody tries."""
    return f"evaluation:{evaluation_id}:{case_id}:{repeat}"
