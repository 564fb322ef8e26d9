"""CPU time of a Neura chat turn, beside the same turn on the native surface.

    python bench/neura.py --database-url URL [--turns 200] [--rounds 5]

Both surfaces answer in this process, without sockets: what differs is what the surfaces do. The built-in model answers
"Hello". `one request` lets Neura open the conversation itself, where a native client makes a session first;
`in a session` sends it to sessions that the native surface has made, four times to each; `conversation` is a session
with four turns on both sides. Rounds alternate. Prints CPU-ms of this process per turn, PostgreSQL's not included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from glia.front import Front
from glia.kit.migrate import migrate
from glia.kit.telemetry import configure_logs
from glia.settings import Settings
from glia.wiring import build

_IN_EACH = 4

Turn = Callable[[], Awaitable[None]]


class Caller:
    """Requests to an ASGI app, one after another."""

    def __init__(self, app: Front, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        raw = json.dumps(body).encode()
        status, parts = 0, list[bytes]()
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        headers = [
            (b"authorization", b"Bearer " + self._key),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(raw)).encode()),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        await self._app(scope, receive, send)
        answer = json.loads(b"".join(parts))
        if status not in (200, 201):
            raise SystemExit(f"POST {path} answered {status}: {answer}")
        return answer


async def cpu_ms(turn: Turn, turns: int) -> float:
    cpu = time.process_time()
    for _ in range(turns):
        await turn()
    return (time.process_time() - cpu) / turns * 1000


async def compare(name: str, native: Turn, neura: Turn, arguments: argparse.Namespace, *, turns: int) -> None:
    """turns: how many one call of `native` and `neura` makes."""
    for turn in (native, neura):
        await cpu_ms(turn, 30)
    count = arguments.turns // turns
    rounds = [(await cpu_ms(native, count), await cpu_ms(neura, count)) for _ in range(arguments.rounds)]
    both = [(ours / turns, theirs / turns) for ours, theirs in rounds]
    more = statistics.median(theirs - ours for ours, theirs in both)
    medians = [statistics.median(column) for column in zip(*both, strict=True)]
    print(f"{name:14} native {medians[0]:6.3f} ms  neura {medians[1]:6.3f} ms  difference {more:+6.3f} ms")


async def main(arguments: argparse.Namespace) -> None:
    configure_logs(level="warning")
    migrate(arguments.database_url)
    with tempfile.TemporaryDirectory() as folder:
        house = await build(Settings(), arguments.database_url, Path(folder), {"GLIA_MODEL_DISCOVERY": "off"})
        made = await house.identity.create_workspace("Bench", f"bench-{time.time_ns()}@example.org")
        await house.open()
        caller = Caller(Front(house), made.api_key)
        agent = (await caller.post("/neura/api/agents", {"name": "Bench", "use_web_search": False}))["agent_id"]

        async def session() -> str:
            return (await caller.post("/v1/sessions", {"agent_id": agent}))["id"]

        async def native_alone() -> None:
            await caller.post(f"/v1/sessions/{await session()}/messages", {"content": "Hello"})

        async def neura_alone() -> None:
            await caller.post(f"/neura/api/agents/{agent}/chat", {"query": "Hello"})

        async def native_inside() -> None:
            path = f"/v1/sessions/{await session()}/messages"
            for _ in range(_IN_EACH):
                await caller.post(path, {"content": "Hello"})

        async def neura_inside() -> None:
            body = {"query": "Hello", "conversation_id": await session()}
            for _ in range(_IN_EACH):
                await caller.post(f"/neura/api/agents/{agent}/chat", body)

        async def neura_talk() -> None:
            first = await caller.post(f"/neura/api/agents/{agent}/chat", {"query": "Hello"})
            body = {"query": "Hello", "conversation_id": first["conversation_id"]}
            for _ in range(_IN_EACH - 1):
                await caller.post(f"/neura/api/agents/{agent}/chat", body)

        await compare("one request", native_alone, neura_alone, arguments, turns=1)
        await compare("in a session", native_inside, neura_inside, arguments, turns=_IN_EACH)
        await compare("conversation", native_inside, neura_talk, arguments, turns=_IN_EACH)
        await house.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    uvloop.run(main(parser.parse_args()))
