"""What happens, as it happens, over a WebSocket."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Generator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from neuais._requests import get, given, page_of, path_of, pause_before
from neuais._sync.transport import Transport
from neuais.errors import ApiError, ConnectionFailed, LiveError, NeuaisError, Unauthorized, error_of
from neuais.live_events import Channel, LiveEvent, event_of
from neuais.models import Level, LogLine, Metric

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

EVERY_AGENT = "*"
_MOST_FAILURES = 10
_LARGEST_FRAME = 4 * 1024 * 1024
_ENDED_FOR_GOOD = {4401: (401, "unauthorized"), 4403: (403, "forbidden")}
"""How the server closes on someone who may not be there, and the error that this is."""


class Live:
    """One connection, for one reader: open it, subscribe, iterate.

    A connection that breaks is made again, with all its subscriptions; lines of one agent go on behind the last one.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stack = ExitStack()
        self._socket: ClientConnection | None = None
        self._token = ""
        self._made = 0
        self._wanted: dict[str, dict[str, object]] = {}
        self._confirmed: set[str] = set()
        self._names: dict[str, str] = {}
        self._unread: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket = None
        self._stack.close()

    def subscribe(
        self,
        channel: Channel,
        agent: str = EVERY_AGENT,
        *,
        level: Level | None = None,
        tail: int | None = None,
        since: str | None = None,
        after: int | None = None,
        metric: Metric | None = None,
    ) -> str:
        """A name for it, which its events have. Raises LiveError when the server refuses it.

        agent: an id, or `*` for all that there are and will be. level, tail, since, after: of `logs`, as for
        `stream_logs`, but without a tail unless one is asked for. metric: of `metrics`, only this one.
        """
        if channel == "logs" and agent != EVERY_AGENT and not tail and since is None and after is None:
            # Where to go on if the connection breaks before the first line.
            last = page_of(LogLine, "logs", self._transport.call(get(path_of("agents", agent, "logs"), tail=1)))
            after = (last[0].id if last else None) or 0
        self._made += 1
        name = str(self._made)
        self._wanted[name] = given(
            channel=channel, agent=agent, level=level, tail=tail, since=since, after=after, metric=metric
        )
        try:
            self._ask({"type": "subscribe", "id": name, **self._wanted[name]})
        except LiveError:
            del self._wanted[name]
            raise
        return name

    def unsubscribe(self, subscription: str) -> None:
        """subscription: what `subscribe` gave."""
        del self._wanted[subscription]
        self._confirmed.discard(subscription)
        theirs = next((theirs for theirs, ours in self._names.items() if ours == subscription), None)
        if theirs is not None:
            self._made += 1
            self._ask({"type": "unsubscribe", "id": str(self._made), "subscription": theirs})

    def __iter__(self) -> Generator[LiveEvent]:
        """Until no subscription is left. Raises NeuaisError when the server refuses, or is not reached any more."""
        while self._wanted or self._unread:
            event = event_of(self._unread.popleft() if self._unread else self._next())
            if event is not None:
                yield event

    def _ask(self, said: dict[str, object]) -> None:
        """Returns once the server has said yes; what else it says meanwhile is kept for the reader."""
        self._say(said)
        asked = self._socket
        while True:
            frame = self._next()
            if frame.get("id") == said["id"]:
                return _check(frame)
            if self._socket is not asked and said["type"] == "unsubscribe":
                return None  # the new connection has only what is wanted
            self._unread.append(frame)

    def _say(self, said: dict[str, object]) -> None:
        from websockets.exceptions import ConnectionClosed

        if self._socket is None:
            raise LiveError("The connection is not open; use `with client.live() as live:`.")
        try:
            self._socket.send(json.dumps(said))
        except ConnectionClosed:
            return  # whoever reads next sees it, connects again and subscribes again

    def _next(self) -> dict[str, Any]:
        """The next frame, over a new connection if need be."""
        from websockets.exceptions import ConnectionClosed

        while True:
            if self._socket is None:
                raise LiveError("The connection is not open; use `with client.live() as live:`.")
            try:
                frame: dict[str, Any] = json.loads(self._socket.recv())
            except ConnectionClosed as closed:
                self._again(closed)
                continue
            if frame.get("type") == "heartbeat":
                self._stay_signed_in()
            return self._noted(frame)

    def _noted(self, frame: dict[str, Any]) -> dict[str, Any]:
        """With our name for its subscription, and what it means for a later connection written down."""
        kind, theirs = frame.get("type"), str(frame.get("subscription"))
        if kind == "subscribed":
            self._names[theirs] = str(frame.get("id"))
            self._confirmed.add(str(frame.get("id")))
            return frame
        if kind == "error" and frame.get("id") in self._confirmed:
            # It was there before the connection broke.
            gone = self._wanted.pop(str(frame["id"]), {})
            self._confirmed.discard(str(frame["id"]))
            return {**gone, "type": "ended", "subscription": frame["id"], "reason": _message(frame)}
        name = self._names.get(theirs)
        if name is None:
            return frame
        wanted = self._wanted.get(name)
        if kind == "logs" and wanted is not None and wanted["agent"] != EVERY_AGENT:
            self._wanted[name] = {**wanted, "tail": 0, "after": frame["id"]}
            self._wanted[name].pop("since", None)
        if kind == "ended":
            self._wanted.pop(name, None)
        return {**frame, "subscription": name}

    def _stay_signed_in(self) -> None:
        token = self._transport.credentials.token(self._transport)
        if token != self._token:
            self._token = token
            self._say({"type": "auth", "token": token})

    def _again(self, closed: Exception) -> None:
        """A new connection with the same subscriptions. Raises ApiError when the caller may not have one any more."""
        received = getattr(closed, "rcvd", None)
        refusal = _ENDED_FOR_GOOD.get(getattr(received, "code", 0))
        if refusal is not None and not (refusal[0] == 401 and self._transport.credentials.renews):
            status, code = refusal
            body = {"error": {"code": code, "message": getattr(received, "reason", "")}}
            raise error_of(status, body, request_id=None, retry_after=None) from closed
        if refusal is not None:
            self._transport.credentials.renewed(self._transport)
        self._connect()
        for name, wanted in self._wanted.items():
            self._say({"type": "subscribe", "id": name, **wanted})

    def _connect(self) -> None:
        failures = 0
        while True:
            self._stack.close()
            self._names.clear()
            try:
                self._socket = self._opened()
            except NeuaisError as error:
                failures += 1
                is_first_refusal = isinstance(error, Unauthorized) and failures == 1
                if is_first_refusal and self._transport.credentials.renewed(self._transport):
                    continue
                refusal = error if isinstance(error, ApiError) else None
                pause = pause_before(failures, refusal)
                may_pass = isinstance(error, (ApiError, ConnectionFailed))
                if pause is None or not may_pass or failures > _MOST_FAILURES:
                    raise
            else:
                return
            time.sleep(pause)

    def _opened(self) -> ClientConnection:
        try:
            from websockets.exceptions import InvalidHandshake, InvalidStatus
            from websockets.sync.client import connect
        except ImportError as error:
            raise LiveError("This needs another package: pip install 'neuais[websockets]'.") from error

        options = self._transport.options
        self._token = self._transport.credentials.token(self._transport)
        address = f"ws{options.base_url.removeprefix('http')}/ws"
        headers = {**options.headers, "Authorization": f"Bearer {self._token}"}
        try:
            socket = connect(address, additional_headers=headers, open_timeout=options.timeout, max_size=_LARGEST_FRAME)
            return self._stack.enter_context(socket)
        except InvalidStatus as refused:
            raise refusal_of(refused.response.status_code, refused.response.body) from refused
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise ConnectionFailed(f"{address} could not be opened: {error}.") from error


def _check(answer: dict[str, Any]) -> None:
    if answer.get("type") == "error":
        raise LiveError(_message(answer), str(answer["error"].get("code", "")))


def _message(frame: dict[str, Any]) -> str:
    return str(frame.get("error", {}).get("message", "The server refused."))


def refusal_of(status: int, content: bytes | bytearray | None) -> ApiError:
    try:
        body: object = json.loads(content or b"")
    except ValueError:
        body = None  # something between us and the server answered
    return error_of(status, body, request_id=None, retry_after=None)
