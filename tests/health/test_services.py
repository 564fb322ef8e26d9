"""Each service is as what was tried of it."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from glia.health.errors import ServiceNotFound
from glia.health.service import ServicesHealth
from glia.health.types import Check, Finding
from glia.identity.types import Principal
from glia.kit.errors import Forbidden, Unavailable

PRINCIPAL = Principal(UUID(int=1), UUID(int=2), frozenset({"*:read"}))


class Thing:
    """Something that is tried."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.detail = ""
        self.seconds = 0.0
        self.times = 0

    async def attempt(self) -> Finding:
        self.times += 1
        await asyncio.sleep(self.seconds)
        if self.problem is not None:
            raise self.problem
        return Finding(self.detail, is_degraded=bool(self.detail))


class Clock:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def health_of(thing: Thing, clock: Clock, *, is_vital: bool = True) -> ServicesHealth:
    checks = [Check("thing", thing.attempt, is_vital), Check("other", Thing().attempt)]
    return ServicesHealth({"compute": checks}, seconds=0.05, clock=clock)


async def status(health: ServicesHealth, clock: Clock) -> tuple[str, str, float]:
    clock.at += 10
    found = await health.get(PRINCIPAL, "compute")
    return found.status, found.checks[0].detail, found.uptime_seconds


async def test_a_service_is_down_while_a_vital_check_fails_and_its_uptime_begins_anew() -> None:
    thing, clock = Thing(), Clock()
    health = health_of(thing, clock)

    assert await status(health, clock) == ("healthy", "", 10)
    thing.problem = Unavailable("No node runs.")
    assert await status(health, clock) == ("down", "No node runs.", 0)
    thing.problem = None
    assert await status(health, clock) == ("healthy", "", 0)
    assert await status(health, clock) == ("healthy", "", 10)


async def test_what_the_system_says_is_not_told_to_everybody() -> None:
    thing, clock = Thing(), Clock()
    thing.problem = OSError("/secret/path: no space")

    assert await status(health_of(thing, clock), clock) == ("down", "It failed: OSError.", 0)


async def test_a_check_that_hangs_ends() -> None:
    thing, clock = Thing(), Clock()
    thing.seconds = 60

    found = await status(health_of(thing, clock), clock)

    assert found[0] == "down"
    assert "longer than 0.05 s" in found[1]


@pytest.mark.parametrize(("detail", "is_vital"), [("slow", True), ("", False)])
async def test_a_service_is_degraded_by_what_it_can_do_without(detail: str, is_vital: bool) -> None:
    thing, clock = Thing(), Clock()
    thing.detail = detail
    thing.problem = None if detail else Unavailable("Gone.")

    assert (await status(health_of(thing, clock, is_vital=is_vital), clock))[0] == "degraded"


async def test_many_who_ask_at_once_are_told_of_one_try() -> None:
    thing, clock = Thing(), Clock()
    health = health_of(thing, clock)

    await asyncio.gather(*(health.list(PRINCIPAL) for _ in range(20)))

    assert thing.times == 1


async def test_asking_takes_a_scope_and_a_name_that_there_is() -> None:
    health = health_of(Thing(), Clock())
    with pytest.raises(ServiceNotFound):
        await health.get(PRINCIPAL, "billing")
    with pytest.raises(Forbidden):
        await health.list(Principal(UUID(int=1), UUID(int=2), frozenset({"agents:read"})))
