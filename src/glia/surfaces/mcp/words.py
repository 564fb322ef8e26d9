"""How things look to MCP clients: results and errors."""

from __future__ import annotations

import orjson

from glia.kit.errors import GliaError
from glia.surfaces.shared.offers.types import Answer

INVALID_REQUEST, SERVER_ERROR = -32600, -32000


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
