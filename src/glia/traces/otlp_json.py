"""Spans as OTLP/JSON (opentelemetry-proto, trace/v1, with its JSON rules: ids in hex, 64-bit numbers as text)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson

from glia import __version__
from glia.traces.otlp_protobuf import SCHEMA_URL, SCOPE, nanoseconds
from glia.traces.types import Attributes, Moment, Span, Value

CONTENT_TYPE = "application/json"


def encode(resource: Attributes, spans: Iterable[Span]) -> bytes:
    scope = {"name": SCOPE, "version": __version__}
    scoped = {"scope": scope, "spans": [_span(span) for span in spans], "schemaUrl": SCHEMA_URL}
    whole = {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scoped], "schemaUrl": SCHEMA_URL}
    return orjson.dumps({"resourceSpans": [whole]})


def _span(span: Span) -> dict[str, object]:
    found: dict[str, object] = {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": _time(span.start),
        "endTimeUnixNano": _time(span.end),
        "attributes": _attributes(span.attributes),
        "events": [_moment(moment) for moment in span.moments],
    }
    if span.error is not None:
        found["status"] = {"code": 2, "message": span.error}
    if span.parent_span_id is not None:
        found["parentSpanId"] = span.parent_span_id.hex()
    return found


def _moment(moment: Moment) -> dict[str, object]:
    return {"name": moment.name, "timeUnixNano": _time(moment.at), "attributes": _attributes(moment.attributes)}


def _time(moment: datetime) -> str:
    return str(nanoseconds(moment))


def _attributes(attributes: Mapping[str, Value]) -> list[dict[str, object]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Value) -> dict[str, object]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case Sequence():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
