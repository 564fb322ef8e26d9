"""Why a trigger fires: its time has come, an event fits, a figure has risen. Each holds the trigger meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from glia.kit.clock import wire_time
from glia.kit.db import Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.triggers import conditions, queries, schedules, templates
from glia.triggers import firing_queries as rows
from glia.triggers import metric_queries as figures
from glia.triggers.firing_queries import Draft, Happened
from glia.triggers.firings import Admission, Firings
from glia.triggers.types import (
    MISSED_AFTER_SECONDS,
    At,
    Cause,
    Cron,
    Interval,
    Missed,
    OnCondition,
    OnEvent,
    OnMetric,
    Trigger,
)

DEEPEST = 5
"""How many triggers may set each other off, one after another."""


def draft(
    trigger: Trigger,
    cause: Cause,
    key: str,
    now: datetime,
    *,
    scheduled_at: datetime | None = None,
    values: dict[str, object] | None = None,
    missed: int = 0,
    depth: int = 0,
) -> Draft:
    """A firing of the trigger, filled in. values: what this kind has to say beside the times."""
    scheduled_at = scheduled_at or now
    zone = ZoneInfo(trigger.when.timezone) if isinstance(trigger.when, Cron) else UTC
    known: dict[str, object] = {
        "trigger": {"id": str(trigger.id), "name": trigger.name},
        "scheduled_at": scheduled_at.astimezone(zone).isoformat(timespec="seconds"),
        "fired_at": now.astimezone(zone).isoformat(timespec="seconds"),
    }
    message, problem = _filled(trigger, known | (values or {}))
    return Draft(
        new_id(),
        trigger.workspace_id,
        trigger.id,
        key,
        cause,
        message,
        scheduled_at,
        trigger.session_id,
        trigger.workflow_id,
        problem,
        missed,
        depth,
    )


def _filled(trigger: Trigger, values: dict[str, object]) -> tuple[str, str | None]:
    """What is said or handed on, and why it cannot be."""
    if trigger.workflow_id is None:
        return templates.render(trigger.message or "", values), None
    try:
        return templates.fill(trigger.input, values), None
    except InvalidRequest as error:
        return "", error.message


async def on_time(tx: Transaction, trigger: Trigger, firings: Firings) -> Admission | None:
    """Fires for its time and for all that have passed since, and sets the next."""
    when = trigger.when
    if not isinstance(when, (Cron, Interval, At)) or trigger.next_at is None:
        return None
    now = await queries.now(tx)
    following = schedules.next_after(when, now)
    await queries.set_next(tx, trigger.id, following, has_ended=following is None)
    if await firings.pause_if_failing(tx, trigger):
        return None
    scheduled_at = trigger.next_at
    missed = schedules.missed_between(when, scheduled_at, now)
    is_late = (now - scheduled_at).total_seconds() > MISSED_AFTER_SECONDS
    refusal = None
    if is_late and trigger.missed is Missed.SKIP:
        refusal = f"It was missed: nobody was there at {wire_time(scheduled_at)}."
    fired = draft(
        trigger, Cause.SCHEDULE, f"at:{wire_time(scheduled_at)}", now, scheduled_at=scheduled_at, missed=missed
    )
    return await firings.admit(tx, trigger, fired, refusal=refusal)


async def on_figure(tx: Transaction, trigger: Trigger, firings: Firings) -> Admission | None:
    """Fires when the figure has risen above the threshold since it was last low enough."""
    when = trigger.when
    if not isinstance(when, OnMetric):
        return None
    now = await queries.now(tx)
    await queries.set_next(tx, trigger.id, now + timedelta(seconds=when.every_seconds))
    value = await figures.measure(tx, when.metric, window_seconds=when.window_seconds, agent_id=when.agent_id)
    low = when.above if when.rearm_below is None else when.rearm_below
    if not trigger.is_armed and value <= low:
        await queries.set_condition(tx, trigger.id, is_armed=True, cooldown_seconds=None)
    if not trigger.is_armed or value <= when.above or not _is_cool(trigger.cooled_at, now):
        return None
    await queries.set_condition(tx, trigger.id, is_armed=False, cooldown_seconds=when.cooldown_seconds)
    if await firings.pause_if_failing(tx, trigger):
        return None
    said = {"name": when.metric, "value": value, "above": when.above, "window_seconds": when.window_seconds}
    fired = draft(trigger, Cause.METRIC, f"metric:{wire_time(now)}", now, values={"metric": said})
    return await firings.admit(tx, trigger, fired)


async def on_event(tx: Transaction, trigger: Trigger, events: Sequence[Happened], firings: Firings) -> list[Admission]:
    """Fires for each event that fits, unless the trigger itself has brought it about.

    A trigger of any kind also hears that its own runs fail, and pauses once that was too often.
    """
    when = trigger.when
    if await firings.pause_if_failing(tx, trigger):
        return []
    if isinstance(when, OnCondition):
        await _have_judged(tx, trigger, events, firings)
    if not isinstance(when, OnEvent):
        return []
    admitted: list[Admission] = []
    cooled_at = trigger.cooled_at
    for event in events:
        now = await queries.now(tx)
        if not _is_cool(cooled_at, now) or not _fits(when, event):
            continue
        ancestor = await rows.ancestor(tx, event.run_id)
        if ancestor is not None and ancestor.trigger_id == trigger.id:
            continue
        depth, refusal = _depth_below(ancestor)
        key = f"event:{event.session_id}:{event.seq}"
        fired = draft(trigger, Cause.EVENT, key, now, scheduled_at=event.at, values=_said(event), depth=depth)
        admission = await firings.admit(tx, trigger, fired, refusal=refusal)
        if admission is not None:
            admitted.append(admission)
            await queries.set_condition(tx, trigger.id, is_armed=True, cooldown_seconds=when.cooldown_seconds)
            cooled_at = now + timedelta(seconds=when.cooldown_seconds)
    return admitted


async def _have_judged(tx: Transaction, trigger: Trigger, events: Sequence[Happened], firings: Firings) -> None:
    """A model is asked about each run, in a job; never about one that the trigger itself has brought about."""
    for event in events:
        if event.type != "run.completed" or not _is_cool(trigger.cooled_at, await queries.now(tx)):
            continue
        ancestor = await rows.ancestor(tx, event.run_id)
        if ancestor is None or ancestor.trigger_id != trigger.id:
            await firings.have_judged(tx, trigger, event)


async def judged(
    tx: Transaction, trigger: Trigger, event: Happened, now: datetime, *, reason: str
) -> tuple[Draft, str | None]:
    """The firing of a condition that was found to hold, and why it shall not happen all the same."""
    depth, refusal = _depth_below(await rows.ancestor(tx, event.run_id))
    values = {**_said(event), "judgement": {"reason": reason}}
    key = f"judged:{event.session_id}:{event.seq}"
    return draft(trigger, Cause.EVENT, key, now, scheduled_at=event.at, values=values, depth=depth), refusal


def _depth_below(ancestor: rows.Ancestor | None) -> tuple[int, str | None]:
    depth = 1 + (0 if ancestor is None else ancestor.depth)
    return depth, f"{DEEPEST} triggers have set each other off already." if depth > DEEPEST else None


def _is_cool(cooled_at: datetime | None, now: datetime) -> bool:
    return cooled_at is None or cooled_at <= now


def _fits(when: OnEvent, event: Happened) -> bool:
    if event.type != when.event_type or when.agent_id not in (None, event.agent_id):
        return False
    return conditions.fits(event.data, when.filter)


def _said(event: Happened) -> dict[str, object]:
    return {
        "event": {
            "type": event.type,
            "at": wire_time(event.at),
            "run_id": str(event.run_id),
            "session_id": str(event.session_id),
            "agent_id": None if event.agent_id is None else str(event.agent_id),
            "data": event.data,
        }
    }
