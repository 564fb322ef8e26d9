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
    "rag": ("rag", "retrieval"),
    "vector": ("vector", "retrieval"),
    "hybrid_search": ("hybrid_search", "retrieval"),
    "reranking": ("reranking", "retrieval"),
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
    "retrieval": "retrieval",
    "rag": "retrieval",
    "vector": "retrieval",
    "hybrid_search": "retrieval",
    "reranking": "retrieval",
    "collaboration": "collaboration",
    "multimodal": "multimodal",
}
"""The tool of ours that a handler calls. A handler without one, such as `ml`, needs what is not here, and says so."""

RENAMED = {"sql": {"query": "sql"}, "analytics": {"query": "sql"}}
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
