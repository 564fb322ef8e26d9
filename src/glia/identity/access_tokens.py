"""Signed access tokens for people who signed in. The only module that knows PyJWT."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from glia.identity.errors import WrongCredentials
from glia.kit.ids import new_id

LIFETIME_SECONDS = 15 * 60
_LONGEST = 4096
_ISSUER = _AUDIENCE = "glia"
_CLAIMS = ("iss", "aud", "sub", "ws", "gen", "iat", "exp", "jti")


@dataclass(frozen=True)
class Claims:
    """generation: tokens made before the user's last change of password carry a lower one."""

    user_id: UUID
    workspace_id: UUID
    generation: int


class AccessTokens:
    def __init__(self, key: bytes) -> None:
        """key: 32 secret bytes, the same in every process of an installation."""
        self._key = key

    def issue(self, claims: Claims, lifetime_seconds: int = LIFETIME_SECONDS) -> str:
        import jwt

        now = int(time.time())
        payload: dict[str, object] = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": str(claims.user_id),
            "ws": str(claims.workspace_id),
            "gen": claims.generation,
            "iat": now,
            "exp": now + lifetime_seconds,
            "jti": new_id().hex,
        }
        return jwt.encode(payload, self._key, algorithm="HS256")

    def read(self, token: str) -> Claims:
        """Raises WrongCredentials when the token has expired or was not signed here."""
        import jwt

        if len(token) > _LONGEST:
            raise WrongCredentials("This is not an access token that this server gave out; sign in again.")
        try:
            payload: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=_ISSUER,
                audience=_AUDIENCE,
                leeway=5,
                options={"require": list(_CLAIMS)},
            )
            return Claims(UUID(payload["sub"]), UUID(payload["ws"]), int(payload["gen"]))
        except jwt.ExpiredSignatureError:
            raise WrongCredentials("The access token has expired; refresh it or sign in again.") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            raise WrongCredentials("This is not an access token that this server gave out; sign in again.") from None
