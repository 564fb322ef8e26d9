"""What ran, and what it costs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from neuais._async.listing import AsyncListing
from neuais._async.transport import AsyncTransport
from neuais._decoding import decode
from neuais._requests import Fields, get, path_of
from neuais.models import Invoice, Page, Usage


class AsyncBilling:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._listing = AsyncListing(transport, Invoice, "/billing/invoices", "invoices")

    async def usage(self, *, period: str | None = None) -> Usage:
        """Of a month. period: `current`, `last_month`, or a month as `2024-01`."""
        return decode(Usage, await self._transport.call(get("/billing/usage", period=period)))

    async def invoices(
        self,
        *,
        status: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
    ) -> Page[Invoice]:
        return await self._listing.page(status=status, limit=limit, offset=offset, sort=sort, fields=fields)

    def iterate_invoices(
        self, *, status: str | None = None, sort: str | None = None, page_size: int = 100
    ) -> AsyncIterator[Invoice]:
        """All of them; a page is fetched when it is needed."""
        return self._listing.every(page_size, status=status, sort=sort)

    async def invoice(self, id: str) -> Invoice:
        """One with its lines."""
        return decode(Invoice, await self._transport.call(get(path_of("billing", "invoices", id))))
