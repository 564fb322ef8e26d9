"""What changes under a base that goes on being searched: models, documents, folders, packed postings."""

from __future__ import annotations

import pytest

from glia.identity.types import Principal
from glia.kit.errors import Conflict, GliaError, InvalidRequest, UpstreamFailed
from glia.knowledge import packing
from glia.knowledge.types import DocumentStatus, Filter

from .conftest import HashEmbedder, House


async def test_old_vectors_serve_until_the_new_ones_are_whole(house: House, principal: Principal) -> None:
    wide = HashEmbedder("wide", 512)
    house.use(HashEmbedder(synonyms={"auto": "car"}), wide)
    base = await house.base()
    await house.add(base, "auto\n\nBread is baked.")

    changing = await house.knowledge.update(principal, base.id, embedding_model="wide")
    assert (changing.embedding_model, changing.next_embedding_model) == ("hash", "wide")
    assert (await house.find(base, query="car"))[0] == "auto"
    with pytest.raises(Conflict, match="being re-embedded"):
        await house.knowledge.update(principal, base.id, embedding_model="hash")
    late = await house.upload(base, "The auto came late.", name="late.txt")
    await house.work()

    changed = await house.knowledge.get(principal, base.id)
    assert (changed.embedding_model, changed.dimensions, changed.next_embedding_model) == ("wide", 512, None)
    assert (await house.knowledge.document(principal, base.id, late.id)).status is DocumentStatus.READY
    assert (await house.rows())["embeddings"] == 3
    (hit, *_) = await house.knowledge.search(principal, [base.id], "bread baked")
    assert hit.scores.dense is not None
    assert len(wide.embedded) == 4


async def test_a_model_that_stays_down_leaves_the_base_as_it_was(house: House, principal: Principal) -> None:
    broken = HashEmbedder("wide", 512, failures=[UpstreamFailed("Down.")] * 10)
    house.use(HashEmbedder(), broken)
    base = await house.base()
    await house.add(base, "Bread is baked.")
    await house.knowledge.update(principal, base.id, embedding_model="wide")
    job = house.queued.pop()

    with pytest.raises(UpstreamFailed):
        await house.job_of(job.kind)(job)
    async with house.db.transaction(principal.workspace_id) as tx:
        await house.knowledge.run_ended(tx, job.run_id, code="upstream_failed", message="Down.")

    left = await house.knowledge.get(principal, base.id)
    assert (left.embedding_model, left.next_embedding_model) == ("hash", None)
    assert (await house.rows())["embeddings"] == 1
    with pytest.raises(InvalidRequest, match="not configured"):
        await house.knowledge.update(principal, base.id, embedding_model="unknown")


async def test_a_document_is_found_while_it_is_read_again(house: House, principal: Principal) -> None:
    base = await house.base()
    document = await house.add(base, "Bread is baked.")
    before = await house.rows()

    queued = await house.knowledge.reindex(principal, base.id, document.id)
    assert (queued.status, queued.phase) == (DocumentStatus.READY, "queued")
    assert await house.find(base, query="bread") == ["Bread is baked."]
    await house.work()

    after = await house.knowledge.document(principal, base.id, document.id)
    assert (after.status, after.phase, after.error_code) == (DocumentStatus.READY, "done", None)
    assert await house.rows() == before


async def test_reading_again_in_vain_leaves_what_was_there(house: House, principal: Principal) -> None:
    assert house.embedder
    base = await house.base()
    document = await house.add(base, "Bread is baked.")
    await house.knowledge.reindex(principal, base.id, document.id)
    house.embedder.failures = [UpstreamFailed("Down.")] * 3

    with pytest.raises(GliaError):
        await house.work()

    after = await house.knowledge.document(principal, base.id, document.id)
    assert (after.status, after.error_code) == (DocumentStatus.READY, "upstream_failed")
    assert await house.find(base, query="bread") == ["Bread is baked."]


async def test_folders_and_metadata_narrow_a_search(house: House, principal: Principal) -> None:
    base = await house.base()
    path = house.folder / "file"
    for text, folder, metadata in (
        ("Terns fly.", "birds/sea", {"year": 2020, "tags": ["a", "b"]}),
        ("Terns nest.", "/birds/", {"year": 2021}),
        ("Terns rest.", "birdsong_", {}),
    ):
        path.write_text(text)
        await house.knowledge.add(
            principal, base.id, path, name="t.txt", media_type="text/plain", folder=folder, metadata=metadata
        )
    await house.work()

    async def found(where: Filter) -> list[str]:
        hits = await house.knowledge.search(principal, [base.id], "terns", where=where)
        return sorted(hit.chunk.text for hit in hits)

    assert await found(Filter()) == ["Terns fly.", "Terns nest.", "Terns rest."]
    assert await found(Filter(path="birds")) == ["Terns fly.", "Terns nest."]
    assert await found(Filter(path="birdsong_")) == ["Terns rest."]
    assert await found(Filter(path="bird%")) == []
    assert await found(Filter(path="/birds/sea/")) == await found(Filter(path="birds/sea"))
    assert await found(Filter(path="/")) == await found(Filter())
    assert await found(Filter(metadata={"tags": ["b"]})) == ["Terns fly."]
    assert await found(Filter(path="birds", metadata={"year": 2021})) == ["Terns nest."]
    assert await found(Filter(document_ids=[])) == []
    folders = await house.knowledge.folders(principal, base.id)
    assert [(folder.path, folder.documents) for folder in folders] == [("birds", 1), ("birds/sea", 1), ("birdsong_", 1)]


async def test_a_moved_document_is_found_where_it_lies_now(house: House, principal: Principal) -> None:
    base = await house.base()
    document = await house.add(base, "Terns fly.")

    moved = await house.knowledge.update_document(principal, base.id, document.id, path="a/b", metadata={"x": 1})

    assert (moved.path, moved.metadata, moved.name) == ("a/b", {"x": 1}, document.name)
    where = Filter(path="a", metadata={"x": 1})
    assert len(await house.knowledge.search(principal, [base.id], "terns", where=where)) == 1
    with pytest.raises(InvalidRequest, match="path"):
        await house.knowledge.update_document(principal, base.id, document.id, path="../up")


async def test_packed_postings_find_the_same_and_forget_what_is_deleted(
    wordy_house: House, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "CHUNKS_A_PACK", 8)
    monkeypatch.setattr(packing, "FEWEST_TO_PACK", 8)
    house = wordy_house
    base = await house.base()
    documents = [await house.upload(base, f"The tern number{n} flies.", name=f"{n}.txt") for n in range(9)]
    while house.queued and house.queued[0].kind == "knowledge.ingest":
        await house.ingest(house.queued.pop(0))
    before = await house.find(base, query="number3 tern")
    loose = (await house.rows())["postings"]

    await house.work()

    assert (await house.rows())["postings"] < loose
    assert await house.find(base, query="number3 tern") == before
    await house.knowledge.delete_document(principal, base.id, documents[3].id)
    left = await house.find(base, query="number3 tern")
    assert len(left) == 8
    assert "The tern number3 flies." not in left
    async with house.db.transaction(principal.workspace_id) as tx:
        assert await packing.bury(tx, base.id) == 1
    assert len(await house.find(base, query="tern")) == 8
    await house.knowledge.delete(principal, base.id)
    assert set((await house.rows()).values()) == {0}


async def test_each_document_is_cut_in_its_own_language(house: House, principal: Principal) -> None:
    base = await house.knowledge.create(principal, "Mixed")
    english = "It is for the cat and the dog that we are in the garden, and this is not what the birds of it like. "
    german = "Die Katze und der Hund sind nicht in den Gärten, und das ist auch für die Vögel mit dem Nest zu sehen. "
    first = await house.add(base, english * 2)
    second = await house.add(base, german * 2)
    third = await house.add(base, "东京是日本的首都。\n\n大阪在西边。")

    documents = [await house.knowledge.document(principal, base.id, d.id) for d in (first, second, third)]
    assert [document.text_config for document in documents] == ["english", "german", "simple"]
    hits = await house.knowledge.search(principal, [base.id], "日本首都")
    assert hits[0].chunk.text.startswith("东京")
    assert hits[0].scores.lexical is not None
    assert (await house.find(base, query="Garten"))[0].startswith("Die Katze")


class Backwards:
    def __init__(self) -> None:
        self.is_down = False

    async def rerank(self, query: str, texts: list[str]) -> list[float]:
        if self.is_down:
            raise UpstreamFailed("Down.")
        return [float(len(text)) for text in texts]


async def test_a_reranker_orders_the_hits_and_is_not_missed_when_down(house: House, principal: Principal) -> None:
    base = await house.base()
    await house.add(base, "tern\n\nA tern that has a great many words around it.")
    house.knowledge._reranker = reranker = Backwards()

    (first, *_) = await house.knowledge.search(principal, [base.id], "tern")
    (plain, *_) = await house.knowledge.search(principal, [base.id], "tern", is_reranked=False)
    reranker.is_down = True
    (fallen, *_) = await house.knowledge.search(principal, [base.id], "tern")

    assert first.chunk.text.startswith("A tern")
    assert first.scores.reranked is not None
    assert plain.chunk.text == fallen.chunk.text == "tern"


async def test_a_follow_up_is_searched_with_the_question_before_it(house: House, principal: Principal) -> None:
    base = await house.base()
    await house.add(base, "The warranty lasts two years.\n\nThe kitchen closes at nine.")

    alone = await house.knowledge.search(principal, [base.id], "And how long is it?", limit=1)
    followed = await house.knowledge.search(
        principal, [base.id], "And how long is it?", limit=1, previous=["Is there a warranty on toasters?"]
    )

    assert alone == [] or alone[0].scores.lexical is None
    assert followed[0].chunk.text == "The warranty lasts two years."
    assert followed[0].scores.lexical is not None


async def test_a_query_of_100_kb_is_refused_with_the_limit(house: House, principal: Principal) -> None:
    base = await house.base()

    with pytest.raises(InvalidRequest, match="4000"):
        await house.knowledge.search(principal, [base.id], "tern " * 20_000)
