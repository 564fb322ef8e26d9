"""The platform's own services."""

from __future__ import annotations

from neuais._async.listing import AsyncListing
from neuais._async.transport import AsyncTransport
from neuais._decoding import decode
from neuais._requests import Fields, get, path_of
from neuais.models import Page, Service, ServiceStatus


class AsyncServices:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._listing = AsyncListing(transport, Service, "/services", "services")

    async def list(
        self, *, status: str | None = None, sort: str | None = None, fields: Fields | None = None
    ) -> Page[Service]:
        return await self._listing.page(status=status, sort=sort, fields=fields)

    async def status(self, name: str) -> ServiceStatus:
        """How one is, with what was checked."""
        return decode(ServiceStatus, await self._transport.call(get(path_of("services", name, "status"))))
