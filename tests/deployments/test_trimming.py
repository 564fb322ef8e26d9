"""What is kept of programs' output: the newest lines of the last days."""

from __future__ import annotations

from glia.deployments import node_queries
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from tests.deployments.test_metering import deployed

MANY = 20_000


async def written(tx: Transaction, principal: Principal, of: object) -> None:
    """Half of them eight days ago."""
    await tx.execute(
        """
        insert into deployment_logs (workspace_id, deployment_id, replica_id, at, level, message)
        select %(workspace)s, %(of)s, %(replica)s,
               now() - make_interval(days => case when n <= %(old)s then 8 else 0 end), 1, n::text
        from generate_series(1, %(many)s) n""",
        workspace=principal.workspace_id,
        of=of,
        replica=new_id(),
        old=MANY // 2,
        many=MANY,
    )


async def kept(tx: Transaction) -> tuple[int, int, int]:
    """How many, the first and the last."""
    numbers = [int(text) for text in await tx.values("select message from deployment_logs order by id")]
    return len(numbers), numbers[0], numbers[-1]


async def test_only_the_newest_lines_of_the_last_days_are_kept(db: Database, principal: Principal) -> None:
    deployments, _, row = await deployed(db, principal)
    async with db.transaction(principal.workspace_id) as tx:
        await written(tx, principal, row.deployment_id)
        await tx.execute("set local statement_timeout = '10s'")  # each line is looked at once

        await node_queries.trim(tx, log_lines=100_000, log_days=9)
        all_of_them = await kept(tx)
        await node_queries.trim(tx, log_lines=100_000, log_days=7)
        of_a_week = await kept(tx)
        await node_queries.trim(tx, log_lines=100, log_days=7)
        newest = await kept(tx)

    assert all_of_them == (MANY, 1, MANY)
    assert of_a_week == (MANY // 2, MANY // 2 + 1, MANY)
    assert newest == (100, MANY - 99, MANY)
    assert await deployments.get(principal, "web")
