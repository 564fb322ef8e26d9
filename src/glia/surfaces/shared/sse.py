"""Server-sent events: written as they come, kept alive by comments, ended when the reader leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from glia.surfaces.shared.asgi import Receive, Send

HEARTBEAT = b": still here\n\n"


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
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
                *headers,
            ],
        }
    )
    reader = asyncio.ensure_future(_until_gone(receive))
    writer = asyncio.ensure_future(_write(send, chunks))
    try:
        await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        reader.cancel()
        writer.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)
        await chunks.aclose()
    if not writer.cancelled():
        writer.result()


async def _write(send: Send, chunks: AsyncGenerator[bytes, None]) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
