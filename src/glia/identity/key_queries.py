"""SQL about lists of keys, and for clients that know keys by whole numbers."""

from __future__ import annotations

from uuid import UUID

from glia.identity.queries import KEY
from glia.identity.types import ApiKey
from glia.kit.db import Transaction
from glia.kit.pages import Window


async def id_of(tx: Transaction, number: int) -> UUID | None:
    return await tx.value("select id from api_keys where number = %(number)s", number=number)


async def live(tx: Transaction, limit: int, *, owner_id: UUID | None, maker: str | None) -> list[ApiKey]:
    """Neither revoked nor expired, newest first. maker and owner_id as for `page`."""
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


async def page(
    tx: Transaction,
    window: Window,
    *,
    owner_id: UUID | None,
    maker: str | None,
    surface: str | None,
    agent_id: UUID | None = None,
) -> list[ApiKey]:
    """maker: only the keys that it made or that are of the user owner_id; None for all keys of the workspace."""
    return await tx.many(
        ApiKey,
        f"select {KEY} from api_keys "
        + """
        where (%(after)s::uuid is null or id < %(after)s) and (%(surface)s::text is null or surface = %(surface)s)
          and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
          and (%(maker)s::text is null or created_by = %(maker)s or user_id = %(owner_id)s)
        order by id desc limit %(rows)s""",
        after=window.after,
        surface=surface,
        agent_id=agent_id,
        maker=maker,
        owner_id=owner_id,
        rows=window.limit + 1,
    )
