"""How fast a key may ask: a token bucket for each key, in this process, or a strict count of each minute, of all."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from glia.identity.minutes import Minutes
from glia.identity.types import Decision
from glia.kit.clock import monotonic
from glia.kit.errors import DatabaseUnavailable

_UNLIMITED = Decision(True)
_MINUTE_SECONDS = 60.0


class _Bucket:
    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class _Minute:
    __slots__ = ("at", "requests")

    def __init__(self, at: float) -> None:
        self.at = at
        self.requests = 0


class RateLimits:
    def __init__(
        self,
        *,
        default_per_minute: int | None = None,
        most_keys: int = 50_000,
        clock: Callable[[], float] = monotonic,
        minutes: Minutes | None = None,
    ) -> None:
        """default_per_minute: for keys without a limit of their own; None lets those ask as fast as they like.

        most_keys: buckets kept, about 200 bytes each. The bucket used longest ago makes room; it has had the most
        time to fill, and a full bucket is the same as none. minutes: counts strictly for all processes together.
        """
        self._shared = minutes
        self._default = default_per_minute
        self._most = most_keys
        self._clock = clock
        self._buckets: OrderedDict[UUID, _Bucket] = OrderedDict()
        self._minutes: OrderedDict[UUID, _Minute] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    async def count(self, key_id: UUID, rate_per_minute: int | None, *, is_strict: bool = False) -> Decision:
        """As `allow`; a strict count is that of all processes together, and of this one while the database is away."""
        rate = rate_per_minute if rate_per_minute is not None else self._default
        if is_strict and rate is not None and self._shared is not None:
            try:
                return await self._shared.take(key_id, rate)
            except DatabaseUnavailable:
                pass
        return self.allow(key_id, rate, is_strict=is_strict)

    def allow(self, key_id: UUID, rate_per_minute: int | None, *, is_strict: bool = False) -> Decision:
        """Takes one request out of the key's bucket, in constant time. A refused request costs nothing.

        is_strict: count the requests of a minute instead, from the first one on: one more than the limit is refused
        however evenly they come, where a bucket has refilled a little meanwhile.
        """
        rate = rate_per_minute if rate_per_minute is not None else self._default
        if rate is None:
            return _UNLIMITED
        if is_strict:
            return self._within_minute(key_id, rate)
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
            requests=rate - int(bucket.tokens) if is_allowed else rate + 1,
        )

    def _within_minute(self, key_id: UUID, rate: int) -> Decision:
        now = self._clock()
        minute = self._minutes.pop(key_id, None)
        if minute is None or now - minute.at >= _MINUTE_SECONDS:
            minute = _Minute(now)
        self._minutes[key_id] = minute
        if len(self._minutes) > self._most:
            self._minutes.popitem(last=False)
        minute.requests += 1
        is_allowed = minute.requests <= rate
        left = max(1, math.ceil(minute.at + _MINUTE_SECONDS - now))
        return Decision(
            is_allowed,
            limit=rate,
            remaining=max(0, rate - minute.requests),
            reset_seconds=left,
            retry_after_seconds=0 if is_allowed else left,
            requests=minute.requests,
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
