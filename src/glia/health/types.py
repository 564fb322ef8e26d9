"""A service, and what trying it showed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True)
class Finding:
    """What a check found that did not fail. is_degraded: it does its work, but not as it should; detail says why."""

    detail: str = ""
    is_degraded: bool = False


@dataclass(frozen=True)
class Check:
    """One thing to try. attempt: fails, as with a GliaError, when the thing does not work.

    is_vital: the service is down without it; else only degraded.
    """

    name: str
    attempt: Callable[[], Awaitable[Finding]]
    is_vital: bool = True


@dataclass(frozen=True)
class CheckResult:
    """detail: a sentence for people; empty when there is nothing to say."""

    name: str
    status: Health
    latency_ms: float
    detail: str


@dataclass(frozen=True)
class ServiceStatus:
    """uptime_seconds: since it was last found down, or since this process began; 0 while it is down."""

    name: str
    status: Health
    version: str
    uptime_seconds: float
    checked_at: datetime
    checks: tuple[CheckResult, ...]

    @property
    def latency_ms(self) -> float:
        """All its checks together."""
        return sum(check.latency_ms for check in self.checks)
