"""What happens, as it happens, over a WebSocket."""

from __future__ import annotations

from neuais._async.transport import AsyncTransport


class AsyncLive:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport


def live(transport: AsyncTransport) -> AsyncLive:
    return AsyncLive(transport)
