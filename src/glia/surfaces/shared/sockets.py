"""What WebSockets of surfaces have in common: how many there may be, how they are refused, written to and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from glia.kit.errors import GliaError, Unavailable
from glia.kit.ids import new_id
from glia.surfaces.shared.asgi import Message, Receive, Send, send_json
from glia.surfaces.shared.gate import ErrorBody, status_of_error

MOST_SOCKETS: Final = 1000
"""Usually, of one surface in one process."""

POLICY: Final = 1008
TOO_BIG: Final = 1009
LATER: Final = 1013

_LAST_WORDS_SECONDS: Final = 1.0
_LONGEST_REASON: Final = 123
"""Bytes; a longer one is no frame."""


class Room:
    """For so many sockets and no more."""

    def __init__(self, most: int = MOST_SOCKETS) -> None:
        self._most = most
        self._taken = 0

    @contextmanager
    def place(self) -> Generator[None, None, None]:
        """Raises Unavailable."""
        if self._taken >= self._most:
            raise Unavailable(f"{self._most} sockets are open already, the most there may be; try again later.")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def refuse(
    send: Send,
    error: GliaError,
    error_body: ErrorBody,
    *,
    status_of: Callable[[GliaError], int] = status_of_error,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Before the upgrade, as any other error of the surface."""
    request_id = str(new_id())
    told = [*headers, (b"x-request-id", request_id.encode())]
    retry_after: float | None = getattr(error, "retry_after_seconds", None)
    if retry_after is not None and not any(name == b"retry-after" for name, _ in headers):
        told.append((b"retry-after", str(max(1, round(retry_after))).encode()))
    if error.status == 401:
        told.append((b"www-authenticate", b"Bearer"))

    async def before_upgrade(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await send_json(before_upgrade, status_of(error), error_body(error, request_id), told)


class Closed(Exception):
    """The socket is done with. code: with which it is closed; None when the client has closed it, or is gone."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Session:
    """One socket that is open. Whatever ends it raises Closed."""

    def __init__(self, receive: Receive, send: Send, *, write_seconds: float) -> None:
        """write_seconds: how long a client may leave a frame unread."""
        self._receive = receive
        self._send = send
        self._write_seconds = write_seconds
        self._writing = asyncio.Lock()

    async def run(self, *work: Coroutine[Any, Any, None], unsaid: Callable[[], Iterable[str]] = tuple) -> None:
        """All of it side by side, until either side closes. unsaid: frames that are sent yet when we do."""
        try:
            async with asyncio.TaskGroup() as group:
                for one in work:
                    group.create_task(one)
        except* Closed as ended:
            closed = _first(ended)
            if closed.code is not None:
                await self._close(closed.code, closed.reason, unsaid())

    async def heard(self) -> Message:
        """The next frame. Raises Closed."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise Closed(None)
        return message

    async def write(self, content: str | bytes) -> None:
        """Raises Closed when the client does not read, or is gone."""
        kind = "text" if isinstance(content, str) else "bytes"
        try:
            async with self._writing, asyncio.timeout(self._write_seconds):
                await self._send({"type": "websocket.send", kind: content})
        except TimeoutError:
            raise Closed(POLICY, "The frames are not read.") from None
        except (RuntimeError, OSError):
            raise Closed(None) from None

    async def _close(self, code: int, reason: str, unsaid: Iterable[str]) -> None:
        with suppress(TimeoutError, RuntimeError, OSError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                for text in unsaid:
                    await self._send({"type": "websocket.send", "text": text})
                shown = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
                await self._send({"type": "websocket.close", "code": code, "reason": shown})


def _first(group: BaseExceptionGroup[Closed]) -> Closed:
    """Of several reasons the one that came from the client: then there is nobody to close anything for."""
    found = list(_leaves(group))
    return next((error for error in found if error.code is None), found[0])


def _leaves(group: BaseExceptionGroup[Closed]) -> Iterator[Closed]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
