"""NeuronAgent's names of tools and handlers, and which of ours stand behind them."""

from __future__ import annotations

from collections.abc import Sequence

HANDLERS = (
    "sql",
    "http",
    "code",
    "shell",
    "queue",
    "ml",
    "vector",
    "rag",
    "analytics",
    "hybrid_search",
    "reranking",
    "retrieval",
    "memory",
    "browser",
    "visualization",
    "filesystem",
    "collaboration",
    "multimodal",
    "web_search",
    "mcp",
    "custom",
)

_BEHIND: dict[str, tuple[str, ...]] = {
    "sql": ("sql", "sql_query", "sql_schema"),
    "http": ("http", "http_request", "web_fetch"),
    "code": ("code", "run_code"),
    "shell": ("shell", "run_shell"),
    "memory": ("memory", "memory_save", "memory_search", "memory_forget", "conversation_search"),
}
"""Where one of their names means several tools of ours, or one of another name; any other name means itself."""

BASES = {
    "sql": "sql_query",
    "analytics": "sql_query",
    "http": "http_request",
    "code": "run_code",
    "custom": "run_code",
    "shell": "run_shell",
    "memory": "memory_search",
    "browser": "browser",
    "visualization": "visualization",
    "filesystem": "filesystem",
    "web_search": "web_search",
    "retrieval": "knowledge_search",
    "rag": "knowledge_search",
    "vector": "knowledge_search",
    "hybrid_search": "knowledge_search",
    "reranking": "knowledge_search",
    "collaboration": "collaboration",
}
"""The tool of ours that a handler calls."""

SEARCHES = frozenset(handler for handler, tool in BASES.items() if tool == "knowledge_search")
"""Handlers that look into knowledge bases."""

ABSENT = {
    "queue": "run work in the background with POST /api/v1/async-tasks",
    "ml": "write a tool with the handler `code`, or one with `http` that calls your model server",
    "mcp": "connect the MCP server with POST /v1/mcp-servers; agents then have its tools",
    "multimodal": "write a tool with the handler `code`",
}
"""Handlers that nothing stands behind here, and what to do instead."""

RENAMED = {
    "sql": {"query": "sql"},
    "analytics": {"query": "sql"},
    **{handler: {"top_k": "limit"} for handler in SEARCHES},
}
"""What a handler's arguments are called by us."""


def tools_of(names: Sequence[str]) -> tuple[str, ...]:
    """As an agent keeps them. Each is used once it is there: clients name tools before they make them."""
    found = [f"{tool}?" for name in names for tool in _BEHIND.get(name, (name,))]
    return tuple(dict.fromkeys(found))


def names_of(tools: Sequence[str]) -> list[str]:
    """What tools that another surface gave an agent are called here."""
    return list(dict.fromkeys(tool.removesuffix("?") for tool in tools))


def handler_of(tool: str) -> str:
    """The handler behind a built-in tool of ours."""
    return next((handler for handler, base in BASES.items() if base == tool), "custom")
