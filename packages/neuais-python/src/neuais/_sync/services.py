"""The platform's own services."""

from __future__ import annotations

from neuais._decoding import decode
from neuais._requests import Fields, get, path_of
from neuais._sync.listing import Listing
from neuais._sync.transport import Transport
from neuais.models import Page, Service, ServiceStatus


class Services:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._listing = Listing(transport, Service, "/services", "services")

    def list(
        self, *, status: str | None = None, sort: str | None = None, fields: Fields | None = None
    ) -> Page[Service]:
        return self._listing.page(status=status, sort=sort, fields=fields)

    def status(self, name: str) -> ServiceStatus:
        """How one is, with what was checked."""
        return decode(ServiceStatus, self._transport.call(get(path_of("services", name, "status"))))
