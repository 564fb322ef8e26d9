"""The world outside Glia: a model server and a tool server on one loopback port, both scripted and both counting."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

WORDS = ("All ", "is ", "done.")


class Outside:
    """The model calls the tool named in the user's message, then answers. Holds stop it in the middle of things."""

    def __init__(self) -> None:
        self.port = 0
        self.keys: list[str] = []
        """The Idempotency-Key of every tool call, as they came in."""
        self.model_calls = 0
        self.is_answering = asyncio.Event()
        self.is_answering.set()
        self.has_tool_answer = asyncio.Event()
        self.has_tool_answer.set()
        self.reaches_tools = True
        """Otherwise a tool call is lost on its way: it was sent, and nobody will ever have heard it."""
        self.lost = 0
        self.word_seconds = 0.02
        self.words = WORDS

    @property
    def calls(self) -> Counter[str]:
        return Counter(self.keys)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Outside]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512, limit=1 << 24)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            if "/chat/completions" in head[0]:
                await self._answer(writer, json.loads(body))
            elif "/tool" in head[0] and not self.reaches_tools:
                self.lost += 1
                await reader.read()
            elif "/tool" in head[0]:
                self.keys.append(headers["idempotency-key"])
                await self.has_tool_answer.wait()
                await asyncio.sleep(self.word_seconds)
                await _reply(writer, {"result": "sent"})
            else:
                await _reply(writer, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        self.model_calls += 1
        await self.is_answering.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        last = request["messages"][-1]
        tool = last["content"].removeprefix("call ") if last["role"] == "user" else ""
        for word in self.words:
            await self._send(writer, {"content": word})
            await asyncio.sleep(self.word_seconds)
        if tool in {spec["function"]["name"] for spec in request.get("tools", [])}:
            call = {"index": 0, "id": "same", "type": "function", "function": {"name": tool, "arguments": "{}"}}
            await self._send(writer, {"tool_calls": [call]})
            await self._send(writer, {}, finish="tool_calls")
        else:
            await self._send(writer, {}, finish="stop")
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    async def _send(self, writer: asyncio.StreamWriter, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "1", "object": "chat.completion.chunk", "model": "scripted", "choices": [choice]}
        writer.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await writer.drain()


async def _reply(writer: asyncio.StreamWriter, content: object) -> None:
    body = json.dumps(content).encode()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
    writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
