"""/v1/ws: states, logs and figures of agents over one WebSocket, as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from typing import Final, NoReturn, assert_never
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from glia.identity.types import Authenticated, Principal
from glia.kit.errors import (
    Forbidden,
    GliaError,
    InvalidRequest,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from glia.surfaces.neuais.agents import Show, reference_of
from glia.surfaces.neuais.limits import PlanLimits, limit_headers
from glia.surfaces.neuais.live_feeds import Feeds, Subscription, begun
from glia.surfaces.neuais.live_readings import Readings
from glia.surfaces.neuais.live_words import (
    CHANNELS,
    EVERY_AGENT,
    Auth,
    Ping,
    Said,
    Subscribe,
    Unreadable,
    Unsubscribe,
    error_frame,
    frame,
    read,
    stamped,
)
from glia.surfaces.neuais.words import neuais_error, status_of
from glia.surfaces.shared.asgi import Receive, Request, Scope, Send
from glia.surfaces.shared.objects import origin_of
from glia.surfaces.shared.sockets import LATER, TOO_BIG, Closed, Room, Session, refuse
from glia.wiring import House

PATH: Final = "/v1/ws"
MOST_SUBSCRIPTIONS: Final = 1000
_MOST_WAITING: Final = 256
_AUTH_SECONDS: Final = 10.0
_WRITE_SECONDS: Final = 30.0
_STALLED_SECONDS: Final = 1.0
_TURN_SECONDS: Final = 0.2
_RECHECK_SECONDS: Final = 1.0
_TROUBLED_SECONDS: Final = 3.0
HEARTBEAT_SECONDS: Final = 15

_UNAUTHORIZED, _FORBIDDEN = 4401, 4403

router = APIRouter(tags=["websocket"])


@router.get(
    PATH,
    status_code=101,
    response_model=None,
    response_class=Response,
    responses={101: {"description": "The socket is open."}},
)
async def socket(token: str = "") -> NoReturn:
    """Follow states, logs and figures of agents over a WebSocket.

    The credential goes into the header `Authorization`, into `token`, or into the first message. See docs/neuais.md.
    """
    raise InvalidRequest("This address is a WebSocket; connect to it with one.")


class Sockets:
    def __init__(self, house: House) -> None:
        self._house = house
        self._limits = PlanLimits(house)
        self._readings = Readings(house)
        self._room = Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        caller = _Caller(self._house, self._limits, Request({**scope, "method": "GET"}, receive))
        with ExitStack() as stack:
            try:
                if scope["path"] != PATH:
                    raise NotFound(f"There is no WebSocket at {scope['path'][:200]}; use {PATH}.")
                stack.enter_context(self._room.place())
                if credential := _credential(scope):
                    await caller.become(credential)
            except GliaError as error:
                await refuse(send, error, neuais_error, status_of=status_of, headers=caller.headers)
                return
            await send({"type": "websocket.accept", "headers": caller.headers})
            await _Socket(self._house, self._readings, caller, scope, receive, send).serve()


def _credential(scope: Scope) -> str | None:
    """As a header has it. The header goes before the query."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    if header := headers.get(b"authorization"):
        return header.decode("latin-1")
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    token = (headers.get(b"x-api-key") or b"").decode("latin-1") or query.get("token")
    return f"Bearer {token}" if token else None


class _Caller:
    """Who is at the other end. Asked anew all the time, so that a revoked or expired credential ends the socket."""

    def __init__(self, house: House, limits: PlanLimits, request: Request) -> None:
        """request: the handshake."""
        self._house = house
        self._limits = limits
        self._request = request
        self._credential: str | None = None
        self.principal: Principal | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        """What was said last about the limit of requests."""

    async def become(self, credential: str) -> None:
        """Raises Unauthorized, RateLimited, and Forbidden for somebody of another workspace."""
        try:
            found = await self._house.identity.authenticate(credential, None)
        except Unauthorized:
            await self._count(None)
            raise
        if self.principal is not None and self.principal.workspace_id != found.principal.workspace_id:
            raise Forbidden("This credential is another workspace's; open another socket for it.")
        await self._count(found)
        found.principal.require("deployments:read")
        self._credential, self.principal = credential, found.principal

    async def admitted(self) -> Principal:
        """Raises Unauthorized once the credential is not valid any more."""
        if self._credential is None:
            raise Unauthorized('Sign in first: {"type": "auth", "token": "..."}.')
        found = await self._house.identity.authenticate(self._credential, None)
        self.principal = found.principal
        return found.principal

    async def _count(self, found: Authenticated | None) -> None:
        decision = await self._limits(self._request, found)
        told = limit_headers(decision.headers())
        self.headers = [(name.lower().encode(), value.encode()) for name, value in told.items()]
        if not decision.is_allowed:
            raise RateLimited(
                f"{self._limits.whose} may make {decision.limit} requests a minute;"
                f" wait {decision.retry_after_seconds} s.",
                retry_after_seconds=decision.retry_after_seconds,
            )


class _Socket(Session):
    def __init__(
        self, house: House, readings: Readings, caller: _Caller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        super().__init__(receive, send, write_seconds=_WRITE_SECONDS)
        self._house = house
        self._caller = caller
        self._out: asyncio.Queue[str] = asyncio.Queue(_MOST_WAITING)
        self._feeds = Feeds(house, readings, _show_for(scope, house), self._say)
        self._made = 0

    async def serve(self) -> None:
        """Until either side closes. The last thing said is the error that is the reason."""
        await self.run(self._write_out(), self._hear(), unsaid=self._unsaid)

    def _unsaid(self) -> Iterator[str]:
        while not self._out.empty():
            yield self._out.get_nowait()

    # --- what the client says ---------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        await self._welcome(await self._sign_in() if self._caller.principal is None else None)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed())
            group.create_task(self._beat())
            while True:
                await self._answer(await self._next())

    async def _sign_in(self) -> str | None:
        """What the client calls its first message."""
        try:
            async with asyncio.timeout(_AUTH_SECONDS):
                said = await self._next()
        except TimeoutError:
            raise Closed(_UNAUTHORIZED, f"No credential came within {_AUTH_SECONDS:g} s.") from None
        if not isinstance(said, Auth):
            error: GliaError = Unauthorized('Sign in first: {"type": "auth", "token": "..."}.')
            await self._fail(_UNAUTHORIZED, error, said.id)
        else:
            try:
                await self._caller.become(f"Bearer {said.token}")
            except GliaError as problem:
                await self._fail(_code_of(problem), problem, said.id)
        return said.id

    async def _fail(self, code: int, error: GliaError, id: str | None = None) -> NoReturn:
        await self._say(error_frame(error, id))
        raise Closed(code, error.message)

    async def _welcome(self, id: str | None) -> None:
        await self._say(frame("authenticated", id=id, heartbeat_seconds=HEARTBEAT_SECONDS, channels=CHANNELS))

    async def _next(self) -> Said:
        """Tells the client of frames that are no messages, and goes on."""
        while True:
            message = await self.heard()
            try:
                return read(message)
            except Unreadable as error:
                if self._caller.principal is None:
                    await self._fail(_UNAUTHORIZED, error, error.id)
                await self._say(error_frame(error, error.id))
            except TooLarge as error:
                raise Closed(TOO_BIG, error.message) from None

    async def _answer(self, said: Said) -> None:
        try:
            match said:
                case Ping():
                    await self._say(stamped("pong", id=said.id))
                case Auth():
                    await self._caller.become(f"Bearer {said.token}")
                    await self._welcome(said.id)
                case Subscribe():
                    await self._subscribe(said)
                case Unsubscribe():
                    await self._unsubscribe(said)
                case _:
                    assert_never(said)
        except GliaError as error:
            await self._say(error_frame(error, said.id))

    async def _subscribe(self, said: Subscribe) -> None:
        principal = await self._admitted()
        if len(self._feeds.subscriptions) >= MOST_SUBSCRIPTIONS:
            raise Unavailable(f"This socket has {MOST_SUBSCRIPTIONS} subscriptions, the most; open another one.")
        agent = None if said.agent == EVERY_AGENT else UUID(reference_of(said.agent))
        self._made += 1
        one = Subscription(f"sub_{self._made}", said.channel, agent, said.wanted(), said.metric, time.monotonic())
        await begun(self._house, principal, one)
        await self._say(frame("subscribed", id=said.id, **one.about()))
        self._feeds.subscriptions[one.name] = one

    async def _unsubscribe(self, said: Unsubscribe) -> None:
        agent = None if said.agent is None or said.agent == EVERY_AGENT else UUID(reference_of(said.agent))
        ended = [
            one
            for one in self._feeds.subscriptions.values()
            if said.subscription in (None, one.name)
            and said.channel in (None, one.channel)
            and (said.agent is None or agent == one.agent)
        ]
        if not ended and said.subscription is not None:
            raise NotFound(f"There is no subscription {said.subscription[:100]!r} on this socket.")
        for one in ended:
            del self._feeds.subscriptions[one.name]
        await self._say(frame("unsubscribed", id=said.id, subscriptions=[one.name for one in ended]))

    # --- what the client is told ------------------------------------------------------------------------------------

    async def _admitted(self) -> Principal:
        try:
            return await self._caller.admitted()
        except Unauthorized as error:
            await self._fail(_UNAUTHORIZED, error)

    async def _feed(self) -> None:
        while True:
            principal, is_more = self._caller.principal, False
            if principal is not None:
                try:
                    is_more = await self._feeds.turn(principal)
                except Forbidden as error:
                    await self._fail(_FORBIDDEN, error)
                except GliaError as error:  # such as a database that is away for a while
                    await self._say(error_frame(error))
                    await asyncio.sleep(_TROUBLED_SECONDS)
            await asyncio.sleep(0 if is_more else _TURN_SECONDS)

    async def _beat(self) -> None:
        beaten_at = time.monotonic()
        while True:
            await asyncio.sleep(_RECHECK_SECONDS)
            with suppress(Unavailable):
                await self._admitted()
            if time.monotonic() - beaten_at >= HEARTBEAT_SECONDS - 2 * _RECHECK_SECONDS:
                beaten_at = time.monotonic()
                await self._say(stamped("heartbeat"))

    async def _say(self, text: str) -> None:
        """Waits for room while the client does not read."""
        began = time.monotonic()
        await self._out.put(text)
        if time.monotonic() - began > _STALLED_SECONDS:
            self._feeds.is_stalled = True

    async def _write_out(self) -> None:
        while True:
            await self.write(await self._out.get())


def _code_of(error: GliaError) -> int:
    return {401: _UNAUTHORIZED, 403: _FORBIDDEN}.get(error.status, LATER)


def _show_for(scope: Scope, house: House) -> Show:
    scheme = "https" if scope.get("scheme") in {"wss", "https"} else "http"
    prefix: str = scope.get("state", {}).get("prefix", "")
    return Show(origin_of({**scope, "scheme": scheme}, house.settings.public_url).removesuffix(prefix))
