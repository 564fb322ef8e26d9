"""The native wire: how core things look as JSON. Request bodies are Pydantic models, answers plain dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query
from fastapi.requests import Request
from pydantic import BaseModel, ConfigDict

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.pages import DEFAULT_LIMIT, Page, Window, read_cursor
from glia.wiring import House

T = TypeVar("T")


class Body(BaseModel):
    """A request body. Fields it does not know are named in `X-Ignored-Fields`, never dropped in silence."""

    model_config = ConfigDict(extra="allow")


def house_of(request: Request) -> House:
    return request.app.state.house


def principal_of(request: Request) -> Principal:
    return request.scope["state"]["principal"]


def window_of(limit: Annotated[str | None, Query()] = None, cursor: Annotated[str | None, Query()] = None) -> Window:
    try:
        number = DEFAULT_LIMIT if limit is None else int(limit)
    except ValueError:
        raise InvalidRequest(f"`limit` is {limit!r}; it must be a whole number.", field="limit") from None
    return Window(number, read_cursor(cursor))


TheHouse = Annotated[House, Depends(house_of)]
ThePrincipal = Annotated[Principal, Depends(principal_of)]
TheWindow = Annotated[Window, Depends(window_of)]


def page_json(page: Page[T], show: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    return {"data": [show(item) for item in page.items], "has_more": page.has_more, "next_cursor": page.next_cursor}
