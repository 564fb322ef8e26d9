import math
from typing import LiteralString
from unittest.mock import patch
from uuid import UUID

import numpy as np
import psycopg
import pytest

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import UpstreamFailed
from glia.kit.ids import new_id
from glia.knowledge import search
from glia.knowledge.search import Dense, Scope, choose
from glia.knowledge.types import EVERYTHING, Filter

from ..conftest import DatabaseUrls
from .conftest import House


async def test_the_rarer_word_decides(wordy_house: House) -> None:
    house = wordy_house
    base = await house.base()
    common = "\n\n".join(f"The company policy number {number} covers the office." for number in range(20))
    await house.add(base, common + "\n\nThe okapi policy.")

    found = await house.find(base, query="Which policy of the company is about the okapi?", limit=3)

    assert found[0] == "The okapi policy."


async def test_a_question_needs_only_one_of_its_words_in_any_form(wordy_house: House) -> None:
    base = await wordy_house.base()
    await wordy_house.add(base, "Warranties last two years.\n\nThe kitchen closes at nine.")

    question = "For how long is the warranty of my splendid new toaster valid, please?"

    assert await wordy_house.find(base, query=question) == ["Warranties last two years."]
    assert await wordy_house.find(base, query="zebra") == []
    assert await wordy_house.find(base, query="the of and") == []


async def test_headings_are_found_like_text(wordy_house: House) -> None:
    base = await wordy_house.base()
    await wordy_house.add(base, "# Vacation\nThirty days.\n\n# Sickness\nSend a note.")

    assert await wordy_house.find(base, query="vacation") == ["Thirty days."]


async def test_the_score_is_bm25(wordy_house: House, principal: Principal) -> None:
    house = wordy_house
    base = await house.base()
    await house.add(base, "apple apple pear\n\npear plum cherry grape melon\n\nfig")

    (hit,) = await house.knowledge.search(principal, [base.id], "apples")

    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    length, mean, tf = 3, 9 / 3, 2
    assert hit.scores.lexical == pytest.approx(idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / mean)), rel=1e-6)
    assert hit.scores.dense is None
    assert (hit.scores.fused, hit.scores.lexical_rank, hit.scores.dense_rank) == (1, 1, None)


async def test_meaning_finds_what_words_do_not(house: House, principal: Principal) -> None:
    assert house.embedder
    house.embedder.synonyms = {"automobile": "car"}
    base = await house.base()
    await house.add(base, "automobile\n\nThe bread is fresh\n\nThe sky is blue")

    hits = await house.knowledge.search(principal, [base.id], "car")

    assert hits[0].chunk.text == "automobile"
    assert hits[0].scores.dense == pytest.approx(1, abs=1e-3)
    assert hits[0].scores.lexical is None
    assert hits[0].chunk.page == 1


async def test_what_both_legs_find_comes_first(house: House, principal: Principal) -> None:
    assert house.embedder
    house.embedder.synonyms = {"auto": "car"}
    base = await house.base()
    await house.add(base, "auto\n\ncar and bread and butter and jam\n\nauto car")

    hits = await house.knowledge.search(principal, [base.id], "car")

    assert hits[0].chunk.text == "auto car"
    assert hits[0].scores.fused > 0.9
    assert hits[0].scores.lexical_rank == 1
    assert [hit.scores.fused for hit in hits] == sorted((hit.scores.fused for hit in hits), reverse=True)


async def test_the_weights_of_a_base_decide_which_leg_counts(house: House, principal: Principal) -> None:
    assert house.embedder
    house.embedder.synonyms = {"auto": "car"}
    base = await house.base()
    await house.add(base, "auto\n\nThe car has many other words around it so that its meaning is far away")

    await house.knowledge.update(principal, base.id, lexical_weight=10)
    by_words = await house.find(base, query="car")
    await house.knowledge.update(principal, base.id, lexical_weight=0, dense_weight=1)
    by_meaning = await house.find(base, query="car")

    assert by_words[0].startswith("The car")
    assert by_meaning[0] == "auto"


async def test_two_bases_are_searched_as_one(house: House, principal: Principal) -> None:
    first, second, third = await house.base("A"), await house.base("B"), await house.base("C")
    await house.add(first, "Terns fly far.\n\nBread is baked.")
    await house.add(second, "The tern nests in the north.", name="birds.txt")
    await house.add(third, "A tern that nobody asked for.")

    hits = await house.knowledge.search(principal, [first.id, second.id], "tern", limit=2)

    assert {hit.chunk.knowledge_base_id for hit in hits} == {first.id, second.id}
    assert {hit.document_name for hit in hits} == {"doc.txt", "birds.txt"}
    assert all("tern" in hit.chunk.text.lower() for hit in hits)


async def test_a_base_of_another_model_is_searched_by_words_beside_one_that_is_not(
    house: House, wordy_house: House, principal: Principal
) -> None:
    words = await wordy_house.base("Words")
    await wordy_house.add(words, "The tern nests in the north.")
    both = await house.base("Both")
    await house.add(both, "Terns fly far.")

    hits = await house.knowledge.search(principal, [words.id, both.id], "tern")

    by_base = {hit.chunk.knowledge_base_id: hit.scores for hit in hits}
    assert by_base[words.id].dense is None
    assert by_base[words.id].lexical is not None
    assert by_base[both.id].dense is not None


async def test_a_model_that_is_down_leaves_the_words(house: House) -> None:
    assert house.embedder
    base = await house.base()
    await house.add(base, "The tern nests in the north.\n\nBread is baked.")
    house.embedder.failures = [UpstreamFailed("Down.")]

    assert await house.find(base, query="tern") == ["The tern nests in the north."]


async def test_neighbours_come_in_order_and_once(house: House, principal: Principal) -> None:
    base = await house.base()
    document = await house.add(base, "\n\n".join("abcdefg"))

    around = await house.knowledge.neighbours(principal, [(document.id, 0), (document.id, 1), (document.id, 5)])

    assert [chunk.text for chunk in around] == ["a", "b", "c", "e", "f", "g"]


async def test_passages_are_looked_up_by_index_under_row_level_security(
    house: House, principal: Principal, database_urls: DatabaseUrls
) -> None:
    """PostgreSQL reads the whole table when a comparison might leak other tenants' rows to the one who asks."""
    base = await house.base()
    async with house.db.transaction(principal.workspace_id) as tx:
        await fill(tx, principal, base.id, np.ones((4000, 2)))
    with psycopg.connect(database_urls.admin, autocommit=True) as admin:
        admin.execute("analyze glia.chunks, glia.embeddings, glia.documents")

    async def plan(statement: LiteralString) -> str:
        async with house.db.transaction(principal.workspace_id) as tx:
            return "\n".join(
                await tx.values(
                    "explain " + statement,
                    ids=[base.id],
                    sets=[base.id],
                    feedback=2,
                    embedding="[1,1]",
                    query="tern",
                    prune=0.0,
                    depth=5,
                    limit=5,
                )
            )

    statement = search.statement(Dense.EXACT)
    assert "Index Scan using chunks_pkey" in await plan(statement)
    assert "Seq Scan on chunks" not in await plan(statement)


def scope(chunks: int, *, dimensions: int = 384, all_embeddings: int = 0, is_new: bool = True) -> Scope:
    return Scope(new_id(), chunks, "m", dimensions, new_id(), all_embeddings, is_new)


def test_small_bases_and_small_shares_are_compared_exactly() -> None:
    assert choose([]) is Dense.NONE
    assert choose([scope(3999)]) is Dense.EXACT
    assert choose([scope(50_000, all_embeddings=100_000)]) is Dense.INDEX
    assert choose([scope(3000), scope(3000)]) is Dense.INDEX
    assert choose([scope(5000, all_embeddings=1_000_000)]) is Dense.EXACT
    assert choose([scope(50_000, dimensions=1000)]) is Dense.EXACT
    assert choose([scope(50_000, is_new=False)]) is Dense.EXACT


async def fill(tx: Transaction, principal: Principal, base_id: UUID, rows: np.ndarray) -> None:
    """Chunks with these vectors and nothing to find by words."""
    document_id = new_id()
    await tx.execute(
        """
        insert into documents (id, workspace_id, project_id, knowledge_base_id, name, media_type, size_bytes, sha256)
        values (%(id)s, %(workspace)s, %(project)s, %(base)s, 'd', 't', 0, %(sha)s)""",
        id=document_id,
        workspace=principal.workspace_id,
        project=principal.project_id,
        base=base_id,
        sha=document_id.hex,
    )
    await tx.execute(
        """
        with made as (
          insert into chunks (workspace_id, knowledge_base_id, document_id, ordinal, heading, start_character,
            end_character, text)
          select %(workspace)s, %(base)s, %(document)s, n - 1, '', 0, 0, repeat('lorem ', 100)
          from generate_series(1, %(count)s) n returning id, ordinal
        )
        insert into embeddings (chunk_id, workspace_id, set_id, document_id, embedding)
        select m.id, %(workspace)s, %(base)s, %(document)s, v.vector::halfvec
        from made m join unnest(%(vectors)s::text[]) with ordinality v(vector, n) on v.n = m.ordinal + 1""",
        workspace=principal.workspace_id,
        base=base_id,
        document=document_id,
        count=len(rows),
        vectors=[literal(row) for row in rows],
    )


def literal(row: np.ndarray) -> str:
    return "[" + ",".join(f"{value:.4g}" for value in row) + "]"


async def ordinals(tx: Transaction, base_id: UUID, vector: np.ndarray, dense: Dense) -> set[int]:
    hits = await search.search(
        tx, [base_id], "nothing", limit=10, dense=dense, sets=[base_id], embedding=literal(vector), depth=10
    )
    return {hit.chunk.ordinal for hit in hits}


async def test_a_small_tenant_beside_a_large_one_finds_its_own(
    house: House, db: Database, principal: Principal, stranger: Principal
) -> None:
    """The index knows no tenants: it must go on until it has found enough rows of this one."""
    random = np.random.default_rng(7)

    def near(center: np.ndarray, count: int, spread: float) -> np.ndarray:
        rows = center + spread * random.standard_normal((count, 384)) / 384**0.5
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    question = near(np.zeros(384), 1, 1)[0]
    # The large tenant's vectors are all nearer to the question than the small one's.
    large = near(question, 600, 0.6)
    small = near(question, 40, 1.5)
    base, other = await house.base(), await house.base(principal=stranger)
    async with db.transaction(stranger.workspace_id) as tx:
        await fill(tx, stranger, other.id, large)
    async with db.transaction(principal.workspace_id) as tx:
        await fill(tx, principal, base.id, small)

    async def recall(dense: Dense, *, is_prepared: bool = True) -> float:
        async with db.transaction(principal.workspace_id) as tx:
            assert await tx.value("select current_user::text") == "glia_app"
            # So small a table would be sorted rather than looked up; in a large one the index is the cheaper way.
            await tx.execute(
                """select set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true),
                  set_config('enable_bitmapscan', 'off', true)"""
            )
            if not is_prepared:
                vector = literal(question)
                plan = "\n".join(await tx.values("explain " + LEG, base=[base.id], vector=vector))
                assert "embeddings_384" in plan
                found = set(await tx.values(LEG, base=[base.id], vector=vector))
            else:
                found = await ordinals(tx, base.id, question, dense)
        nearest = set(np.argsort(-(small @ question))[:10].tolist())
        return len(found & nearest) / 10

    assert await recall(Dense.EXACT) >= 0.9  # rounding to 16 bits may swap the tenth with the eleventh
    assert await recall(Dense.INDEX) >= 0.9
    assert await recall(Dense.INDEX, is_prepared=False) < 0.5


# The vector leg as it would be without the preparation of the scan.
LEG = """
select c.ordinal from (
  select chunk_id, embedding::halfvec(384) <#> %(vector)s::halfvec(384) as distance
  from embeddings where set_id = any(%(base)s) and vector_dims(embedding) = 384
  order by 2 limit 10) e join chunks c on c.id = e.chunk_id"""


async def test_the_short_way_of_large_bases_finds_the_same_first_passages(house: House, principal: Principal) -> None:
    """It adds up all postings of rare words and, for what these picked, those of the others."""
    base = await house.base()
    animals = ["tern", "gull", "crow", "swan"]
    text = "\n\n".join(
        f"A {animals[number % 4]} was seen on day{number} near the harbour{' of Oslo' if number % 10 == 3 else ''}."
        for number in range(40)
    )
    document = await house.add(base, text)
    await house.add(base, "Nothing else is written here about the harbour.", name="other.txt")

    async def found(query: str, chunks: int, where: Filter = EVERYTHING) -> list[str]:
        async with house.db.transaction(principal.workspace_id) as tx:
            hits = await search.search(tx, [base.id], query, limit=3, chunks=chunks, where=where)
        return [hit.chunk.text for hit in hits]

    # So few postings count as rare that most of the words are common ones here.
    with patch.dict(search._LARGE, {"rare_postings": 11, "most_postings": 200}):
        for query in ("a crow near Oslo", "gull on day5 at the harbour", "the harbour", "day7"):
            assert await found(query, 20_000) == await found(query, 41), query
        only = Filter(document_ids=[document.id])
        assert await found("written about the crow in Oslo", 20_000, only) == await found("crow Oslo", 41, only)
        assert await found("zebra", 20_000) == []
