"""What a call can take at most: never less than what it takes."""

from __future__ import annotations

import orjson
import pytest

from glia.models.estimate import estimate_input_tokens
from glia.models.prices import LongRates, Price
from glia.models.providers import Provider
from glia.models.service import ResolvedModel, largest_call, largest_forwarded_input, largest_input
from glia.models.types import (
    AssistantMessage,
    ModelRequest,
    SystemMessage,
    TokenUsage,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

FAR = Provider("far", "https://far.example/v1")
NEAR = Provider("near", "http://127.0.0.1:1/v1", is_local=True)


def bytes_of(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)


def test_a_request_has_at_most_as_many_tokens_as_bytes_and_an_allowance() -> None:
    texts = ("Réponds en français.", "漢字 and 🙂", "I look.", "get_weather", '{"city": "Łódź"}', "rain")
    request = ModelRequest(
        "m",
        [
            SystemMessage(texts[0]),
            UserMessage(texts[1]),
            AssistantMessage(texts[2], (ToolCall("a", "b", texts[3], texts[4]),)),
            ToolMessage("b", "get_weather", texts[5]),
        ],
        tools=[ToolSpec("get_weather", "The weather.", {"type": "object", "properties": {}})],
    )

    found = largest_input(request)

    assert found > bytes_of(*texts) > estimate_input_tokens(request) / 2
    assert found < bytes_of(*texts) + 2_000


@pytest.mark.parametrize(
    ("part", "smallest", "largest"),
    [
        ({"type": "text", "text": "x" * 1_000}, 1_000, 1_300),
        ({"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}, 50_000, 50_300),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 900_000}}, 50_000, 50_300),
        ({"type": "file", "file": {"file_data": "A" * 90_000}}, 140_000, 140_400),
        ({"type": "input_audio", "input_audio": {"data": "A" * 100}}, 50_000, 50_500),
    ],
)
def test_what_is_no_text_is_reckoned_with(part: dict[str, object], smallest: int, largest: int) -> None:
    messages = orjson.dumps([{"role": "user", "content": [part]}])
    body = b'{"model":"m","messages":%s}' % messages

    assert smallest <= largest_forwarded_input(body, messages) <= largest


def test_words_about_pictures_are_no_pictures() -> None:
    messages = orjson.dumps([{"role": "user", "content": '{"type": "image_url"}'}])

    assert largest_forwarded_input(messages, messages) < 300


def test_a_message_in_disguise_is_still_a_picture() -> None:
    messages = b'[{"role":"user","content":[{"ty\\u0070e":"image\\u005furl","image_url":{"url":"https://x"}}]}]'

    assert largest_forwarded_input(messages, messages) > 50_000


@pytest.mark.parametrize("messages", [b"[1]", b"[{}", b'[{"content":[{"type":5}]}]', b"[" * 5_000])
def test_what_nobody_understands_has_its_bytes(messages: bytes) -> None:
    assert largest_forwarded_input(messages, messages) >= len(messages)


PRICE = Price(
    input=1_000_000,
    output=4_000_000,
    cached_input=100_000,
    cache_write=1_250_000,
    long=LongRates(above_tokens=1_000, input=2_000_000, output=6_000_000),
)


@pytest.mark.parametrize("input_tokens", [0, 1, 999, 1_000, 1_001, 50_000])
@pytest.mark.parametrize("output_tokens", [0, 1, 4_096])
def test_no_usage_within_the_bound_costs_more(input_tokens: int, output_tokens: int) -> None:
    bound = largest_call(
        [ResolvedModel(FAR, "m", PRICE)], input_tokens=input_tokens, most_output=output_tokens, least_output=0
    )
    assert bound.input_micros is not None
    most = bound.input_micros + -(-output_tokens * bound.output_rate // 1_000_000)

    for cached, written in ((0, 0), (input_tokens, 0), (0, input_tokens), (input_tokens // 2, input_tokens // 3)):
        for used in (0, input_tokens // 2, input_tokens):
            usage = TokenUsage(used, output_tokens, min(cached, used), 0, False, min(written, used))
            assert PRICE.cost_micros(usage) <= most


def test_the_dearest_of_the_models_that_may_answer_counts() -> None:
    cheap, dear = Price(input=1_000_000, output=1), Price(input=2_000_000, output=3)
    models = [ResolvedModel(FAR, "a", cheap), ResolvedModel(FAR, "b", dear), ResolvedModel(NEAR, "c", None)]

    bound = largest_call(models, input_tokens=10, most_output=5, least_output=5)

    assert (bound.input_micros, bound.output_rate) == (20, 3)


def test_only_a_local_model_needs_no_price() -> None:
    def micros(*models: ResolvedModel) -> int | None:
        return largest_call(models, input_tokens=10, most_output=5, least_output=5).input_micros

    assert micros(ResolvedModel(NEAR, "m", None)) == 0
    assert micros(ResolvedModel(FAR, "m", None)) is None
    assert micros(ResolvedModel(FAR, "m", PRICE), ResolvedModel(FAR, "n", None)) is None
    assert micros(ResolvedModel(NEAR, "m", Price(input=1_000_000, output=0))) == 10


def test_a_cost_that_openrouter_reports_is_believed_in_every_way_it_is_asked() -> None:
    usage = TokenUsage(10, 10, reported_cost=0.000123)

    assert ResolvedModel(Provider("openrouter", "https://or.example"), "m", PRICE).cost_micros(usage) == 123
    assert ResolvedModel(FAR, "m", PRICE).cost_micros(usage) == 50
