"""Reads as much of a request as the gateway must know, and changes what the provider must see changed.

Values stay the bytes they were: what the gateway has never heard of reaches the provider unharmed.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from glia.gateway.types import ChatCall, EmbeddingCall
from glia.kit.errors import InvalidRequest

T = TypeVar("T")

_NOTHING = (b"", b"null")
_NO_VALUE = msgspec.Raw()

_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def read_chat(body: bytes) -> ChatCall:
    """Raises InvalidRequest that names the field at fault."""
    fields = read_object(body)
    model = _model(fields)
    messages = fields.get("messages", _NO_VALUE)
    if bytes(memoryview(messages)[:1]) != b"[":
        what = "missing" if bytes(messages) in _NOTHING else "not a list"
        raise InvalidRequest(f"`messages` is {what}; send the conversation as a list of messages.", field="messages")
    is_streamed = "stream" in fields and _flag(fields["stream"], "stream")
    wants_usage = is_streamed and "stream_options" in fields and _wants_usage(fields["stream_options"])
    return ChatCall(body, fields, model, is_streamed, wants_usage)


def read_embedding(body: bytes) -> EmbeddingCall:
    """Raises InvalidRequest that names the field at fault."""
    fields = read_object(body)
    model = _model(fields)
    if bytes(fields.get("input", _NO_VALUE)) in _NOTHING:
        raise InvalidRequest("`input` is missing; send a text or a list of texts.", field="input")
    return EmbeddingCall(body, fields, model)


def chat_for_provider(
    call: ChatCall, name: str, *, asks_usage: bool, output_limit: tuple[str, int] | None = None
) -> bytes:
    """The body under the provider's name for the model. asks_usage: have a stream tell its usage at the end.

    output_limit: the field that caps the answer's tokens, and the cap, for a body that has none.
    """
    adds_usage = call.is_streamed and asks_usage and not call.wants_usage
    if name == call.model and not adds_usage and output_limit is None:
        return call.body
    fields = {**call.fields, "model": msgspec.Raw(_encode(name))}
    if output_limit is not None:
        fields[output_limit[0]] = msgspec.Raw(_encode(output_limit[1]))
    if adds_usage:
        fields["stream_options"] = _with_usage(fields.get("stream_options", _NO_VALUE))
    return _encode(fields)


def embedding_for_provider(call: EmbeddingCall, name: str) -> bytes:
    if name == call.model:
        return call.body
    return _encode({**call.fields, "model": msgspec.Raw(_encode(name))})


def read_object(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level fields of a JSON object. Raises InvalidRequest."""
    try:
        return _read_fields(body)
    except msgspec.ValidationError:
        raise InvalidRequest("The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply to be read.") from None


def read_as(body: bytes, type: type[T]) -> T:
    """The body as a Struct. Raises InvalidRequest that names the field and what it must be."""
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or None
        where = f"`{field}`" if field else "The body"
        raise InvalidRequest(f"{where}: {text[:1].lower()}{text[1:]}.", field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidRequest("The body is nested too deeply to be read.") from None


def _model(fields: dict[str, msgspec.Raw]) -> str:
    raw = fields.get("model", _NO_VALUE)
    if bytes(raw) in _NOTHING:
        raise InvalidRequest("`model` is missing; GET /v1/models lists what there is.", field="model")
    try:
        name = _read_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest("`model` must be a text; GET /v1/models lists what there is.", field="model") from None
    if not name.strip():
        raise InvalidRequest("`model` is empty; GET /v1/models lists what there is.", field="model")
    return name


def _flag(raw: msgspec.Raw, name: str) -> bool:
    value = bytes(raw)
    if value not in (b"true", b"false", b"null"):
        raise InvalidRequest(f"`{name}` must be true or false.", field=name)
    return value == b"true"


def _wants_usage(raw: msgspec.Raw) -> bool:
    options = _options(raw)
    return "include_usage" in options and _flag(options["include_usage"], "stream_options.include_usage")


def _with_usage(raw: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(_encode({**_options(raw), "include_usage": msgspec.Raw(b"true")}))


def _options(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    if bytes(raw) in _NOTHING:
        return {}
    try:
        return _read_fields(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("`stream_options` must be an object.", field="stream_options") from None
