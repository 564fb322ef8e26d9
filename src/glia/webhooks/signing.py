"""Standard Webhooks signatures (https://www.standardwebhooks.com): who receives a delivery can tell that we sent it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

_PREFIX = "whsec_"
_KEY_BYTES = 32


def new_secret() -> str:
    return _PREFIX + base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def signature(secrets: Sequence[str], id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one `v1,` signature for each secret, separated by spaces."""
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return " ".join(_sign(base64.b64decode(secret.removeprefix(_PREFIX)), signed) for secret in secrets)


def _sign(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def timestamped_signature(secret: str, timestamp: int, body: bytes) -> str:
    """The hex HMAC of `<timestamp>.<body>` under the secret as it was given."""
    return plain_signature(secret, b"%d.%s" % (timestamp, body))


def plain_signature(secret: str, body: bytes) -> str:
    """The value of `X-Webhook-Signature`: the hex HMAC of the body under the secret as it was given."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
