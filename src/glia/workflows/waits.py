"""What steps wait for: people, times, and runs that they began; and what comes of each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import orjson

from glia.kit import clock
from glia.kit.ids import new_id
from glia.runs.events import ApprovalRequested, StepWaiting
from glia.runs.types import RunStatus
from glia.workflows.errors import StepError
from glia.workflows.queries import Ended
from glia.workflows.references import Resolver
from glia.workflows.state import Unit
from glia.workflows.types import LONGEST_WAIT_SECONDS, AgentAction, TimeAction
from glia.workflows.validation import moment_of

DEFAULT_EXPIRY_SECONDS = 7 * 86400.0
LONGEST_REASON = 10_000


def asks(
    unit: Unit,
    reason: str,
    data: Any,
    expires_after_seconds: float = DEFAULT_EXPIRY_SECONDS,
    *,
    tool: str = "wait_approval",
    effect: str = "once",
) -> tuple[ApprovalRequested, StepWaiting]:
    """The events with which a step begins to wait for a person. tool: what will be called if they agree."""
    expires_at = clock.now() + timedelta(seconds=expires_after_seconds)
    asked = ApprovalRequested(new_id(), 0, unit.key, tool, data, effect, reason[:LONGEST_REASON], expires_at)
    kind = "wait_approval" if tool == "wait_approval" else "tool"
    return asked, StepWaiting(unit.key, kind, "approval", expires_at, approval_id=asked.approval_id)


def check_decision(unit: Unit) -> None:
    """Raises StepError unless a person has agreed."""
    decided = unit.decided
    if decided is None or decided.decision == "approved":
        return
    if decided.decision == "expired":
        raise StepError("Nobody decided in time.", code="approval_expired", is_final=True)
    note = f" They said: {decided.note}" if decided.note else ""
    raise StepError(f"It was denied by {decided.by}.{note}", code="approval_denied", is_final=True)


def approved(unit: Unit, _found: Unit) -> Any:
    """What an approval step answers. Raises StepError when it was denied or has expired."""
    check_decision(unit)
    decided, asked = unit.decided, unit.asked
    if decided is None or asked is None:
        raise StepError("Nobody has decided.", is_final=True)
    data = asked.arguments if decided.arguments is None else decided.arguments
    return {"decision": "approved", "by": decided.by, "note": decided.note, "data": data}


def due_at(action: TimeAction, resolver: Resolver) -> datetime:
    if action.until is not None:
        text = resolver.value(action.until)
        moment = moment_of(text)
        if moment is None:
            raise StepError(f"`until` is {str(text)[:80]!r}, which is no time with its zone.", is_final=True)
        if (moment - clock.now()).total_seconds() > LONGEST_WAIT_SECONDS:
            raise StepError(f"`until` lies more than {LONGEST_WAIT_SECONDS:g} s ahead.", is_final=True)
        return moment
    seconds = resolver.value(action.seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LONGEST_WAIT_SECONDS:
        shown = str(seconds)[:80]
        raise StepError(f"`seconds` is {shown!r}; it must be between 0 and {LONGEST_WAIT_SECONDS:g}.", is_final=True)
    return clock.now() + timedelta(seconds=seconds)


def child_output(unit: Unit, child: Ended) -> Any:
    """What a run that a step began has answered. Raises StepError when it did not."""
    last = cast(dict[str, Any], orjson.loads(child.last))
    if child.status is RunStatus.CANCELLED:
        raise StepError("The run that the step began was cancelled.", code="run_cancelled", is_final=True)
    if child.status is RunStatus.FAILED:
        why = last.get("error", {}).get("message", "nothing more is known")
        raise StepError(f"The run that the step began failed: {why}", code="run_failed")
    if not isinstance(unit.action, AgentAction):
        return None if child.output is None else orjson.loads(child.output)["output"]
    message: dict[str, Any] = last.get("message") or {}
    text = str(message.get("content", ""))
    return _json(text) if unit.action.output == "json" else text


def _json(text: str) -> Any:
    """Models like to put JSON between fences."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare.partition("\n")[2].rpartition("```")[0]
    try:
        return orjson.loads(bare)
    except orjson.JSONDecodeError:
        raise StepError(f"The agent's answer is not JSON: {text[:200]!r}", code="invalid_output") from None
