"""A caller's trace: the run that a request begins becomes part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from glia.kit.errors import GliaError
from glia.runs.types import Accepted
from glia.surfaces.shared.asgi import Request

if TYPE_CHECKING:
    from glia.traces.service import Traces

log = structlog.get_logger(__name__)


async def join_trace(traces: Traces | None, request: Request, accepted: Accepted) -> None:
    """Keeps the request's `traceparent`. Without tracing, or without the header, nothing."""
    if traces is None or accepted.outcome not in {"accepted", "queued"}:
        return
    traceparent = request.headers.get("traceparent")
    if traceparent is None:
        return
    try:
        await traces.adopt(request.principal, accepted.run_id, traceparent)
    except GliaError as error:  # the run is accepted; for want of a trace it must not be refused
        log.warning("a run begins a trace of its own", run=str(accepted.run_id), error=error.message)
