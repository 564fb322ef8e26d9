"""Money as surfaces show it that speak of dollars."""

from __future__ import annotations


def usd(micros: int | None) -> float | None:
    """Micro-dollars as dollars; a price that nobody knows stays unknown."""
    return None if micros is None else micros / 1_000_000
