"""What an MCP tool answered, as text that a model can read. Pictures and files are named, not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import orjson

from glia.tools.answers import cut
from glia.tools.types import ToolResult

LARGEST_TEXT_CHARACTERS = 50_000
_MOST_PARTS = 200


def result_of(answer: Mapping[str, object]) -> ToolResult:
    """answer: the result of `tools/call` as plain JSON."""
    parts = cast(Sequence[Mapping[str, object]], answer.get("content") or [])
    texts = [_text_of(part) for part in parts[:_MOST_PARTS]]
    if len(parts) > _MOST_PARTS:
        texts.append(f"[{len(parts) - _MOST_PARTS} more parts are left out.]")
    structured = answer.get("structuredContent")
    if structured is not None and not _says_already(texts, structured):
        texts.append(orjson.dumps(structured).decode())
    text = "\n\n".join(text for text in texts if text).replace("\0", "")
    is_error = answer.get("isError") is True
    empty = "(It failed without saying why.)" if is_error else "(Done; it returned nothing.)"
    return ToolResult(cut(text, LARGEST_TEXT_CHARACTERS) or empty, is_error=is_error)


def _text_of(part: Mapping[str, object]) -> str:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image" | "audio" as kind, "data": str(data)}:
            return _named(str(kind), part, len(data) * 3 // 4)
        case {"type": "resource_link", "uri": str(uri)}:
            about = part.get("description") or part.get("title") or part.get("name") or ""
            return f"[Resource {uri}{f': {about}' if about else ''}]"
        case {"type": "resource"}:
            resource = part.get("resource")
            return _embedded(cast(Mapping[str, object], resource if isinstance(resource, dict) else {}))
        case _:
            return f"[A part of type {str(part.get('type'))[:40]!r}, which cannot be shown as text.]"


def _embedded(resource: Mapping[str, object]) -> str:
    if isinstance(text := resource.get("text"), str):
        return f"{resource.get('uri', '')}\n{text}".strip()
    return _named("file", resource, len(str(resource.get("blob") or "")) * 3 // 4)


def _named(kind: str, part: Mapping[str, object], size: int) -> str:
    where = f" {part['uri']}" if part.get("uri") else ""
    return f"[{kind.capitalize()}{where}, {part.get('mimeType', 'of unknown type')}, {size} bytes, not shown.]"


def _says_already(texts: Sequence[str], structured: object) -> bool:
    """Servers send structured content as text too, for clients that know no other.

    `{"result": ...}` is how the common server packages wrap what is no object.
    """
    return bool(texts) and (_is_wrapped(structured) or any(_is_same(text, structured) for text in texts))


def _is_wrapped(structured: object) -> bool:
    return isinstance(structured, dict) and list(cast(Mapping[str, object], structured)) == ["result"]


def _is_same(text: str, structured: object) -> bool:
    if len(text) > LARGEST_TEXT_CHARACTERS:
        return False
    try:
        return orjson.loads(text) == structured
    except orjson.JSONDecodeError:
        return False
