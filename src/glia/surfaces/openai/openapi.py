"""What /openapi.json says about the routes that no framework sees."""

from __future__ import annotations

from typing import Any

from glia.surfaces.openai.openapi_schemas import (
    CHAT,
    CONVERSATION,
    DELETED,
    EMBEDDINGS,
    ERROR,
    FILE,
    ITEM,
    MODEL,
    NEW_CONVERSATION,
    NEW_RESPONSE,
    RESPONSE,
    listed,
)

Json = dict[str, Any]

_REASONS = {
    "400": "The request cannot be right.",
    "401": "No credential, or one that opens nothing.",
    "402": "A budget or the credit does not cover it.",
    "403": "The credential lacks a scope.",
    "404": "There is no such thing in this workspace.",
    "408": "The body stopped in the middle.",
    "409": "It conflicts with what is there.",
    "413": "The body is too large.",
    "415": "The body is of a kind that this route does not take.",
    "422": "The run reached one of its agent's limits.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "500": "Something in Glia broke.",
    "502": "The model failed.",
    "503": "The database is away or overloaded; try again.",
    "504": "The model gave no answer in time.",
    "507": "The disk is full.",
}
_ALWAYS = ("400", "401", "403", "404", "429", "500", "503")
_CHANGING = ("408", "409", "413", "415", "507")
_ASKING = ("402", "422", "502", "504")

_ID: Json = {"type": "string"}
_LIMIT: Json = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
_ORDER: Json = {"type": "string", "enum": ["asc", "desc"], "default": "desc"}


def openapi_paths() -> Json:
    """Goes into the `paths` of an OpenAPI document."""
    return {**_models_and_chat(), **_responses(), **_files(), **_conversations()}


TITLE = "Glia's OpenAI API"
TEXT = (
    "OpenAI's API for the models and agents of this server: `model` is `provider/name`, or `agent:<id or slug>`.\n\n"
    "Every request needs an API key as `Authorization: Bearer ...` or `X-API-Key`."
)


def openai_document(version: str) -> Json:
    """The whole document, for a port where nobody else answers."""
    schemes: Json = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version, "description": TEXT},
        "paths": openapi_paths(),
        "components": {"securitySchemes": schemes, "schemas": {"Error": ERROR}},
        "security": [{name: []} for name in schemes],
    }


def _models_and_chat() -> Json:
    return {
        "/v1/chat/completions": {
            "post": _operation(
                "create_chat_completion",
                "A model's or an agent's answer, whole or as server-sent events.",
                "`model` is `provider/name`, a bare name that one provider has, or `agent:<id or slug>`. Fields that"
                " are not listed reach the provider as they are; those without effect are named in"
                " `X-Ignored-Fields`. An agent's answer also has `X-Glia-Run-Id` and `X-Glia-Session-Id`.",
                body=CHAT,
                answer={"type": "object"},
                more=_ASKING,
                streams=True,
            )
        },
        "/v1/embeddings": {
            "post": _operation(
                "create_embeddings",
                "Vectors of texts; `glia/minilm` is built in.",
                body=EMBEDDINGS,
                answer={"type": "object", "required": ["data", "model"]},
                more=_ASKING,
            )
        },
        "/v1/models": {
            "get": _operation(
                "list_models",
                "Models of all providers, the built-in ones, and agents as `agent:<slug>`.",
                answer=listed(MODEL),
                more=("502",),
            )
        },
        "/v1/models/{id}": {
            "get": _operation(
                "get_model", "One model; its id may hold slashes.", path=["id"], answer=MODEL, more=("502",)
            )
        },
    }


def _responses() -> Json:
    after: Json = {"type": "integer", "minimum": -1, "maximum": 2**31, "default": -1}
    return {
        "/v1/responses": {
            "post": _operation(
                "create_response",
                "A run of an agent, or of a model, with its output as items.",
                "`model` as for chat completions. With `stream` its events as they happen; with `background` the"
                " response as it is now, which goes on whatever happens to the client or to this process.",
                body=NEW_RESPONSE,
                answer=RESPONSE,
                more=_ASKING,
                streams=True,
            )
        },
        "/v1/responses/compact": {
            "post": _operation(
                "compact_response",
                "A conversation as one item that later requests bring along in its place.",
                body=NEW_RESPONSE,
                answer={"type": "object", "required": ["id", "output", "usage"]},
                more=_ASKING,
            )
        },
        "/v1/responses/{response}": {
            "get": _operation(
                "get_response",
                "A response as it is now, or its events from some number on.",
                path=["response"],
                query={"stream": {"type": "boolean", "default": False}, "starting_after": after},
                answer=RESPONSE,
                streams=True,
            ),
            "delete": _operation("delete_response", "Forget a response.", path=["response"], answer=DELETED),
        },
        "/v1/responses/{response}/cancel": {
            "post": _operation(
                "cancel_response", "Stop a response that runs in the background.", path=["response"], answer=RESPONSE
            )
        },
        "/v1/responses/{response}/input_items": {
            "get": _operation(
                "list_input_items",
                "The items that a response answers.",
                path=["response"],
                query={"limit": _LIMIT, "order": _ORDER, "after": _ID},
                answer=listed(ITEM),
            )
        },
    }


def _files() -> Json:
    form: Json = {
        "type": "object",
        "required": ["file", "purpose"],
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "purpose": {"type": "string", "examples": ["user_data", "assistants", "vision", "batch"]},
            "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
            "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2592000},
        },
    }
    upload = _operation("upload_file", "Upload a file.", answer=FILE, more=_CHANGING)
    upload["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    upload["parameters"] = [_IDEMPOTENCY]
    content = _operation("get_file_content", "The file as it was uploaded.", path=["file"], answer={})
    content["responses"]["200"] = {"description": "The bytes.", "content": {"application/octet-stream": {}}}
    query = {"purpose": _ID, "limit": {**_LIMIT, "maximum": 1000, "default": 1000}, "order": _ORDER, "after": _ID}
    return {
        "/v1/files": {
            "get": _operation("list_files", "Uploaded files.", query=query, answer=listed(FILE)),
            "post": upload,
        },
        "/v1/files/{file}": {
            "get": _operation("get_file", "One file.", path=["file"], answer=FILE),
            "delete": _operation("delete_file", "Delete a file.", path=["file"], answer=DELETED),
        },
        "/v1/files/{file}/content": {"get": content},
    }


def _conversations() -> Json:
    items: Json = {"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "items": ITEM}}}
    one, path = "/v1/conversations/{conversation}", ["conversation"]
    query = {"limit": _LIMIT, "order": _ORDER, "after": _ID}
    return {
        "/v1/conversations": {
            "post": _operation(
                "create_conversation",
                "A session that responses can go on in.",
                body=NEW_CONVERSATION,
                answer=CONVERSATION,
            )
        },
        one: {
            "get": _operation("get_conversation", "One conversation.", path=path, answer=CONVERSATION),
            "post": _operation(
                "update_conversation",
                "Replace a conversation's metadata.",
                path=path,
                body={"type": "object", "properties": {"metadata": {"type": "object"}}},
                answer=CONVERSATION,
            ),
            "delete": _operation("delete_conversation", "Delete a conversation.", path=path, answer=DELETED),
        },
        f"{one}/items": {
            "get": _operation("list_conversation_items", "What was said.", path=path, query=query, answer=listed(ITEM)),
            "post": _operation(
                "add_conversation_items",
                "Say something without having it answered.",
                path=path,
                body=items,
                answer=listed(ITEM),
            ),
        },
        f"{one}/items/{{item}}": {
            "get": _operation("get_conversation_item", "One item.", path=[*path, "item"], answer=ITEM),
            "delete": _operation(
                "delete_conversation_item", "Delete what was said.", path=[*path, "item"], answer=CONVERSATION
            ),
        },
    }


_IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same key within 24 hours gives the first answer again.",
}


def _operation(
    id: str,
    summary: str,
    text: str = "",
    *,
    answer: Json,
    path: list[str] | None = None,
    query: Json | None = None,
    body: Json | None = None,
    more: tuple[str, ...] = (),
    streams: bool = False,
) -> Json:
    content: Json = {"application/json": {"schema": answer}}
    if streams:
        content["text/event-stream"] = {}
    found: Json = {"tags": ["openai"], "operationId": id, "summary": summary, "description": text or summary}
    found["parameters"] = [
        *({"name": name, "in": "path", "required": True, "schema": _ID} for name in path or ()),
        *({"name": name, "in": "query", "schema": schema} for name, schema in (query or {}).items()),
    ]
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        found["parameters"].append(_IDEMPOTENCY)
        more = (*more, *_CHANGING)
    if id.startswith(("cancel", "delete")):
        more = (*more, "409")
    failures: Json = {"application/json": {"schema": ERROR}}
    found["responses"] = {
        "200": {"description": "As asked.", "content": content},
        **{status: {"description": _REASONS[status], "content": failures} for status in sorted({*_ALWAYS, *more})},
    }
    return found
