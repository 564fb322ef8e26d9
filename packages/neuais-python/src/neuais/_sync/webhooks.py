"""Webhooks: addresses that are told what happens to agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neuais._decoding import decode
from neuais._requests import Fields, delete, get, given, path_of, post
from neuais._sync.listing import Listing
from neuais._sync.transport import Transport
from neuais.models import Delivery, Event, Message, Page, Redelivered, Webhook


class Webhooks:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._listing = Listing(transport, Webhook, "/webhooks", "webhooks")

    def list(
        self,
        *,
        status: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
    ) -> Page[Webhook]:
        return self._listing.page(status=status, limit=limit, offset=offset, sort=sort, fields=fields)

    def iterate(self, *, status: str | None = None, sort: str | None = None, page_size: int = 100) -> Iterator[Webhook]:
        """All of them; a page is fetched when it is needed."""
        return self._listing.every(page_size, status=status, sort=sort)

    def create(
        self, url: str, *, events: Sequence[Event], secret: str | None = None, idempotency_key: str | None = None
    ) -> Webhook:
        """secret: what `verify_signature` is given."""
        body = given(url=url, events=list(events), secret=secret)
        return decode(Webhook, self._transport.call(post("/webhooks", body, idempotency_key=idempotency_key)))

    def get(self, id: str) -> Webhook:
        return decode(Webhook, self._transport.call(get(path_of("webhooks", id))))

    def delete(self, id: str) -> Message:
        return decode(Message, self._transport.call(delete(path_of("webhooks", id))) or {})

    def deliveries(
        self,
        id: str,
        *,
        status: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort: str | None = None,
    ) -> Page[Delivery]:
        """What was sent, or is to be."""
        return self._deliveries(id).page(status=status, limit=limit, offset=offset, sort=sort)

    def iterate_deliveries(self, id: str, *, status: str | None = None, page_size: int = 100) -> Iterator[Delivery]:
        """All of them; a page is fetched when it is needed."""
        return self._deliveries(id).every(page_size, status=status)

    def delivery(self, id: str, delivery_id: str) -> Delivery:
        """One with what it says and every attempt."""
        return decode(Delivery, self._transport.call(get(path_of("webhooks", id, "deliveries", delivery_id))))

    def redeliver(self, id: str, delivery_id: str, *, idempotency_key: str | None = None) -> Delivery:
        """Sends one again, under the same id."""
        path = path_of("webhooks", id, "deliveries", delivery_id, "redeliver")
        return decode(Delivery, self._transport.call(post(path, idempotency_key=idempotency_key)))

    def redeliver_failed(self, id: str, *, idempotency_key: str | None = None) -> Redelivered:
        """Sends all again that failed in the last 24 hours."""
        call = post(path_of("webhooks", id, "redeliver"), idempotency_key=idempotency_key)
        return decode(Redelivered, self._transport.call(call))

    def _deliveries(self, id: str) -> Listing[Delivery]:
        return Listing(self._transport, Delivery, path_of("webhooks", id, "deliveries"), "deliveries")
