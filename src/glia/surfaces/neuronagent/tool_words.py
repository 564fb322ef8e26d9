"""NeuronAgent's names of tools, and which of ours stand behind them."""

from __future__ import annotations

from collections.abc import Sequence

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


def tools_of(names: Sequence[str]) -> tuple[str, ...]:
    """As an agent keeps them. Each is used once it is there: clients name tools before they make them."""
    found = [f"{tool}?" for name in names for tool in _BEHIND.get(name, (name,))]
    return tuple(dict.fromkeys(found))


def names_of(tools: Sequence[str]) -> list[str]:
    """What tools that another surface gave an agent are called here."""
    return list(dict.fromkeys(tool.removesuffix("?") for tool in tools))
