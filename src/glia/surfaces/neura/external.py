"""POST /api/v1/agents/{agent_id}/chat: the route for keys that talk to one agent, on bare ASGI."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from glia.agents.types import Agent
from glia.identity.types import Principal
from glia.kit.errors import Forbidden, InvalidRequest
from glia.surfaces.neura.chat_body import Asked, read_asked
from glia.surfaces.neura.turns import Turns
from glia.surfaces.shared.asgi import Request, Send, convert, send_json
from glia.surfaces.shared.json_body import read_json, read_object
from glia.surfaces.shared.routes import Route
from glia.wiring import House


class ExternalBody(msgspec.Struct):
    """message: what the user says; `query` is the same."""

    message: str | None = None
    query: str | None = None
    conversation_history: list[dict[str, Any]] | None = None


def is_external_chat(path: str) -> bool:
    """Whether it is the one place where a key that is bound to an agent opens something."""
    return path.startswith("/api/v1/agents/") and path.endswith("/chat") and path.count("/") == 5


@dataclass(frozen=True)
class _Guest:
    """Whoever asks, as someone who may talk to this agent."""

    principal: Principal
    agent: Agent


class ExternalChat:
    def __init__(self, house: House) -> None:
        self._house = house
        self._turns = Turns(house)

    def routes(self) -> list[Route]:
        return [Route("POST", "/api/v1/agents/{agent_id}/chat", self.chat)]

    async def chat(self, request: Request, send: Send, agent_id: str) -> None:
        guest = await self._guest(request.principal, agent_id)
        asked = self._read(await read_json(request))
        with ExitStack() as stack:
            turn = await self._turns.begin_asked(request, guest.principal, guest.agent, asked, stack)
            tale = await self._turns.tale_of(turn)
        body = {
            "answer": tale.answer,
            "sources": tale.sources,
            "usage": {"total_cost": tale.costs.wire()["total_cost"], "latency_ms": tale.latency_ms},
        }
        await send_json(send, 200, body, turn.headers)

    async def _guest(self, principal: Principal, reference: str) -> _Guest:
        """A key of another agent learns nothing about this one, not even whether it is there."""
        if principal.agent_id is None:
            return _Guest(principal, await self._house.agents.find(principal, reference))
        own = principal.talking_to(principal.agent_id)
        agent = await self._house.agents.get(own, principal.agent_id)
        if reference != agent.slug and _id(reference) != agent.id:
            raise Forbidden("API key does not have access to this resource", detail="It is bound to another agent.")
        return _Guest(own, agent)

    def _read(self, raw: bytes) -> Asked:
        body, ignored = convert(read_object(raw), ExternalBody)
        if ignored and self._house.settings.strict_fields:
            raise InvalidRequest(f"`{ignored[0]}` has no effect here; leave it out.", field=ignored[0])
        message = body.message if body.message is not None else body.query
        if message is None:
            raise InvalidRequest("`message` is missing; say something to the agent.", field="message")
        return read_asked(message, "message", body.conversation_history or [], raw=raw, ignored=ignored)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
