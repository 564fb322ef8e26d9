"""Counts model calls for Prometheus. The labels are few, whatever names clients make up."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from glia.kit import telemetry
from glia.models.types import TokenUsage

MOST_MODELS = 100
"""Of one process; the calls of all further ones are counted as the model `other` of the provider `other`."""


@dataclass(frozen=True)
class _Counters:
    """What is counted of one model, looked up once."""

    provider: str
    model: str
    seconds: Histogram
    input_tokens: Counter
    output_tokens: Counter
    cost_micros: Counter


_known: dict[str, _Counters] = {}


def count_call(
    model: str, outcome: str, *, seconds: float, usage: TokenUsage | None = None, cost_micros: int | None = None
) -> None:
    """model: `provider/name`, as it was resolved. outcome: `ok`, `failed` or `cancelled`."""
    counters = _counters_of(model)
    telemetry.model_calls.labels(counters.provider, counters.model, outcome).inc()
    counters.seconds.observe(seconds)
    if usage is not None:
        counters.input_tokens.inc(usage.input_tokens)
        counters.output_tokens.inc(usage.output_tokens)
    if cost_micros:
        counters.cost_micros.inc(cost_micros)


def _counters_of(id: str) -> _Counters:
    found = _known.get(id)
    if found is None:
        if len(_known) >= MOST_MODELS and id != "other/other":
            return _counters_of("other/other")
        provider, _, model = id.partition("/")
        found = _known[id] = _Counters(
            provider,
            model,
            telemetry.model_seconds.labels(provider, model),
            telemetry.model_tokens.labels(provider, model, "input"),
            telemetry.model_tokens.labels(provider, model, "output"),
            telemetry.model_cost_micros.labels(provider, model),
        )
    return found
