"""POST /api/agents/{agent_id}/chat and /chat/stream, on bare ASGI: the routes that carry every conversation."""

from __future__ import annotations

from contextlib import ExitStack

from glia.surfaces.neura.stream import TurnStream
from glia.surfaces.neura.turns import Turns
from glia.surfaces.shared import sse
from glia.surfaces.shared.asgi import Request, Send, send_json
from glia.surfaces.shared.routes import Route
from glia.wiring import House


class Chats:
    def __init__(self, house: House) -> None:
        self._turns = Turns(house)

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/api/agents/{agent_id}/chat", self.chat),
            Route("POST", "/api/agents/{agent_id}/chat/stream", self.chat_stream),
        ]

    async def chat(self, request: Request, send: Send, agent_id: str) -> None:
        with ExitStack() as stack:
            turn = await self._turns.begin(request, agent_id, stack)
            body = await self._turns.answer(turn, await self._turns.tale_of(turn))
            await send_json(send, 200, body, turn.headers)

    async def chat_stream(self, request: Request, send: Send, agent_id: str) -> None:
        with ExitStack() as stack:
            last_seen = _last_seen(request)
            turn = await self._turns.found(request, agent_id, last_seen)
            turn = turn or await self._turns.begin(request, agent_id, stack)
            stream = TurnStream(self._turns, turn, after=last_seen)
            await stream.open()
            await sse.stream(request.receive, send, stream.chunks(), turn.headers)


def _last_seen(request: Request) -> int:
    """The event after which a reader that comes back goes on; 0 for one that begins."""
    text = request.headers.get("last-event-id") or request.query.get("after") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
