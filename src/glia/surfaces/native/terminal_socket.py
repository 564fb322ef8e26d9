"""/v1/sandboxes/{id}/terminals/{id}/socket: a terminal over a WebSocket.

Binary frames are bytes of the terminal, in both directions; text frames are JSON and say the rest. The credential is a
header of the handshake, or the first message: never part of the address, which others may write down.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
import orjson

from glia.identity.types import Principal
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
from glia.sandboxes.service import Reader, Terminal
from glia.sandboxes.types import Size
from glia.surfaces.native.sandbox_terminals import terminal_id
from glia.surfaces.native.sandboxes import sandbox_id
from glia.surfaces.shared.asgi import App, Receive, Scope, Send, int_parameter
from glia.surfaces.shared.gate import ErrorBody
from glia.surfaces.shared.sockets import POLICY, TOO_BIG, Closed, Room, Session, refuse
from glia.wiring import House

_PATH = re.compile(r"/v1/sandboxes/([^/]+)/terminals/([^/]+)/socket")
_AUTH_SECONDS = 10.0
_WRITE_SECONDS = 15.0
_RECHECK_SECONDS = 2.0
_BEAT_TURNS = 7
_UNSEEN_BYTES = 256 * 1024
_UNSEEN_SECONDS = 15.0
_MOST_SOCKETS = 400
_UNAUTHORIZED, _FORBIDDEN, _GONE = 4401, 4403, 4404


class Said(msgspec.Struct):
    """type: `auth` with a token, `input` with data, `resize` with columns and rows, `seen` with at, or `ping`."""

    type: Annotated[str, msgspec.Meta(max_length=20)]
    token: Annotated[str, msgspec.Meta(max_length=8192)] = ""
    data: str = ""
    columns: int = 0
    rows: int = 0
    at: int = 0


class TerminalDoor:
    """In front of the surface: WebSockets go to terminals, everything else to `app`."""

    def __init__(self, house: House, app: App, error_body: ErrorBody) -> None:
        self._house = house
        self._app = app
        self._error_body = error_body
        self._room = Room(_MOST_SOCKETS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self._app(scope, receive, send)
        await receive()  # websocket.connect
        caller = _Caller(self._house)
        with ExitStack() as stack:
            try:
                place = _PATH.fullmatch(scope["path"])
                if place is None:
                    raise NotFound(f"There is no WebSocket at {scope['path'][:200]}; see docs/sandboxes.md.")
                stack.enter_context(self._room.place())
                query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
                after = int_parameter(query, "after", 0, smallest=0, largest=1 << 62)
                ids = sandbox_id(place[1]), terminal_id(place[2])
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
                terminal = None
                if credential := headers.get("authorization") or _bearer(headers.get("x-api-key")):
                    await caller.become(credential)
                    terminal = await self._terminal(caller, *ids)
            except GliaError as error:
                return await refuse(send, error, self._error_body)
            await send({"type": "websocket.accept"})
            await _Socket(caller, receive, send).serve(partial(self._terminal, caller, *ids), terminal, after)
        return None

    async def _terminal(self, caller: _Caller, sandbox: UUID, terminal: UUID) -> Terminal:
        principal = await caller.admitted()
        await self._house.sandboxes.require(principal, sandbox)
        return self._house.sandboxes.terminals.attach(principal, sandbox, terminal)


class _Caller:
    """Who is at the other end. Asked anew all the time, so that a revoked credential ends the socket."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._credential: str | None = None
        self._workspace_id: UUID | None = None

    async def become(self, credential: str) -> None:
        """Raises Unauthorized, RateLimited, and Forbidden for somebody of another workspace."""
        found = await self._house.identity.authenticate(credential, None)
        if self._workspace_id not in {None, found.principal.workspace_id}:
            raise Forbidden("This credential is another workspace's; open another socket for it.")
        decision = self._house.rate_limits.allow(found.limited_as, found.rate_per_minute)
        if not decision.is_allowed:
            raise RateLimited(
                f"This key may make {decision.limit} requests a minute; wait {decision.retry_after_seconds} s.",
                retry_after_seconds=decision.retry_after_seconds,
            )
        self._credential, self._workspace_id = credential, found.principal.workspace_id

    async def admitted(self) -> Principal:
        """Raises Unauthorized once the credential is not valid any more, Forbidden when it may not type."""
        principal = (await self._house.identity.authenticate(self._credential, None)).principal
        principal.require("sandboxes:write")
        return principal


class _Socket(Session):
    def __init__(self, caller: _Caller, receive: Receive, send: Send) -> None:
        super().__init__(receive, send, write_seconds=_WRITE_SECONDS)
        self._caller = caller
        self._seen: int | None = None
        self._has_seen = asyncio.Event()

    async def serve(self, find: Callable[[], Awaitable[Terminal]], terminal: Terminal | None, after: int) -> None:
        """find: looks the terminal up, once it is known who asks. Until either side closes or the terminal ends."""
        await self.run(self._attend(find, terminal, after))

    async def _attend(self, find: Callable[[], Awaitable[Terminal]], terminal: Terminal | None, after: int) -> None:
        """Whatever goes wrong is said before the end."""
        try:
            if terminal is None:
                await self._sign_in()
                terminal = await find()
            await self._show(terminal, after)
        except* GliaError as problems:
            error = next(each for each in problems.exceptions if isinstance(each, GliaError))
            with suppress(Closed):
                await self._error(error)
            raise Closed(_code_of(error), error.message) from None

    async def _sign_in(self) -> None:
        try:
            async with asyncio.timeout(_AUTH_SECONDS):
                said = await self._next()
        except TimeoutError:
            raise Closed(_UNAUTHORIZED, f"No credential came within {_AUTH_SECONDS:g} s.") from None
        if not isinstance(said, Said) or said.type != "auth":
            raise Unauthorized('Sign in first: {"type": "auth", "token": "..."}, or send the header `Authorization`.')
        await self._caller.become(f"Bearer {said.token}")

    async def _show(self, terminal: Terminal, after: int) -> None:
        with terminal.read(after) as reader:
            shown = terminal.shown()
            size = {"columns": shown.size.columns, "rows": shown.size.rows}
            await self._say({"type": "opened", "terminal_id": str(shown.id), "at": reader.at, "end": shown.end, **size})
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write_out(terminal, reader))
                group.create_task(self._beat())
                group.create_task(self._hear(terminal))

    async def _hear(self, terminal: Terminal) -> None:
        while True:
            try:
                said = await self._next()
                if isinstance(said, bytes):
                    await terminal.type(said)
                    continue
                match said.type:
                    case "input":
                        await terminal.type(said.data.encode("utf-8", "replace"))
                    case "resize":
                        await terminal.type(Size(said.columns, said.rows))
                    case "seen":
                        self._seen = said.at
                        self._has_seen.set()
                    case "ping":
                        await self._say({"type": "pong"})
                    case "auth":
                        await self._caller.become(f"Bearer {said.token}")
                    case other:
                        raise InvalidRequest(f"`type` is {other!r}; it must be input, resize, seen, ping or auth.")
            except TooLarge as error:
                raise Closed(TOO_BIG, error.message) from None
            except Unauthorized:
                raise
            except GliaError as error:
                await self._error(error)

    async def _write_out(self, terminal: Terminal, reader: Reader) -> None:
        told = reader.at
        while (piece := await reader.next()) is not None:
            if piece.at > told:
                await self._say({"type": "dropped", "bytes": piece.at - told})
            await self.write(piece.data)
            told = piece.at + len(piece.data)
            await self._until_seen(told - _UNSEEN_BYTES)
        ended = terminal.shown()
        await self._say({"type": "exit", "code": ended.code, "signal": ended.signal, "reason": ended.reason})
        raise Closed(1000, "The terminal has ended.")

    async def _until_seen(self, at: int) -> None:
        """Waits for a client that tells what it has drawn: a browser takes in frames faster than it draws them, and
        has no other way to slow the program down. One that stops telling is not waited for."""
        try:
            async with asyncio.timeout(_UNSEEN_SECONDS):
                while self._seen is not None and self._seen < at:
                    self._has_seen.clear()
                    await self._has_seen.wait()
        except TimeoutError:
            self._seen = None

    async def _beat(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(_RECHECK_SECONDS)
            turn += 1
            with suppress(Unavailable):
                await self._caller.admitted()
            if turn % _BEAT_TURNS == 0:
                await self._say({"type": "heartbeat"})

    async def _next(self) -> Said | bytes:
        message = await self.heard()
        if (data := message.get("bytes")) is not None:
            return data
        try:
            return msgspec.json.decode(message.get("text") or "", type=Said)
        except msgspec.DecodeError as error:
            raise InvalidRequest(f"A text frame is JSON with a `type`: {error}.") from None

    async def _error(self, error: GliaError) -> None:
        await self._say({"type": "error", "error": {"code": error.code, "message": error.message}})

    async def _say(self, frame: dict[str, Any]) -> None:
        await self.write(orjson.dumps(frame).decode())


def _bearer(key: str | None) -> str | None:
    return f"Bearer {key}" if key else None


def _code_of(error: GliaError) -> int:
    match error:
        case Unauthorized():
            return _UNAUTHORIZED
        case Forbidden():
            return _FORBIDDEN
        case NotFound():
            return _GONE
        case _:
            return POLICY
