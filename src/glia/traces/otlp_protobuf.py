"""Spans as OTLP/protobuf, the form that every collector takes.

Written by hand, because the messages are few and their field numbers are promised never to change
(https://github.com/open-telemetry/opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from glia import __version__
from glia.traces.types import Attributes, Moment, Span, Value

CONTENT_TYPE = "application/x-protobuf"
SCOPE = "glia.runs"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
"""The version of the conventions that the attributes are named by."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR = 2


def nanoseconds(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


def encode(resource: Attributes, spans: Iterable[Span]) -> bytes:
    """An ExportTraceServiceRequest."""
    scope = _text(1, SCOPE) + _text(2, __version__)
    scope_spans = _message(1, scope) + b"".join(_message(2, _span(span)) for span in spans) + _text(3, SCHEMA_URL)
    resource_spans = _message(1, _attributes(1, resource)) + _message(2, scope_spans) + _text(3, SCHEMA_URL)
    return _message(1, resource_spans)


def _span(span: Span) -> bytes:
    return b"".join(
        (
            _message(1, span.trace_id),
            _message(2, span.span_id),
            b"" if span.parent_span_id is None else _message(4, span.parent_span_id),
            _text(5, span.name),
            _number(6, int(span.kind)),
            _time(7, span.start),
            _time(8, span.end),
            _attributes(9, span.attributes),
            b"".join(_message(11, _moment(moment)) for moment in span.moments),
            b"" if span.error is None else _message(15, _text(2, span.error) + _number(3, _ERROR)),
        )
    )


def _moment(moment: Moment) -> bytes:
    return _time(1, moment.at) + _text(2, moment.name) + _attributes(3, moment.attributes)


def _attributes(field: int, attributes: Mapping[str, Value]) -> bytes:
    return b"".join(_message(field, _text(1, name) + _message(2, _value(value))) for name, value in attributes.items())


def _value(value: Value) -> bytes:
    """An AnyValue."""
    match value:
        case bool():
            return _number(2, int(value))
        case int():
            return _number(3, value)
        case float():
            return _key(4, 1) + struct.pack("<d", value)
        case str():
            return _text(1, value)
        case Sequence():
            return _message(5, b"".join(_message(1, _value(item)) for item in value))


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _time(field: int, moment: datetime) -> bytes:
    return _key(field, 1) + struct.pack("<Q", nanoseconds(moment))


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode("utf-8", "replace"))


def _message(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
