from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from glia.kit.errors import InvalidRequest, Unavailable
from glia.kit.outbound import Outbound
from glia.models import listing
from glia.models.errors import ModelAmbiguous, ModelFailed, ModelNotFound
from glia.models.providers import Provider
from glia.models.service import Configuration, Models, Retries, UsageScanner, estimate_input_tokens, read_prices
from glia.models.types import (
    FinishReason,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    TextDelta,
    TokenUsage,
    UserMessage,
)

REQUEST = ModelRequest(model="", messages=[UserMessage("Hi")])


class Embedded:
    """Stands where the built-in model will be."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        yield TextDelta("built in")
        yield ModelResponse("built in", "", (), TokenUsage(1, 2), FinishReason.STOP, request.model, None, 0)


class Waits:
    """Collects the waits instead of waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def provider(name: str, server, **facts: object) -> Provider:
    return Provider(name, server.url, **facts)


def models(outbound: Outbound, *providers: Provider, waits: Waits | None = None, **more: object) -> Models:
    embedded = more.pop("embedded", Embedded())
    return Models(
        outbound,
        Configuration(providers, **more),
        embedded=embedded,
        retries=Retries(sleep=waits or Waits()),
    )


async def answer(service: Models, name: str | None, **more: str) -> tuple[list[ModelEvent], ModelResponse]:
    events = [event async for event in service.stream(name, REQUEST, **more)]
    assert isinstance(events[-1], ModelResponse)
    return events[:-1], events[-1]


def say(server, text: str = "ok", **usage: int) -> None:
    server.says(
        {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 100, **usage}},
    )


# Which model is meant


async def test_with_nothing_configured_the_built_in_model_answers(outbound: Outbound) -> None:
    _, response = await answer(models(outbound), None)

    assert (response.model, response.cost_micros) == ("glia/embedded", 0)


async def test_without_any_model_the_way_out_is_named(outbound: Outbound) -> None:
    with pytest.raises(Unavailable, match="OPENAI_API_KEY"):
        await models(outbound, embedded=None).resolve(None)


async def test_the_default_is_the_configured_one_then_the_first_providers(server, other_server, outbound) -> None:
    first, second = provider("one", server, default_model="a"), provider("two", other_server, default_model="b")

    assert (await models(outbound, first, second).resolve(None)).id == "one/a"
    assert (await models(outbound, first, second, default_model="two/x").resolve(None)).id == "two/x"


async def test_a_default_that_does_not_exist_names_its_variable(server, outbound: Outbound) -> None:
    server.models = ["a"]

    with pytest.raises(Unavailable, match="GLIA_DEFAULT_MODEL is 'two/x'"):
        await models(outbound, provider("one", server), default_model="two/x").resolve(None)


async def test_a_provider_without_a_default_answers_with_its_first_chat_model(server, outbound: Outbound) -> None:
    server.models = ["text-embedding-3-small", "whisper-1", "chatty"]

    assert (await models(outbound, provider("one", server)).resolve(None)).id == "one/chatty"


async def test_a_local_server_is_found_and_used_before_the_built_in_model(
    server, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine a third of a second may be short for a test.
    monkeypatch.setattr(listing, "PROBE_TIMEOUTS", listing.LISTING_TIMEOUTS)
    server.models = ["qwen3:latest"]
    service = models(outbound, candidates=(provider("ollama", server, is_local=True),))

    assert (await service.resolve(None)).id == "ollama/qwen3:latest"
    assert (await service.resolve("qwen3")).id == "ollama/qwen3:latest"
    assert (await service.resolve("ollama/other")).id == "ollama/other"
    assert len(server.seen) == 1


async def test_a_local_server_that_is_not_there_is_not_used(outbound: Outbound) -> None:
    service = models(outbound, candidates=(Provider("ollama", "http://127.0.0.1:9/v1", is_local=True),))

    assert (await service.resolve(None)).id == "glia/embedded"
    assert [info.id for info in await service.list()] == ["glia/embedded"]


async def test_a_bare_name_means_the_one_provider_that_lists_it(server, other_server, outbound: Outbound) -> None:
    server.models, other_server.models = ["a", "both"], ["b", "both", "vendor/c"]
    service = models(outbound, provider("one", server), provider("two", other_server))

    assert (await service.resolve("b")).id == "two/b"
    assert (await service.resolve("vendor/c")).id == "two/vendor/c"
    assert (await service.resolve("embedded")).id == "glia/embedded"
    with pytest.raises(ModelAmbiguous, match="'one/both', 'two/both'"):
        await service.resolve("both")


async def test_a_default_decides_between_providers_of_the_same_name(server, other_server, outbound: Outbound) -> None:
    server.models = other_server.models = ["both"]
    service = models(outbound, provider("one", server), provider("two", other_server, default_model="both"))

    assert (await service.resolve("both")).id == "two/both"


async def test_an_unknown_name_lists_the_near_ones(server, outbound: Outbound) -> None:
    server.models = ["gpt-4.1-mini", "gpt-4.1", "unrelated"]

    with pytest.raises(ModelNotFound, match=r"'gpt-4\.1-mni'.*'one/gpt-4\.1-mini'") as caught:
        await models(outbound, provider("one", server), provider("two", server)).resolve("gpt-4.1-mni")

    assert "one/unrelated" not in caught.value.near
    assert caught.value.status == 404


async def test_a_name_that_the_only_server_does_not_list_is_taken_at_its_word(server, outbound: Outbound) -> None:
    server.models = ["gpt-4.1"]

    assert (await models(outbound, provider("one", server)).resolve("my-fine-tune")).id == "one/my-fine-tune"


async def test_a_bare_name_that_only_a_dead_provider_could_have_says_that_it_is_dead(
    server, outbound: Outbound
) -> None:
    server.models = ["gpt-4.1"]

    with pytest.raises(ModelFailed, match="could not be reached"):
        await models(outbound, provider("one", server), Provider("two", "http://127.0.0.1:9/v1")).resolve("anything")


async def test_a_server_that_lists_nothing_is_believed_to_have_the_model(server, outbound: Outbound) -> None:
    server.models_reply = replace(_not_found(server))

    assert (await models(outbound, provider("one", server)).resolve("mine")).id == "one/mine"


def _not_found(server):
    server.fails(404, {"detail": "Not Found"})
    return server.script.pop()


async def test_an_unknown_built_in_model_is_not_found(outbound: Outbound) -> None:
    with pytest.raises(ModelNotFound, match="'glia/embedded'"):
        await models(outbound).resolve("glia/other")


async def test_an_address_no_client_may_call_is_a_failure_and_not_a_crash(outbound: Outbound) -> None:
    service = models(outbound, Provider("odd", "ftp://box/v1"))

    with pytest.raises(ModelFailed, match="cannot be called"):
        await answer(service, "odd/a")
    assert [info.id for info in await service.list()] == ["glia/embedded"]


# The list


async def test_the_list_shows_all_and_survives_a_dead_provider(server, outbound: Outbound) -> None:
    server.models = ["gpt-4.1", "text-embedding-3-small"]
    dead = Provider("dead", "http://127.0.0.1:9/v1", models=("known",))
    service = models(outbound, provider("openai", server, has_list_prices=True, default_model="gpt-4.1"), dead)

    found = {info.id: info for info in await service.list()}

    assert list(found) == ["openai/gpt-4.1", "openai/text-embedding-3-small", "dead/known", "glia/embedded"]
    assert found["openai/gpt-4.1"].is_default
    assert found["openai/gpt-4.1"].input_price_micros == 2_000_000
    assert found["openai/text-embedding-3-small"].purpose == "embedding"
    assert found["dead/known"].input_price_micros is None
    assert found["glia/embedded"].display_name == "built-in extractive model"


async def test_a_list_is_asked_for_once(server, outbound: Outbound) -> None:
    service = models(outbound, provider("one", server, default_model="a"))

    for _ in range(3):
        await service.list()

    assert len(server.seen) == 1


async def test_lists_in_other_forms_are_read(server, outbound: Outbound) -> None:
    server.models_reply = replace(_not_found(server), status=200, pieces=[b'[{"id": "models/gemini"}, {"id": "b"}]'])

    found = await models(outbound, provider("one", server)).list()

    assert [info.name for info in found] == ["gemini", "b", "embedded"]


# Answers, retries, fallback


async def test_an_answer_carries_its_full_name_cost_and_latency(server, outbound: Outbound) -> None:
    say(server, prompt_tokens_details={"cached_tokens": 400})

    _, response = await answer(models(outbound, provider("openai", server, has_list_prices=True)), "openai/gpt-4.1")

    assert response.model == "openai/gpt-4.1"
    assert response.cost_micros == 600 * 2 + 400 // 2 + 100 * 8
    assert server.posts[0].json["model"] == "gpt-4.1"


async def test_an_unknown_price_is_none_and_never_zero(server, outbound: Outbound) -> None:
    say(server)

    _, response = await answer(models(outbound, provider("one", server)), "one/a")

    assert response.cost_micros is None


async def test_openrouters_own_cost_is_taken(server, outbound: Outbound) -> None:
    say(server, cost=0.0125)
    say(server, cost=0.0125)

    _, router = await answer(models(outbound, provider("openrouter", server)), "openrouter/a/b")
    _, other = await answer(models(outbound, provider("one", server)), "one/a")

    assert (router.cost_micros, other.cost_micros) == (12_500, None)


async def test_a_failure_that_may_pass_is_tried_again_with_growing_waits(server, outbound: Outbound) -> None:
    waits = Waits()
    server.fails(503, {})
    server.fails(429, {})
    say(server)

    _, response = await answer(models(outbound, provider("one", server), waits=waits), "one/a")

    assert response.text == "ok"
    assert 0.25 <= waits.seconds[0] <= 0.5 <= waits.seconds[1] <= 1.0


async def test_three_attempts_are_all(server, outbound: Outbound) -> None:
    for _ in range(4):
        server.fails(500, {})

    with pytest.raises(ModelFailed):
        await answer(models(outbound, provider("one", server)), "one/a")

    assert len(server.posts) == 3


async def test_the_providers_own_wait_is_honoured(server, outbound: Outbound) -> None:
    waits = Waits()
    server.fails(429, {}, retry_after="4")
    say(server)

    await answer(models(outbound, provider("one", server), waits=waits), "one/a")

    assert 4 <= waits.seconds[0] < 4.1


async def test_a_provider_that_asks_for_too_long_a_wait_is_given_up(server, outbound: Outbound) -> None:
    server.fails(429, {}, retry_after="3600")

    with pytest.raises(ModelFailed, match="3600") as caught:
        await answer(models(outbound, provider("one", server)), "one/a")

    assert caught.value.retry_after_seconds == 3600
    assert len(server.posts) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_a_failure_that_will_not_pass_is_not_tried_again(server, outbound: Outbound, status: int) -> None:
    server.fails(status, {})

    with pytest.raises(ModelFailed):
        await answer(models(outbound, provider("one", server)), "one/a")

    assert len(server.posts) == 1


async def test_nothing_is_tried_again_once_text_has_been_seen(server, other_server, outbound: Outbound) -> None:
    server.says({"choices": [{"delta": {"content": "half"}}]}, done=False)
    say(server)
    say(other_server)
    service = models(outbound, provider("one", server), provider("two", other_server))
    events: list[ModelEvent] = []

    with pytest.raises(ModelFailed):
        async for event in service.stream("one/a", REQUEST, fallback="two/b"):
            events.append(event)  # noqa: PERF401 - what came before the failure counts

    assert events == [TextDelta("half")]
    assert (len(server.posts), len(other_server.posts)) == (1, 0)


async def test_a_stream_cut_before_any_text_is_tried_again(server, outbound: Outbound) -> None:
    server.says({"choices": [{"delta": {"role": "assistant"}}]}, done=False, cut=True)
    say(server)

    _, response = await answer(models(outbound, provider("one", server)), "one/a")

    assert response.text == "ok"


async def test_the_fallback_answers_under_its_own_name(server, other_server, outbound: Outbound) -> None:
    for _ in range(3):
        server.fails(500, {})
    say(other_server)
    service = models(outbound, provider("one", server), provider("two", other_server))

    _, response = await answer(service, "one/a", fallback="two/b")

    assert response.model == "two/b"
    assert other_server.posts[0].json["model"] == "b"


async def test_without_a_fallback_the_failure_is_the_callers(server, outbound: Outbound) -> None:
    server.fails(401, {})

    with pytest.raises(ModelFailed):
        await answer(models(outbound, provider("one", server)), "one/a")


async def test_a_malformed_request_does_not_go_to_the_fallback(server, other_server, outbound: Outbound) -> None:
    server.fails(400, {"error": {"message": "bad"}})
    say(other_server)
    service = models(outbound, provider("one", server), provider("two", other_server))

    with pytest.raises(ModelFailed, match="bad"):
        await answer(service, "one/a", fallback="two/b")

    assert other_server.posts == []


# Passing on, embeddings


async def test_a_request_is_passed_on_with_the_key_and_its_usage_can_be_read(server, outbound: Outbound) -> None:
    say(server)
    service = models(outbound, provider("one", server, api_key="secret"))
    resolved = await service.resolve("one/a")
    scanner = UsageScanner()

    async with service.forward(resolved, "/chat/completions", b'{"model":"a"}', stream=True) as answer:
        async for chunk in answer.chunks():
            scanner.feed(chunk)

    assert answer.status == 200
    assert (server.posts[0].body, server.posts[0].headers["authorization"]) == (b'{"model":"a"}', "Bearer secret")
    assert scanner.usage.input_tokens == 1000


async def test_a_providers_error_is_passed_on_and_a_dead_one_is_a_failure(server, outbound: Outbound) -> None:
    server.fails(418, {"error": "teapot"})
    service = models(outbound, provider("one", server), Provider("dead", "http://127.0.0.1:9/v1"))

    async with service.forward(await service.resolve("one/a"), "/chat/completions", b"{}", stream=False) as answer:
        assert answer.status == 418
    with pytest.raises(ModelFailed):
        async with service.forward(await service.resolve("dead/a"), "/chat/completions", b"{}", stream=False):
            pass


async def test_only_what_speaks_the_same_language_is_passed_on(server, outbound: Outbound) -> None:
    service = models(outbound, provider("anthropic", server, kind="anthropic"))

    for name in ("glia/embedded", "anthropic/claude"):
        with pytest.raises(InvalidRequest, match=name):
            service.forward(await service.resolve(name), "/chat/completions", b"{}", stream=False)


async def test_embeddings_come_in_the_order_of_the_texts_and_in_batches(server, outbound: Outbound) -> None:
    def batch(*numbers: int) -> dict:
        data = [{"index": index, "embedding": [float(number)]} for index, number in enumerate(numbers)]
        return {"data": data[::-1], "usage": {"prompt_tokens": len(numbers), "total_tokens": len(numbers)}}

    server.fails(200, batch(*range(96)))
    server.fails(503, {})
    server.fails(200, batch(96, 97))
    service = models(outbound, provider("one", server), embedding_model="one/e")

    vectors, usage = await service.embed(None, [str(number) for number in range(98)])

    assert vectors == [[float(number)] for number in range(98)]
    assert (usage.input_tokens, usage.is_estimated) == (98, False)
    assert server.posts[0].path == "/v1/embeddings"


@pytest.mark.parametrize("data", [[], [{"embedding": [1.0]}, {"embedding": [1.0]}], "nonsense"])
async def test_embeddings_that_do_not_fit_are_a_failure(server, outbound: Outbound, data: object) -> None:
    server.fails(200, {"data": data})

    with pytest.raises(ModelFailed) as caught:
        await models(outbound, provider("one", server)).embed("one/e", ["text"])

    assert caught.value.kind == "protocol"


async def test_without_an_embedding_model_the_variable_is_named(outbound: Outbound) -> None:
    with pytest.raises(InvalidRequest, match="GLIA_EMBEDDING_MODEL"):
        await models(outbound).embed(None, ["text"])


async def test_leaving_a_stream_early_closes_the_call(server, outbound: Outbound) -> None:
    server.says(*({"choices": [{"delta": {"content": str(number)}}]} for number in range(3)), done=False)
    server.script[-1].pieces += [0.01, b": beat\n\n"] * 300

    async with aclosing(models(outbound, provider("one", server)).stream("one/a", REQUEST)) as events:
        async for _ in events:
            break

    await server.is_closed_by_client.wait()


def test_a_request_has_an_estimated_size() -> None:
    assert estimate_input_tokens(ModelRequest("m", [UserMessage("x" * 400)])) == 104


def test_the_built_in_price_table_is_whole() -> None:
    assert read_prices(None).find("openai", "gpt-5-mini", has_list_prices=True)
