"""Budgets and credit at the gateway: the same cent streamed and whole, refusals before anything is sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

from glia.gateway.service import read_chat
from glia.gateway.types import Answer
from glia.kit.errors import GliaError
from glia.usage.errors import BudgetBusy
from glia.usage.types import Budget, BudgetSpec
from tests.models.conftest import Reply
from tests.surfaces.openai.conftest import Live
from tests.surfaces.openai.test_chat import ASK, STREAM, chunk, client, reply, whole

# 10 tokens in at 1 micro-dollar and 4 out at 2, as the fixture's prices have it.
COST = 18


def limit(live: Live, **spec: Any) -> Budget:
    return live.do(live.house.budgets.create(live.principal, BudgetSpec(**{"scope": "workspace", **spec})))


def state(live: Live, budget: Budget) -> tuple[int, int]:
    found = live.do(live.house.budgets.get(live.principal, budget.id)).state
    return found.spent_micros, found.reserved_micros


def settled(live: Live, budget: Budget, is_done: Callable[[tuple[int, int]], bool]) -> tuple[int, int]:
    deadline = time.monotonic() + 60
    while not is_done(found := state(live, budget)):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def ask(live: Live, **options: Any) -> Any:
    return client(live).chat.completions.create(model="gpt-test", messages=ASK, **options)


def test_a_call_costs_the_same_whole_and_streamed_and_is_settled_when_the_client_hears_the_end(live: Live) -> None:
    budget = limit(live, limit_micros=1_000_000)
    spent = []
    for is_streamed in (False, True):
        if is_streamed:
            live.upstream.says(*STREAM)
            assert "".join(c.choices[0].delta.content or "" for c in ask(live, stream=True) if c.choices) == "Hello"
        else:
            live.upstream.script.append(reply(whole()))
            ask(live)
        spent.append(state(live, budget))

    assert spent == [(COST, 0), (2 * COST, 0)]
    assert [record.cost_micros for record in live.usage(2)] == [COST, COST]


def test_a_native_run_of_the_same_model_costs_the_same(live: Live) -> None:
    from glia.agents.types import AgentSpec
    from glia.runs.service import Said

    budget = limit(live, limit_micros=1_000_000)
    live.upstream.says(*STREAM)

    async def run() -> None:
        agent = await live.house.agents.create(live.principal, AgentSpec(name="Clerk", model="openai/gpt-test"))
        session = await live.house.sessions.create(live.principal, agent_id=agent.id)
        accepted = await live.house.runs.accept(live.principal, session.id, [Said("user", "Hi")])
        assert (await live.house.runs.outcome(live.principal, accepted)).type == "run.completed"

    live.do(run())

    assert state(live, budget) == (COST, 0)


def test_the_answer_is_given_a_cap_when_the_client_names_none(live: Live) -> None:
    limit(live, limit_micros=100_000)
    for options in ({}, {"max_tokens": 7}, {"max_completion_tokens": 9}):
        live.upstream.script.append(reply(whole()))
        ask(live, **options)

    sent = [seen.json for seen in live.upstream.posts]
    assert [body.get("max_tokens") for body in sent] == [4096, 7, None]
    assert sent[2]["max_completion_tokens"] == 9


def test_without_limits_the_body_is_not_touched(live: Live) -> None:
    live.upstream.script.append(reply(whole()))

    ask(live)

    assert "max_tokens" not in live.upstream.posts[-1].json


def test_a_budget_without_room_is_a_402_that_openai_clients_know(live: Live) -> None:
    budget = limit(live, limit_micros=100)

    for options in ({}, {"stream": True}):
        with pytest.raises(openai.APIStatusError) as refused:
            ask(live, **options)
        error: Any = refused.value
        assert error.status_code == 402
        assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota")
        assert str(budget.id) in error.message

    assert live.upstream.posts == []


def test_what_others_hold_is_a_429_that_says_when_to_come_back(live: Live) -> None:
    limit(live, limit_micros=12_000)
    is_refused = asyncio.Event()
    said = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    live.upstream.script.append(Reply([is_refused, said], content_type="application/json"))

    async def two() -> tuple[Any, Any]:
        gateway, call = live.house.gateway, read_chat(b'{"model":"gpt-test","messages":[],"max_tokens":4000}')
        first = asyncio.ensure_future(gateway.complete(live.principal, call))
        while not live.upstream.posts:
            await asyncio.sleep(0.01)
        second = await asyncio.gather(gateway.complete(live.principal, call), return_exceptions=True)
        is_refused.set()
        return await first, second[0]

    first, second = live.do(two())

    assert first.status == 200
    assert isinstance(second, BudgetBusy)
    assert (second.status, second.retry_after_seconds) == (429, 1.0)


def test_credit_that_does_not_cover_a_call_is_a_402_before_it_is_made(live: Live) -> None:
    house, principal = live.house, live.principal
    live.do(house.credits.enable(principal, is_enabled=True))
    with pytest.raises(openai.APIStatusError) as refused:
        ask(live)
    assert refused.value.status_code == 402
    assert refused.value.code == "insufficient_quota"
    assert live.upstream.posts == []

    live.do(house.credits.grant(principal, 10_000))
    live.upstream.says(*STREAM)
    list(ask(live, stream=True))

    found = live.do(house.credits.balance(principal))
    assert (found.balance_micros, found.held_micros, found.spent_micros) == (10_000 - COST, 0, COST)


def test_a_providers_refusal_costs_nothing(live: Live) -> None:
    budget = limit(live, limit_micros=100_000)
    for options in ({}, {"stream": True}):
        live.upstream.fails(400, {"error": {"message": "no"}})
        with pytest.raises(openai.BadRequestError):
            ask(live, **options)

    assert settled(live, budget, lambda found: found[1] == 0) == (0, 0)


def test_a_client_that_leaves_pays_for_what_was_said(live: Live) -> None:
    budget = limit(live, limit_micros=100_000)
    live.upstream.script.append(
        Reply([b'data: {"choices":[{"delta":{"content":"Hello there"}}]}\n\n', 30.0, b"data: [DONE]\n\n"])
    )

    stream = ask(live, stream=True)
    next(iter(stream))
    assert state(live, budget)[1] > 8_000
    stream.close()

    spent, _ = settled(live, budget, lambda found: found[1] == 0)
    assert 0 < spent < 200


def test_several_answers_and_pictures_are_reckoned_with(live: Live) -> None:
    budget = limit(live, limit_micros=10**9)
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "Which cat?"}, picture]}]
    seen: list[int] = []

    async def look(asked: Any) -> None:
        task = asyncio.ensure_future(live.house.gateway.complete(live.principal, asked))
        count = len(live.upstream.posts)
        while len(live.upstream.posts) == count:
            await asyncio.sleep(0.01)
        seen.append((await live.house.budgets.get(live.principal, budget.id)).state.reserved_micros)
        is_seen.set()
        await task
        is_seen.clear()

    is_seen = asyncio.Event()
    from orjson import dumps

    for body in (
        {"model": "gpt-test", "messages": ASK, "max_tokens": 1000},
        {"model": "gpt-test", "messages": ASK, "max_tokens": 1000, "n": 3},
        {"model": "gpt-test", "messages": messages, "max_tokens": 1000},
    ):
        live.upstream.script.append(Reply([is_seen, dumps(whole())], content_type="application/json"))
        live.do(look(read_chat(dumps(body))))

    one, three, pictured = seen
    assert 2_000 < one < 3_000
    assert 6_000 < three < 7_000
    assert pictured > 50_000
    live.upstream.script.append(reply(whole()))
    ask(live, n=2, extra_body={"max_tokens": None})
    assert live.upstream.posts[-1].json["max_tokens"] == 4096


def test_embeddings_are_limited_too(live: Live) -> None:
    budget = limit(live, limit_micros=1_000)
    answer = {"data": [], "usage": {"prompt_tokens": 5, "total_tokens": 5}}
    live.upstream.script.append(reply(answer))
    embeddings = client(live).embeddings

    embeddings.create(model="gpt-test", input="Hi", encoding_format="float")
    assert state(live, budget) == (5, 0)
    with pytest.raises(openai.APIStatusError) as refused:
        embeddings.create(model="gpt-test", input="x" * 2_000, encoding_format="float")

    assert refused.value.status_code == 402


def test_models_in_this_process_are_free(live: Live) -> None:
    budget = limit(live, limit_micros=0)

    answer = client(live).chat.completions.create(model="glia/embedded", messages=ASK)
    streamed = list(client(live).chat.completions.create(model="glia/embedded", messages=ASK, stream=True))

    assert answer.choices[0].message.content
    assert streamed
    assert state(live, budget) == (0, 0)


def test_an_agent_without_room_answers_402_and_its_run_waits(live: Live) -> None:
    from glia.agents.types import AgentSpec

    agent = live.do(live.house.agents.create(live.principal, AgentSpec(name="Clerk", model="openai/gpt-test")))
    budget = limit(live, limit_micros=100, scope="agent", subject_id=agent.id)

    with pytest.raises(openai.APIStatusError) as refused:
        client(live).chat.completions.create(model="agent:clerk", messages=ASK)
    assert (refused.value.status_code, refused.value.code) == (402, "insufficient_quota")
    run = refused.value.response.headers["x-glia-run-id"]
    live.upstream.says(*STREAM)
    live.do(live.house.budgets.update(live.principal, budget.id, {"limit_micros": 100_000}))

    assert settled(live, budget, lambda found: found[0] > 0) == (COST, 0)
    from uuid import UUID

    assert live.do(live.house.runs.get(live.principal, UUID(run))).cost_micros == COST


async def _many(live: Live, budget: Budget, calls: int) -> tuple[list[Any], int]:
    """Calls at once, half of them streamed; what came of each, and the most that was ever spent and held."""
    gateway, most, done = live.house.gateway, 0, asyncio.Event()

    async def watch() -> None:
        nonlocal most
        while not done.is_set():
            found = (await live.house.budgets.get(live.principal, budget.id)).state
            most = max(most, found.spent_micros + found.reserved_micros)
            await asyncio.sleep(0.005)

    async def one(number: int) -> Any:
        try:
            if number % 2:
                body = b'{"model":"gpt-test","messages":[],"max_tokens":50,"stream":true}'
                begun = await gateway.stream(live.principal, read_chat(body))
                assert not isinstance(begun, Answer)
                return b"".join([piece async for piece in begun[0]])
            return await gateway.complete(
                live.principal, read_chat(b'{"model":"gpt-test","messages":[],"max_tokens":50}')
            )
        except GliaError as error:
            return error

    watching = asyncio.ensure_future(watch())
    found = await asyncio.gather(*(one(number) for number in range(calls)))
    done.set()
    await watching
    return found, most


class _Dear:
    """An upstream that takes its time and charges 100 micro-dollars: 50 tokens at 2."""

    def fill(self, live: Live) -> None:
        usage = {"prompt_tokens": 0, "completion_tokens": 50, "total_tokens": 50}
        events = (chunk({"content": "x"}, "stop"), {"choices": [], "usage": usage})
        original = live.upstream._reply_to

        def answer(method: str) -> Reply:
            if method != "POST":
                return original(method)
            import json

            if live.upstream.seen[-1].json.get("stream"):
                pieces = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
                return Reply([0.05, *pieces, b"data: [DONE]\n\n"])
            return Reply([0.05, json.dumps(whole(usage=usage)).encode()], content_type="application/json")

        live.upstream._reply_to = answer  # type: ignore[method-assign]


def test_a_hundred_calls_at_once_overshoot_by_nothing(own_live: Live) -> None:
    _Dear().fill(own_live)
    budget = limit(own_live, limit_micros=1_500)

    found, most = own_live.do(_many(own_live, budget, 100))

    refused = [answer for answer in found if isinstance(answer, GliaError)]
    spent, reserved = state(own_live, budget)
    assert {error.code for error in refused} <= {"budget_busy", "budget_exceeded"}
    assert (spent, reserved) == (100 * (100 - len(refused)), 0)
    assert 100 <= spent <= 1_500
    assert most <= 1_500


def test_without_reserving_a_hundred_calls_overshoot(own_live: Live) -> None:
    """The control: the same calls, counted but not held."""
    _Dear().fill(own_live)
    own_live.house.gateway._reserving._spending = None
    budget = limit(own_live, limit_micros=1_500)

    found, _ = own_live.do(_many(own_live, budget, 40))
    for _ in range(100):
        own_live.do(own_live.house.meter.flush())
        if len(own_live.usage(40)) == 40:
            break

    assert not [answer for answer in found if isinstance(answer, GliaError)]
    assert sum(record.cost_micros or 0 for record in own_live.usage(40)) == 4_000


def test_a_call_that_the_database_cannot_settle_at_once_is_settled_later(
    own_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glia.kit.errors import DatabaseUnavailable

    budget = limit(own_live, limit_micros=100_000)
    own_live.upstream.script.append(reply(whole()))

    async def away(_record: object) -> None:
        raise DatabaseUnavailable("The database connection was lost; try again shortly.")

    monkeypatch.setattr(own_live.house.spending, "settle", away)
    ask(own_live)

    assert settled(own_live, budget, lambda found: found[1] == 0) == (COST, 0)
    assert len(own_live.usage(1)) == 1


def test_a_field_that_counts_answers_must_be_a_number(live: Live) -> None:
    limit(live, limit_micros=100_000)
    for options, field in (({"max_tokens": -1}, "max_tokens"), ({"extra_body": {"n": "many"}}, "n")):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(live, **options)
        assert refused.value.param == field
