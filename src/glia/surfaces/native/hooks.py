"""POST /v1/hooks/{hook}: requests from outside that fire a trigger. No key: the signature or the address opens."""

from __future__ import annotations

from dataclasses import dataclass

from glia.kit.clock import wire_time
from glia.surfaces.shared.asgi import Request, Send, send_json
from glia.triggers.service import LARGEST_HOOK_BYTES
from glia.wiring import House


@dataclass(frozen=True)
class HookDoor:
    """Takes the body as it came, because the signature is over its bytes; it need not be JSON."""

    house: House

    async def receive(self, request: Request, send: Send, hook: str) -> None:
        body = await request.body(LARGEST_HOOK_BYTES)
        firing = await self.house.hooks.receive(hook, request.headers, body)
        answer = {
            "firing_id": firing.id,
            "outcome": firing.outcome,
            "reason": firing.reason,
            "run_id": firing.run_id,
            "fired_at": wire_time(firing.fired_at),
        }
        await send_json(send, 202, answer)
