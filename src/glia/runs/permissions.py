"""Whether a run may call a tool: at once, when a person has agreed, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from operator import ge, gt, le, lt
from typing import cast

from glia.agents.types import PermissionRule, Permissions
from glia.tools.types import Permission, Tool

_NOTHING: Mapping[str, object] = {}
_STRICTNESS = {Permission.ALWAYS: 0, Permission.ASK: 1, Permission.NEVER: 2}
_ORDER: dict[str, Callable[[float, float], bool]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}


@dataclass(frozen=True)
class Verdict:
    """reason: for the person who is asked, or the model that is refused."""

    permission: Permission
    reason: str


class Gate:
    """Judges the calls of one run. granted: tools that a person allowed this agent for good when it asked."""

    def __init__(self, permissions: Permissions, granted: Collection[str] = ()) -> None:
        self._permissions = permissions
        self._granted = granted

    def judge(self, tool: Tool | None, name: str, arguments: object) -> Verdict:
        """arguments: as they were parsed; whatever is not an object has no arguments that a rule could see."""
        verdict = self._judge(tool, name, arguments)
        if verdict.permission is Permission.ASK and name in self._granted:
            return Verdict(Permission.ALWAYS, f"A person allowed this agent to call {name} without asking.")
        return verdict

    def _judge(self, tool: Tool | None, name: str, arguments: object) -> Verdict:
        given = _object(arguments)
        for rule in self._permissions.rules:
            if fnmatchcase(name, rule.tool) and matches(rule, given):
                return Verdict(rule.permission, _because(rule))
        permission = self._named(name)
        if permission is not None:
            return Verdict(permission, f"The agent's permission for {name} is `{permission}`.")
        own = Permission.ALWAYS if tool is None else tool.permission
        if _STRICTNESS[own] > _STRICTNESS[self._permissions.default]:
            return Verdict(own, f"The tool {name} has the permission `{own}`.")
        return Verdict(self._permissions.default, f"The agent's default permission is `{self._permissions.default}`.")

    def _named(self, name: str) -> Permission | None:
        """What is said about the tool itself, else the strictest of what patterns such as `shop__*` say about it."""
        named = self._permissions.tools
        if name in named:
            return named[name]
        fitting = [permission for pattern, permission in named.items() if fnmatchcase(name, pattern)]
        return max(fitting, key=_STRICTNESS.__getitem__, default=None)


def may_ask(permissions: Permissions, tools: Collection[Tool]) -> bool:
    """Whether any call could need a person, so that what was granted before matters."""
    return (
        permissions.default is Permission.ASK
        or Permission.ASK in permissions.tools.values()
        or any(rule.permission is Permission.ASK for rule in permissions.rules)
        or any(tool.permission is Permission.ASK for tool in tools)
    )


def matches(rule: PermissionRule, arguments: Mapping[str, object]) -> bool:
    """A rule that is not a free pass also matches what it cannot compare."""
    if not rule.argument:
        return True
    is_there, value = _find(arguments, rule.argument)
    if rule.op == "exists":
        return is_there
    found = _compare(rule, value) if is_there else None
    return rule.permission is not Permission.ALWAYS if found is None else found


def _find(arguments: Mapping[str, object], path: str) -> tuple[bool, object]:
    here: object = arguments
    for name in path.split("."):
        level = _object(here)
        if name not in level:
            return False, None
        here = level[name]
    return True, here


def _object(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else _NOTHING


def _compare(rule: PermissionRule, value: object) -> bool | None:
    """None when the two cannot be compared."""
    wanted = rule.value
    found: bool | None = None
    match rule.op:
        case "eq" | "ne":
            if type(value) is type(wanted) or _are_numbers(value, wanted):
                found = (value == wanted) is (rule.op == "eq")
        case "in" | "not_in":
            if isinstance(wanted, list):
                found = (value in wanted) is (rule.op == "in")
        case "contains":
            found = _contains(value, wanted)
        case "starts_with":
            if isinstance(value, str) and isinstance(wanted, str):
                found = value.startswith(wanted)
        case _:
            if _are_numbers(value, wanted):
                found = _ORDER[rule.op](cast(float, value), cast(float, wanted))
    return found


def _contains(value: object, wanted: object) -> bool | None:
    if isinstance(value, str) and isinstance(wanted, str):
        return wanted.casefold() in value.casefold()
    return wanted in value if isinstance(value, list) else None


def _are_numbers(first: object, second: object) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in (first, second))


def _because(rule: PermissionRule) -> str:
    if not rule.argument:
        return f"A rule says `{rule.permission}` for calls of {rule.tool}."
    wanted = "" if rule.op == "exists" else f" {rule.value!r}"
    return f"A rule says `{rule.permission}` for calls of {rule.tool} where `{rule.argument}` {rule.op}{wanted}."
