"""What was looked up lately: a bounded memory whose entries lapse."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from glia.kit.clock import monotonic

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `largest` entries; the one used longest ago makes room. Each lapses `seconds` after it was put."""

    def __init__(self, *, largest: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._largest = largest
        self._seconds = seconds
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry[0]:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: K, value: V, *, at_most_seconds: float | None = None) -> None:
        """at_most_seconds: lapses sooner, as when the thing itself expires."""
        seconds = self._seconds if at_most_seconds is None else min(self._seconds, at_most_seconds)
        self._entries[key] = (self._clock() + seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._largest:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()
