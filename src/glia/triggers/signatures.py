"""Signed requests, as https://www.standardwebhooks.com says: HMAC-SHA256 over id, timestamp and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping

from glia.triggers.errors import SignatureRefused

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"
_LONGEST_ID = 200


def new_secret() -> str:
    return _PREFIX + base64.b64encode(os.urandom(32)).decode()


def new_token() -> str:
    """192 random bits for an address. Other than an id of ours it never is a UUID."""
    return "hook_" + base64.urlsafe_b64encode(os.urandom(24)).decode()


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def sign(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """What a sender puts into `webhook-signature`."""
    content = f"{id}.{timestamp}.".encode() + body
    digest = hmac.new(base64.b64decode(secret.removeprefix(_PREFIX)), content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def verified_id(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """The request's id once its signature and time are right. headers: by lower-case names. now: Unix seconds.

    Raises SignatureRefused.
    """
    id, timestamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id and timestamp and signatures) or len(id) > _LONGEST_ID or not id.isascii():
        raise SignatureRefused(
            "The request is not signed; send the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`."
        )
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 15):
        raise SignatureRefused("`webhook-timestamp` must be Unix seconds.")
    if not any(_matches(signature, secret, id, int(timestamp), body) for signature in signatures.split()[:20]):
        raise SignatureRefused("`webhook-signature` does not fit this body and the hook's secret.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureRefused(
            f"`webhook-timestamp` is {abs(now - int(timestamp)):.0f} s off; the most is {TOLERANCE_SECONDS} s. Set the"
            " sender's clock, or sign the request anew."
        )
    return id


def _matches(signature: str, secret: str, id: str, timestamp: int, body: bytes) -> bool:
    version, _, given = signature.partition(",")
    if version != "v1":
        return False
    try:
        found = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(found, base64.b64decode(sign(secret, id, timestamp, body)[3:]))
