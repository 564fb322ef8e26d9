"""When to ask a provider again, and how long to wait before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from glia.models.errors import ModelFailed


@dataclass(frozen=True)
class Retries:
    """attempts: with the first one. longest_wait_seconds: a provider that asks for more is given up at once."""

    attempts: int = 3
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def wait_seconds(self, attempt: int, failure: ModelFailed) -> float | None:
        """How long to wait after this failed attempt (the first is 1), or None to give up."""
        if attempt >= self.attempts or not failure.is_retryable:
            return None
        # Jitter keeps many runs that failed together from coming back together; it guards no secret.
        spread = random.uniform(0.5, 1.0)  # noqa: S311
        backoff = self.first_wait_seconds * 2 ** (attempt - 1) * spread
        asked = failure.retry_after_seconds
        if asked is None:
            return backoff
        return None if asked > self.longest_wait_seconds else asked + backoff * 0.1
