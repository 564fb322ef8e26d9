"""Conditions as data: a field, an operator, a value. Nothing is evaluated as code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from glia.triggers.types import Comparison

MISSING = object()


def fits(data: object, filter: Sequence[Comparison]) -> bool:
    """Whether every comparison holds. One with a field that is not there, or of another type, does not."""
    return all(_holds(at_path(data, comparison.field), comparison) for comparison in filter)


def at_path(data: object, path: str) -> object:
    """What lies at `a.b.0` inside parsed JSON; MISSING when nothing does."""
    for part in path.split("."):
        if isinstance(data, dict):
            data = cast(dict[str, object], data).get(part, MISSING)
        elif (
            isinstance(data, list) and part.isdecimal() and len(part) < 7 and int(part) < len(cast(list[object], data))
        ):
            data = cast(list[object], data)[int(part)]
        else:
            return MISSING
        if data is MISSING:
            return MISSING
    return data


def _holds(found: object, comparison: Comparison) -> bool:
    op, value = comparison.op, comparison.value
    if op == "exists":
        return (found is not MISSING) is (value is not False)
    if found is MISSING:
        return False
    match op:
        case "eq" | "ne":
            return _same(found, value) is (op == "eq")
        case "in":
            return any(_same(found, one) for one in value)
        case "contains" | "starts_with":
            return _has(found, op, value)
        case _:
            return _ordered(found, op, value)


def _has(found: object, op: str, value: object) -> bool:
    if isinstance(found, list):
        return op == "contains" and any(_same(one, value) for one in cast(list[object], found))
    if not isinstance(found, str) or not isinstance(value, str):
        return False
    return value in found if op == "contains" else found.startswith(value)


def _same(found: object, value: object) -> bool:
    """As JSON has it: true is not 1."""
    return isinstance(found, bool) == isinstance(value, bool) and found == value


def _ordered(found: Any, op: str, value: Any) -> bool:
    """Any: checked to be two numbers or two texts, which Python orders."""
    is_number = all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (found, value))
    if not is_number and not (isinstance(found, str) and isinstance(value, str)):
        return False
    match op:
        case "gt":
            return found > value
        case "ge":
            return found >= value
        case "lt":
            return found < value
        case _:
            return found <= value
