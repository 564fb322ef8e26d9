from uuid import UUID

from glia.identity.backoff import Backoff
from glia.identity.limits import RateLimits
from glia.identity.recent import Recent
from glia.kit.ids import new_id


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_may_use_a_minutes_worth_at_once_and_then_waits() -> None:
    clock, key = Clock(), new_id()
    limits = RateLimits(clock=clock)

    decisions = [limits.allow(key, 60) for _ in range(61)]

    assert [decision.is_allowed for decision in decisions] == [True] * 60 + [False]
    assert decisions[0].headers() == {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "59",
        "X-RateLimit-Reset": "1",
    }
    assert decisions[60].headers()["Retry-After"] == "1"
    assert decisions[60].remaining == 0
    assert decisions[60].reset_seconds == 60


def test_a_refused_key_is_let_in_after_its_retry_time() -> None:
    clock, key = Clock(), new_id()
    limits = RateLimits(clock=clock)
    limits.allow(key, 2)
    limits.allow(key, 2)

    refused = limits.allow(key, 2)
    clock.now += refused.retry_after_seconds

    assert not refused.is_allowed
    assert refused.retry_after_seconds == 30
    assert limits.allow(key, 2).is_allowed
    assert not limits.allow(key, 2).is_allowed


def test_keys_do_not_share_a_bucket_and_a_rest_fills_it_no_further_than_full() -> None:
    clock, one, other = Clock(), new_id(), new_id()
    limits = RateLimits(clock=clock)
    limits.allow(one, 1)
    clock.now += 3600

    assert limits.allow(other, 1).is_allowed
    assert limits.allow(one, 1).is_allowed
    assert not limits.allow(one, 1).is_allowed


def test_a_key_without_a_limit_has_the_servers_or_none() -> None:
    key = new_id()

    assert RateLimits().allow(key, None).headers() == {}
    assert RateLimits(default_per_minute=5).allow(key, None).limit == 5


def test_many_keys_do_not_grow_the_memory() -> None:
    limits = RateLimits(most_keys=100)
    for number in range(1000):
        limits.allow(UUID(int=number), 1)

    assert len(limits) == 100
    assert not limits.allow(UUID(int=999), 1).is_allowed


def test_failures_beyond_the_free_ones_double_the_wait() -> None:
    clock = Clock()
    backoff = Backoff(free=2, longest_wait_seconds=10, clock=clock)

    waits = []
    for _ in range(8):
        backoff.failed("ann")
        waits.append(backoff.wait_seconds("ann"))

    assert waits == [0, 1, 2, 4, 8, 10, 10, 10]
    assert backoff.wait_seconds("bob") == 0
    clock.now += 10
    assert backoff.wait_seconds("ann") == 0
    backoff.succeeded("ann")
    backoff.failed("ann")
    assert backoff.wait_seconds("ann") == 0


def test_a_failure_long_ago_no_longer_counts() -> None:
    clock = Clock()
    backoff = Backoff(free=1, longest_wait_seconds=10, forget_seconds=60, most=3, clock=clock)
    for _ in range(5):
        backoff.failed("ann")
    clock.now += 61
    backoff.failed("ann")

    assert backoff.wait_seconds("ann") == 1
    for number in range(10):
        backoff.failed(str(number))
    assert len(backoff) == 3


def test_what_was_looked_up_lapses_and_makes_room() -> None:
    clock = Clock()
    recent: Recent[str, int] = Recent(largest=2, seconds=60, clock=clock)
    recent.put("a", 1)
    recent.put("b", 2, at_most_seconds=5)
    assert recent.get("a") == 1

    recent.put("c", 3)

    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
    recent.put("b", 2, at_most_seconds=5)
    clock.now += 5
    assert recent.get("b") is None
    assert recent.get("c") == 3
    clock.now += 55
    assert recent.get("c") is None
    assert len(recent) == 0


def test_a_strict_minute_refuses_one_more_than_the_limit_however_evenly_they_come() -> None:
    now = [0.0]
    limits = RateLimits(clock=lambda: now[0])
    key = new_id()

    decisions = []
    for _ in range(61):
        decisions.append(limits.allow(key, 60, is_strict=True))
        now[0] += 0.5
    now[0] = 60.0
    again = limits.allow(key, 60, is_strict=True)

    assert [decision.is_allowed for decision in decisions] == [True] * 60 + [False]
    assert (decisions[-1].requests, decisions[-1].retry_after_seconds) == (61, 30)
    assert (again.is_allowed, again.requests, again.remaining) == (True, 1, 59)
