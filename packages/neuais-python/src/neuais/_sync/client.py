"""The client: one object, one namespace for each kind of thing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Self

import httpx2

from neuais._requests import Options, base_url_of
from neuais._sync.agents import Agents
from neuais._sync.auth import Auth
from neuais._sync.billing import Billing
from neuais._sync.live import Live
from neuais._sync.services import Services
from neuais._sync.transport import Credentials, Transport
from neuais._sync.users import Users
from neuais._sync.webhooks import Webhooks


class Client:
    """A client of one server, for one workspace.

    token: an access token or an API key; NEUAIS_TOKEN unless given. email, password: instead, and the token is renewed
    before it expires. base_url: with or without `/v1`; NEUAIS_BASE_URL unless given, else http://localhost:8000/v1.
    timeout: seconds that a try may take. max_retries: how often a request is tried again that met a passing fault.
    http: connections of your own making, which you close yourself.

    Every method raises NeuaisError.
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        email: str | None = None,
        password: str | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        headers: Mapping[str, str] | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        if (email is None) != (password is None):
            raise ValueError("Give `email` and `password` together.")
        if token is not None and email is not None:
            raise ValueError("Give a token, or an email and a password, not both.")
        if token is None and email is None:
            token = os.environ.get("NEUAIS_TOKEN") or None
        self._owns_http = http is None
        options = Options(base_url_of(base_url), timeout, max_retries, headers or {})
        credentials = Credentials(token, email, password)
        self._use(Transport(http or httpx2.Client(), options, credentials))

    def _use(self, transport: Transport) -> None:
        self._transport = transport
        self.auth = Auth(transport)
        self.agents = Agents(transport)
        self.services = Services(transport)
        self.users = Users(transport)
        self.billing = Billing(transport)
        self.webhooks = Webhooks(transport)

    @property
    def base_url(self) -> str:
        return self._transport.options.base_url

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Client:
        """The same client with other options; it shares the connections and need not be closed."""
        given = {"timeout": timeout, "max_retries": max_retries, "headers": headers}
        changes = {name: value for name, value in given.items() if value is not None}
        copy = object.__new__(Client)
        copy._owns_http = False
        copy._use(self._transport.with_options(replace(self._transport.options, **changes)))
        return copy

    def live(self) -> Live:
        """What happens, as it happens, over a WebSocket. Needs `pip install neuais[websockets]`."""
        return Live(self._transport)

    def close(self) -> None:
        if self._owns_http:
            self._transport.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
