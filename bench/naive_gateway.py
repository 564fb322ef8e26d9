"""A gateway as one writes it in an afternoon, as the slow side of a comparison: FastAPI, and the `openai` package.

    python bench/naive_gateway.py PORT MODEL_URL

No key, no limit, no usage record.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response, StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel


class Chat(BaseModel):
    model: str
    messages: list[dict[str, Any]]
    stream: bool = False


def api(model_url: str) -> FastAPI:
    app = FastAPI()
    client = AsyncOpenAI(base_url=model_url, api_key="none")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/chat/completions")
    async def chat(body: Chat) -> Response:
        asked: dict[str, Any] = body.model_dump()
        answer = await client.chat.completions.create(**asked)
        if not body.stream:
            return JSONResponse(answer.model_dump())

        async def events() -> AsyncGenerator[str, None]:
            async for chunk in answer:
                yield f"data: {chunk.model_dump_json()}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(api(sys.argv[2]), port=int(sys.argv[1]), log_level="warning", access_log=False)
