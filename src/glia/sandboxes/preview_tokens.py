"""Tokens that open one port of one sandbox for a while. They fit into a DNS label, so one can be a host's name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass
from uuid import UUID

_MAC_BYTES = 16
_BODY = struct.Struct(">16sHI")


@dataclass(frozen=True)
class Pass:
    """expires_at: seconds since 1970."""

    sandbox_id: UUID
    port: int
    expires_at: int


def sign(key: bytes, opened: Pass) -> str:
    """61 characters of a-z and 2-7."""
    body = _BODY.pack(opened.sandbox_id.bytes, opened.port, opened.expires_at)
    return base64.b32encode(body + _mac(key, body)).decode().rstrip("=").lower()


def read(key: bytes, token: str) -> Pass | None:
    """None for a token that was not signed with this key, or whose time is over."""
    if len(token) != 61 or not token.isascii() or not token.isalnum():
        return None
    try:
        raw = base64.b32decode(token.upper() + "===")
    except (binascii.Error, ValueError):
        return None
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if not hmac.compare_digest(mac, _mac(key, body)):
        return None
    id, port, expires_at = _BODY.unpack(body)
    return Pass(UUID(bytes=id), port, expires_at) if expires_at > time.time() else None


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()[:_MAC_BYTES]
