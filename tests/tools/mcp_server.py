"""A real MCP server for the tests, made with the official package, in a process of its own.

python mcp_server.py PORT [--legacy] [--stdio] [--token TOKEN]: it writes each effect as a line to $EFFECTS.
--legacy refuses revision 2026-07-28 as a server that does not know it would.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import EmbeddedResource, ImageContent, TextContent, TextResourceContents, ToolAnnotations

server = MCPServer("Test server", log_level="CRITICAL", title="The test server", version="1")


def note(what: str) -> None:
    if path := os.environ.get("EFFECTS"):
        with Path(path).open("a") as file:
            file.write(what + "\n")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def echo(text: str) -> str:
    """Says the same."""
    return f"echo: {text}"


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def put(value: str) -> str:
    """Puts a value."""
    return f"put {value}"


@server.tool()
def key(context: Context) -> str:
    """Tells the idempotency key of the call."""
    meta: Any = context.request_context.meta or {}
    headers = context.request_context.request.headers if context.request_context.request else {}
    return json.dumps({"meta": meta.get("glia/idempotency-key"), "header": headers.get("idempotency-key")})


@server.tool()
def environment() -> str:
    """Tells the names of the environment's variables."""
    return " ".join(sorted(os.environ))


@server.tool()
def fail() -> str:
    """Fails."""
    raise ValueError("no such luck")


@server.tool()
async def slow(seconds: float) -> str:
    """Takes its time."""
    note("slow began")
    await asyncio.sleep(seconds)
    note("slow ended")
    return "at last"


@server.tool()
def die() -> str:
    """Does it, and is gone."""
    note("died")
    os._exit(1)


@server.tool()
def big(size: int) -> str:
    """Says a lot."""
    return "x" * size


@server.tool()
def many() -> list[Any]:
    """Answers with parts of every kind."""
    return [
        TextContent(type="text", text="words"),
        ImageContent(type="image", data="AAAA", mime_type="image/png"),
        EmbeddedResource(
            type="resource",
            resource=TextResourceContents(uri="file:///a.txt", text="inside", mime_type="text/plain"),
        ),
    ]


@server.tool()
def table(rows: int) -> dict[str, int]:
    """Answers with structured content."""
    return {"rows": rows}


@server.tool(name="files/read.txt")
def odd() -> str:
    """Has a name that model providers do not take."""
    return "odd"


@server.tool()
async def grow(context: Context) -> str:
    """Gets one more tool."""

    def grown() -> str:
        """Was not there before."""
        return "grown"

    server.add_tool(grown)
    await context.session.send_tool_list_changed()
    await context.notify_tools_changed()
    return "done"


def guarded(app: Any, *, is_legacy: bool, token: str | None) -> Any:
    async def call(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "http" and token and headers.get(b"authorization") != f"Bearer {token}".encode():
            await answer(send, 401, {"error": "unauthorized"})
        elif scope["type"] == "http" and is_legacy and headers.get(b"mcp-protocol-version") == b"2026-07-28":
            error = {"code": -32600, "message": "Bad Request: Unsupported protocol version"}
            await answer(send, 400, {"jsonrpc": "2.0", "id": None, "error": error})
        else:
            await app(scope, receive, send)

    return call


async def answer(send: Any, status: int, body: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("port", type=int, nargs="?", default=0)
    reader.add_argument("--legacy", action="store_true")
    reader.add_argument("--stdio", action="store_true")
    reader.add_argument("--token")
    given = reader.parse_args()
    if given.stdio:
        server.run("stdio")
        return
    app = guarded(server.streamable_http_app(), is_legacy=given.legacy, token=given.token)
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="error", lifespan="on")


if __name__ == "__main__":
    main()
