"""Tokens."""

from __future__ import annotations

from neuais._async.transport import AsyncTransport, sign_in
from neuais.models import Token


class AsyncAuth:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def token(self, email: str, password: str) -> Token:
        """A token for someone, which this client does not use."""
        return await sign_in(self._transport, email, password)

    async def login(self, email: str, password: str) -> Token:
        """From now on this client calls as that user, with a token that it renews before it expires."""
        token = await self.token(email, password)
        self._transport.credentials.use_login(email, password, token)
        return token
