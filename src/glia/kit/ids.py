"""Identifiers: UUIDv7, so that ids sort by the time they were made and indexes grow at one end."""

from __future__ import annotations

import os
import time
from uuid import UUID

from glia.kit.errors import NotFound

_VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62
_RANDOM_BITS = (1 << 80) - 1 & ~(0xF << 76 | 0x3 << 62)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits."""
    random = int.from_bytes(os.urandom(10), "big")
    value = (time.time_ns() // 1_000_000) << 80 | random & _RANDOM_BITS | _VERSION_AND_VARIANT
    return UUID(int=value)


def parse_id(text: str, noun: str) -> UUID:
    """Reads an id from a path or body. What is not an id cannot exist, so it is a NotFound like any other."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"There is no {noun} {text!r} in this workspace.") from None
