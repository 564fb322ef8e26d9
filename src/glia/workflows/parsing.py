"""Reads a definition as it was written: which step is which, and which words make no sense."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import msgspec

from glia.workflows.types import LONGEST_WAIT_SECONDS, MOST_STEPS, Action, Definition, OnError, Problem, Step, Undo

T = TypeVar("T")

_FIELDS = {"steps", "input_schema", "output", "timeout_seconds"}
_FRAME = ("id", "name", "depends_on", "next", "on_error", "compensation", "reuse_key")
_KINDS = ("agent", "tool", "http", "condition", "map", "wait_approval", "wait_time", "workflow")
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_PATH = re.compile(r"(?P<problem>.*?) - at `(?:key in )?\$(?P<path>.*)`", re.DOTALL)
_QUOTED = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*?)`")


class _Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every step has beside its action."""

    id: str
    name: str = ""
    depends_on: list[str] = []
    next: list[str] = []
    on_error: OnError = "compensate"
    compensation: Undo | None = None
    reuse_key: str = ""


@dataclass(frozen=True)
class Parsed:
    """definition: what could be read. places: where each of its steps was written, as `steps[2]`."""

    definition: Definition
    places: Mapping[str, str]
    problems: tuple[Problem, ...]


def parse(written: Mapping[str, Any]) -> Parsed:
    """written: `steps`, `input_schema` and `output`. Never raises: what is wrong is told."""
    problems: list[Problem] = [
        Problem(name, f"There is no such field; a workflow has {', '.join(sorted(_FIELDS))}.")
        for name in written
        if name not in _FIELDS
    ]
    given = written.get("steps")
    if not isinstance(given, list) or not given:
        problems.append(Problem("steps", "It must be a list of at least one step."))
        given = []
    if len(cast(list[Any], given)) > MOST_STEPS:
        problems.append(Problem("steps", f"There are {len(cast(list[Any], given))} steps; the most is {MOST_STEPS}."))
        given = []
    steps: list[Step] = []
    places: dict[str, str] = {}
    for index, raw in enumerate(cast(list[Any], given)):
        at = f"steps[{index}]"
        step = _step(raw, at, problems)
        if step is None:
            continue
        if step.id in places:
            problems.append(Problem(f"{at}.id", f"{step.id!r} is the id of {places[step.id]} too; ids are unique."))
            continue
        places[step.id] = at
        steps.append(step)
    timeout = _timeout(written.get("timeout_seconds"), problems)
    definition = Definition(tuple(steps), written.get("input_schema"), written.get("output"), timeout)
    return Parsed(definition, places, tuple(problems))


def _timeout(seconds: Any, problems: list[Problem]) -> float | None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if seconds is None or (is_number and 0 < seconds <= LONGEST_WAIT_SECONDS):
        return None if seconds is None else float(seconds)
    shown = str(seconds)[:40]
    problems.append(
        Problem("timeout_seconds", f"It is {shown!r}; it must be above 0, at most {LONGEST_WAIT_SECONDS:g}.")
    )
    return None


def _step(raw: Any, at: str, problems: list[Problem]) -> Step | None:
    if not isinstance(raw, dict):
        problems.append(Problem(at, "A step is an object."))
        return None
    written = cast(dict[str, Any], raw)
    kind = written.get("kind")
    if kind not in _KINDS:
        said = "it is missing" if kind is None else f"{str(kind)[:40]!r} is not a kind of step"
        kinds = ", ".join(f"`{known}`" for known in _KINDS)
        problems.append(Problem(f"{at}.kind", f"{said[0].upper()}{said[1:]}; there are {kinds}."))
        return None
    frame = _convert({name: written[name] for name in _FRAME if name in written}, _Frame, at, problems)
    action = _convert(
        {name: value for name, value in written.items() if name not in _FRAME}, cast(type[Action], Action), at, problems
    )
    if frame is None or action is None:
        return None
    if not _ID.fullmatch(frame.id):
        problems.append(
            Problem(
                f"{at}.id",
                f"{frame.id[:80]!r} must begin with a letter or `_` and hold letters, digits, `_` and `-`, at most 64.",
            )
        )
        return None
    return Step(
        frame.id,
        action,
        frame.name,
        frame.depends_on,
        frame.next,
        frame.on_error,
        frame.compensation,
        frame.reuse_key,
    )


def _convert(written: dict[str, Any], type: type[T], at: str, problems: list[Problem]) -> T | None:
    try:
        return msgspec.convert(written, type)
    except msgspec.ValidationError as error:
        problems.append(_problem(str(error), at))
    except RecursionError:
        problems.append(Problem(at, "It is nested too deeply."))
    return None


def _problem(message: str, at: str) -> Problem:
    match = _PATH.fullmatch(message)
    path = match["path"] if match else ""
    problem = match["problem"] if match else message
    where = at + (path if path.startswith("[") or not path else f".{path.lstrip('.')}")
    if quoted := _QUOTED.fullmatch(problem):
        says: Literal["there is no such field", "it is missing"] = (
            "there is no such field" if quoted["what"] == "contains unknown" else "it is missing"
        )
        return Problem(f"{where}.{quoted['name']}", f"{says[0].upper()}{says[1:]}.")
    return Problem(where, f"{problem}.")
