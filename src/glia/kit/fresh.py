"""What many ask for at once and may be a moment old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_ASKED_AT_ONCE: Final = 8
_MOST_KEPT: Final = 100


def _always(_asked_at: float, _value: object) -> bool:
    return True


class Fresh(Generic[T]):
    """One value for each key, asked for again when it is older than so many seconds. Who comes while it is being asked
    for waits for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[Hashable, tuple[float, T]] = {}
        self._asking = [asyncio.Lock() for _ in range(_ASKED_AT_ONCE)]

    async def of(
        self, key: Hashable, ask: Callable[[], Awaitable[T]], *, fits: Callable[[float, T], bool] = _always
    ) -> tuple[float, T]:
        """With the time on the monotonic clock before which it was asked for. fits: whether a value of a time does."""
        async with self._asking[hash(key) % _ASKED_AT_ONCE]:
            known = self._known.get(key)
            began = time.monotonic()
            if known is not None and began - known[0] < self._seconds and fits(*known):
                return known
            found = began, await ask()
            kept = self._known if len(self._known) < _MOST_KEPT else {}
            self._known = {key: value for key, value in kept.items() if began - value[0] < self._seconds}
            self._known[key] = found
            return found
