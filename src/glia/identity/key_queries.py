"""SQL about keys for clients that know them by whole numbers and see only those that open something."""

from __future__ import annotations

from uuid import UUID

from glia.identity.queries import KEY
from glia.identity.types import ApiKey
from glia.kit.db import Transaction


async def id_of(tx: Transaction, number: int) -> UUID | None:
    return await tx.value("select id from api_keys where number = %(number)s", number=number)


async def live(tx: Transaction, limit: int, *, owner_id: UUID | None, maker: str | None) -> list[ApiKey]:
    """Neither revoked nor expired, newest first. maker and owner_id as for `queries.keys`."""
    return await tx.many(
        ApiKey,
        f"select {KEY} from api_keys "
        + """
        where revoked_at is null and (expires_at is null or expires_at > now())
          and (%(maker)s::text is null or created_by = %(maker)s or user_id = %(owner_id)s)
        order by id desc limit %(limit)s""",
        maker=maker,
        owner_id=owner_id,
        limit=limit,
    )
