"""A model server that costs next to nothing: chat completions whose behaviour is written in the model's name.

    python bench/mock_model.py --port 9100

The name is words joined by `-`, and every word but the first changes the answer:

    n16     sixteen tokens of text (16 unless told); streamed, one chunk each
    t200    200 ms until the first byte
    d20     20 ms between two chunks (0 unless told: each chunk still leaves in its own turn of the loop)
    tool    a request that offers tools and brings no tool's result yet is answered with a call of its first tool

So `mock-n16-tool` makes an agent's run of two model calls and one tool call. It speaks HTTP/1.1 by hand on one
asyncio protocol: keep-alive, `Content-Length` bodies, no TLS. Answers are made once and kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import orjson
import uvloop

CREATED = 1_750_000_000
JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Behaviour:
    tokens: int = 16
    first_seconds: float = 0
    pace_seconds: float = 0
    calls_a_tool: bool = False


@lru_cache(1000)
def behaviour_of(model: str) -> Behaviour:
    numbers = {"n": 16, "t": 0, "d": 0}
    words = model.split("-")[1:]
    for word in words:
        if word[:1] in numbers and word[1:].isdigit():
            numbers[word[0]] = int(word[1:])
    return Behaviour(numbers["n"], numbers["t"] / 1000, numbers["d"] / 1000, "tool" in words)


def token(number: int) -> str:
    """Texts differ, because some readers stop at a model that repeats itself."""
    return f"word{number} "


def usage_of(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}


def call_of(tool: str) -> dict[str, object]:
    return {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": "{}"}}


@lru_cache(1000)
def whole_answer(model: str, tokens: int, tool: str | None) -> bytes:
    message: dict[str, object] = {"role": "assistant", "content": "".join(map(token, range(tokens)))}
    if tool is not None:
        message = {"role": "assistant", "content": None, "tool_calls": [call_of(tool)]}
    finish = "stop" if tool is None else "tool_calls"
    body = orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": CREATED,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": usage_of(tokens),
        }
    )
    return JSON_HEAD % len(body) + body


@lru_cache(1000)
def streamed_answer(model: str, tokens: int, tool: str | None, tells_usage: bool) -> tuple[bytes, ...]:
    """The pieces, in the order and grouping in which they are written."""
    if tool is None:
        deltas: list[dict[str, object]] = [{"content": token(number)} for number in range(tokens)]
    else:
        deltas = [{"tool_calls": [{"index": 0, **call_of(tool)}]}]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices.append([{"index": 0, "delta": {}, "finish_reason": "stop" if tool is None else "tool_calls"}])
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": CREATED, "model": model}
    pieces = [event(orjson.dumps({**head, "choices": choice})) for choice in choices]
    if tells_usage:
        pieces.append(event(orjson.dumps({**head, "choices": [], "usage": usage_of(tokens)})))
    pieces[0] = STREAM_HEAD + pieces[0]
    pieces[-1] += event(b"[DONE]") + b"0\r\n\r\n"
    return tuple(pieces)


def event(data: bytes) -> bytes:
    data = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def has_result(messages: list[dict[str, object]]) -> bool:
    return any(message["role"] == "tool" for message in messages)


class ModelServer(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head_end := self._received.find(b"\r\n\r\n") + 4) >= 4:
            head = self._received[:head_end].lower()
            _, _, after = head.partition(b"content-length:")
            end = head_end + int(after.partition(b"\r\n")[0] or 0)
            if len(self._received) < end:
                return
            body, self._received = self._received[head_end:end], self._received[end:]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if not body:  # a list of models, so that clients that look for one find something
            listed = b'{"object":"list","data":[{"id":"mock-n16","object":"model"}]}'
            self._transport.write(JSON_HEAD % len(listed) + listed)
            return
        request = orjson.loads(body)
        model = request["model"]
        behaviour = behaviour_of(model)
        tool = None
        if behaviour.calls_a_tool and request.get("tools") and not has_result(request["messages"]):
            tool = request["tools"][0]["function"]["name"]
        if request.get("stream"):
            tells_usage = bool((request.get("stream_options") or {}).get("include_usage"))
            pieces = streamed_answer(model, behaviour.tokens, tool, tells_usage)
        else:
            pieces = (whole_answer(model, behaviour.tokens, tool),)
        if behaviour.first_seconds:
            self._loop.call_later(behaviour.first_seconds, self._write, pieces, 0, behaviour.pace_seconds)
        else:
            self._write(pieces, 0, behaviour.pace_seconds)

    def _write(self, pieces: tuple[bytes, ...], position: int, pace: float) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(pieces[position])
        position += 1
        if position == len(pieces):
            return
        if pace:
            self._loop.call_later(pace, self._write, pieces, position, pace)
        else:
            self._loop.call_soon(self._write, pieces, position, pace)


async def serve(port: int) -> None:
    """port: 0 takes a free one. Prints the port once it listens."""
    server = await asyncio.get_running_loop().create_server(ModelServer, "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=9100)
    sys.exit(uvloop.run(serve(options.parse_args().port)))
