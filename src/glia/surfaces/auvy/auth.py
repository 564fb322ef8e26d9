"""In which brain a request acts. A brain is a project of the workspace; `X-Brain-Id` names it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.surfaces.shared.bodies import TheHouse, ThePrincipal
from glia.wiring import House

_TO_READ_BRAINS = frozenset({"workspaces:read"})


BrainText = Annotated[str | None, Header(alias="X-Brain-Id", description="The brain to act in; its UUID.")]


async def brain_or_own(house: TheHouse, principal: ThePrincipal, brain: BrainText = None) -> Principal:
    """The caller in the brain that the request names, else in the one that its credential belongs to."""
    return principal if brain is None else await in_brain(house, principal, brain, "X-Brain-Id")


async def named_brain(house: TheHouse, principal: ThePrincipal, brain: BrainText = None) -> Principal:
    """As `brain_or_own`, where the request must name a brain."""
    if brain is None:
        raise InvalidRequest("`X-Brain-Id` is missing; send the header with a brain's UUID.", field="X-Brain-Id")
    return await in_brain(house, principal, brain, "X-Brain-Id")


async def given_brain(house: TheHouse, principal: ThePrincipal, brain: BrainText = None) -> UUID | None:
    """The brain that the request names, or None."""
    return None if brain is None else (await in_brain(house, principal, brain, "X-Brain-Id")).project_id


async def in_brain(house: House, principal: Principal, brain: str, field: str) -> Principal:
    """Raises InvalidRequest for what is no id, ProjectNotFound for a brain that is not in the workspace."""
    try:
        id = UUID(brain)
    except ValueError:
        raise InvalidRequest(f"`{field}` {brain[:100]!r} is not a UUID.", field=field) from None
    # Whoever holds a key of the workspace may know its brains, whatever else the key may do.
    await house.identity.workspaces.project(replace(principal, scopes=_TO_READ_BRAINS), id)
    return replace(principal, project_id=id)


InBrain = Annotated[Principal, Depends(brain_or_own)]
InNamedBrain = Annotated[Principal, Depends(named_brain)]
GivenBrain = Annotated[UUID | None, Depends(given_brain)]
