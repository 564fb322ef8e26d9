"""Addresses that open one object for a while: signed by this installation, whatever the contents lie in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from glia.kit.clock import now
from glia.kit.errors import InvalidRequest
from glia.storage.errors import LinkRefused
from glia.storage.types import Link

LONGEST_SECONDS = 7 * 86_400
_EXPIRES = re.compile(r"[0-9]{1,12}", re.ASCII)


class Links:
    def __init__(self, key: bytes) -> None:
        """key: secret, the same in every process of an installation."""
        self._key = key

    def sign(self, pathname: str, seconds: int) -> Link:
        if not 1 <= seconds <= LONGEST_SECONDS:
            raise InvalidRequest(
                f"`expires_in` is {seconds}; it must be between 1 and {LONGEST_SECONDS} seconds.", field="expires_in"
            )
        expires = int(now().timestamp()) + seconds
        return Link(pathname, expires, self._signature(pathname, expires))

    def check(self, pathname: str, expires: str, signature: str) -> None:
        """Raises LinkRefused."""
        at = int(expires) if _EXPIRES.fullmatch(expires) else 0
        if not hmac.compare_digest(self._signature(pathname, at).encode(), signature.encode()):
            raise LinkRefused("This address is not one that this server gave out; ask for a new one.")
        if at <= now().timestamp():
            raise LinkRefused("This address has expired; ask for a new one.")

    def _signature(self, pathname: str, expires: int) -> str:
        digest = hmac.digest(self._key, f"{expires}\n{pathname}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
