"""What ran, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from neuais._decoding import decode
from neuais._requests import Fields, get, path_of
from neuais._sync.listing import Listing
from neuais._sync.transport import Transport
from neuais.models import Invoice, Page, Usage


class Billing:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._listing = Listing(transport, Invoice, "/billing/invoices", "invoices")

    def usage(self, *, period: str | None = None) -> Usage:
        """Of a month. period: `current`, `last_month`, or a month as `2024-01`."""
        return decode(Usage, self._transport.call(get("/billing/usage", period=period)))

    def invoices(
        self,
        *,
        status: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
    ) -> Page[Invoice]:
        return self._listing.page(status=status, limit=limit, offset=offset, sort=sort, fields=fields)

    def iterate_invoices(
        self, *, status: str | None = None, sort: str | None = None, page_size: int = 100
    ) -> Iterator[Invoice]:
        """All of them; a page is fetched when it is needed."""
        return self._listing.every(page_size, status=status, sort=sort)

    def invoice(self, id: str) -> Invoice:
        """One with its lines."""
        return decode(Invoice, self._transport.call(get(path_of("billing", "invoices", id))))
