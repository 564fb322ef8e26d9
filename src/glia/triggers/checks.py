"""Reads and checks what a person says about a trigger. Every refusal names the field."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast, get_args

import msgspec

from glia.kit.errors import InvalidRequest
from glia.triggers import schedules, templates
from glia.triggers.types import (
    At,
    Comparison,
    Cron,
    Interval,
    OnCondition,
    OnDemand,
    OnEvent,
    OnMetric,
    OnWebhook,
    Schedule,
    TriggerSpec,
    When,
)

LONGEST_NAME = 200
MOST_COMPARISONS = 20
LONGEST_WINDOW_SECONDS = 31 * 24 * 3600
LEAST_METRIC_SECONDS = 5
_LONGEST_VALUE = 2000
_LONGEST_CONDITION = 2000
_MOST_FAILURES = 100

KINDS = tuple(struct.__struct_config__.tag for struct in get_args(When))
_AT = re.compile(r" - at `\$\.?(.*?)`$")
_NAMED = re.compile(r"field `([^`]+)`")
_PATH = re.compile(r"[\w-]+(?:\.[\w-]+)*", re.ASCII)


def read_when(given: Mapping[str, Any]) -> When:
    """Any: JSON from a client. Raises InvalidRequest."""
    kind = given.get("kind")
    if kind not in KINDS:
        raise InvalidRequest(
            f"`when.kind` {str(kind)[:50]!r} is none; there are {', '.join(map(str, KINDS))}.", field="when.kind"
        )
    try:
        # When is a union of structs, which a type checker does not take for a type.
        return cast(When, msgspec.convert(dict(given), cast(Any, When)))
    except msgspec.ValidationError as error:
        raise _refusal(str(error), str(kind)) from None


def _refusal(said: str, kind: str) -> InvalidRequest:
    path = match[1] if (match := _AT.search(said)) else ""
    problem = _AT.sub("", said)
    if "unknown field" in said and (named := _NAMED.search(said)):
        field = ".".join(filter(None, ("when", path, named[1])))
        return InvalidRequest(
            f"`{field}` does not belong to a trigger of the kind {kind!r}; leave it away.", field=field
        )
    if "missing required" in said and (named := _NAMED.search(said)):
        field = ".".join(filter(None, ("when", path, named[1])))
        return InvalidRequest(f"`{field}` is missing; a trigger of the kind {kind!r} needs it.", field=field)
    field = ".".join(filter(None, ("when", path)))
    return InvalidRequest(f"`{field}`: {problem[:1].lower()}{problem[1:]}.", field=field)


def settled(spec: TriggerSpec, now: datetime, *, event_types: Collection[str], is_new: bool) -> TriggerSpec:
    """The spec with what is left to us filled in. is_new: its times must lie ahead. Raises InvalidRequest."""
    _check_texts(spec)
    match spec.when:
        case Cron() | Interval() | At():
            return replace(spec, when=settled_when(spec.when, now) if is_new else spec.when)
        case OnEvent():
            _check_event(spec.when, event_types)
        case OnMetric():
            _check_metric(spec.when)
        case OnCondition():
            _check_condition(spec.when)
        case OnWebhook(filter=filter):
            _check_filter(filter)
        case OnDemand():
            pass
    return spec


def settled_when(when: Schedule, now: datetime) -> Schedule:
    """In UTC, checked, and for an interval with its first time. Raises InvalidRequest."""
    when = _in_utc(when)
    schedules.check(when, now)
    if isinstance(when, Interval) and when.starts_at is None:
        return msgspec.structs.replace(when, starts_at=now + timedelta(seconds=when.every_seconds))
    return when


def _in_utc(when: Schedule) -> Schedule:
    moment, field = None, ""
    if isinstance(when, At):
        moment, field = when.at, "at"
    elif isinstance(when, Interval):
        moment, field = when.starts_at, "starts_at"
    if moment is None:
        return when
    if moment.tzinfo is None:
        raise InvalidRequest(f"`when.{field}` names no time zone; add `Z` for UTC.", field=f"when.{field}")
    if not 1970 < moment.year < 9999:
        raise InvalidRequest(f"`when.{field}` must lie between 1971 and 9998.", field=f"when.{field}")
    return msgspec.structs.replace(when, **{field: moment.astimezone(UTC)})


def _check_texts(spec: TriggerSpec) -> None:
    if not spec.name.strip() or len(spec.name) > LONGEST_NAME:
        raise InvalidRequest(f"`name` has {len(spec.name)} characters; it needs 1 to {LONGEST_NAME}.", field="name")
    if spec.max_failures is not None and not 1 <= spec.max_failures <= _MOST_FAILURES:
        raise InvalidRequest(
            f"`max_failures` is {spec.max_failures}; it must be between 1 and {_MOST_FAILURES}, or null.",
            field="max_failures",
        )
    if spec.slug is not None and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", spec.slug):
        raise InvalidRequest(
            f"`slug` {spec.slug[:100]!r} may hold lower-case letters, digits, `.`, `_` and `-`, at most 100 of them.",
            field="slug",
        )
    _check_target(spec, str(type(spec.when).__struct_config__.tag))


def _check_target(spec: TriggerSpec, kind: str) -> None:
    """An agent and what it is told, or a workflow and its input: nothing of the one goes with the other."""
    if spec.workflow_id is None:
        if spec.agent_id is None:
            raise InvalidRequest("Say who is to act: `agent_id` with a `message`, or `workflow_id`.", field="agent_id")
        if spec.input is not None:
            raise InvalidRequest("`input` is for a workflow; an agent is told a `message`.", field="input")
        templates.check(spec.message or "", kind)
        return
    if spec.agent_id is not None:
        raise InvalidRequest("Give `agent_id` or `workflow_id`, not both.", field="workflow_id")
    if spec.message is not None:
        raise InvalidRequest("`message` is for an agent; a workflow is given an `input`.", field="message")
    if spec.session_id is not None:
        raise InvalidRequest("An execution has a session of its own; leave `session_id` away.", field="session_id")
    templates.check_input(spec.input, kind)


def _check_event(when: OnEvent, event_types: Collection[str]) -> None:
    if when.event_type not in event_types:
        raise InvalidRequest(
            f"`when.event_type` {when.event_type[:100]!r} is none; there are {', '.join(sorted(event_types))}.",
            field="when.event_type",
        )
    _between("cooldown_seconds", when.cooldown_seconds, 0, LONGEST_WINDOW_SECONDS)
    _check_filter(when.filter)


def _check_condition(when: OnCondition) -> None:
    if not when.condition.strip() or len(when.condition) > _LONGEST_CONDITION or "\0" in when.condition:
        raise InvalidRequest(
            f"`when.condition` has {len(when.condition)} characters; 1 to {_LONGEST_CONDITION} are needed.",
            field="when.condition",
        )
    _between("cooldown_seconds", when.cooldown_seconds, 0, LONGEST_WINDOW_SECONDS)


def _check_metric(when: OnMetric) -> None:
    _between("window_seconds", when.window_seconds, 60, LONGEST_WINDOW_SECONDS)
    _between("every_seconds", when.every_seconds, LEAST_METRIC_SECONDS, 24 * 3600)
    _between("cooldown_seconds", when.cooldown_seconds, 0, LONGEST_WINDOW_SECONDS)
    _between("above", when.above, 0, 1e15)
    if when.rearm_below is not None and not 0 <= when.rearm_below <= when.above:
        raise InvalidRequest(
            f"`when.rearm_below` is {when.rearm_below:g}; it must be between 0 and `above`, {when.above:g}.",
            field="when.rearm_below",
        )


def _between(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # also refuses what is not a number
        raise InvalidRequest(
            f"`when.{name}` is {value:g}; it must be between {least:g} and {most:g}.", field=f"when.{name}"
        )


def _check_filter(filter: Sequence[Comparison]) -> None:
    if len(filter) > MOST_COMPARISONS:
        raise InvalidRequest(
            f"`when.filter` has {len(filter)} comparisons; the most is {MOST_COMPARISONS}.", field="when.filter"
        )
    for index, comparison in enumerate(filter):
        where = f"when.filter[{index}]"
        if not _PATH.fullmatch(comparison.field) or len(comparison.field) > 200:
            raise InvalidRequest(
                f"`{where}.field` {comparison.field[:100]!r} is no path; one looks like `error.code`.",
                field=f"{where}.field",
            )
        if problem := _problem(comparison):
            raise InvalidRequest(f"`{where}.value` {problem}.", field=f"{where}.value")


def _problem(comparison: Comparison) -> str | None:
    op, value = comparison.op, comparison.value
    if value is msgspec.UNSET and op != "exists":
        return f"is missing; `{op}` compares with it"
    match op:
        case "exists":
            return None if value in (True, False, msgspec.UNSET) else "must be true or false for `exists`"
        case "in":
            return _no_list(value)
        case "starts_with":
            return _scalar(value) if isinstance(value, str) else "must be a text for `starts_with`"
        case "gt" | "ge" | "lt" | "le":
            is_ordered = isinstance(value, (int, float, str)) and not isinstance(value, bool)
            return _scalar(value) if is_ordered else f"must be a number or a text for `{op}`"
        case _:
            return _scalar(value)


def _no_list(value: object) -> str | None:
    if not isinstance(value, list) or not 0 < len(cast(list[object], value)) <= 100:
        return "must be a list of 1 to 100 values for `in`"
    return next((found for one in cast(list[object], value) if (found := _scalar(one))), None)


def _scalar(value: object) -> str | None:
    if value is not None and not isinstance(value, (bool, int, float, str)):
        return "must be a text, a number, true, false or null"
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return f"has {len(value)} characters; the most is {_LONGEST_VALUE}"
    return None
