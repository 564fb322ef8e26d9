"""Objects of the API, as their JSON is. A part that is missing, or null, reads as empty."""

from __future__ import annotations

from typing import Any
from uuid import UUID

Thing = dict[str, Any]


def part(thing: Thing, *names: str) -> Thing:
    """The object at that path."""
    for name in names:
        thing = thing.get(name) or {}
    return thing


def parts(thing: Thing, name: str) -> list[Thing]:
    return thing.get(name) or []


def text(thing: Thing, name: str) -> str:
    return str(thing.get(name) or "")


def whole(thing: Thing, name: str) -> int:
    return int(thing.get(name) or 0)


def label(thing: Thing, name: str) -> UUID | None:
    """The id that a label holds."""
    try:
        return UUID(text(part(thing, "metadata", "labels"), name))
    except ValueError:
        return None


def named(things: list[Thing], name: str, key: str = "name") -> Thing:
    """The one that says so of itself."""
    return next((each for each in things if each.get(key) == name), Thing())
