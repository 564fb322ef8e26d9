"""What operators of NeuronAgent set in the environment, under the names they know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Origins:
    """Web pages that may call. listed: None when the operator said nothing: then all may, except in production."""

    listed: frozenset[str] | None
    is_production: bool

    def allow(self, origin: str | None) -> bool:
        """No origin at all is no web page."""
        if origin is None:
            return True
        if self.listed is None:
            return not self.is_production
        return origin in self.listed or "*" in self.listed

    @property
    def are_open(self) -> bool:
        return (self.listed is None and not self.is_production) or (self.listed is not None and "*" in self.listed)


@dataclass(frozen=True)
class Config:
    """rejects_unknown_fields: else they are named in `X-Ignored-Fields`."""

    cors: Origins
    websocket: Origins
    rejects_unknown_fields: bool = False


def read_config(environment: Mapping[str, str]) -> Config:
    """CORS_ALLOWED_ORIGINS, WEBSOCKET_ALLOWED_ORIGINS (else the former), CONFIG_PROFILE or ENV (`prod`),
    CONFIG_REJECT_UNKNOWN_FIELDS."""
    profile = (environment.get("CONFIG_PROFILE") or environment.get("ENV") or "").strip().lower()
    is_production = profile in {"prod", "production"}
    cors = _listed(environment.get("CORS_ALLOWED_ORIGINS"))
    sockets = _listed(environment.get("WEBSOCKET_ALLOWED_ORIGINS"))
    return Config(
        Origins(cors, is_production),
        Origins(cors if sockets is None else sockets, is_production),
        environment.get("CONFIG_REJECT_UNKNOWN_FIELDS", "").strip().lower() in {"1", "true", "yes", "on"},
    )


def _listed(text: str | None) -> frozenset[str] | None:
    names = frozenset(name.strip().rstrip("/") for name in (text or "").split(",") if name.strip())
    return names or None
