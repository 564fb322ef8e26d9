"""Which prices hold. Pure rules."""

from __future__ import annotations

from glia.billing.config import BillingConfig
from glia.billing.types import OwnPrices, Prices
from glia.kit.errors import InvalidRequest


def effective(own: OwnPrices, config: BillingConfig) -> Prices:
    """A workspace's own prices before the server's."""
    return Prices(
        core_hour=config.core_hour if own.core_hour is None else own.core_hour,
        memory_gib_hour=config.memory_gib_hour if own.memory_gib_hour is None else own.memory_gib_hour,
        storage_gb_month=config.storage_gb_month if own.storage_gb_month is None else own.storage_gb_month,
        network_gb=config.network_gb if own.network_gb is None else own.network_gb,
    )


def checked_config(config: BillingConfig) -> BillingConfig:
    """Raises InvalidRequest for settings that are no prices."""
    for name in ("core_hour", "memory_gib_hour", "storage_gb_month", "network_gb"):
        price = getattr(config, name)
        if not price.is_finite() or price < 0:
            raise InvalidRequest(f"GLIA_BILLING__{name.upper()} is {price}; a price is 0 or more dollars.")
    return config
