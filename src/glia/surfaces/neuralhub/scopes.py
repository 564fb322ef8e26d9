"""NeuralHub's scopes, and the rights of the house that each stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Depends

from glia.identity.types import EVERYTHING, Principal
from glia.kit.errors import Forbidden, InvalidRequest
from glia.surfaces.shared.bodies import principal_of

RIGHTS: Final[dict[str, tuple[str, ...]]] = {
    "run:read": ("runs:read",),
    "run:write": ("runs:write",),
    "agents:read": ("agents:read",),
    "agents:write": ("agents:write",),
    "memories:read": ("memory:read",),
    "memories:write": ("memory:write",),
    "storage:read": ("storage:read",),
    "storage:write": ("storage:write",),
    "chat:write": ("models:use",),
    "resources:read": ("sandboxes:read",),
    "resources:write": ("sandboxes:write",),
    "keys:read": ("keys:read",),
    "keys:write": ("keys:write",),
    "tools:read": ("tools:read",),
}
"""What tells that a key has a scope."""

MORE: Final[dict[str, tuple[str, ...]]] = {
    "run:write": ("tools:call",),
    "agents:read": ("workflows:read",),
    "agents:write": ("workflows:write",),
}
"""What keys that are made with a scope here may do besides: run tools by themselves, and see to workflows."""

SCOPES: Final = tuple(RIGHTS)
_OWN_NOUNS: Final = frozenset({"run", "memories", "chat", "resources"})
"""Nouns that only NeuralHub has: a key that was made elsewhere with such a scope can mean nothing else by it."""


def rights_within(scope: str) -> tuple[str, ...]:
    return RIGHTS[scope] + MORE.get(scope, ())


def has(principal: Principal, scope: str) -> bool:
    return _is_named(principal, scope) or all(principal.allows(right) for right in RIGHTS[scope])


def _is_named(principal: Principal, scope: str) -> bool:
    return scope.partition(":")[0] in _OWN_NOUNS and principal.allows(scope)


def require(principal: Principal, scope: str, *implied: str) -> Principal:
    """Who asks, once it is sure that they have the scope, with the rights that the operation needs besides.

    implied: rights of the house for what the operation reads on its way, which no scope of NeuralHub's is about: who
    may start a run may start any agent's, and for that the agent has to be found. Raises Forbidden.
    """
    if not has(principal, scope):
        raise Forbidden(f"This key lacks the scope `{scope}`; use a key that has it.", scope=scope)
    named = rights_within(scope) if _is_named(principal, scope) else ()
    return replace(principal, scopes=principal.scopes.union(named, implied))


def needs(scope: str, *implied: str) -> Callable[[Principal], Principal]:
    """`require` as a dependency of a route."""

    def checked(principal: Annotated[Principal, Depends(principal_of)]) -> Principal:
        return require(principal, scope, *implied)

    return checked


def rights_of(scopes: Iterable[str]) -> list[str]:
    """What a key with these scopes may do in the house. Raises InvalidRequest for a scope that there is not."""
    found: set[str] = set()
    for scope in scopes:
        if scope == EVERYTHING:
            found.add(EVERYTHING)
        elif scope in RIGHTS:
            found.update(rights_within(scope))
        else:
            raise InvalidRequest(
                f"`scopes` holds {scope[:100]!r}; there are {', '.join(SCOPES)}, and `*` for all.", field="scopes"
            )
    return sorted(found)


def held(principal: Principal) -> list[str]:
    return [scope for scope in SCOPES if has(principal, scope)]
