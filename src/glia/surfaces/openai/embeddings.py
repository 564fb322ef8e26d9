"""POST /v1/embeddings."""

from __future__ import annotations

from glia.gateway.service import read_embedding
from glia.kit.errors import InvalidRequest
from glia.surfaces.openai.chat import LARGEST_BODY_BYTES, send_answer
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.openai.words import AGENT_PREFIX
from glia.surfaces.shared.asgi import Request, Send
from glia.wiring import House


async def embeddings(house: House, patience: Patience, request: Request, send: Send) -> None:
    call = read_embedding(await request.body(LARGEST_BODY_BYTES))
    if call.model.startswith(AGENT_PREFIX):
        raise InvalidRequest(
            f"`model` is {call.model[:100]!r}; agents give no embeddings. GET /v1/models lists models that do.",
            field="model",
        )
    with WhileClientWaits(patience, request.receive):
        answer = await house.gateway.embed(request.principal, call)
    await send_answer(send, answer)
