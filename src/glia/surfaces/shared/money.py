"""Money as surfaces show it that speak of dollars."""

from __future__ import annotations

from typing import overload


@overload
def usd(micros: int) -> float: ...
@overload
def usd(micros: None) -> None: ...


def usd(micros: int | None) -> float | None:
    """Micro-dollars as dollars; a price that nobody knows stays unknown."""
    return None if micros is None else micros / 1_000_000
