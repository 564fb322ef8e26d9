"""Lists, a page at a time or as one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from neuais._decoding import M
from neuais._requests import Fields, get, new_ones, page_of
from neuais._sync.transport import Transport
from neuais.models import Page


class Listing(Generic[M]):
    """name: what the list is called in the envelope."""

    def __init__(self, transport: Transport, model: type[M], path: str, name: str) -> None:
        self._transport = transport
        self._model = model
        self._path = path
        self._name = name

    def page(self, *, fields: Fields | None = None, **query: object) -> Page[M]:
        found = self._transport.call(get(self._path, **query, fields=fields))
        return page_of(self._model, self._name, found, fields)

    def every(self, page_size: int, *, fields: Fields | None = None, **query: object) -> Iterator[M]:
        offset = 0
        seen: set[str] = set()
        while True:
            found = self.page(limit=page_size, offset=offset, fields=fields, **query)
            for item in new_ones(found.items, seen):
                yield item
            offset += len(found)
            if not found.has_more or not found:
                return
