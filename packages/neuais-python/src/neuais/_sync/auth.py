"""Tokens."""

from __future__ import annotations

from neuais._sync.transport import Transport, sign_in
from neuais.models import Token


class Auth:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def token(self, email: str, password: str) -> Token:
        """A token for someone, which this client does not use."""
        return sign_in(self._transport, email, password)

    def login(self, email: str, password: str) -> Token:
        """From now on this client calls as that user, with a token that it renews before it expires."""
        token = self.token(email, password)
        self._transport.credentials.use_login(email, password, token)
        return token
