"""Cursor pages over lists that are ordered by id, newest first unless a query says otherwise."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from glia.kit.errors import InvalidRequest

T = TypeVar("T")

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 1000


@dataclass(frozen=True)
class Window:
    """Which part of a list is wanted: at most `limit` rows that come after the row `after`."""

    limit: int = DEFAULT_LIMIT
    after: UUID | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= LARGEST_LIMIT:
            raise InvalidRequest(f"`limit` is {self.limit}; it must be between 1 and {LARGEST_LIMIT}.", field="limit")


@dataclass(frozen=True)
class Page(Generic[T]):
    items: list[T]
    has_more: bool
    next_cursor: str | None


def cursor_of(id: UUID) -> str:
    return base64.urlsafe_b64encode(id.bytes).rstrip(b"=").decode()


def read_cursor(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(text + "=="))
    except (ValueError, binascii.Error):
        raise InvalidRequest(
            f"`cursor` {text!r} is not one that this server gave out; leave it away to start at the beginning.",
            field="cursor",
        ) from None


def page_of(rows: Sequence[T], window: Window, id_of: Callable[[T], UUID]) -> Page[T]:
    """Makes a page from up to `limit + 1` rows: the extra row only tells that there are more."""
    items = list(rows[: window.limit])
    has_more = len(rows) > window.limit
    return Page(items, has_more, cursor_of(id_of(items[-1])) if has_more else None)


async def all_items(pages: Callable[[Window], Awaitable[Page[T]]]) -> list[T]:
    """Every item of a list that is short enough to be held whole. pages: gives one page, such as a service's `list`."""
    found: list[T] = []
    after: UUID | None = None
    while True:
        page = await pages(Window(LARGEST_LIMIT, after))
        found += page.items
        if not page.has_more:
            return found
        after = read_cursor(page.next_cursor)
