"""Calls of tools that a run makes itself, as the items of a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import orjson

from glia.runs.events import ToolReturned

Json = dict[str, Any]

KNOWLEDGE, WEB, CODE = "knowledge_search", "web_search", "run_code"


@dataclass(frozen=True)
class Phases:
    """The events of a call, without `response.` before them: when it begins, and when it has come back."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    failed: tuple[str, ...]


PHASES: dict[str, Phases] = {
    "file_search_call": Phases(
        ("file_search_call.in_progress", "file_search_call.searching"),
        ("file_search_call.completed",),
        ("file_search_call.completed",),
    ),
    "web_search_call": Phases(
        ("web_search_call.in_progress", "web_search_call.searching"),
        ("web_search_call.completed",),
        ("web_search_call.completed",),
    ),
    "code_interpreter_call": Phases(
        (
            "code_interpreter_call.in_progress",
            "code_interpreter_call_code.delta",
            "code_interpreter_call_code.done",
            "code_interpreter_call.interpreting",
        ),
        ("code_interpreter_call.completed",),
        ("code_interpreter_call.completed",),
    ),
    "mcp_call": Phases(
        ("mcp_call.in_progress", "mcp_call_arguments.delta", "mcp_call_arguments.done"),
        ("mcp_call.completed",),
        ("mcp_call.failed",),
    ),
}


def call_item(tool: str, arguments: object) -> tuple[str, Json]:
    """The beginning of an item's id, and the item as it is when the call begins.

    Tools that this API has no name for are shown as those of an MCP server: of the one whose tool it is, or of `glia`.
    """
    given = cast(Json, arguments) if isinstance(arguments, dict) else {}
    query = str(given.get("query", ""))
    match tool:
        case "knowledge_search":
            return "fs", {"type": "file_search_call", "status": "in_progress", "queries": [query], "results": None}
        case "web_search":
            action = {"type": "search", "query": query, "queries": [query]}
            return "ws", {"type": "web_search_call", "status": "in_progress", "action": action}
        case "run_code":
            item: Json = {"type": "code_interpreter_call", "status": "in_progress", "code": str(given.get("code", ""))}
            return "ci", {**item, "container_id": "session", "outputs": None}
        case _:
            label, _, name = tool.partition("__")
            server, name = (label, name) if name else ("glia", tool)
            item = {"type": "mcp_call", "status": "in_progress", "server_label": server, "name": name}
            text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            return "mcp", {**item, "arguments": text, "output": None, "error": None, "approval_request_id": None}


def finish_call(item: Json, returned: ToolReturned, *, shows_results: bool) -> None:
    """Puts what came back into the item."""
    item["status"] = "completed" if returned.status == "ok" else "failed"
    match item["type"]:
        case "file_search_call" if shows_results:
            item["results"] = [
                {"file_id": s.document_id, "filename": s.document_name, "text": s.text, "attributes": {}, "score": None}
                for s in returned.sources
            ]
        case "code_interpreter_call":
            item["outputs"] = [{"type": "logs", "logs": returned.text}]
        case "mcp_call" if returned.status == "ok":
            item["output"] = returned.text
        case "mcp_call":
            content = [{"type": "text", "text": returned.text}]
            item["error"] = {"type": "mcp_tool_execution_error", "content": content}
        case _:
            pass
