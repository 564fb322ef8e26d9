"""How providers are called, and how it reads when the connection fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, StreamedResponse, Timeouts
from glia.models.failures import forbidden, unreachable
from glia.models.providers import Provider

# A long answer of a thinking model takes minutes; half an hour without an end is a server gone wrong.
CALL_TIMEOUTS = Timeouts(connect_seconds=10, idle_seconds=120, total_seconds=1800)
LISTING_TIMEOUTS = Timeouts(connect_seconds=2, idle_seconds=3, total_seconds=4)
PROBE_TIMEOUTS = Timeouts(connect_seconds=0.3, idle_seconds=0.3, total_seconds=0.3)


@asynccontextmanager
async def open_answer(
    outbound: Outbound,
    provider: Provider,
    path: str,
    *,
    method: str = "POST",
    body: bytes | None = None,
    timeouts: Timeouts = CALL_TIMEOUTS,
    accept: str = "application/json",
) -> AsyncGenerator[StreamedResponse, None]:
    """Calls a provider; its address comes from the operator, so it may be a private one.

    Whatever the connection does wrong, now or while the body is read, is raised as ModelFailed.
    """
    headers = {"accept": accept, **provider.auth_headers()}
    if body is not None:
        headers["content-type"] = "application/json"
    try:
        async with outbound.stream(
            method, provider.base_url + path, headers=headers, body=body, timeouts=timeouts, trusted=True
        ) as answer:
            yield answer
    except OutboundFailed as error:
        raise unreachable(provider, error.kind, error.message, is_sent=error.is_sent) from error
    except OutboundRefused as error:
        raise forbidden(provider, error.message) from error
