"""How each service is: its checks are tried, each for a limited time, whenever somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import psycopg

from glia import __version__
from glia.health.errors import ServiceNotFound
from glia.health.types import Check, CheckResult, Finding, Health, ServiceStatus
from glia.identity.types import Principal
from glia.kit.clock import monotonic, now
from glia.kit.errors import GliaError

__all__ = ["LONGEST_CHECK_SECONDS", "ServicesHealth"]

LONGEST_CHECK_SECONDS = 3.0
_FRESH_SECONDS = 1.0
"""What was found is told for so long, so that asking all the time does not keep the services busy."""


class ServicesHealth:
    def __init__(
        self,
        services: Mapping[str, Sequence[Check]],
        *,
        seconds: float = LONGEST_CHECK_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """services: by name, in the order in which they are shown. seconds: for one check."""
        self._services = {name: _Service(name, tuple(checks), seconds, clock) for name, checks in services.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._services)

    async def list(self, principal: Principal) -> list[ServiceStatus]:
        """All of them, tried at the same time."""
        principal.require("health:read")
        return list(await asyncio.gather(*(service.status() for service in self._services.values())))

    async def get(self, principal: Principal, name: str) -> ServiceStatus:
        """Raises ServiceNotFound."""
        principal.require("health:read")
        service = self._services.get(name)
        if service is None:
            raise ServiceNotFound(f"There is no service {name[:100]!r}; there are {', '.join(self._services)}.")
        return await service.status()


class _Service:
    def __init__(self, name: str, checks: Sequence[Check], seconds: float, clock: Callable[[], float]) -> None:
        self._name = name
        self._checks = checks
        self._seconds = seconds
        self._clock = clock
        self._up_since: float | None = clock()
        self._last: ServiceStatus | None = None
        self._tried_at = 0.0
        self._lock = asyncio.Lock()

    async def status(self) -> ServiceStatus:
        async with self._lock:
            if self._last is None or self._clock() - self._tried_at >= _FRESH_SECONDS:
                self._last = await self._tried()
                self._tried_at = self._clock()
            return self._last

    async def _tried(self) -> ServiceStatus:
        results = await asyncio.gather(*(self._result(check) for check in self._checks))
        status = _worst(results, self._checks)
        if status is Health.DOWN:
            self._up_since = None
        elif self._up_since is None:
            self._up_since = self._clock()
        uptime = 0.0 if self._up_since is None else self._clock() - self._up_since
        return ServiceStatus(self._name, status, __version__, uptime, now(), tuple(results))

    async def _result(self, check: Check) -> CheckResult:
        started = self._clock()
        try:
            async with asyncio.timeout(self._seconds):
                found = await check.attempt()
            status = Health.DEGRADED if found.is_degraded else Health.HEALTHY
        except TimeoutError:
            status, found = Health.DOWN, Finding(f"It took longer than {self._seconds:g} s.")
        except GliaError as error:
            status, found = Health.DOWN, Finding(error.message)
        except (OSError, psycopg.Error) as error:
            # What the system says may hold addresses and paths, which are for the log and not for everybody.
            status, found = Health.DOWN, Finding(f"It failed: {type(error).__name__}.")
        return CheckResult(check.name, status, round((self._clock() - started) * 1000, 3), found.detail)


def _worst(results: Sequence[CheckResult], checks: Sequence[Check]) -> Health:
    if any(result.status is Health.DOWN and check.is_vital for result, check in zip(results, checks, strict=True)):
        return Health.DOWN
    return Health.HEALTHY if all(result.status is Health.HEALTHY for result in results) else Health.DEGRADED
