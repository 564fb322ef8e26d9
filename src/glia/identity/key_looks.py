"""How keys look on each surface, how they are made, and the hash they are kept as."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from typing import Final

from glia.kit.errors import InvalidRequest

_BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH: Final = 40
_PREFIX_OF: Final[dict[str, str]] = {
    "native": "glia_",
    "openai": "glia_",
    "mcp": "glia_",
    "neuais": "glia_",
    "neura": "nk-",
    "neuralhub": "nh_",
    "auvy": "ak_live_",
    "neuronagent": "",
}
SURFACES: Final = tuple(_PREFIX_OF)

# Each new key fits this, so that anything else is refused without hashing it or asking the database.
_KEY = re.compile(r"(?:glia_|nk-|nh_|ak_live_)[0-9A-Za-z]{40}|[0-9A-Za-z_-]{43}=", re.ASCII)


@dataclass(frozen=True)
class NewKey:
    raw: str
    hash: bytes
    prefix: str

    def __repr__(self) -> str:
        return f"NewKey({self.prefix!r}...)"


def new_key(surface: str) -> NewKey:
    """A key in the look of a surface, with 238 random bits or more. Its prefix gives away at most 48 of them."""
    start = _PREFIX_OF.get(surface)
    if start is None:
        raise InvalidRequest(f"`surface` {surface[:100]!r} is none of {', '.join(SURFACES)}.", field="surface")
    if surface == "neuronagent":
        raw = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return NewKey(raw, hash_of(raw), raw[:8])
    raw = start + random_text()
    return NewKey(raw, hash_of(raw), raw[: len(start) + 4])


def random_text() -> str:
    """40 random letters and digits, 238 bits."""
    return "".join(secrets.choice(_BASE62) for _ in range(_LENGTH))


def hash_of(raw: str) -> bytes:
    """What is kept of a key or refresh token.

    A plain SHA-256, not a slow password hash: these have far more than 160 random bits, so there is nothing to guess
    however fast the hash is, and a slow one would cost every request its milliseconds.
    """
    return hashlib.sha256(raw.encode("utf-8", "replace")).digest()


def looks_like_a_key(raw: str) -> bool:
    return _KEY.fullmatch(raw) is not None
