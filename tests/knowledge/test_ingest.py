import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.kit.errors import GliaError, Unavailable, UpstreamFailed
from glia.knowledge import jobs
from glia.knowledge.errors import DocumentFailed, EmbeddingUnusable
from glia.knowledge.types import DocumentStatus, Reading

from .conftest import Crash, FakeJob, HashEmbedder, House

TEXT = "\n\n".join(f"Paragraph {number} is about animal{number} and nothing else." for number in range(10))


@pytest.fixture(autouse=True)
def small_batches() -> object:
    with patch.object(jobs, "_CHUNKS_AT_ONCE", 3), patch.object(jobs, "_EMBEDDED_AT_ONCE", 4):
        yield


def crash_at(number: int) -> object:
    def check(transaction: int) -> None:
        if transaction == number:
            raise Crash

    return check


async def test_a_run_that_dies_anywhere_leaves_no_gap_and_no_double(house: House, principal: Principal) -> None:
    base = await house.base()
    await house.add(base, "A bystander.")
    await house.add(base, TEXT)
    expected = await house.rows()
    assert (expected["chunks"], expected["embeddings"]) == (11, 11)
    deaths = 0

    for death in itertools.count(1):
        other = await house.base(f"Base {death}")
        await house.add(other, "A bystander.")
        document = await house.upload(other, TEXT)
        job = house.queued.pop()
        try:
            await house.ingest(replace(job, before_transaction=crash_at(death)))
        except Crash:
            deaths += 1
        await house.ingest(job)
        found = await house.knowledge.document(principal, other.id, document.id)
        assert (found.status, found.chunks) == (DocumentStatus.READY, 10)
        ordinals = [chunk.ordinal for chunk in await house.knowledge.chunks(principal, other.id, document.id)]
        assert ordinals == list(range(10))
        await house.knowledge.delete(principal, base.id)
        base = other
        assert await house.rows() == expected
        if deaths < death:
            break

    assert deaths >= 10


async def test_a_second_attempt_embeds_only_what_is_missing(house: House) -> None:
    base = await house.base()
    await house.upload(base, TEXT)
    job = house.queued.pop()
    assert house.embedder
    real = house.embedder.embed

    async def die_in_second_batch(texts: list[str]) -> object:
        if house.embedder and house.embedder.embedded:
            raise Crash
        return await real(texts)

    with patch.object(house.embedder, "embed", die_in_second_batch), pytest.raises(Crash):
        await house.ingest(job)
    await house.ingest(job)

    assert len(house.embedder.embedded) == len(set(house.embedder.embedded)) == 10


async def test_a_document_is_found_by_words_before_it_is_embedded(house: House, principal: Principal) -> None:
    base = await house.base()
    document = await house.upload(base, TEXT)
    assert house.embedder
    house.embedder.failures = [Unavailable("Not now.")] * 3

    await house.ingest(house.queued.pop())

    assert (await house.find(base, query="animal7"))[0].startswith("Paragraph 7")
    waiting = await house.knowledge.document(principal, base.id, document.id)
    assert (waiting.status, waiting.chunks) == (DocumentStatus.PROCESSING, 10)


async def test_a_document_that_cannot_be_read_fails_with_the_reason(house: House, principal: Principal) -> None:
    class DocumentEncrypted(GliaError):
        code = "document_encrypted"

    async def refuse(path: Path, *, file_name: str, media_type: str) -> Reading:
        raise DocumentEncrypted(f"{file_name!r} is protected by a password.")

    base = await house.base()
    document = await house.upload(base, TEXT, name="secret.pdf")
    job = house.queued.pop()
    with pytest.raises(DocumentEncrypted):
        await replace(house.ingest, read=refuse)(job)

    failed = await house.knowledge.document(principal, base.id, document.id)
    assert (failed.status, failed.error_code) == (DocumentStatus.FAILED, "document_encrypted")
    assert failed.error_message == "'secret.pdf' is protected by a password."
    with pytest.raises(DocumentFailed) as again:
        await house.ingest(job)
    assert (again.value.code, again.value.message) == (failed.error_code, failed.error_message)


async def test_a_document_without_a_word_is_a_failure(house: House, principal: Principal) -> None:
    async def nothing(path: Path, *, file_name: str, media_type: str) -> Reading:
        return Reading(pages=3, passages=[])

    base = await house.base()
    document = await house.upload(base, TEXT)
    with pytest.raises(DocumentFailed, match="no text"):
        await replace(house.ingest, read=nothing)(house.queued.pop())
    assert (await house.knowledge.document(principal, base.id, document.id)).error_code == "document_empty"


async def test_an_embedding_call_that_fails_is_tried_again(house: House) -> None:
    assert house.embedder
    base = await house.base()
    house.embedder.failures = [UpstreamFailed("Down."), UpstreamFailed("Down.")]

    document = await house.add(base, TEXT)

    assert document.status is DocumentStatus.READY
    assert (await house.rows())["embeddings"] == 10


async def test_a_document_waits_for_an_embedding_endpoint_that_stays_down(house: House, principal: Principal) -> None:
    assert house.embedder
    base = await house.base()
    down = UpstreamFailed("The embedding endpoint does not answer.")
    documents = [await house.upload(base, TEXT), await house.upload(base, TEXT.replace("animal", "plant"))]
    house.embedder.failures = [down] * 12

    for _ in documents:
        await house.ingest(house.queued.pop(0))
    waiting = [await house.knowledge.document(principal, base.id, document.id) for document in documents]
    found = await house.find(base, query="what about animal3?")
    (fill,) = house.queued  # one waits for both
    await house.work()
    ready = [await house.knowledge.document(principal, base.id, document.id) for document in documents]

    for document in waiting:
        assert (document.status, document.progress_done) == (DocumentStatus.PROCESSING, 10)
        assert (document.phase, document.error_code, document.run_id) == ("waiting", "upstream_failed", fill.run_id)
        assert "does not answer. It is found by its words" in (document.error_message or "")
    assert found[0].startswith("Paragraph 3")
    assert [(document.status, document.error_code) for document in ready] == [(DocumentStatus.READY, None)] * 2
    assert fill.reports[0] == ("waiting", 0, 0)
    rows = await house.rows()
    assert (rows["chunks"], rows["embeddings"], rows["counted chunks"]) == (20, 20, 20)


async def test_an_endpoint_that_dies_in_the_middle_is_asked_only_for_what_is_missing(
    house: House, principal: Principal
) -> None:
    assert house.embedder
    base = await house.base()
    long = "\n\n".join(f"Paragraph {number} about thing{number}." for number in range(100))
    document = await house.upload(base, long)
    embed, calls = house.embedder.embed, 0

    async def dying(texts: Sequence[str]) -> object:
        nonlocal calls
        calls += 1
        if 2 <= calls < 9:
            raise Unavailable("Connection refused.")
        return await embed(texts)

    with patch.object(house.embedder, "embed", dying):
        await house.work()

    assert (await house.knowledge.document(principal, base.id, document.id)).status is DocumentStatus.READY
    assert len(house.embedder.embedded) == len(set(house.embedder.embedded)) == 100
    rows = await house.rows()
    assert (rows["chunks"], rows["embeddings"]) == (100, 100)


async def test_a_wait_that_is_cancelled_fails_its_documents_and_leaves_nothing_to_find(
    house: House, principal: Principal
) -> None:
    assert house.embedder
    base = await house.base()
    document = await house.upload(base, TEXT)
    house.embedder.failures = [UpstreamFailed("Down.")] * 3
    await house.ingest(house.queued.pop())
    (fill,) = house.queued

    async with house.db.transaction(principal.workspace_id) as tx:
        await house.knowledge.run_ended(tx, fill.run_id, code="cancelled", message="Cancelled.")
    house.queued.clear()
    again = await house.add(base, TEXT)

    failed = await house.knowledge.document(principal, base.id, document.id)
    assert (failed.status, failed.error_code, failed.chunks) == (DocumentStatus.FAILED, "cancelled", 0)
    assert (again.status, again.id != document.id) == (DocumentStatus.READY, True)
    assert len(await house.find(base, query="what about animal3?", limit=50)) == 10


async def test_vectors_of_another_size_fail_the_document_and_leave_the_base_searchable(
    house: House, principal: Principal
) -> None:
    base = await house.base()
    await house.add(base, TEXT)
    house.use(HashEmbedder(dimensions=512))
    document = await house.upload(base, "A new text about terns.")

    with pytest.raises(EmbeddingUnusable, match=r"384 dimensions.*gives 512 now.*embedding_model"):
        await house.work()

    failed = await house.knowledge.document(principal, base.id, document.id)
    assert (failed.status, failed.error_code) == (DocumentStatus.FAILED, "embedding_unusable")
    assert (await house.find(base, query="what about animal3?"))[0].startswith("Paragraph 3")
    # Setting the model again, though its name is the same, makes all vectors anew.
    await house.knowledge.update(principal, base.id, embedding_model="hash")
    await house.work()
    await house.add(base, "A new text about terns.")
    assert (await house.knowledge.get(principal, base.id)).dimensions == 512
    assert (await house.find(base, query="terns"))[0] == "A new text about terns."


async def test_an_embedder_that_answers_nonsense_fails_the_document(house: House, principal: Principal) -> None:
    assert house.embedder
    base = await house.base()
    document = await house.upload(base, TEXT)

    with (
        patch.object(house.embedder, "embed", HashEmbedder(dimensions=100).embed),
        pytest.raises(UpstreamFailed, match="shape"),
    ):
        await house.work()

    assert (await house.knowledge.document(principal, base.id, document.id)).status is DocumentStatus.FAILED


class DeletingJob(FakeJob):
    """Deletes the document just before one of its transactions."""

    def __init__(self, job: FakeJob, moment: int, delete: Callable[[], Awaitable[None]]) -> None:
        super().__init__(job.db, job.workspace_id, job.project_id, job.run_id, job.input)
        self.moment, self.delete = moment, delete

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.transactions += 1
        if self.transactions == self.moment:
            await self.delete()
        async with self.db.transaction(self.workspace_id) as tx:
            yield tx


async def test_a_document_deleted_in_the_middle_ends_its_run_quietly(house: House, principal: Principal) -> None:
    base = await house.base()
    for moment in (1, 2, 4, 7, 9):
        document = await house.upload(base, TEXT)
        delete = partial(house.knowledge.delete_document, principal, base.id, document.id)

        job = DeletingJob(house.queued.pop(), moment, delete)
        await house.ingest(job)

        assert job.transactions >= moment
        assert set((await house.rows()).values()) == {0}


async def test_without_an_embedder_words_are_enough(wordy_house: House) -> None:
    base = await wordy_house.base()

    document = await wordy_house.add(base, TEXT)

    assert document.status is DocumentStatus.READY
    assert (await wordy_house.rows())["embeddings"] == 0
    assert (await wordy_house.find(base, query="what about animal3?"))[0].startswith("Paragraph 3")


async def test_a_base_keeps_its_model_when_the_embedder_changes(house: House) -> None:
    base = await house.base()
    await house.add(base, TEXT)
    changed = House(house.db, house.folder, house.principal, HashEmbedder(model_id="other", dimensions=8))

    document = await changed.add(base, "A tern flies far.")

    assert document.status is DocumentStatus.READY
    assert (await house.rows())["embeddings"] == 10
    assert await changed.find(base, query="terns") == ["A tern flies far."]


async def test_two_uploads_into_one_base_at_once_count_right(house: House, principal: Principal) -> None:
    base = await house.base()
    await house.upload(base, TEXT)
    await house.upload(base, TEXT.replace("animal", "plant"))

    await asyncio.gather(*(house.ingest(job) for job in house.queued))

    rows = await house.rows()
    assert rows["counted chunks"] == rows["chunks"] == 20
    assert (await house.knowledge.get(principal, base.id)).documents == 2
