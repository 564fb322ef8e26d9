"""Knowledge: bases, their documents, and searching them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError
from glia.kit.jobs import StartJob
from glia.knowledge import contents, filling, packing, queries, reembedding, vectors
from glia.knowledge import search as searching
from glia.knowledge.bases import no_base
from glia.knowledge.checks import MOST_BASES, check_search, clean_filter
from glia.knowledge.documents import Download as Download  # noqa: PLC0414  # outsiders enter by the service
from glia.knowledge.jobs import forget
from glia.knowledge.reranking import reranked
from glia.knowledge.rewriting import followed_up
from glia.knowledge.types import EVERYTHING, Chunk, Embedders, Filter, FollowUp, Found, Hit, HitOfAll, Reranker, Rewrite
from glia.knowledge.vault import Vault
from glia.knowledge.words import segmented
from glia.usage.types import Payer

_RERANKED = 50  # candidates that a reranking model reads for one search

log = structlog.stdlib.get_logger(__name__)


_LOOKED_AT = 50
"""How many passages are looked at for all of the words."""


class Knowledge(Vault):
    """The one door to the slice: what is done with bases and documents comes from the classes below it."""

    def __init__(
        self,
        db: Database,
        files: Files,
        *,
        start_job: StartJob,
        embedders: Embedders,
        reranker: Reranker | None = None,
        rewrite: Rewrite | None = None,
    ) -> None:
        """reranker: orders the best hits anew when a search asks for it.

        rewrite: makes a follow-up question whole by a model; None does it by rules.
        """
        super().__init__(db, files, start_job=start_job, embedders=embedders)
        self._reranker = reranker
        self._rewrite = rewrite

    async def search(
        self,
        principal: Principal,
        base_ids: Sequence[UUID],
        query: str,
        *,
        limit: int = 10,
        where: Filter = EVERYTHING,
        previous: Sequence[str] = (),
        agent_id: UUID | None = None,
        run_id: UUID | None = None,
        is_reranked: bool = True,
        is_missing_ok: bool = False,
    ) -> Sequence[Hit]:
        """The hits of `find`."""
        found = await self.find(
            principal,
            base_ids,
            query,
            limit=limit,
            where=where,
            previous=previous,
            agent_id=agent_id,
            run_id=run_id,
            is_reranked=is_reranked,
            is_missing_ok=is_missing_ok,
        )
        return found.hits

    async def find(
        self,
        principal: Principal,
        base_ids: Sequence[UUID],
        query: str,
        *,
        limit: int = 10,
        where: Filter = EVERYTHING,
        previous: Sequence[str] = (),
        agent_id: UUID | None = None,
        run_id: UUID | None = None,
        is_reranked: bool = True,
        is_missing_ok: bool = False,
    ) -> Found:
        """The best chunks of these bases together, best first.

        previous: the questions before this one, oldest first; a follow-up is made whole by them, with the model of
        this agent where one is configured. run_id: the run that pays for embedding the query.
        is_reranked: lets the reranking model order the best hits, where one is configured.
        is_missing_ok: skips bases that are not there (any more) instead of raising KnowledgeBaseNotFound.
        A model that cannot be reached does not fail the search: it goes by words alone, or without reranking.
        """
        principal.require("knowledge:read")
        check_search(base_ids, query, limit)
        where = clean_filter(where)
        follow_up = FollowUp(query, previous, principal.workspace_id, principal.project_id, agent_id)
        rewriting = await followed_up(follow_up, self._rewrite)
        query = rewriting.query
        reranker = self._reranker if is_reranked else None
        async with self._db.transaction(principal.workspace_id) as tx:
            scopes = await searching.scopes(tx, base_ids, where)
        missing = set(base_ids) - {scope.id for scope in scopes}
        if missing and not is_missing_ok:
            raise no_base(min(missing))
        payer = Payer(principal.workspace_id, principal.project_id, run_id, agent_id)
        embedded, embedding = await self._embedded(scopes, query, payer)
        async with self._db.transaction(principal.workspace_id) as tx:
            hits = await searching.search(
                tx,
                [scope.id for scope in scopes],
                segmented(query),
                limit=limit if reranker is None else max(limit, _RERANKED),
                dense=searching.Dense.NONE if embedding is None else searching.choose(embedded),
                sets=[scope.embedding_set for scope in embedded],
                embedding=embedding,
                dimensions=(embedded[0].dimensions or 0) if embedded else 0,
                chunks=sum(scope.chunks for scope in scopes),
                where=where,
                has_dead=any(scope.has_dead for scope in scopes),
            )
        return Found(hits if reranker is None else (await reranked(reranker, query, hits))[:limit], rewriting)

    async def passages(self, principal: Principal, query: str, *, limit: int) -> Sequence[HitOfAll]:
        """Chunks of any base of the workspace that hold every telling word of the query, best first, by the words
        alone: no model is asked. The newest 100 bases are searched. Raises InvalidRequest."""
        principal.require("knowledge:read")
        check_search([], query, limit)
        cut = segmented(query)
        async with self._db.transaction(principal.workspace_id) as tx:
            scopes = await searching.scopes(tx, await searching.newest_bases(tx, MOST_BASES))
            chunks = sum(scope.chunks for scope in scopes)
            if not chunks:
                return []
            has_dead = any(scope.has_dead for scope in scopes)
            ids = [scope.id for scope in scopes]
            hits = await searching.search(tx, ids, cut, limit=_LOOKED_AT, chunks=chunks, has_dead=has_dead)
            # Words of scripts without spaces are found by their parts, which the text itself is not cut into.
            whole = await searching.holding_all(tx, [hit.chunk for hit in hits], query if cut == query else "")
        held = [(hit, whole.get((hit.chunk.document_id, hit.chunk.ordinal))) for hit in hits]
        return [HitOfAll(hit, at) for hit, at in held if at is not None][:limit]

    async def _embedded(
        self, scopes: Sequence[searching.Scope], query: str, payer: Payer
    ) -> tuple[Sequence[searching.Scope], str | None]:
        """Those bases whose vectors can be compared with the query's, and its vector.

        Bases of several models: the vectors of the model that most chunks have are compared, the others' words.
        """
        chunks: dict[str, int] = {}
        for scope in scopes:
            if scope.embedding_model is not None and scope.chunks:
                chunks[scope.embedding_model] = chunks.get(scope.embedding_model, 0) + scope.chunks
        if not chunks:
            return [], None
        model = max(chunks, key=lambda name: (chunks[name], name))
        embedder = await self._embedders.named(model)
        if embedder is None:
            return [], None
        try:
            embedding = (await vectors.embed(embedder, [query], payer))[0]
        except GliaError as error:
            log.warning("query not embedded, searching by words", model=model, code=error.code)
            return [], None
        same = [s for s in scopes if s.embedding_model == model and s.dimensions == embedder.dimensions]
        return same, embedding if same else None

    async def neighbours(
        self, principal: Principal, places: Sequence[tuple[UUID, int]], *, reach: int = 1
    ) -> Sequence[Chunk]:
        """The chunks at these (document, ordinal) places with up to `reach` before and behind, each once, in order."""
        principal.require("knowledge:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await contents.list_around(tx, places, reach=reach)

    async def run_ended(self, tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
        """For the engine, when it ends a job as failed or cancelled: fails the document the run was processing.

        In the same transaction, so that no document is left processing with nobody at work on it.
        """
        for document in await queries.lock_processing(tx, run_id):
            work = await queries.lock_work(tx, document)
            if work is not None:
                await forget(tx, work)  # the same content may come again, and would be found twice
        await queries.fail_run(tx, run_id, code=code, message=message)
        await packing.end_run(tx, run_id)
        await filling.end(tx, run_id)
        set_id = await reembedding.abandon(tx, run_id)
        if set_id is not None:
            await contents.delete_set(tx, set_id)
