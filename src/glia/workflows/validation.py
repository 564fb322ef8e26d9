"""The rules for definitions, before anything is kept. Every problem names its place, as `steps[2].url`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
from msgspec import UNSET

from glia.workflows.conditions import problems_of
from glia.workflows.graph import Graph, behind, branches_of, cycle_in, graph_of, templates_in
from glia.workflows.parsing import Parsed, parse
from glia.workflows.references import BadReference, Reference, parts_of, references_in
from glia.workflows.schema import schema_problems
from glia.workflows.types import (
    LARGEST_DEFINITION_BYTES,
    LONGEST_REUSE_KEY,
    LONGEST_STEP_SECONDS,
    LONGEST_WAIT_SECONDS,
    MOST_AT_ONCE,
    MOST_NOTICES,
    Action,
    ApprovalAction,
    ConditionAction,
    Definition,
    HttpAction,
    MapAction,
    Problem,
    Step,
    TimeAction,
    Undo,
)

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"})
_OUR_HEADERS = frozenset({"idempotency-key", "host", "content-length", "transfer-encoding", "connection"})
_BEFORE_PATH = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_ENDLESS = 90 * 86400.0

Found = Iterator[tuple[str, str]]


def checked(written: Mapping[str, Any]) -> tuple[Parsed, list[Problem]]:
    """The definition, and everything that is wrong with it as far as it can be told without asking the database."""
    size = _size(written)
    if isinstance(size, str):
        return Parsed(Definition(()), {}, ()), [Problem("steps", size)]
    parsed = parse(written)
    problems = list(parsed.problems)
    if parsed.definition.input_schema is not None:
        problems += [Problem(at, _sentence(why)) for at, why in schema_problems(parsed.definition.input_schema)]
    graph = graph_of(parsed.definition)
    for step in parsed.definition.steps:
        at = parsed.places[step.id]
        problems += [Problem(place, _sentence(why)) for place, why in _step_problems(step, at, graph)]
    output = _reference_problems(parsed.definition.output, "output", graph, has_item=False)
    problems += [Problem(place, _sentence(why)) for place, why in output]
    problems += _shape_problems(graph, parsed.places)
    return parsed, problems


def _size(written: Mapping[str, Any]) -> str | None:
    try:
        data = orjson.dumps(dict(written))
    except (TypeError, orjson.JSONEncodeError):
        return "The definition is not plain JSON, or is nested too deeply."
    if len(data) > LARGEST_DEFINITION_BYTES:
        return f"The definition has {len(data)} bytes; the most is {LARGEST_DEFINITION_BYTES}."
    if rb"\u0000" in data:
        return "The definition holds a NUL character, which the database cannot keep."
    return None


def _step_problems(step: Step, at: str, graph: Graph) -> Found:
    for field, ids in (("depends_on", step.depends_on), ("next", step.next)):
        for index, id in enumerate(ids):
            if id not in graph.steps:
                yield f"{at}.{field}[{index}]", f"there is no step {id[:80]!r}"
    for branch, id in branches_of(step):
        if id not in graph.steps:
            yield f"{at}.{branch}", f"the branch leads to {id[:80]!r}, and there is no such step"
    yield from action_problems(step.action, at)
    has_item = isinstance(step.action, MapAction)
    for place, template in templates_in(step.action, at):
        knows_item = has_item and not place.startswith(f"{at}.over")
        yield from _reference_problems(template, place, graph, has_item=knows_item, own=step.id)
    if len(step.reuse_key) > LONGEST_REUSE_KEY:
        yield f"{at}.reuse_key", f"it has {len(step.reuse_key)} characters; the most is {LONGEST_REUSE_KEY}"
    if step.reuse_key and isinstance(step.action, ConditionAction | TimeAction | ApprovalAction):
        yield f"{at}.reuse_key", "a step that only decides or waits has nothing that could be reused"
    yield from _reference_problems(step.reuse_key, f"{at}.reuse_key", graph, has_item=False, own=step.id)
    if step.compensation is not None:
        if isinstance(step.action, ConditionAction | TimeAction | ApprovalAction):
            yield f"{at}.compensation", "a step that only decides or waits leaves nothing to undo"
        yield from action_problems(step.compensation, f"{at}.compensation")
        for place, template in templates_in(step.compensation, f"{at}.compensation"):
            yield from _reference_problems(template, place, graph, has_item=False)


def _reference_problems(template: Any, at: str, graph: Graph, *, has_item: bool, own: str | None = None) -> Found:
    for place, reference in references_in(template, at):
        if isinstance(reference, BadReference):
            yield place, str(reference)
        elif reference.step is not None and reference.step not in graph.steps:
            yield place, f"`{{{{{reference.text[:80]}}}}}` names the step {reference.step[:80]!r}, which is not there"
        elif reference.step is not None and reference.step == own:
            yield place, f"`{{{{{reference.text[:80]}}}}}` reads the step's own output, which is not there yet"
        elif reference.root in ("item", "index") and not has_item:
            yield place, f"`{{{{{reference.text[:80]}}}}}` is known only inside the `step` of a map"


def action_problems(action: Action | Undo, at: str) -> Found:
    retry = getattr(action, "retry", None)
    if retry is not None:
        yield from _within(retry.max_attempts, 1, 100, f"{at}.retry.max_attempts")
        yield from _within(retry.delay_seconds, 0, LONGEST_STEP_SECONDS, f"{at}.retry.delay_seconds")
        yield from _within(retry.factor, 1, 100, f"{at}.retry.factor")
        yield from _within(retry.max_delay_seconds, 0, LONGEST_STEP_SECONDS, f"{at}.retry.max_delay_seconds")
    timeout = getattr(action, "timeout_seconds", None)
    if timeout is not None and not 0 < timeout <= LONGEST_STEP_SECONDS:
        yield f"{at}.timeout_seconds", f"it is {timeout:g}; it must be above 0 and at most {LONGEST_STEP_SECONDS:g}"
    match action:
        case HttpAction():
            yield from _http_problems(action, at)
        case TimeAction():
            yield from _time_problems(action, at)
        case ApprovalAction():
            if not action.message.strip():
                yield f"{at}.message", "it is empty; say what is to be decided"
            if len(action.notify) > MOST_NOTICES:
                yield f"{at}.notify", f"it has {len(action.notify)} entries; the most is {MOST_NOTICES}"
            yield from _within(action.expires_after_seconds, 1, _ENDLESS, f"{at}.expires_after_seconds")
        case ConditionAction():
            yield from _condition_problems(action, at)
        case MapAction():
            if not isinstance(action.over, list) and not _is_one_reference(action.over):
                yield f"{at}.over", "it must be a list, or one reference to a list such as `{{input.items}}`"
            yield from _within(action.max_concurrency, 1, MOST_AT_ONCE, f"{at}.max_concurrency")
            yield from action_problems(action.step, f"{at}.step")
        case _:
            pass


def _condition_problems(action: ConditionAction, at: str) -> Found:
    yield from problems_of(action.if_, f"{at}.if")
    if not action.then and not action.else_:
        yield at, "it branches to nothing: name steps in `then` or `else`"
    for id in set(action.then) & set(action.else_):
        yield f"{at}.else", f"{id[:80]!r} is in `then` too, so nothing is decided about it; leave it out of both"


def _http_problems(action: HttpAction, at: str) -> Found:
    try:
        parts = parts_of(action.url)
    except BadReference:
        parts = ()  # told as a bad reference already
    if len(parts) > 1 or (parts and isinstance(parts[0], str)):
        first = parts[0]
        begins = _BEFORE_PATH.match(first) if isinstance(first, str) else None
        if begins is None:
            yield f"{at}.url", "it must begin with http:// or https:// and a host, or be one reference"
        elif len(parts) > 1 and isinstance(first, str) and begins.end() == len(first):
            yield f"{at}.url", "the host must be written out; references may stand in the path and query"
    for name in action.headers:
        if name.lower() in _SECRET_HEADERS:
            yield (
                f"{at}.headers.{name}",
                "definitions can be read by others, so they hold no secrets; make a custom tool, which keeps its"
                " headers encrypted, and use a `tool` step",
            )
        if name.lower() in _OUR_HEADERS:
            yield f"{at}.headers.{name}", "it is set by the server for each call; leave it out"
    if action.body is not UNSET and action.method in ("GET", "HEAD", "DELETE"):
        yield f"{at}.body", f"{action.method} sends no body; use `query`"


def _time_problems(action: TimeAction, at: str) -> Found:
    if (action.seconds is None) == (action.until is None):
        yield at, "give either `seconds` or `until`"
    if isinstance(action.seconds, int | float):
        yield from _within(action.seconds, 0, LONGEST_WAIT_SECONDS, f"{at}.seconds")
    elif action.seconds is not None and not _is_one_reference(action.seconds):
        yield f"{at}.seconds", "it must be a number, or one reference to a number"
    if action.until is not None and "{{" not in action.until and moment_of(action.until) is None:
        yield f"{at}.until", "it must be a time with its zone, as 2030-01-31T09:00:00Z, or one reference to such a time"


def moment_of(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _is_one_reference(template: Any) -> bool:
    if not isinstance(template, str):
        return False
    try:
        parts = parts_of(template)
    except BadReference:
        return True  # told as a bad reference already
    return len(parts) == 1 and isinstance(parts[0], Reference)


def _within(value: float, smallest: float, largest: float, at: str) -> Found:
    if not smallest <= value <= largest:
        yield at, f"it is {value:g}; it must be between {smallest:g} and {largest:g}"


def _shape_problems(graph: Graph, places: Mapping[str, str]) -> list[Problem]:
    cycle = cycle_in(graph)
    if not cycle:
        return []
    shown = " → ".join([*cycle, cycle[0]][:20])
    problems = [Problem(places[cycle[0]], f"The steps wait for each other in a circle: {shown}.")]
    return problems + [
        Problem(places[id], f"{id!r} can never be reached: it comes after the circle {shown}.")
        for id in sorted(behind(graph, cycle) - set(cycle))
    ]


def _sentence(why: str) -> str:
    return f"{why[:1].upper()}{why[1:]}."
