"""POST /v1/embeddings."""

from __future__ import annotations

from glia.gateway.service import read_embedding
from glia.surfaces.openai.chat import LARGEST_BODY_BYTES, send_answer
from glia.surfaces.openai.leaving import Patience, WhileClientWaits
from glia.surfaces.shared.asgi import Request, Send
from glia.wiring import House


async def embeddings(house: House, patience: Patience, request: Request, send: Send) -> None:
    call = read_embedding(await request.body(LARGEST_BODY_BYTES))
    with WhileClientWaits(patience, request.receive):
        answer = await house.gateway.embed(request.principal, call)
    await send_answer(send, answer)
