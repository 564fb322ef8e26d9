"""A workspace whose deployments have told of their use."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from glia.billing.service import Billing, BillingConfig, Bookkeeper
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden
from glia.kit.ids import new_id
from tests.conftest import make_principal

CONFIG = BillingConfig(memory_gib_hour=Decimal("0.01"))
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class Office:
    """billing, bookkeeper: of one server; `beside` is another."""

    db: Database
    principal: Principal
    billing: Billing
    bookkeeper: Bookkeeper
    deployment: UUID = field(default_factory=new_id)

    def beside(self) -> Bookkeeper:
        return Bookkeeper(self.db, CONFIG)

    async def meter(
        self,
        hour: datetime,
        *,
        core_hours: float = 1,
        gib_hours: float = 2,
        gb: float = 0.5,
        deployment: UUID | None = None,
        name: str = "web",
    ) -> None:
        """As a node tells: more of the same hour adds to it."""
        async with self.db.transaction(self.principal.workspace_id) as tx:
            await tx.execute(
                """
                insert into deployment_usage as u (workspace_id, project_id, deployment_id, hour, name,
                  cpu_core_seconds, memory_byte_seconds, network_bytes)
                values (%(workspace)s, %(project)s, %(deployment)s, %(hour)s, %(name)s, %(core)s, %(memory)s, %(net)s)
                on conflict (workspace_id, hour, deployment_id) do update set
                  cpu_core_seconds = u.cpu_core_seconds + excluded.cpu_core_seconds,
                  memory_byte_seconds = u.memory_byte_seconds + excluded.memory_byte_seconds,
                  network_bytes = u.network_bytes + excluded.network_bytes""",
                workspace=self.principal.workspace_id,
                project=self.principal.project_id,
                deployment=deployment or self.deployment,
                hour=hour,
                name=name,
                core=core_hours * 3600,
                memory=round(gib_hours * 3600 * 2**30),
                net=round(gb * 1e9),
            )

    async def store(self, size_bytes: int) -> None:
        async with self.db.transaction(self.principal.workspace_id) as tx:
            await tx.execute(
                """
                insert into stored_object_totals (workspace_id, objects, size_bytes) values (%(id)s, 1, %(size)s)
                on conflict (workspace_id) do update set size_bytes = excluded.size_bytes""",
                id=self.principal.workspace_id,
                size=size_bytes,
            )

    async def value(self, sql: Any) -> Any:
        async with self.db.transaction(self.principal.workspace_id) as tx:
            return await tx.value(sql)

    async def owed_micros(self) -> int:
        """What the ledger says is still to be paid."""
        return -int(
            await self.value("select coalesce(sum(amount_micros), 0) from ledger_entries where account = 'owed'")
        )

    async def book(self, moment: datetime) -> None:
        await self.bookkeeper.book(self.principal.workspace_id, moment)


async def anybody(principal: Principal) -> None:
    if "*" not in principal.scopes:
        raise Forbidden("Not you.")


@pytest.fixture
async def office(db: Database) -> Office:
    principal = await make_principal(db)
    return Office(db, principal, Billing(db, CONFIG, anybody), Bookkeeper(db, CONFIG))


def day(number: int, hour: int = 0, minute: int = 0) -> datetime:
    """A day of January 2024, and beyond: 32 is the first of February."""
    return NEW_YEAR + timedelta(days=number - 1, hours=hour, minutes=minute)
