from __future__ import annotations

from pathlib import Path

import pytest

from glia.kit.errors import InvalidRequest
from glia.models.prices import Price, Prices, read_prices
from glia.models.types import TokenUsage


def find(provider: str, name: str) -> Price | None:
    return Prices().find(provider, name, has_list_prices=True)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "gpt-4.1"),
        ("openai", "gpt-4.1-2025-04-14"),
        ("anthropic", "claude-haiku-4-5-20251001"),
        ("anthropic", "claude-haiku-4-5-latest"),
        ("google", "gemini-2.5-pro"),
        ("groq", "openai/gpt-oss-20b"),
    ],
)
def test_a_well_known_model_has_a_price_also_by_a_dated_name(provider: str, name: str) -> None:
    assert find(provider, name)


@pytest.mark.parametrize("name", ["gpt-4.1-made-up", "gpt", "", "gpt-4.10"])
def test_an_unknown_model_has_none(name: str) -> None:
    assert find("openai", name) is None


def test_a_stand_in_server_has_no_list_prices() -> None:
    assert Prices().find("openai", "gpt-4.1", has_list_prices=False) is None


def test_cached_and_written_input_have_their_own_rates() -> None:
    price = Price(input=3_000_000, cached_input=300_000, cache_write=3_750_000, output=15_000_000)
    usage = TokenUsage(input_tokens=1_000, cached_input_tokens=600, cache_write_tokens=100, output_tokens=10)

    assert price.cost_micros(usage) == 300 * 3 + 180 + 375 + 150


def test_without_a_cached_rate_cached_input_costs_as_input() -> None:
    assert Price(input=1_000_000, output=0).cost_micros(TokenUsage(input_tokens=10, cached_input_tokens=10)) == 10


def test_a_long_prompt_has_the_rates_of_long_prompts() -> None:
    price = find("google", "gemini-2.5-pro")
    assert price

    short = price.cost_micros(TokenUsage(input_tokens=200_000))
    long = price.cost_micros(TokenUsage(input_tokens=200_001))

    assert (short, long) == (250_000, 500_003)


def test_the_operators_prices_go_first_and_cover_a_whole_provider(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"models": {"openai/gpt-4.1": {"input": 1, "output": 2}, "ollama/*": {"input": 0, "output": 0}}}')

    prices = read_prices(str(path))

    assert prices.find("openai", "gpt-4.1-2025-04-14", has_list_prices=False) == Price(input=1, output=2)
    assert prices.find("ollama", "anything:8b", has_list_prices=False) == Price(input=0, output=0)
    assert prices.find("openai", "gpt-4o", has_list_prices=True)


@pytest.mark.parametrize("content", ['{"models": {"a/b": {"input": 1, "outptu": 2}}}', "[]", "{"])
def test_a_price_file_with_a_mistake_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(content)

    with pytest.raises(InvalidRequest, match=r"prices\.json"):
        read_prices(str(path))


def test_a_missing_price_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="GLIA_PRICES"):
        read_prices(str(tmp_path / "none.json"))
