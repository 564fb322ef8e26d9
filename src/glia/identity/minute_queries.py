"""The SQL of requests that are counted for all processes together. For `across_workspaces`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.kit.db import Transaction


@dataclass(frozen=True)
class Given:
    """given: to whoever asked. taken: by all, these included. seconds: until the minute is over."""

    given: int
    taken: int
    seconds: float


# A twentieth of what is left: seldom asked for while much is, and exact at the end.
_BEFORE: LiteralString = "(case when m.began_at > now() - interval '1 minute' then m.taken else 0 end)"
_SHARE: LiteralString = (
    "(case when " + _BEFORE + " >= %(rate)s then 0 else greatest(1, (%(rate)s - " + _BEFORE + ") / 20) end)"
)


async def take(tx: Transaction, id: UUID, rate: int) -> Given:
    """A share of this minute's requests; 0 when they are spent. The minute begins with its first request."""
    return await tx.one(
        Given,
        """
        insert into request_minutes as m (id, taken, given)
        values (%(id)s, greatest(1, %(rate)s::bigint / 20), greatest(1, %(rate)s::bigint / 20))
        on conflict (id) do update set
          given = """
        + _SHARE
        + ", taken = "
        + _BEFORE
        + " + "
        + _SHARE
        + """, began_at = case when m.began_at > now() - interval '1 minute' then m.began_at else now() end
        returning given, taken, least(60, extract(epoch from began_at + interval '1 minute' - now()))::float8 as seconds
        """,
        id=id,
        rate=rate,
    )
