"""What a chat completion through the gateway costs: CPU of the server's process tree per request and per chunk.

    python bench/gateway.py --url http://127.0.0.1:8700 --pid SERVER --key KEY [--model openai/mock-n50] [--rounds 3]

Start `glia serve` with OPENAI_BASE_URL at a model server whose model name sets the number of chunks, as in `mock-n50`,
and pin the two to different cores (`taskset -c 0 ...`). The load comes from this process, over plain sockets. Every
round also asks `/health`, which costs the HTTP server alone: on a noisy machine trust the ratio to it. Each figure is
the least of all rounds, because noise only ever adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import uvloop


def cpu_seconds(pid: int) -> float:
    """Time on a core of all threads of a process and its children."""
    process = psutil.Process(pid)
    total = 0
    for one in [process, *process.children(recursive=True)]:
        for task in Path(f"/proc/{one.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


class Client(asyncio.Protocol):
    """Sends the same request again and again on one connection; an answer ends where `end` says."""

    def __init__(self, request: bytes, end: re.Pattern[bytes], times: int) -> None:
        self.request, self.end, self.left = request, end, times
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.seen += data
        if not self.seen.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self.seen[:300].decode("utf-8", "replace")))
            self.transport.close()
        elif self.end.search(self.seen, max(0, len(self.seen) - len(data) - 16)):
            self.seen = b""
            self.left -= 1
            if self.left:
                self.transport.write(self.request)  # type: ignore[attr-defined]
            else:
                self.transport.close()
                self.done.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError("The server closed the connection."))


async def cost(options: argparse.Namespace, request: bytes, end: re.Pattern[bytes], times: int) -> float:
    """CPU milliseconds per request with 16 clients."""
    at = urlsplit(options.url)
    each = times // options.clients
    before = cpu_seconds(options.pid)
    clients = [Client(request, end, each) for _ in range(options.clients)]
    loop = asyncio.get_running_loop()
    for client in clients:
        await loop.create_connection(lambda client=client: client, at.hostname, at.port)
    await asyncio.gather(*(client.done for client in clients))
    await asyncio.sleep(0.15)  # the usage of the last requests is part of their cost
    return (cpu_seconds(options.pid) - before) * 1000 / (each * options.clients)


def chat(options: argparse.Namespace, *, is_streamed: bool) -> bytes:
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Tell me something short about gateways."},
    ]
    call = {"model": options.model, "messages": messages, "temperature": 0.7, "stream": is_streamed}
    body = json.dumps(call).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {options.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(options: argparse.Namespace) -> None:
    chunks = int((re.search(r"-n(\d+)", options.model) or ["", "16"])[1]) + 2
    cases = {
        "health": (b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", re.compile(rb"\}$"), options.requests),
        "whole": (chat(options, is_streamed=False), re.compile(rb"\}$"), options.requests),
        "stream": (chat(options, is_streamed=True), re.compile(rb"\n0\r\n\r\n$"), options.requests // 8),
    }
    best: dict[str, float] = {}
    for _ in range(options.rounds):
        for name, (request, end, times) in cases.items():
            best[name] = min(best.get(name, 1e9), await cost(options, request, end, times))
    print(f"health        {best['health']:.4f} ms")
    print(f"whole answer  {best['whole']:.4f} ms, {best['whole'] / best['health']:.1f} x health")
    print(f"stream        {best['stream']:.4f} ms, {best['stream'] * 1000 / chunks:.1f} us for each of {chunks} chunks")
    more = (best["stream"] - best["whole"]) * 1000 / chunks
    print(f"a chunk more  {more:.1f} us")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", required=True)
    options.add_argument("--pid", type=int, required=True, help="of the server")
    options.add_argument("--key", required=True)
    options.add_argument("--model", default="openai/mock-n50")
    options.add_argument("--requests", type=int, default=3200)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    uvloop.run(measure(options.parse_args()))


if __name__ == "__main__":
    main()
