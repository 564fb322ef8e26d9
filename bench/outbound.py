"""What the outbound client costs: CPU microseconds per small request and per streamed chunk.

    python bench/outbound.py --port 9100 [--requests 20000] [--clients 32] [--streams 400] [--loop uvloop]

The port is that of a model server with the chat completions API whose model name sets the number of chunks, as in
`mock-n50`. CPU time is this process's own (user and system), so the model server may share the machine but
should have a core of its own. Each figure is the least of several rounds: noise only ever adds.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
from collections.abc import Awaitable, Callable

import uvloop

from glia.kit.outbound import Outbound, OutboundPolicy

HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer bench"}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def body(chunks: int, *, is_streamed: bool, pace_ms: int = 0) -> bytes:
    flag = "true" if is_streamed else "false"
    return (
        f'{{"model":"mock-n{chunks}-d{pace_ms}","stream":{flag},"messages":[{{"role":"user","content":'
        f'"{"word " * 20}"}}]}}'
    ).encode()


async def shared(total: int, clients: int, once: Callable[[], Awaitable[int]]) -> int:
    """Runs `once` that many times among the clients, and adds up what it returns."""

    async def client() -> int:
        return sum([await once() for _ in range(total // clients)])

    return sum(await asyncio.gather(*(client() for _ in range(clients))))


async def microseconds(total: int, clients: int, once: Callable[[], Awaitable[int]], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        before = cpu_seconds()
        units = await shared(total, clients, once)
        best = min(best, (cpu_seconds() - before) * 1e6 / units)
    return best


async def measure(options: argparse.Namespace) -> None:
    client = Outbound(OutboundPolicy())
    url = f"http://127.0.0.1:{options.port}/v1/chat/completions"
    small = body(16, is_streamed=False)
    arrived = 0

    async def request() -> int:
        answer = await client.request("POST", url, headers=HEADERS, body=small, trusted=True)
        assert answer.status == 200
        return 1

    async def guarded() -> int:
        answer = await opened.request("POST", url, headers=HEADERS, body=small)
        assert answer.status == 200
        return 1

    def streaming(chunks: int, pace_ms: int) -> Callable[[], Awaitable[int]]:
        long = body(chunks, is_streamed=True, pace_ms=pace_ms)

        async def stream() -> int:
            nonlocal arrived
            events = 0
            async with client.stream("POST", url, headers=HEADERS, body=long, trusted=True) as answer:
                async for piece in answer.chunks():
                    arrived += 1
                    events += piece.count(b"data: ")
            return events

        return stream

    opened = Outbound(OutboundPolicy.from_setting(f"127.0.0.1:{options.port}"))
    await shared(options.clients * 10, options.clients, request)
    rounds = options.rounds
    many = await microseconds(options.requests, options.clients, request, rounds)
    print(f"request, {options.clients} clients: {many:.1f} µs")
    one = await microseconds(options.requests // 8, 1, request, rounds)
    print(f"request, 1 client: {one:.1f} µs")
    ruled = await microseconds(options.requests // 4, options.clients, guarded, rounds)
    print(f"request to an untrusted but opened address: {ruled:.1f} µs")
    chunk = await microseconds(options.streams, 16, streaming(50, 0), rounds)
    print(f"chunk, back to back, 16 streams: {chunk:.2f} µs ({arrived} pieces)")
    paced = await microseconds(options.streams // 4, 50, streaming(50, 20), rounds)
    print(f"chunk, 20 ms apart, 50 streams: {paced:.2f} µs")
    await client.close()
    await opened.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--streams", type=int, default=400)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options = parser.parse_args()
    run = uvloop.run if options.loop == "uvloop" else asyncio.run
    run(measure(options))


if __name__ == "__main__":
    main()
