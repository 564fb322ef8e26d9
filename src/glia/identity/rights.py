"""Which scopes a role stands for, and whether one set of scopes lies within another. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from glia.identity.types import EVERYTHING, Principal, Role
from glia.kit.errors import Forbidden, InvalidRequest

MOST_SCOPES = 100

# Exclusion rather than a list of nouns: a noun that a later version brings is in these roles at once, and identity
# need not know the words of the slices above it. Each role lies within the one before it.
SCOPES_OF: Final[dict[Role, frozenset[str]]] = {
    Role.ADMIN: frozenset({EVERYTHING}),
    # Who is limited does not set the limits.
    Role.USER: frozenset({EVERYTHING, "-identity", "-budgets:write", "-credits:write"}),
    Role.READ_ONLY: frozenset({"*:read", "-identity"}),
}

_SCOPE = re.compile(
    r"\*|-[a-z][a-z0-9_-]{0,49}(?::[a-z][a-z0-9_-]{0,49})?|(?:\*|[a-z][a-z0-9_-]{0,49}):(?:\*|[a-z][a-z0-9_-]{0,49})"
)


def checked(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes as a set. Raises InvalidRequest when one of them is no scope, or when they grant nothing."""
    found = frozenset(EVERYTHING if scope == "*:*" else scope for scope in scopes)
    for scope in sorted(found):
        if not _SCOPE.fullmatch(scope):
            raise InvalidRequest(
                f"`scopes` holds {scope[:100]!r}; a scope looks like `agents:read`, `agents:*`, `*:read` or `*`.",
                field="scopes",
            )
    if not _granted(found):
        raise InvalidRequest("`scopes` grants nothing; name at least one, such as `agents:read`.", field="scopes")
    if len(found) > MOST_SCOPES:
        raise InvalidRequest(f"`scopes` holds {len(found)} scopes; the most is {MOST_SCOPES}.", field="scopes")
    return found


def excess(held: Collection[str], wanted: Collection[str]) -> str | None:
    """A scope that `wanted` grants and `held` does not, or None when `wanted` lies within `held`."""
    granted = _granted(held)
    for scope, noun, verb in _granted(wanted):
        if not any(n in (EVERYTHING, noun) and v in (EVERYTHING, verb) for _, n, v in granted):
            return scope
    # Whole nouns first, so that the same one is named every time.
    for exclusion in sorted(
        (scope for scope in held if scope.startswith("-")), key=lambda scope: (":" in scope, scope)
    ):
        noun, _, only = exclusion[1:].partition(":")
        if exclusion not in wanted and f"-{noun}" not in wanted:
            for _, wanted_noun, verb in _granted(wanted):
                if wanted_noun in (EVERYTHING, noun) and (not only or verb in (EVERYTHING, only)):
                    return f"{noun}:{only or verb}"
    return None


def smallest_role(scopes: Collection[str]) -> Role:
    """The role with the fewest rights that includes these scopes."""
    for role in (Role.READ_ONLY, Role.USER):
        if excess(SCOPES_OF[role], scopes) is None:
            return role
    return Role.ADMIN


def require_within(principal: Principal, wanted: Collection[str]) -> None:
    """Raises Forbidden when someone would hand out more rights than they have."""
    if scope := excess(principal.scopes, wanted):
        raise Forbidden(
            f"Nobody can give rights that they lack, and this key lacks `{scope}`; use one that has it.", scope=scope
        )


def settle(scopes: Iterable[str] | None, role: Role | None) -> tuple[frozenset[str], Role]:
    """What a new key may do: its scopes, within its role when both are given; the role's scopes otherwise."""
    if scopes is None:
        role = role or Role.USER
        return SCOPES_OF[role], role
    wanted = checked(scopes)
    if role is None:
        return wanted, smallest_role(wanted)
    if beyond := excess(SCOPES_OF[role], wanted):
        raise InvalidRequest(
            f"The role {role.value!r} does not include `{beyond}`; leave the scope away or choose another role.",
            field="scopes",
        )
    return wanted, role


def _granted(scopes: Collection[str]) -> list[tuple[str, str, str]]:
    """Each scope that grants something, with its noun and verb."""
    found: list[tuple[str, str, str]] = []
    for scope in sorted(scopes):
        if scope.startswith("-"):
            continue
        noun, _, verb = scope.partition(":")
        found.append((scope, noun, verb or EVERYTHING))
    return found
