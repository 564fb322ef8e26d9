"""What things cost unless a workspace has prices of its own: this slice's part of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class BillingConfig:
    """Prices in dollars, exact decimals: of a core for an hour, a GiB of memory for an hour, a GB kept for a month, and
    a GB in or out. payment_days: from the end of a month to when its invoice is due. settle_minutes: how long an hour,
    and a month, stays open for nodes that tell late."""

    core_hour: Decimal = Decimal("0.05")
    memory_gib_hour: Decimal = Decimal(0)
    storage_gb_month: Decimal = Decimal("0.02")
    network_gb: Decimal = Decimal("0.05")
    payment_days: int = 0
    settle_minutes: float = 5.0
