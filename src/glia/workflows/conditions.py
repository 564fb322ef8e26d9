"""Conditions as data: comparisons of earlier outputs, combined with all, any and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import ge, gt, le, lt
from typing import Any, cast

from msgspec import UNSET

from glia.workflows.errors import StepError
from glia.workflows.references import Reference, Resolver, parts_of
from glia.workflows.types import Condition

DEEPEST = 16
_ORDER: dict[str, Callable[[Any, Any], bool]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}


def holds(condition: Condition, resolver: Resolver) -> bool:
    """Raises StepError when two values cannot be compared: a guess would take a branch nobody meant."""
    if condition.all is not None:
        return all(holds(part, resolver) for part in condition.all)
    if condition.any_ is not None:
        return any(holds(part, resolver) for part in condition.any_)
    if condition.not_ is not None:
        return not holds(condition.not_, resolver)
    if condition.op == "exists":
        return _exists(condition.left, resolver)
    return _compare(str(condition.op), resolver.value(condition.left), resolver.value(condition.right))


def problems_of(condition: Condition, at: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Places and reasons for which a condition cannot be used."""
    if depth > DEEPEST:
        yield at, f"it is nested more than {DEEPEST} levels deep"
        return
    groups = {"all": condition.all, "any": condition.any_}
    given = [name for name, parts in groups.items() if parts is not None]
    given += ["not"] if condition.not_ is not None else []
    given += ["op"] if condition.op is not None or condition.left is not UNSET else []
    if len(given) != 1:
        said = "it has " + " and ".join(f"`{name}`" for name in given) if given else "it is empty"
        yield at, f"{said}; give either `left`, `op` and `right`, or one of `all`, `any`, `not`"
        return
    for name, parts in groups.items():
        if parts is not None and not parts:
            yield f"{at}.{name}", "the list is empty"
        for index, part in enumerate(parts or ()):
            yield from problems_of(part, f"{at}.{name}[{index}]", depth + 1)
    if condition.not_ is not None:
        yield from problems_of(condition.not_, f"{at}.not", depth + 1)
    if given == ["op"]:
        yield from _comparison_problems(condition, at)


def _comparison_problems(condition: Condition, at: str) -> Iterator[tuple[str, str]]:
    if condition.op is None:
        yield f"{at}.op", "it is missing"
    if condition.left is UNSET:
        yield f"{at}.left", "it is missing"
    if condition.op == "exists":
        if condition.right is not UNSET:
            yield f"{at}.right", "`exists` compares with nothing"
    elif condition.op is not None and condition.right is UNSET:
        yield f"{at}.right", "it is missing"


def templates_of(condition: Condition, at: str) -> Iterator[tuple[str, Any]]:
    """Every side of every comparison, with its place."""
    for name, side in (("left", condition.left), ("right", condition.right)):
        if side is not UNSET:
            yield f"{at}.{name}", side
    for name, parts in (("all", condition.all), ("any", condition.any_)):
        for index, part in enumerate(parts or ()):
            yield from templates_of(part, f"{at}.{name}[{index}]")
    if condition.not_ is not None:
        yield from templates_of(condition.not_, f"{at}.not")


def _exists(template: Any, resolver: Resolver) -> bool:
    """Whether there is something there that is not null."""
    is_reference = isinstance(template, str) and any(isinstance(part, Reference) for part in parts_of(template))
    try:
        return resolver.value(template) is not None
    except StepError as error:
        if is_reference and error.code == "invalid_reference":
            return False
        raise


def _compare(op: str, left: Any, right: Any) -> bool:
    match op:
        case "eq" | "ne":
            return _equal(left, right) is (op == "eq")
        case "in" | "not_in" if isinstance(right, list):
            return any(_equal(left, item) for item in cast(list[Any], right)) is (op == "in")
        case "contains" if isinstance(left, list):
            return any(_equal(item, right) for item in cast(list[Any], left))
        case "contains" if isinstance(left, str) and isinstance(right, str):
            return right in left
        case "starts_with" if isinstance(left, str) and isinstance(right, str):
            return left.startswith(right)
        case _:
            return _ordered(op, left, right)


def _ordered(op: str, left: Any, right: Any) -> bool:
    are_texts = isinstance(left, str) and isinstance(right, str)
    if op not in _ORDER or (not are_texts and not (_is_number(left) and _is_number(right))):
        raise _incomparable(op, left, right)
    return _ORDER[op](left, right)


def _equal(left: Any, right: Any) -> bool:
    """True is not 1, as in JSON."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _incomparable(op: str, left: Any, right: Any) -> StepError:
    return StepError(
        f"`{op}` cannot compare {str(left)[:80]!r} ({type(left).__name__}) with {str(right)[:80]!r}"
        f" ({type(right).__name__}).",
        code="incomparable",
        is_final=True,
    )
