"""One call of the gateway on its way into the usage records: exactly once, whatever becomes of it."""

from __future__ import annotations

import time

import psycopg
import structlog

from glia.identity.types import Principal
from glia.kit.errors import StorageFull, Unavailable
from glia.models.service import ResolvedModel, count_call
from glia.models.types import TokenUsage
from glia.usage.service import Meter, Spending
from glia.usage.types import CallStatus, Hold, Operation, UsageRecord

log = structlog.get_logger(__name__)

NOTHING_USED = TokenUsage()


class Metering:
    """Where calls are recorded."""

    def __init__(self, meter: Meter, spending: Spending | None) -> None:
        self.meter = meter
        self.spending = spending

    def begin(
        self,
        principal: Principal,
        model: str,
        operation: Operation,
        *,
        hold: Hold | None = None,
        is_streamed: bool = False,
        is_forwarded: bool = False,
    ) -> MeteredCall:
        """model: `provider/name`. is_forwarded: the model layer passes it on unread and cannot count it itself."""
        return MeteredCall(self, principal, model, operation, hold, is_streamed, is_forwarded)


class MeteredCall:
    """Made when the call begins, settled once at its end: the first of its methods that is called counts.

    `settle` leaves the writing to the meter. `finish` has written when it returns, if something was held: what is not
    needed of it is free for the client's next call.
    """

    def __init__(
        self,
        metering: Metering,
        principal: Principal,
        model: str,
        operation: Operation,
        hold: Hold | None,
        is_streamed: bool,
        is_forwarded: bool,
    ) -> None:
        self._metering = metering
        self._principal = principal
        self._model = model
        self._operation: Operation = operation
        self._hold = hold
        self._is_streamed = is_streamed
        self._is_forwarded = is_forwarded
        self._started = time.perf_counter()
        self._is_settled = False

    def settle(self, usage: TokenUsage, cost_micros: int | None, status: CallStatus = "ok") -> None:
        if not self._is_settled:
            self._is_settled = True
            self._metering.meter.add(self._record(usage, cost_micros, status))

    def settle_at(self, resolved: ResolvedModel, usage: TokenUsage, status: CallStatus = "ok") -> None:
        """As `settle`, at the model's price."""
        self.settle(usage, resolved.cost_micros(usage), status)

    async def finish(self, usage: TokenUsage, cost_micros: int | None, status: CallStatus = "ok") -> None:
        spending = self._metering.spending
        if self._is_settled or self._hold is None or spending is None:
            self.settle(usage, cost_micros, status)
            return
        self._is_settled = True
        record = self._record(usage, cost_micros, status)
        is_written = False
        try:
            await spending.settle(record)
            is_written = True
        except (Unavailable, StorageFull, psycopg.Error) as error:
            log.warning("a call is settled later", hold=str(self._hold.id), error=str(error).split("\n")[0])
        finally:
            if not is_written:  # the meter tries again; what is written twice counts once
                self._metering.meter.add(record)

    async def finish_at(self, resolved: ResolvedModel, usage: TokenUsage, status: CallStatus = "ok") -> None:
        """As `finish`, at the model's price."""
        await self.finish(usage, resolved.cost_micros(usage), status)

    def _record(self, usage: TokenUsage, cost_micros: int | None, status: CallStatus) -> UsageRecord:
        principal = self._principal
        seconds = time.perf_counter() - self._started
        if self._is_forwarded:
            count_call(self._model, status, seconds=seconds, usage=usage, cost_micros=cost_micros)
        return UsageRecord(
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            operation=self._operation,
            model=self._model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            thinking_tokens=usage.thinking_tokens,
            is_estimated=usage.is_estimated,
            is_streamed=self._is_streamed,
            cost_micros=cost_micros,
            latency_ms=round(seconds * 1000),
            status=status,
            hold_id=None if self._hold is None else self._hold.id,
        )
