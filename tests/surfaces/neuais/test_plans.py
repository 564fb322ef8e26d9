"""How many requests a workspace may make a minute."""

from __future__ import annotations

import time
from typing import Any

import pytest

from glia.identity.types import Credentials, Plan
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuais.conftest import Neuais, refusal


def give(server: Server, credentials: Credentials, plan: Plan | None, rate: int | None = None) -> None:
    async def work(house: Any) -> None:
        operator = await house.identity.operator(credentials.workspace)
        await house.identity.plans.set(operator, plan, requests_per_minute=rate)

    server.do(work)


def limits(answer: Any) -> tuple[int, int, int]:
    found = answer.headers
    return tuple(int(found[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))  # type: ignore[return-value]


def test_every_answer_says_what_is_left(neuais: Neuais):
    for answer in (
        neuais.get("/v1/agents"),
        neuais.get("/v1/agents/none"),
        neuais.get("/v1/nothing"),
        neuais.post("/v1/agents", {}),
        Neuais(neuais.port).get("/v1/agents"),
        Neuais(neuais.port, "wrong").get("/v1/agents"),
        Neuais(neuais.port).post("/v1/auth/token", {"email": "nobody@example.org", "password": "wrong words"}),
    ):
        limit, remaining, reset = limits(answer)
        assert 0 <= remaining < limit
        assert time.time() - 2 <= reset <= time.time() + 62


@pytest.mark.parametrize(("plan", "rate"), [(Plan.FREE, 100), (Plan.PRO, 1000)])
def test_a_plan_has_its_limit(neuais: Neuais, server: Server, credentials: Credentials, plan: Plan, rate: int):
    give(server, credentials, plan)

    limit, remaining, _ = limits(neuais.get("/v1/agents"))

    assert (limit, remaining) == (rate, rate - 1)


def test_all_keys_of_a_workspace_share_its_plan(neuais: Neuais, server: Server, credentials: Credentials):
    give(server, credentials, Plan.ENTERPRISE, 6)
    other = Neuais(neuais.port, Client(neuais.port, neuais.key).made("/v1/keys", {"name": "Other"})["key"])

    left = [limits(one.get("/v1/agents"))[1] for one in (neuais, other, neuais, other, neuais, other)]
    refused = neuais.get("/v1/agents")

    assert left == [5, 4, 3, 2, 1, 0]
    refusal(refused, 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert limits(refused)[:2] == (6, 0)
    refusal(other.get("/v1/nothing"), 429)
    assert Client(neuais.port, neuais.key).get("/v1/me").status == 200  # the native surface counts by key


def test_a_keys_own_limit_holds_beside_the_plan(neuais: Neuais):
    made = Client(neuais.port, neuais.key).made("/v1/keys", {"name": "Slow", "rate_per_minute": 2})
    slow = Neuais(neuais.port, made["key"])

    assert [slow.get("/v1/agents").status for _ in range(3)] == [200, 200, 429]
    assert neuais.get("/v1/agents").status == 200
