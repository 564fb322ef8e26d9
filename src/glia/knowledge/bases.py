"""Knowledge bases: make, list, change and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest, Unavailable
from glia.kit.ids import new_id
from glia.kit.jobs import StartJob
from glia.kit.pages import Page, Window, page_of
from glia.knowledge import queries, reembedding
from glia.knowledge.checks import check_base
from glia.knowledge.errors import KnowledgeBaseNotFound
from glia.knowledge.renewal import REEMBED_KIND
from glia.knowledge.types import Embedder, Embedders, KnowledgeBase
from glia.knowledge.words import AUTO


class Bases:
    def __init__(self, db: Database, files: Files, *, start_job: StartJob, embedders: Embedders) -> None:
        self._db = db
        self._files = files
        self._start_job = start_job
        self._embedders = embedders

    async def create(
        self,
        principal: Principal,
        name: str,
        *,
        description: str = "",
        text_config: str = AUTO,
        embedding_model: str | None = None,
        dense_weight: float = 1.5,
        lexical_weight: float = 1.0,
    ) -> KnowledgeBase:
        """text_config: how words are cut and stemmed, one of PostgreSQL's configurations, or `auto`: by document.

        embedding_model: one that is configured; None takes the server's own.
        """
        principal.require("knowledge:write")
        check_base(name, description, dense_weight, lexical_weight)
        id = new_id()
        embedder = await (self._usual() if embedding_model is None else self._named(embedding_model))
        async with self._db.transaction(principal.workspace_id) as tx:
            await _check_text_config(tx, text_config)
            await queries.insert_base(
                tx,
                id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                name=name,
                description=description,
                text_config=text_config,
                embedding_model=None if embedder is None else embedder.model_id,
                dimensions=None if embedder is None else embedder.dimensions,
                dense_weight=dense_weight,
                lexical_weight=lexical_weight,
            )
            return await base_of(tx, id)

    async def get(self, principal: Principal, id: UUID) -> KnowledgeBase:
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await base_of(tx, id)

    async def list(self, principal: Principal, window: Window) -> Page[KnowledgeBase]:
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_bases(tx, window)
        return page_of(rows, window, lambda base: base.id)

    async def update(
        self,
        principal: Principal,
        id: UUID,
        *,
        name: str | None = None,
        description: str | None = None,
        dense_weight: float | None = None,
        lexical_weight: float | None = None,
        embedding_model: str | None = None,
    ) -> KnowledgeBase:
        """Changes what is given; the rest stays.

        embedding_model: makes all vectors anew in the background; searches use the old ones until that is done.
        """
        principal.require("knowledge:write")
        embedder = None if embedding_model is None else await self._named(embedding_model)
        given = {
            "name": name,
            "description": description,
            "dense_weight": dense_weight,
            "lexical_weight": lexical_weight,
        }
        async with self._db.transaction(principal.workspace_id) as tx:
            base = replace(await base_of(tx, id), **{key: value for key, value in given.items() if value is not None})
            check_base(base.name, base.description, base.dense_weight, base.lexical_weight)
            await queries.update_base(
                tx,
                id,
                name=base.name,
                description=base.description,
                dense_weight=base.dense_weight,
                lexical_weight=base.lexical_weight,
            )
            if embedder is not None:
                await self._change_model(tx, principal, id, model=embedder.model_id, dimensions=embedder.dimensions)
            return await base_of(tx, id)

    async def _usual(self) -> Embedder | None:
        """Where the usual model does not answer, the base takes it with its first document."""
        with suppress(Unavailable):
            return await self._embedders.default()
        return None

    async def _named(self, model: str) -> Embedder:
        embedder = await self._embedders.named(model, is_fresh=True)
        if embedder is None:
            raise InvalidRequest(
                f"The embedding model {model!r} is not configured here, or does not answer; see `GET /v1/models`.",
                field="embedding_model",
            )
        return embedder

    async def _change_model(
        self, tx: Transaction, principal: Principal, id: UUID, *, model: str, dimensions: int
    ) -> None:
        sets = await reembedding.lock_sets(tx, id)
        if sets is None:
            raise no_base(id)
        if sets.next_embedding_set is not None:
            if sets.next_embedding_model == model:
                return
            raise Conflict(
                f"The knowledge base is being re-embedded with {sets.next_embedding_model!r}; wait until it is done, or"
                f" cancel the run {sets.reembed_run_id}."
            )
        if (sets.embedding_model, sets.dimensions) == (model, dimensions):
            return
        if not sets.chunks:
            await reembedding.adopt(tx, id, model=model, dimensions=dimensions)
            return
        run_id = await self._start_job(
            tx,
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            kind=REEMBED_KIND,
            input={"knowledge_base_id": str(id)},
        )
        await reembedding.begin(tx, id, model=model, dimensions=dimensions, set_id=new_id(), run_id=run_id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Deletes the base with all its documents and their files."""
        principal.require("knowledge:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            files = await queries.lock_documents(tx, id)
            if not await queries.delete_base(tx, id):
                raise no_base(id)
            for file in files:
                await self._files.delete(tx, file)

    async def require_bases(self, tx: Transaction, ids: Sequence[UUID]) -> None:
        """Raises InvalidRequest when one of these is not a base of the workspace: a check for an agent's spec."""
        missing = set(ids) - await queries.find_bases(tx, ids)
        if missing:
            raise InvalidRequest(
                f"There is no knowledge base '{min(missing)}' in this workspace; create it first, or leave it away.",
                field="knowledge_base_ids",
            )


async def base_of(tx: Transaction, id: UUID) -> KnowledgeBase:
    base = await queries.get_base(tx, id)
    if base is None:
        raise no_base(id)
    return base


def no_base(id: UUID) -> KnowledgeBaseNotFound:
    return KnowledgeBaseNotFound(f"There is no knowledge base '{id}' in this workspace.", knowledge_base_id=str(id))


async def _check_text_config(tx: Transaction, name: str) -> None:
    if name != AUTO and not await queries.has_text_config(tx, name):
        known = ", ".join([AUTO, *await queries.text_configs(tx)])
        raise InvalidRequest(f"`text_config` is {name!r}; it must be one of {known}.", field="text_config")
