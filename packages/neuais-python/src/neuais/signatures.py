"""For those who receive webhooks: is a delivery what it says it is?"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from neuais._decoding import decode
from neuais.errors import InvalidSignature
from neuais.models import WebhookEvent

SIGNATURE_HEADER = "X-NeuAIs-Signature"
TIMESTAMP_HEADER = "X-NeuAIs-Timestamp"
ID_HEADER = "X-NeuAIs-Id"
"""The same for each try of one delivery: what was seen once may be left away."""

_PREFIX = "sha256="


def verify_signature(
    body: bytes, headers: Mapping[str, str], secret: str, *, tolerance_seconds: float = 300
) -> WebhookEvent:
    """The event of a delivery that was signed with `secret`, lately.

    body: the bytes as they came; parsed and written again they are others. headers: of the request, in any case.
    tolerance_seconds: how old it may be, so that a delivery someone has listened to cannot be sent again later.
    Raises InvalidSignature.
    """
    given = {name.lower(): value for name, value in headers.items()}
    signature = _header(given, SIGNATURE_HEADER)
    timestamp = _header(given, TIMESTAMP_HEADER)
    expected = _PREFIX + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise InvalidSignature("The signature is not the one that this secret gives.")
    try:
        age = abs(time.time() - float(timestamp))
    except ValueError as error:
        raise InvalidSignature(f"{TIMESTAMP_HEADER} is {timestamp!r:.100}, which is no number of seconds.") from error
    if not age <= tolerance_seconds:
        raise InvalidSignature(f"The delivery is {age:.0f} s old; {tolerance_seconds:.0f} s are allowed.")
    try:
        return decode(WebhookEvent, json.loads(body))
    except ValueError as error:
        raise InvalidSignature("The body is no JSON.") from error


def _header(given: Mapping[str, str], name: str) -> str:
    value = given.get(name.lower())
    if value is None:
        raise InvalidSignature(f"The delivery has no {name}.")
    return value
