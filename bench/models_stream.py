"""What a streamed chunk and a call cost us in CPU time, apart from the server's.

    python bench/models_stream.py [--chunks 200] [--calls 30] [--control]

A server in its own process streams chunks of a chat completion; this process reads them. `parse` reads the same bytes
from memory, so the difference is the network. `--control` runs the `openai` package against the same server.
Prints the least of the rounds: other work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.connection import Connection

import orjson

from glia.kit.outbound import Outbound, OutboundPolicy
from glia.kit.sse import SseParser
from glia.models.openai_chat import _AnswerReader
from glia.models.providers import Provider
from glia.models.service import Configuration, Models, UsageScanner
from glia.models.types import ModelRequest, UserMessage

REQUEST = ModelRequest(model="m", messages=[UserMessage("Tell me about glia.")])
ROUNDS = 5


def chunk(number: int) -> bytes:
    choice = {"index": 0, "delta": {"content": f" word{number}"}, "logprobs": None, "finish_reason": None}
    head = {"id": "chatcmpl-0123456789abcdef0123456789", "object": "chat.completion.chunk", "created": 1760000000}
    return b"data: " + orjson.dumps({**head, "model": "m", "choices": [choice]}) + b"\n\n"


def stream_body(chunks: int) -> list[bytes]:
    usage = {"prompt_tokens": 9, "completion_tokens": chunks, "total_tokens": 9 + chunks}
    last = [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    ]
    return [
        *map(chunk, range(chunks)),
        *(b"data: " + orjson.dumps(part) + b"\n\n" for part in last),
        b"data: [DONE]\n\n",
    ]


def serve(chunks: int, port: Connection) -> None:
    """Answers every POST with the whole stream, one write a chunk."""
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in stream_body(chunks)]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                length = int(request.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(head)
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)
                writer.write(b"0\r\n\r\n")
                await writer.drain()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def parse_once(body: list[bytes]) -> None:
    reader = _AnswerReader(Provider("bench", ""), REQUEST)
    parser = SseParser()
    for piece in body:
        for data in parser.feed(piece):
            reader.read(data)
    reader.response(latency_ms=0)


def scan_once(body: list[bytes]) -> None:
    scanner = UsageScanner()
    for piece in body:
        scanner.feed(piece)
    assert scanner.usage.input_tokens == 9


async def least_cpu(call: Callable[[], Awaitable[None]], calls: int) -> float:
    """CPU seconds of one call, in the best round."""
    await call()
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(calls):
            await call()
        rounds.append((time.process_time() - began) / calls)
    return min(rounds)


def show(name: str, seconds: float, chunks: int) -> None:
    print(f"{name:28} {seconds * 1e3:8.3f} ms a call {seconds * 1e6 / chunks:8.2f} us a chunk")


async def measure(url: str, chunks: int, calls: int, *, with_control: bool) -> None:
    body = stream_body(chunks)
    outbound = Outbound(OutboundPolicy())
    models = Models(outbound, Configuration((Provider("bench", url),)))

    async def parse() -> None:
        parse_once(body)

    async def scan() -> None:
        scan_once(body)

    async def ours() -> None:
        async for _ in models.stream("bench/m", REQUEST):
            pass

    show("parse, from memory", await least_cpu(parse, calls), chunks)
    show("usage scan, from memory", await least_cpu(scan, calls), chunks)
    show("Models.stream, over TCP", await least_cpu(ours, calls), chunks)
    if with_control:
        await control(url, chunks, calls)
    await outbound.close()


async def control(url: str, chunks: int, calls: int) -> None:
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=url, api_key="none")

    async def theirs() -> None:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Tell me about glia."}], stream=True
        )
        async for _ in stream:
            pass

    show("openai package, over TCP", await least_cpu(theirs, max(1, calls // 10)), chunks)
    await client.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--chunks", type=int, default=200)
    options.add_argument("--calls", type=int, default=30)
    options.add_argument("--control", action="store_true")
    chosen = options.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(chosen.chunks, theirs), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/v1"
        asyncio.run(measure(url, chosen.chunks, chosen.calls, with_control=chosen.control))
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
