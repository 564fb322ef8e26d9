"""All SQL of the inference slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from glia.inference.types import InferenceTool
from glia.kit.db import Transaction, json
from glia.kit.pages import Window

_COLUMNS: LiteralString = """
    id, provider, model, kind, family, title, description, owner, price_micros, output_price_micros, price_unit,
    most_seconds, logo_url, synced_at from inference_tools """


@dataclass(frozen=True)
class Upserted:
    added: int
    updated: int


async def upsert(tx: Transaction, workspace_id: UUID, rows: Sequence[dict[str, object]]) -> Upserted:
    """rows: columns by name. A model that is known keeps its id."""
    return await tx.one(
        Upserted,
        """
        with written as (
          insert into inference_tools as t (id, workspace_id, provider, model, kind, family, title, description, owner,
            price_micros, output_price_micros, price_unit, most_seconds, logo_url, synced_at)
          select id, %(workspace_id)s, provider, model, kind, family, title, description, owner, price_micros,
            output_price_micros, price_unit, most_seconds, logo_url, clock_timestamp()
          from jsonb_to_recordset(%(rows)s) as given (id uuid, provider text, model text, kind text, family text,
            title text, description text, owner text, price_micros bigint, output_price_micros bigint, price_unit text,
            most_seconds int, logo_url text)
          on conflict (workspace_id, provider, model) do update set kind = excluded.kind, family = excluded.family,
            title = excluded.title, description = excluded.description, owner = excluded.owner,
            price_micros = excluded.price_micros, output_price_micros = excluded.output_price_micros,
            price_unit = excluded.price_unit, most_seconds = excluded.most_seconds, logo_url = excluded.logo_url,
            synced_at = excluded.synced_at
          returning (xmax = 0) as is_new
        ) select count(*) filter (where is_new) as added, count(*) filter (where not is_new) as updated from written""",
        workspace_id=workspace_id,
        rows=json(list(rows)),
    )


async def drop_missing(tx: Transaction, provider: str, models: Sequence[str]) -> int:
    """Removes what the provider lists no more."""
    return await tx.execute(
        "delete from inference_tools where provider = %(provider)s and model <> all(%(models)s::text[])",
        provider=provider,
        models=list(models),
    )


async def drop_strangers(tx: Transaction, providers: Sequence[str]) -> int:
    """Removes the tools of providers that are configured no more."""
    return await tx.execute(
        "delete from inference_tools where provider <> all(%(providers)s::text[])", providers=list(providers)
    )


async def get(tx: Transaction, id: UUID) -> InferenceTool | None:
    return await tx.one_or_none(InferenceTool, "select" + _COLUMNS + "where id = %(id)s", id=id)


async def everything(tx: Transaction, kind: str | None = None, limit: int = 5_000) -> list[InferenceTool]:
    """The cheapest known first, then by name."""
    return await tx.many(
        InferenceTool,
        "select"
        + _COLUMNS
        + """where %(kind)s::text is null or kind = %(kind)s
        order by price_micros nulls last, model, provider limit %(limit)s""",
        kind=kind,
        limit=limit,
    )


async def list_page(tx: Transaction, window: Window, kind: str | None, family: str | None) -> list[InferenceTool]:
    return await tx.many(
        InferenceTool,
        "select"
        + _COLUMNS
        + """
        where (%(after)s::uuid is null or id < %(after)s) and (%(kind)s::text is null or kind = %(kind)s)
          and (%(family)s::text is null or family = %(family)s)
        order by id desc limit %(rows)s""",
        after=window.after,
        kind=kind,
        family=family,
        rows=window.limit + 1,
    )


async def count(tx: Transaction) -> int:
    return int(await tx.value("select count(*) from inference_tools"))
