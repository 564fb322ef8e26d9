"""The SQL of the proxy, for `across_workspaces`: whoever asks has no key."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from glia.kit.db import Transaction


@dataclass(frozen=True)
class Ready:
    """node_address: where its node takes connections from other machines; empty when it does not."""

    id: UUID
    address: str
    node_address: str


async def ready(tx: Transaction, route: str) -> tuple[bool, list[Ready]]:
    """Whether there is such a deployment, and its replicas that serve."""
    if not await tx.value("select exists (select from deployments where route = %(route)s)", route=route):
        return False, []
    return True, await tx.many(
        Ready,
        """
        select r.id, r.address, n.address as node_address
        from deployments d join deployment_replicas r on r.deployment_id = d.id join fleet_nodes n on n.id = r.node_id
        where d.route = %(route)s and d.is_wanted and r.is_wanted and r.is_ready and r.address <> ''""",
        route=route,
    )


async def is_any(tx: Transaction) -> bool:
    return await tx.value("select exists (select from deployments)")
