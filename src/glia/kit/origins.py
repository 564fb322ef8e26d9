"""Whose web pages may call this server: those of its own address always, of other origins as the operator says."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,*]+")
_USUAL_PORTS = {"http": ":80", "https": ":443"}
ANY = "*"


@dataclass(frozen=True)
class AllowedOrigins:
    """is_open: pages of every origin. listed: as browsers send them, `https://app.example.com`."""

    listed: frozenset[str] = frozenset()
    is_open: bool = False

    @classmethod
    def from_setting(cls, text: str) -> AllowedOrigins:
        """Reads `https://app.example.com,http://localhost:3000`, or `*`. Raises ValueError for what is no origin."""
        entries = {entry.strip().lower().rstrip("/") for entry in text.split(",") if entry.strip()}
        for entry in entries - {ANY}:
            if not _ORIGIN.fullmatch(entry):
                raise ValueError(f"{entry!r} is no origin; name it as `https://app.example.com`, or `*` for all")
        return cls(frozenset(_as_sent(entry) for entry in entries - {ANY}), ANY in entries)

    def __bool__(self) -> bool:
        return self.is_open or bool(self.listed)

    def allow(self, origin: str) -> bool:
        return self.is_open or origin in self.listed


def _as_sent(origin: str) -> str:
    """Browsers leave a scheme's usual port away."""
    return origin.removesuffix(_USUAL_PORTS.get(origin.partition("://")[0], ""))
