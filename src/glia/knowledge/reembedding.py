"""SQL for changing a base's embedding model: a second set of vectors is made beside the first and takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from glia.kit.db import Transaction


@dataclass(frozen=True)
class Sets:
    """Which vectors a base has, and which are being made."""

    embedding_model: str | None
    dimensions: int | None
    embedding_set: UUID
    next_embedding_model: str | None
    next_dimensions: int | None
    next_embedding_set: UUID | None
    reembed_run_id: UUID | None
    chunks: int


async def lock_sets(tx: Transaction, base_id: UUID) -> Sets | None:
    """Held until the transaction ends: no chunk of the base is written meanwhile."""
    return await tx.one_or_none(
        Sets,
        """
        select embedding_model, dimensions, embedding_set, next_embedding_model, next_dimensions, next_embedding_set,
          reembed_run_id, chunks
        from knowledge_bases where id = %(id)s for update""",
        id=base_id,
    )


async def begin(tx: Transaction, base_id: UUID, *, model: str, dimensions: int, set_id: UUID, run_id: UUID) -> None:
    await tx.execute(
        """
        update knowledge_bases set next_embedding_model = %(model)s, next_dimensions = %(dimensions)s,
          next_embedding_set = %(set_id)s, reembed_run_id = %(run_id)s, updated_at = now()
        where id = %(id)s""",
        id=base_id,
        model=model,
        dimensions=dimensions,
        set_id=set_id,
        run_id=run_id,
    )


async def adopt(tx: Transaction, base_id: UUID, *, model: str, dimensions: int) -> None:
    """For a base without vectors: nothing has to be made again."""
    await tx.execute(
        """
        update knowledge_bases set embedding_model = %(model)s, dimensions = %(dimensions)s, updated_at = now()
        where id = %(id)s""",
        id=base_id,
        model=model,
        dimensions=dimensions,
    )


async def complete(tx: Transaction, base_id: UUID) -> None:
    await tx.execute(
        """
        update knowledge_bases set embedding_model = next_embedding_model, dimensions = next_dimensions,
          embedding_set = next_embedding_set, next_embedding_model = null, next_dimensions = null,
          next_embedding_set = null, reembed_run_id = null, updated_at = now()
        where id = %(id)s""",
        id=base_id,
    )


async def abandon(tx: Transaction, run_id: UUID) -> UUID | None:
    """Forgets what this run was making; returns its set, whose vectors are to be deleted."""
    return await tx.value(
        """
        with given_up as (
          select id, next_embedding_set as set_id from knowledge_bases where reembed_run_id = %(run_id)s for update
        )
        update knowledge_bases b set next_embedding_model = null, next_dimensions = null, next_embedding_set = null,
          reembed_run_id = null, updated_at = now()
        from given_up g where b.id = g.id returning g.set_id""",
        run_id=run_id,
    )
