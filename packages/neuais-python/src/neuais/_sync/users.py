"""Users of the workspace; only admins may change them."""

from __future__ import annotations

from collections.abc import Iterator

from neuais._decoding import decode
from neuais._requests import Fields, delete, get, given, path_of, post, put
from neuais._sync.listing import Listing
from neuais._sync.transport import Transport
from neuais.models import Message, Page, Role, User


class Users:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._listing = Listing(transport, User, "/users", "users")

    def list(
        self,
        *,
        status: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
    ) -> Page[User]:
        """One page. sort: as `email` or `created_at:desc`."""
        return self._listing.page(status=status, limit=limit, offset=offset, sort=sort, fields=fields)

    def iterate(
        self,
        *,
        status: str | None = None,
        sort: str | None = None,
        fields: Fields | None = None,
        page_size: int = 100,
    ) -> Iterator[User]:
        """All of them; a page is fetched when it is needed."""
        return self._listing.every(page_size, status=status, sort=sort, fields=fields)

    def get(self, id: str, *, fields: Fields | None = None) -> User:
        return decode(User, self._transport.call(get(path_of("users", id), fields=fields)), fields)

    def create(
        self,
        email: str,
        *,
        password: str,
        role: Role | None = None,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> User:
        body = given(email=email, password=password, role=role, name=name)
        return decode(User, self._transport.call(post("/users", body, idempotency_key=idempotency_key)))

    def update(
        self,
        id: str,
        *,
        email: str | None = None,
        password: str | None = None,
        current_password: str | None = None,
        role: Role | None = None,
        name: str | None = None,
    ) -> User:
        """Changes what is given. current_password: checked when given. A new password ends all sign-ins."""
        body = given(email=email, password=password, current_password=current_password, role=role, name=name)
        return decode(User, self._transport.call(put(path_of("users", id), body)))

    def delete(self, id: str) -> Message:
        """Raises Conflict for the last owner."""
        return decode(Message, self._transport.call(delete(path_of("users", id))) or {})
