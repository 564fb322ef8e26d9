"""What happens, as it happens, over a WebSocket."""

from __future__ import annotations

from neuais._sync.transport import Transport


class Live:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport


def live(transport: Transport) -> Live:
    return Live(transport)
