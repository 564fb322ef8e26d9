"""Sends requests, tries again, keeps the token fresh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from neuais._decoding import decode
from neuais._requests import Call, Options, body_of, pause_before, refusal
from neuais.errors import ApiError, ConnectionFailed, NeuaisError, TimedOut, Unauthorized, UnexpectedAnswer
from neuais.models import Token

_RENEWED_BEFORE_SECONDS = 60.0
IDLE_SECONDS = 45.0
"""A stream on which nothing came for so long, not even a heartbeat, is taken for broken."""


class AsyncTransport:
    def __init__(self, http: httpx2.AsyncClient, options: Options, credentials: AsyncCredentials) -> None:
        self.http = http
        self.options = options
        self.credentials = credentials

    def with_options(self, options: Options) -> AsyncTransport:
        """The same connections and credentials."""
        return AsyncTransport(self.http, options, self.credentials)

    async def call(self, call: Call) -> Any:
        """The parsed answer. Raises NeuaisError."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(call)
            except (ApiError, ConnectionFailed) as error:
                pause = pause_before(attempt, error if isinstance(error, ApiError) else None)
                if pause is None or not call.may_repeat or attempt > self.options.max_retries:
                    raise
            await asyncio.sleep(pause)

    async def _once(self, call: Call) -> Any:
        if call.is_open:
            return body_of(await self._sent(call, None))
        token = await self.credentials.token(self)
        try:
            return body_of(await self._sent(call, token))
        except Unauthorized:
            if not self.credentials.renews:
                raise
        return body_of(await self._sent(call, await self.credentials.token(self, instead_of=token)))

    async def _sent(self, call: Call, token: str | None) -> httpx2.Response:
        try:
            return await self.http.request(
                call.method,
                self.options.base_url + call.path,
                params=call.query or None,
                headers={**self.options.headers, **call.headers(token)},
                timeout=self.options.timeout,
                **call.content(),
            )
        except httpx2.TimeoutException as error:
            raise TimedOut(f"No answer came from {error.request.url} within {self.options.timeout} s.") from error
        except httpx2.TransportError as error:
            raise ConnectionFailed(f"{self.options.base_url} gave no answer: {error}.") from error

    @asynccontextmanager
    async def stream(self, call: Call, last_event_id: int | None) -> AsyncGenerator[httpx2.EventSource]:
        """One connection. Raises NeuaisError, also while it is read."""
        token = await self.credentials.token(self)
        headers = {**self.options.headers, **call.headers(token), "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        url = self.options.base_url + call.path
        timeout = httpx2.Timeout(self.options.timeout, read=IDLE_SECONDS)
        try:
            async with self.http.stream("GET", url, params=call.query, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    await response.aread()
                    raise refusal(response)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    raise UnexpectedAnswer(f"{url} answered with something else than an event stream.")
                yield httpx2.EventSource(response)
        except httpx2.TransportError as error:
            raise ConnectionFailed(f"The stream of {url} broke off: {error}.") from error


@dataclass
class _Known:
    value: str
    renew_at: float


class AsyncCredentials:
    """A token that was given, or one that is fetched with an email and a password and renewed before it expires."""

    def __init__(self, token: str | None = None, email: str | None = None, password: str | None = None) -> None:
        self._known = None if token is None else _Known(token, float("inf"))
        self._login = None if email is None or password is None else (email, password)
        self._lock = asyncio.Lock()

    @property
    def renews(self) -> bool:
        return self._login is not None

    def use_login(self, email: str, password: str, token: Token) -> None:
        self._login = (email, password)
        self._keep(token)

    async def token(self, transport: AsyncTransport, *, instead_of: str | None = None) -> str:
        """instead_of: one that the server refused."""
        async with self._lock:
            known = self._known
            if known is not None and known.value != instead_of and time.monotonic() < known.renew_at:
                return known.value
            if self._login is None:
                raise NeuaisError("There is no token; give one, or an email and a password.")
            return self._keep(await sign_in(transport, *self._login))

    async def renewed(self, transport: AsyncTransport) -> bool:
        """Whether there is another token now than the one that the server refused."""
        if self._login is None or self._known is None:
            return False
        await self.token(transport, instead_of=self._known.value)
        return True

    def _keep(self, token: Token) -> str:
        margin = min(_RENEWED_BEFORE_SECONDS, token.expires_in / 2)
        self._known = _Known(token.access_token, time.monotonic() + token.expires_in - margin)
        return token.access_token


async def sign_in(transport: AsyncTransport, email: str, password: str) -> Token:
    body = {"email": email, "password": password}
    return decode(Token, await transport.call(Call("POST", "/auth/token", body=body, is_open=True)))
