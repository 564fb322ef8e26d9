"""How deliveries are sent: this slice's part of the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WebhookConfig:
    """timeout_seconds: how long an endpoint may take to answer. first_retry_seconds: the wait after the first failure;
    each further one is three times as long, up to `longest_retry_seconds`, until 24 hours are over.

    most_at_once: deliveries that one process sends. most_per_endpoint: to one endpoint, from all processes together.
    disable_after_days: an endpoint that failed all that time is switched off. keep_days: how long deliveries are shown.
    """

    timeout_seconds: float = 15.0
    first_retry_seconds: float = 5.0
    longest_retry_seconds: float = 21_600.0
    most_at_once: int = 32
    most_per_endpoint: int = 4
    disable_after_days: float = 3.0
    keep_days: float = 30.0

    @property
    def lease_seconds(self) -> float:
        """How long a delivery belongs to the process that took it: longer than sending it can last."""
        return self.timeout_seconds + 5
