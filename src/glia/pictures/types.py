"""What a fetched picture is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """media_type: what the bytes are, whatever their server called them. content: all of them, unchanged."""

    media_type: str
    content: bytes
