"""The native wire: how core things look as JSON, and how requests are read. Every resource uses these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, WithJsonSchema

from glia.identity.types import Principal
from glia.kit.pages import DEFAULT_LIMIT, LARGEST_LIMIT, Page, Window, read_cursor
from glia.surfaces.shared.bodies import number_of
from glia.wiring import House

T = TypeVar("T")


class ListOf(BaseModel, Generic[T]):
    """A page of a list. next_cursor: pass it on for the next page; null on the last one."""

    data: list[T]
    has_more: bool = False
    next_cursor: str | None = None


def page_of(page: Page[Any], show: Callable[[Any], T]) -> ListOf[T]:
    """Any: what the page holds is what `show` takes."""
    return ListOf(data=[show(item) for item in page.items], has_more=page.has_more, next_cursor=page.next_cursor)


# Text on the way in, so that every refusal is in our words; a number in the document.
LimitText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT}),
    Query(description=f"How many at most; 1 to {LARGEST_LIMIT}."),
]
AfterText = Annotated[
    str | None,
    WithJsonSchema({"type": "integer", "minimum": 0}),
    Query(description="Only what comes after this sequence number."),
]


def window_of(
    limit: LimitText = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Window:
    return Window(number_of(limit, "limit", DEFAULT_LIMIT), read_cursor(cursor))


TheWindow = Annotated[Window, Depends(window_of)]


async def agent_id_of(house: House, principal: Principal, reference: str) -> UUID:
    """The id behind an agent's id or slug. Raises AgentNotFound for a slug that nobody has."""
    try:
        return UUID(reference)
    except ValueError:
        return (await house.agents.find(principal, reference)).id
