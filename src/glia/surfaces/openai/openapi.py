"""What /openapi.json says about the routes that no framework sees."""

from __future__ import annotations

from typing import Any

_ERROR: dict[str, Any] = {"description": "`{error: {message, type, param, code}}`", "content": {"application/json": {}}}


def openapi_paths() -> dict[str, Any]:
    """Goes into the `paths` of an OpenAPI document."""
    return {
        "/v1/chat/completions": {"post": _chat()},
        "/v1/embeddings": {"post": _embeddings()},
        "/v1/models": {
            "get": {
                "tags": ["openai"],
                "operationId": "list_models",
                "summary": "Models of all providers, the built-in ones, and agents as `agent:<slug>`.",
                "responses": {"200": _json("`{object: 'list', data: [...], has_more, next_cursor}`"), "4XX": _ERROR},
            }
        },
        "/v1/models/{id}": {
            "get": {
                "tags": ["openai"],
                "operationId": "get_model",
                "summary": "One model; its id may hold slashes.",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": _json("The model"), "4XX": _ERROR},
            }
        },
    }


def _chat() -> dict[str, Any]:
    return {
        "tags": ["openai"],
        "operationId": "create_chat_completion",
        "summary": "A model's or an agent's answer, whole or as server-sent events.",
        "description": (
            "`model` is `provider/name`, a bare name that one provider has, or `agent:<id or slug>`. Fields that are"
            " not listed reach the provider as they are; those without effect are named in `X-Ignored-Fields`."
        ),
        "requestBody": _body(
            ["model", "messages"],
            {
                "model": {"type": "string"},
                "messages": {"type": "array", "items": {"type": "object"}},
                "stream": {"type": "boolean", "default": False},
                "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
                "tools": {"type": "array", "items": {"type": "object"}},
            },
        ),
        "responses": {
            "200": {
                "description": "The answer. An agent's also has `X-Glia-Run-Id` and `X-Glia-Session-Id`.",
                "content": {"application/json": {}, "text/event-stream": {}},
            },
            "4XX": _ERROR,
            "5XX": _ERROR,
        },
    }


def _embeddings() -> dict[str, Any]:
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "tags": ["openai"],
        "operationId": "create_embeddings",
        "summary": "Vectors of texts; `glia/minilm` is built in.",
        "requestBody": _body(
            ["model", "input"],
            {
                "model": {"type": "string"},
                "input": {"oneOf": [{"type": "string"}, texts]},
                "encoding_format": {"enum": ["float", "base64"]},
            },
        ),
        "responses": {"200": _json("The vectors"), "4XX": _ERROR, "5XX": _ERROR},
    }


def _body(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": required, "properties": properties, "additionalProperties": True}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _json(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {}}}
