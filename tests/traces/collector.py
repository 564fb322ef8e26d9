"""An OpenTelemetry collector: takes OTLP over HTTP and reads it with Google's protobuf library, or as JSON."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.unknown_fields import UnknownFieldSet

# The messages of opentelemetry-proto that a trace needs, by their published numbers.
_S, _B, _M, _F64, _I64, _E, _BOOL, _D = 9, 12, 11, 6, 3, 5, 8, 1
_MESSAGES: dict[str, list[tuple[str, int, int, str | None, bool]]] = {
    "Request": [("resource_spans", 1, _M, "ResourceSpans", True)],
    "ResourceSpans": [
        ("resource", 1, _M, "Resource", False),
        ("scope_spans", 2, _M, "ScopeSpans", True),
        ("schema_url", 3, _S, None, False),
    ],
    "Resource": [("attributes", 1, _M, "KeyValue", True)],
    "ScopeSpans": [
        ("scope", 1, _M, "Scope", False),
        ("spans", 2, _M, "Span", True),
        ("schema_url", 3, _S, None, False),
    ],
    "Scope": [("name", 1, _S, None, False), ("version", 2, _S, None, False)],
    "Span": [
        ("trace_id", 1, _B, None, False),
        ("span_id", 2, _B, None, False),
        ("parent_span_id", 4, _B, None, False),
        ("name", 5, _S, None, False),
        ("kind", 6, _E, None, False),
        ("start_time_unix_nano", 7, _F64, None, False),
        ("end_time_unix_nano", 8, _F64, None, False),
        ("attributes", 9, _M, "KeyValue", True),
        ("events", 11, _M, "Moment", True),
        ("status", 15, _M, "Status", False),
    ],
    "Moment": [
        ("time_unix_nano", 1, _F64, None, False),
        ("name", 2, _S, None, False),
        ("attributes", 3, _M, "KeyValue", True),
    ],
    "Status": [("message", 2, _S, None, False), ("code", 3, _E, None, False)],
    "KeyValue": [("key", 1, _S, None, False), ("value", 2, _M, "AnyValue", False)],
    "AnyValue": [
        ("string_value", 1, _S, None, False),
        ("bool_value", 2, _BOOL, None, False),
        ("int_value", 3, _I64, None, False),
        ("double_value", 4, _D, None, False),
        ("array_value", 5, _M, "Array", False),
    ],
    "Array": [("values", 1, _M, "AnyValue", True)],
}


def _request_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="otlp_of_the_test.proto", package="t", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, of, is_list in fields:
            added = message.field.add(name=field_name, number=number, type=kind, label=3 if is_list else 1)
            if of is not None:
                added.type_name = f".t.{of}"
            if name == "AnyValue":  # which of them is set counts, also when it is 0 or empty
                added.oneof_index = 0
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Request"))


@dataclass(frozen=True)
class Got:
    """A span as it was received. attributes: plain values."""

    trace_id: str
    span_id: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[str]
    status: int
    resource: dict[str, Any]


@dataclass
class Collector:
    port: int = 0
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Got]:
        """Those that were taken."""
        return [span for headers, body in self.requests for span in _spans(headers, body)]

    async def until(self, is_done: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not is_done():
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Collector]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200 and head[0].startswith("POST /v1/traces "):
            self.requests.append((headers, body))
        writer.write(b"HTTP/1.1 %d Scripted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()


def _spans(headers: dict[str, str], body: bytes) -> list[Got]:
    if headers["content-type"] == "application/json":
        whole, is_hex = json.loads(body), True
    else:
        assert headers["content-type"] == "application/x-protobuf"
        request = _REQUEST()
        request.ParseFromString(body)
        assert len(UnknownFieldSet(request)) == 0
        whole, is_hex = MessageToDict(request), False
    return [
        _got(span, _plain(part["resource"]["attributes"]), is_hex)
        for part in whole["resourceSpans"]
        for scope in part["scopeSpans"]
        for span in scope["spans"]
    ]


def _got(span: dict[str, Any], resource: dict[str, Any], is_hex: bool) -> Got:
    def id_of(text: str) -> str:
        return text if is_hex else base64.b64decode(text).hex()

    return Got(
        id_of(span["traceId"]),
        id_of(span["spanId"]),
        id_of(span.get("parentSpanId", "")),
        span["name"],
        span["kind"],
        int(span["startTimeUnixNano"]),
        int(span["endTimeUnixNano"]),
        _plain(span.get("attributes", [])),
        [event["name"] for event in span.get("events", [])],
        span.get("status", {}).get("code", 0),
        resource,
    )


def _plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["key"]: _value(entry["value"]) for entry in attributes}


def _value(value: dict[str, Any]) -> Any:
    [(kind, inner)] = value.items()
    if kind == "arrayValue":
        return [_value(item) for item in inner["values"]]
    return int(inner) if kind == "intValue" else inner


_REQUEST = _request_class()
