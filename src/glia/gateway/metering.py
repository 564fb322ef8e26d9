"""One call of the gateway on its way into the usage records: exactly once, whatever becomes of it."""

from __future__ import annotations

import time

from glia.identity.types import Principal
from glia.models.service import ResolvedModel
from glia.models.types import TokenUsage
from glia.usage.service import Meter
from glia.usage.types import CallStatus, Operation, UsageRecord

NOTHING_USED = TokenUsage()


class MeteredCall:
    """Made when the call begins, settled once at its end."""

    def __init__(
        self, meter: Meter, principal: Principal, model: str, operation: Operation, *, is_streamed: bool = False
    ) -> None:
        """model: `provider/name`."""
        self._meter = meter
        self._principal = principal
        self._model = model
        self._operation: Operation = operation
        self._is_streamed = is_streamed
        self._started = time.perf_counter()
        self._is_settled = False

    def settle(self, usage: TokenUsage, cost_micros: int | None, status: CallStatus = "ok") -> None:
        """The first call counts; later ones change nothing."""
        if self._is_settled:
            return
        self._is_settled = True
        principal = self._principal
        self._meter.add(
            UsageRecord(
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
                latency_ms=round((time.perf_counter() - self._started) * 1000),
                status=status,
            )
        )

    def settle_at(self, resolved: ResolvedModel, usage: TokenUsage, status: CallStatus = "ok") -> None:
        """As `settle`, at the model's price."""
        self.settle(usage, resolved.cost_micros(usage), status)
