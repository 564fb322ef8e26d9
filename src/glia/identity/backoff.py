"""Makes guessing slow: after some failures each further one doubles the wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from glia.kit.clock import monotonic
from glia.kit.errors import RateLimited


@dataclass
class _Failures:
    count: int
    at: float


class Backoff:
    """Counts failures per name in this process. Bounded: the name that failed longest ago makes room."""

    def __init__(
        self,
        *,
        free: int,
        longest_wait_seconds: float,
        forget_seconds: float = 3600,
        most: int = 10_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """free: failures without a wait. forget_seconds: after so long without a failure the count starts anew."""
        self._free = free
        self._longest = longest_wait_seconds
        self._forget = forget_seconds
        self._most = most
        self._clock = clock
        self._names: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def wait_seconds(self, name: str) -> float:
        """How long this name must still wait; 0 when it may try."""
        failures = self._names.get(name)
        if failures is None or failures.count < self._free:
            return 0
        pause = min(self._longest, 2.0 ** min(failures.count - self._free, 30))
        return max(0.0, failures.at + pause - self._clock())

    def require(self, name: str) -> None:
        """Raises RateLimited while the name must wait."""
        if wait := self.wait_seconds(name):
            seconds = max(1, round(wait))
            raise RateLimited(f"Too many failed sign-ins; try again in {seconds} seconds.", retry_after_seconds=seconds)

    def failed(self, name: str) -> None:
        now = self._clock()
        failures = self._names.get(name)
        if failures is None or now - failures.at > self._forget:
            failures = self._names[name] = _Failures(0, now)
        failures.count += 1
        failures.at = now
        self._names.move_to_end(name)
        if len(self._names) > self._most:
            self._names.popitem(last=False)

    def succeeded(self, name: str) -> None:
        self._names.pop(name, None)

    def uncount(self, name: str) -> None:
        """Takes back one failure that was none after all; those before it still count."""
        if failures := self._names.get(name):
            failures.count -= 1
