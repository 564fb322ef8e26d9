"""A span as OpenTelemetry has it, before it becomes bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from uuid import UUID

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class SpanKind(IntEnum):
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


@dataclass(frozen=True)
class Moment:
    """Something that happened within a span."""

    name: str
    at: datetime
    attributes: Attributes = field(default_factory=dict[str, Value])


@dataclass(frozen=True)
class Span:
    """error: why it failed, None when it did not."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes | None
    name: str
    kind: SpanKind
    start: datetime
    end: datetime
    attributes: Attributes
    moments: Sequence[Moment] = ()
    error: str | None = None


@dataclass(frozen=True)
class TraceParent:
    """The caller's span, from its `traceparent` header."""

    trace_id: bytes
    span_id: bytes
    is_sampled: bool


def read_traceparent(text: str | None) -> TraceParent | None:
    """None for what is not one, as the W3C asks: a broken header begins a trace of one's own."""
    match = _TRACEPARENT.fullmatch((text or "").strip())
    if match is None or not int(match[2], 16) or not int(match[3], 16) or (match[1] == "00" and match[5]):
        return None
    return TraceParent(bytes.fromhex(match[2]), bytes.fromhex(match[3]), bool(int(match[4], 16) & 1))


def trace_id_of(root_run: UUID) -> bytes:
    """The same for every run of a tree and for every time it is exported."""
    return hashlib.sha256(b"glia.trace:" + root_run.bytes).digest()[:16]


def span_id_of(what: str, id: object) -> bytes:
    """The same each time, so that an export that is repeated after a crash adds nothing."""
    return hashlib.sha256(f"glia.{what}:{id}".encode()).digest()[:8]
