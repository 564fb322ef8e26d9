"""How things look to MCP clients: names, results, errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import orjson

from glia.identity.types import Principal
from glia.kit.errors import GliaError
from glia.tools.types import Effect

ASK = "ask_"
"""What the names of agents begin with, as in `ask_support`."""

INVALID_REQUEST, SERVER_ERROR = -32600, -32000


@dataclass(frozen=True)
class Caller:
    """Who waits for an answer. report: tells a client that asked for progress what is going on.

    leaving_cancels: whether a client that goes away takes its question back, as revision 2026-07-28 has it; before,
    a connection that broke meant nothing.
    """

    report: Callable[[str], Awaitable[None]]
    leaving_cancels: bool


@dataclass(frozen=True)
class Answer:
    """text: for models. structured: the same and more, for programs."""

    text: str
    structured: Mapping[str, object] | None = None
    is_error: bool = False


@dataclass(frozen=True)
class Offer:
    """Something a client may call. call: with the arguments as they came, unchecked."""

    name: str
    title: str
    description: str
    schema: Mapping[str, object]
    effect: Effect
    call: Callable[[Principal, Mapping[str, object], Caller], Awaitable[Answer]]
    output_schema: Mapping[str, object] | None = field(default=None)


def failure(error: GliaError) -> Answer:
    """A tool's own error: the model behind the client reads it and can do better."""
    details: dict[str, object] = {"code": error.code, "message": error.message}
    if error.field is not None:
        details["field"] = error.field
    if error.details:
        details["details"] = orjson.loads(orjson.dumps(error.details, default=str))
    return Answer(error.message, {"error": details}, is_error=True)


def mcp_error(error: GliaError, request_id: str) -> dict[str, object]:
    """What the gate refuses, as a JSON-RPC error that belongs to no request."""
    data: dict[str, object] = {"code": error.code, "request_id": request_id}
    if error.field is not None:
        data["field"] = error.field
    code = INVALID_REQUEST if error.status == 400 else SERVER_ERROR
    return {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": error.message, "data": data}}
