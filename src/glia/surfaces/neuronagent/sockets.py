"""GET /ws: a conversation over a WebSocket. One message is answered after another; ten may wait."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
import structlog

from glia.identity.types import Principal
from glia.kit.errors import Forbidden, GliaError, InvalidRequest, NotFound, RateLimited, Unauthorized
from glia.surfaces.neuronagent.auth import is_read_only
from glia.surfaces.neuronagent.config import Config
from glia.surfaces.neuronagent.sending import MessageBody, Sending, check_content
from glia.surfaces.neuronagent.turns import Frame, Turn, frames
from glia.surfaces.neuronagent.words import neuronagent_error, uuid_in
from glia.surfaces.shared.asgi import Message, Receive, Scope, Send
from glia.surfaces.shared.sockets import POLICY, TOO_BIG, Closed, Room, Session, refuse
from glia.wiring import House

log = structlog.get_logger(__name__)

PATHS = ("/ws", "/api/v1/ws")
MOST_WAITING = 10
LARGEST_FRAME = 512 * 1024
_WRITE_SECONDS = 10.0


class Sockets:
    def __init__(self, house: House, sending: Sending, config: Config) -> None:
        self._house = house
        self._sending = sending
        self._config = config
        self._room = Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        with ExitStack() as stack:
            try:
                caller, session_id = await self._admit(scope)
                stack.enter_context(self._room.place())
            except GliaError as error:
                await refuse(send, error, neuronagent_error)
                return
            await send({"type": "websocket.accept"})
            await _Socket(self._sending, caller, session_id, receive, send).serve()

    async def _admit(self, scope: Scope) -> tuple[_Caller, UUID]:
        """Who opens the socket, and for which session. Raises what is wrong with it."""
        if scope["path"] not in PATHS:
            raise NotFound(f"There is no WebSocket at {scope['path']}; use /ws.")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        if not self._config.websocket.allow(headers.get("origin")):
            raise Forbidden("Web pages of this origin may not connect; see WEBSOCKET_ALLOWED_ORIGINS.")
        caller = _Caller(self._house, _credential(headers, query))
        principal = await caller.admitted()
        session_id = query.get("session_id")
        if not session_id:
            raise InvalidRequest("`session_id` is missing; name an existing session.", field="session_id")
        session = await self._house.sessions.get(principal, uuid_in(session_id, "session_id"))
        if session.agent_id is None:
            raise InvalidRequest("The session has no agent that could answer.", field="session_id")
        return caller, session.id


@dataclass(frozen=True)
class _Caller:
    """Asked anew with each message, so that a key that was revoked ends the conversation."""

    house: House
    credential: str

    async def admitted(self) -> Principal:
        found = await self.house.identity.authenticate(self.credential, None)
        if is_read_only(found.principal):
            raise Forbidden("This key has the role `read-only`; it may only look. Use one with the role `user`.")
        decision = self.house.rate_limits.allow(found.limited_as, found.rate_per_minute)
        if not decision.is_allowed:
            raise RateLimited(
                f"This key may make {decision.limit} requests a minute; wait {decision.retry_after_seconds} s.",
                retry_after_seconds=decision.retry_after_seconds,
            )
        return found.principal


def _credential(headers: dict[str, str], query: dict[str, str]) -> str:
    """The header goes before the query. Raises Unauthorized."""
    if header := headers.get("authorization"):
        return header
    key = headers.get("x-api-key") or query.get("api_key")
    if not key:
        raise Unauthorized("This needs a key; send it as `Authorization: Bearer <key>`, or as `api_key` in the query.")
    if "x-api-key" not in headers:
        log.info("a key came in an address, where others may read it; send it in a header")
    return f"Bearer {key}"


class _Socket(Session):
    def __init__(self, sending: Sending, caller: _Caller, session_id: UUID, receive: Receive, send: Send) -> None:
        super().__init__(receive, send, write_seconds=_WRITE_SECONDS)
        self._sending = sending
        self._caller = caller
        self._session_id = session_id
        self._waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)

    async def serve(self) -> None:
        """Until either side closes. A run that is at work goes on, and its answer is among the session's messages."""
        await self.run(self._hear(), self._answer())

    async def _hear(self) -> None:
        while True:
            await self._take(await self.heard())

    async def _take(self, message: Message) -> None:
        try:
            text = _content(message)
        except GliaError as error:
            return await self._error(error)
        try:
            self._waiting.put_nowait(text)
        except asyncio.QueueFull:
            await self._error(
                InvalidRequest(f"{MOST_WAITING} messages wait already; send this one again once some are answered.")
            )

    async def _answer(self) -> None:
        while True:
            text = await self._waiting.get()
            try:
                principal = await self._caller.admitted()
                await self._turn(principal, MessageBody(text))
            except Unauthorized as error:
                await self._error(error)
                raise Closed(POLICY, "The key is no longer valid.") from None
            except GliaError as error:
                await self._error(error)

    async def _turn(self, principal: Principal, body: MessageBody) -> None:
        runs = self._sending.house.runs
        with runs.watch(self._session_id, previews=True) as watcher:
            turn = Turn(await self._sending.accept(principal, self._session_id, body))
            async for frame in frames(runs, principal, turn, watcher):
                await self._show(frame)
        turn.raise_if_failed()
        await self._say({"type": "done", "content": ""})
        await self._say(
            {
                "type": "response",
                "content": turn.content,
                "complete": True,
                "tokens_used": turn.tokens_used,
                "tool_calls": turn.tool_calls,
                "tool_results": turn.tool_results,
                "citations": turn.citations,
                "status": turn.status,
                "run_id": str(turn.accepted.run_id),
            }
        )

    async def _show(self, frame: Frame) -> None:
        match frame.kind:
            case "chunk":
                await self._say({"type": "chunk", "content": frame.text})
            case "tool_calls" | "tool_results":
                await self._say({"type": frame.kind, "content": orjson.dumps(frame.things).decode()})
            case _:
                pass

    async def _error(self, error: GliaError) -> None:
        await self._say({"type": "error", "error": error.message})

    async def _say(self, frame: dict[str, Any]) -> None:
        await self.write(orjson.dumps(frame).decode())


def _content(message: Message) -> str:
    """Raises InvalidRequest for a frame without a `content` that is text, and Closed for one that is too large."""
    raw: str | bytes = message.get("text") or message.get("bytes") or ""
    if len(raw) > LARGEST_FRAME or len(raw.encode() if isinstance(raw, str) else raw) > LARGEST_FRAME:
        raise Closed(TOO_BIG, f"A frame may have {LARGEST_FRAME} bytes.")
    try:
        found: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidRequest('The frame is not JSON; send {"content": "..."}.') from None
    content = cast(dict[str, object], found).get("content") if isinstance(found, dict) else None
    if not isinstance(content, str):
        raise InvalidRequest('The frame has no `content` that is text; send {"content": "..."}.', field="content")
    if "\0" in content:
        raise InvalidRequest("`content` holds a NUL character; leave it away.", field="content")
    check_content(content)
    return content
