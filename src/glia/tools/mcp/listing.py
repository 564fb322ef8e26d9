"""The tools that an MCP server says it has, cut down to what can be kept and offered to models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import orjson

from glia.tools.mcp.types import ListedTool
from glia.tools.types import Effect

MOST_TOOLS = 500
_LONGEST_DESCRIPTION = 4_000
_LONGEST_NAME = 256
_LARGEST_SCHEMA_BYTES = 65_536
_LARGEST_LIST_BYTES = 4 * 1024 * 1024


def usable(tools: Iterable[Mapping[str, object]]) -> tuple[tuple[ListedTool, ...], tuple[str, ...]]:
    """tools: as plain JSON. Those that can be offered, and the names of the others."""
    kept: dict[str, ListedTool] = {}
    left_out: list[str] = []
    room = _LARGEST_LIST_BYTES
    for tool in tools:
        listed, size = _listed(tool)
        if listed is None or size > room or len(kept) >= MOST_TOOLS:
            left_out.append(str(tool.get("name"))[:80])
            continue
        room -= size
        kept.setdefault(listed.name, listed)
    return tuple(kept.values()), tuple(left_out)


def _listed(tool: Mapping[str, object]) -> tuple[ListedTool | None, int]:
    name, schema = tool.get("name"), tool.get("inputSchema")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not isinstance(schema, dict):
        return None, 0
    known = cast(dict[str, object], schema)
    size = _size_of(known)
    if known.get("type") != "object" or size > _LARGEST_SCHEMA_BYTES or "\0" in name:
        return None, 0
    title = tool.get("title")
    description = str(tool.get("description") or title or name).replace("\0", "")[:_LONGEST_DESCRIPTION]
    return ListedTool(name, description, known, _effect_of(tool.get("annotations"))), size + len(description)


def _size_of(schema: dict[str, object]) -> int:
    try:
        text = orjson.dumps(schema)
    except (TypeError, orjson.JSONEncodeError):
        return _LARGEST_SCHEMA_BYTES + 1  # nested too deeply, most likely
    return _LARGEST_SCHEMA_BYTES + 1 if rb"\u0000" in text else len(text)


def _effect_of(annotations: object) -> Effect:
    """Without a word from the server, a second call could do everything twice."""
    known = cast(Mapping[str, object], annotations if isinstance(annotations, dict) else {})
    if known.get("readOnlyHint") is True:
        return Effect.READ
    return Effect.IDEMPOTENT if known.get("idempotentHint") is True else Effect.ONCE
