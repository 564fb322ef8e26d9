"""How fast a key may ask: one token bucket per key, in this process."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from glia.kit.clock import monotonic


@dataclass(frozen=True)
class Decision:
    """limit: requests a minute, None when there is none. remaining: requests that are free at once.

    reset_seconds: until the whole limit is free again. retry_after_seconds: until one request is; 0 when allowed.
    """

    is_allowed: bool
    limit: int | None = None
    remaining: int = 0
    reset_seconds: int = 0
    retry_after_seconds: int = 0

    def headers(self) -> dict[str, str]:
        """`X-RateLimit-*`, and `Retry-After` on a refusal; all in seconds from now. Nothing when there is no limit."""
        if self.limit is None:
            return {}
        found = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }
        if not self.is_allowed:
            found["Retry-After"] = str(self.retry_after_seconds)
        return found


_UNLIMITED = Decision(True)


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class RateLimits:
    def __init__(
        self,
        *,
        default_per_minute: int | None = None,
        most_keys: int = 50_000,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """default_per_minute: for keys without a limit of their own; None lets those ask as fast as they like.

        most_keys: buckets kept, about 200 bytes each. The bucket used longest ago makes room; it has had the most
        time to fill, and a full bucket is the same as none.
        """
        self._default = default_per_minute
        self._most = most_keys
        self._clock = clock
        self._buckets: OrderedDict[UUID, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, key_id: UUID, rate_per_minute: int | None) -> Decision:
        """Takes one request out of the key's bucket, in constant time. A refused request costs nothing."""
        rate = rate_per_minute if rate_per_minute is not None else self._default
        if rate is None:
            return _UNLIMITED
        bucket = self._filled(key_id, rate)
        is_allowed = bucket.tokens >= 1
        if is_allowed:
            bucket.tokens -= 1
        return Decision(
            is_allowed,
            limit=rate,
            remaining=int(bucket.tokens),
            reset_seconds=math.ceil((rate - bucket.tokens) * 60 / rate),
            retry_after_seconds=0 if is_allowed else max(1, math.ceil((1 - bucket.tokens) * 60 / rate)),
        )

    def _filled(self, key_id: UUID, rate: int) -> _Bucket:
        """The key's bucket as it is now; it holds a minute's worth and fills evenly."""
        now = self._clock()
        bucket = self._buckets.get(key_id)
        if bucket is None:
            bucket = self._buckets[key_id] = _Bucket(float(rate), now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(key_id)
        bucket.tokens = min(float(rate), bucket.tokens + (now - bucket.at) * rate / 60)
        bucket.at = now
        return bucket
