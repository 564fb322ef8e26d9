"""What tokens cost. The table is data (`prices.json`); a file of the operator's own goes before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import msgspec

from glia.kit.errors import InvalidRequest
from glia.models.types import TokenUsage

MILLION = 1_000_000

# `gpt-4.1-2025-04-14`, `claude-haiku-4-5-20251001`, `claude-opus-4@20250514`, `mistral-small-latest`
_DATED = re.compile(r"(?:[-@]\d{8}|-\d{4}-\d{2}-\d{2}|-latest|:latest)$")


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Micros of USD per million tokens. An input rate that is None is that of plain input."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None


class LongRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rates of the whole call when its input has more tokens than this; what is None stays as it was."""

    above_tokens: int
    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None


class Price(Rates, frozen=True, forbid_unknown_fields=True):
    """max_output: the most tokens that the model can answer with, if that is known."""

    long: LongRates | None = None
    max_output: int | None = None

    def cost_micros(self, usage: TokenUsage) -> int:
        """What a call cost in micros of USD, rounded to the nearest."""
        rates = self.rates_for(usage.input_tokens)
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        written = min(usage.cache_write_tokens, usage.input_tokens - cached)
        total = (
            (usage.input_tokens - cached - written) * rates.input
            + cached * (rates.input if rates.cached_input is None else rates.cached_input)
            + written * (rates.input if rates.cache_write is None else rates.cache_write)
            + usage.output_tokens * rates.output
        )
        return (total + MILLION // 2) // MILLION

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates of a call with so many tokens of input."""
        long = self.long
        if long is None or input_tokens <= long.above_tokens:
            return self
        return Rates(
            input=self.input if long.input is None else long.input,
            output=self.output if long.output is None else long.output,
            cached_input=self.cached_input if long.cached_input is None else long.cached_input,
            cache_write=self.cache_write if long.cache_write is None else long.cache_write,
        )


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    models: dict[str, Price]
    unit: str = ""


class Prices:
    """Looks prices up by `provider/name`."""

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        self._own = dict(own or {})

    def find(self, provider: str, name: str, *, has_list_prices: bool) -> Price | None:
        """The price of a model, None when it is not known. A dated name has the price of the undated one.

        has_list_prices: whether the provider is the one of the built-in table; another server under its name is not.
        Own prices go first; there `provider/*` stands for all models of a provider.
        """
        names = (f"{provider}/{name}", f"{provider}/{_DATED.sub('', name)}")
        for full in (*names, f"{provider}/*"):
            if full in self._own:
                return self._own[full]
        if not has_list_prices:
            return None
        listed = _listed()
        return listed.get(names[0]) or listed.get(names[1])


def read_prices(path: str | None) -> Prices:
    """The built-in table, with the prices of the file at `path` before it.

    Raises InvalidRequest when the file cannot be read or is not of the form of `prices.json`.
    """
    if path is None:
        return Prices()
    try:
        return Prices(msgspec.json.decode(Path(path).read_bytes(), type=_Table).models)
    except OSError as error:
        raise InvalidRequest(f"GLIA_PRICES is {path!r}, which cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(
            f"The price file {path!r} is not as it should be: {error}. It looks like"
            ' {"models": {"provider/name": {"input": 150000, "output": 600000}}}, in micros of USD per million tokens.'
        ) from error


@lru_cache(maxsize=1)
def _listed() -> dict[str, Price]:
    data = (files("glia.models") / "prices.json").read_bytes()
    return msgspec.json.decode(data, type=_Table).models
