"""Puts the OpenAI surface together."""

from __future__ import annotations

from glia.surfaces.shared.asgi import App
from glia.wiring import House


def owns(method: str, path: str) -> bool:
    """Whether a request of the shared /v1 belongs to this surface."""
    return False


def openai_surface(house: House) -> App:
    async def nothing(scope: object, receive: object, send: object) -> None: ...

    return nothing
