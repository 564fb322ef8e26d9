"""The door of a surface: request id, sign-in, rate limit, and errors in the surface's own shape.

Every request that reaches what lies behind the gate has a principal, unless its path is public.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Protocol

import structlog

from glia.identity.service import Identity, RateLimits
from glia.identity.types import Authenticated, Decision
from glia.kit import telemetry
from glia.kit.errors import Forbidden, GliaError, RateLimited
from glia.kit.ids import new_id
from glia.kit.origin import come_from
from glia.surfaces.shared.asgi import App, Disconnected, Message, Receive, Request, Scope, Send, send_json

log = structlog.get_logger(__name__)


class ErrorBody(Protocol):
    def __call__(self, error: GliaError, request_id: str) -> object:
        """The JSON body with which the surface reports an error."""
        ...


def status_of_error(error: GliaError) -> int:
    return error.status


class Limits(Protocol):
    """Counts a request. whose: for the sentence that refuses it, as `This key`."""

    whose: str

    async def __call__(self, request: Request, authenticated: Authenticated | None) -> Decision | None:
        """authenticated: None for whoever has not said who they are, or not rightly. None: it is not counted."""
        ...


class KeyLimits:
    """Each key by its own limit, or the server's; on paths that need no key nothing is counted."""

    whose = "This key"

    def __init__(self, rate_limits: RateLimits) -> None:
        self._rate_limits = rate_limits

    async def __call__(self, request: Request, authenticated: Authenticated | None) -> Decision | None:
        if authenticated is None:
            return None
        return await self._rate_limits.count(
            authenticated.limited_as,
            authenticated.rate_per_minute,
            is_strict=authenticated.principal.agent_id is not None,
        )


class Gate:
    """Wraps a surface's app."""

    def __init__(
        self,
        app: App,
        identity: Identity,
        rate_limits: RateLimits,
        *,
        surface: str,
        error_body: ErrorBody,
        is_public: Callable[[str], bool] = lambda _path: False,
        status_of: Callable[[GliaError], int] = status_of_error,
        headers: Mapping[str, str] | None = None,
        limit_headers: Callable[[dict[str, str]], dict[str, str]] = lambda headers: headers,
        takes_bound_keys: Callable[[str], bool] = lambda _path: False,
        limits: Limits | None = None,
    ) -> None:
        """status_of: for surfaces that know fewer statuses than we. headers: on every answer. limit_headers: how the
        surface calls what is said about a key's limit. takes_bound_keys: the paths at which a key that is bound to an
        agent may talk to it; every other one is closed to such keys. limits: how requests are counted; by key unless
        it is given."""
        self._takes_bound_keys = takes_bound_keys
        self._limit_headers = limit_headers
        self._app = app
        self._identity = identity
        self._limits = limits or KeyLimits(rate_limits)
        self._error_body = error_body
        self._is_public = is_public
        self._status_of = status_of
        self._headers = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        self._counted = cache(partial(telemetry.requests.labels, surface))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(new_id())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        if (client := scope.get("client")) is not None:
            come_from(client[0])
        answer = _Answer(send, request_id, self._headers)
        telemetry.requests_open.inc()
        try:
            request = Request(scope, receive)
            # Another surface's gate may have let the request in already, and this one only answers it.
            if "principal" in state:
                pass
            elif self._is_public(request.path):
                await self._count(request, answer, None)
            else:
                await self._admit(request, answer)
            await self._app(scope, receive, answer)
        except Disconnected:
            pass
        except GliaError as error:
            await self._refuse(answer, error, request_id)
        except Exception:
            log.exception("a bug ended a request", request=request_id, path=scope["path"])
            problem = GliaError(f"Something in Glia broke; the server's log has the details for request {request_id}.")
            await self._refuse(answer, problem, request_id)
        finally:
            telemetry.requests_open.dec()
            self._counted(answer.status).inc()

    async def _admit(self, request: Request, answer: _Answer) -> None:
        try:
            authenticated = await self._identity.authenticate(
                request.headers.get("authorization"), request.headers.get("x-api-key")
            )
        except GliaError:
            await self._count(request, answer, None)
            raise
        request.scope["state"]["principal"] = authenticated.principal
        await self._count(request, answer, authenticated)
        bound_to = authenticated.principal.agent_id
        if bound_to is not None and not self._takes_bound_keys(request.path):
            raise Forbidden(
                f"This key talks to the agent '{bound_to}' and does nothing else; use another key for this."
            )

    async def _count(self, request: Request, answer: _Answer, authenticated: Authenticated | None) -> None:
        """Says on the answer what is left. Raises RateLimited when nothing is."""
        decision = await self._limits(request, authenticated)
        if decision is None:
            return
        limits = self._limit_headers(decision.headers())
        answer.headers += [(name.lower().encode(), value.encode()) for name, value in limits.items()]
        if not decision.is_allowed:
            raise RateLimited(
                f"{self._limits.whose} may make {decision.limit} requests a minute;"
                f" wait {decision.retry_after_seconds} s.",
                retry_after_seconds=decision.retry_after_seconds,
                limit=decision.limit,
                requests=decision.requests,
            )

    async def _refuse(self, answer: _Answer, error: GliaError, request_id: str) -> None:
        if answer.has_begun:
            return  # an event stream reports its own errors; the connection simply ends
        headers: list[tuple[bytes, bytes]] = []
        retry_after: float | None = getattr(error, "retry_after_seconds", None)
        if retry_after is not None and not any(name == b"retry-after" for name, _ in answer.headers):
            headers.append((b"retry-after", str(max(1, round(retry_after))).encode()))
        if error.status == 405 and "allow" in error.details:
            headers.append((b"allow", str(error.details["allow"]).encode()))
        if error.status == 408:
            headers.append((b"connection", b"close"))  # the rest of the body may still come; it is no next request
        if error.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send_json(answer, self._status_of(error), self._error_body(error, request_id), headers)


class _Answer:
    """The way out: adds the gate's headers and remembers the status."""

    def __init__(self, send: Send, request_id: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.headers = [*headers]
        self.status = 499
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self._request_id),
                *self.headers,
            ]
        await self._send(message)
