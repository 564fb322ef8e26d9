"""JSON Schemas of this API's bodies, as far as Glia reads and writes them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_MAYBE_TEXT: Json = {"type": ["string", "null"]}
_COUNT: Json = {"type": ["integer", "null"], "minimum": 1}
_METADATA: Json = {"type": ["object", "null"], "additionalProperties": {"type": "string"}}
_TOOLS: Json = {"type": ["array", "null"], "items": {"type": "object"}}

ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {"message": _TEXT, "type": _TEXT, "param": _MAYBE_TEXT, "code": _MAYBE_TEXT},
        }
    },
}
ITEM: Json = {
    "type": "object",
    "properties": {"type": _TEXT, "role": _TEXT, "content": {}},
    "additionalProperties": True,
}
MODEL: Json = {
    "type": "object",
    "required": [
        "id",
        "object",
        "created",
        "owned_by",
        "provider",
        "name",
        "display_name",
        "purpose",
        "is_default",
        "is_local",
        "input_price_micros",
        "output_price_micros",
    ],
    "properties": {
        "id": _TEXT,
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": _TEXT,
        "provider": _TEXT,
        "name": _TEXT,
        "display_name": _TEXT,
        "purpose": _TEXT,
        "is_default": {"type": "boolean"},
        "is_local": {"type": "boolean"},
        "input_price_micros": {"type": ["integer", "null"], "description": "Micro-dollars for a million tokens."},
        "output_price_micros": {"type": ["integer", "null"], "description": "Micro-dollars for a million tokens."},
        "agent_id": {"type": "string", "description": "Of an agent, whose `purpose` is `agent`."},
    },
}
DELETED: Json = {
    "type": "object",
    "required": ["id", "object", "deleted"],
    "properties": {"id": _TEXT, "object": _TEXT, "deleted": {"const": True}},
}
FILE: Json = {
    "type": "object",
    "required": ["id", "object", "bytes", "created_at", "filename", "purpose", "status"],
    "properties": {
        "id": _TEXT,
        "object": {"const": "file"},
        "bytes": {"type": "integer"},
        "created_at": {"type": "integer"},
        "expires_at": {"type": ["integer", "null"]},
        "filename": _TEXT,
        "purpose": _TEXT,
        "status": {"const": "processed"},
    },
}
CONVERSATION: Json = {
    "type": "object",
    "required": ["id", "object", "created_at", "metadata"],
    "properties": {
        "id": _TEXT,
        "object": {"const": "conversation"},
        "created_at": {"type": "integer"},
        "metadata": {"type": "object"},
    },
}
NEW_CONVERSATION: Json = {
    "type": "object",
    "properties": {"items": {"type": ["array", "null"], "items": ITEM, "maxItems": 20}, "metadata": _METADATA},
}
CHAT: Json = {
    "type": "object",
    "required": ["model", "messages"],
    "additionalProperties": True,
    "properties": {
        "model": _TEXT,
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["role"],
                "properties": {
                    "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
                    "content": {"type": ["string", "array", "null"]},
                    "tool_calls": _TOOLS,
                    "tool_call_id": _MAYBE_TEXT,
                },
            },
        },
        "stream": {"type": ["boolean", "null"], "default": False},
        "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": "boolean"}}},
        "tools": _TOOLS,
        "tool_choice": {"type": ["string", "object", "null"]},
        "parallel_tool_calls": {"type": ["boolean", "null"]},
        "response_format": {"type": ["object", "null"]},
        "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
        "stop": {"type": ["string", "array", "null"], "items": _TEXT},
        "max_tokens": _COUNT,
        "max_completion_tokens": _COUNT,
        "temperature": {"type": ["number", "null"]},
        "top_p": {"type": ["number", "null"]},
        "seed": {"type": ["integer", "null"]},
        "reasoning_effort": _MAYBE_TEXT,
        "metadata": _METADATA,
        "user": _MAYBE_TEXT,
    },
}
EMBEDDINGS: Json = {
    "type": "object",
    "required": ["model", "input"],
    "additionalProperties": True,
    "properties": {
        "model": _TEXT,
        "input": {
            "anyOf": [
                _TEXT,
                {"type": "array", "items": {"anyOf": [_TEXT, {"type": "integer"}]}},
                {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            ]
        },
        "encoding_format": {"enum": ["float", "base64"]},
        "dimensions": _COUNT,
    },
}
NEW_RESPONSE: Json = {
    "type": "object",
    "required": ["model"],
    "additionalProperties": True,
    "properties": {
        "model": _TEXT,
        "input": {"anyOf": [_TEXT, {"type": "array", "items": ITEM}, {"type": "null"}]},
        "instructions": _MAYBE_TEXT,
        "stream": {"type": ["boolean", "null"], "default": False},
        "background": {"type": ["boolean", "null"], "default": False},
        "store": {"type": ["boolean", "null"], "default": True},
        "previous_response_id": _MAYBE_TEXT,
        "conversation": {
            "anyOf": [
                _MAYBE_TEXT,
                {"type": "object", "required": ["id"], "properties": {"id": _TEXT}},
            ]
        },
        "tools": _TOOLS,
        "tool_choice": {"type": ["string", "object", "null"]},
        "parallel_tool_calls": {"type": ["boolean", "null"]},
        "temperature": {"type": ["number", "null"]},
        "top_p": {"type": ["number", "null"]},
        "max_output_tokens": _COUNT,
        "max_tool_calls": _COUNT,
        "metadata": _METADATA,
        "text": {"type": ["object", "null"]},
        "reasoning": {"type": ["object", "null"]},
        "truncation": {"enum": ["auto", "disabled", None]},
        "include": {"type": ["array", "null"], "items": _TEXT},
    },
}
RESPONSE: Json = {
    "type": "object",
    "required": ["id", "object", "created_at", "status", "model", "output", "error", "usage", "tools", "metadata"],
    "properties": {
        "id": _TEXT,
        "object": {"const": "response"},
        "created_at": {"type": "integer"},
        "status": {"enum": ["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]},
        "model": _TEXT,
        "output": {"type": "array", "items": {"type": "object", "required": ["id", "type"]}},
        "error": {"type": ["object", "null"]},
        "incomplete_details": {"type": ["object", "null"]},
        "usage": {"type": ["object", "null"]},
        "tools": {"type": "array"},
        "metadata": {"type": "object"},
    },
}


def listed(item: Json) -> Json:
    return {
        "type": "object",
        "required": ["object", "data", "has_more"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": item},
            "first_id": _MAYBE_TEXT,
            "last_id": _MAYBE_TEXT,
            "has_more": {"type": "boolean"},
        },
    }
