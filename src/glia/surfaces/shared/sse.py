"""Server-sent events: written as they come, kept alive by comments, ended when the reader leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from glia.surfaces.shared.asgi import Receive, Send

HEARTBEAT = b": still here\n\n"
_WATCH_AFTER_SECONDS = 0.05


def event(data: bytes, *, name: str | None = None, id: int | None = None) -> bytes:
    """data: one line of JSON."""
    head = b""
    if id is not None:
        head = b"id: %d\n" % id
    if name is not None:
        head += b"event: %s\n" % name.encode()
    return b"%sdata: %s\n\n" % (head, data)


async def stream(
    receive: Receive,
    send: Send,
    chunks: AsyncGenerator[bytes, None],
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Sends chunks until they end or the reader leaves, whichever comes first. The generator is always closed."""
    about = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        *headers,
    ]
    await send_while_read(receive, send, 200, about, chunks)


async def send_while_read(
    receive: Receive,
    send: Send,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    chunks: AsyncGenerator[bytes, None],
) -> None:
    """An answer piece by piece, until it ends or the reader leaves. The generator is always closed."""
    await send({"type": "http.response.start", "status": status, "headers": [*headers]})
    reader = _Reader(receive)
    try:
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        if not reader.has_left_alone():
            raise
    finally:
        reader.forget()
        await chunks.aclose()


class _Reader:
    """Cancels the task that made it when the client goes away.

    Watching takes a task of its own and begins a moment late, so that short streams do without.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._writer = asyncio.current_task()
        self._has_left = False
        self._is_forgotten = False
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_SECONDS, self._watch)

    def has_left_alone(self) -> bool:
        """Whether the cancellation is ours only; as in asyncio.timeout, another at the same time goes on."""
        return self._has_left and self._writer is not None and self._writer.uncancel() == 0

    def forget(self) -> None:
        self._is_forgotten = True
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _watch(self) -> None:
        # Not in a TaskGroup: the end of the stream ends it in any case.
        self._task = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._writer is not None and not self._is_forgotten:
            self._has_left = True
            self._writer.cancel()
