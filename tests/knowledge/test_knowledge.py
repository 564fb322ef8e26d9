from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from glia.identity.types import Principal
from glia.kit.errors import Forbidden, GliaError, InvalidRequest, NotFound
from glia.kit.pages import Window
from glia.knowledge.errors import DocumentNotFound, KnowledgeBaseNotFound
from glia.knowledge.types import DocumentStatus

from .conftest import House

TEXT = "# Fish\nThe zebrafish swims in warm water.\n\n# Birds\nThe arctic tern flies from pole to pole."


async def test_a_base_is_kept_as_it_was_given(house: House, principal: Principal) -> None:
    base = await house.knowledge.create(
        principal, "Handbook", description="All rules", text_config="english", lexical_weight=2
    )

    assert await house.knowledge.get(principal, base.id) == base
    assert (base.embedding_model, base.dimensions, base.text_config) == ("hash", 384, "english")
    assert (base.lexical_weight, base.dense_weight, base.chunks, base.documents) == (2, 1.5, 0, 0)
    renamed = await house.knowledge.update(principal, base.id, name="Rules", dense_weight=0.5)
    assert (renamed.name, renamed.description, renamed.dense_weight) == ("Rules", "All rules", 0.5)
    assert [found.id for found in (await house.knowledge.list(principal, Window())).items] == [base.id]


async def test_an_upload_is_processed_until_it_is_ready(house: House, principal: Principal) -> None:
    base = await house.base()

    document = await house.upload(base, TEXT, name="animals.txt")
    job = house.queued[0]
    await house.work()

    assert document.status is DocumentStatus.PROCESSING
    assert (document.phase, document.chunks, document.run_id) == ("queued", 0, job.run_id)
    ready = await house.knowledge.document(principal, base.id, document.id)
    assert ready.status is DocumentStatus.READY
    assert (ready.chunks, ready.pages, ready.phase, ready.error_code) == (2, 2, "done", None)
    assert [phase for phase, _, _ in job.reports] == ["reading", "indexing", "embedding"]
    assert (await house.knowledge.get(principal, base.id)).chunks == 2
    chunks = await house.knowledge.chunks(principal, base.id, document.id)
    assert [(chunk.ordinal, chunk.page, chunk.heading) for chunk in chunks] == [(0, 1, "Fish"), (1, 2, "Birds")]
    assert chunks[1].uri == f"kb://{base.id}/{document.id}#1"


async def test_the_file_comes_back_as_it_was(house: House, principal: Principal) -> None:
    base = await house.base()
    document = await house.add(base, TEXT, name="animals.txt")

    download = await house.knowledge.download(principal, base.id, document.id)

    assert b"".join([part async for part in download.parts]) == TEXT.encode()
    assert (download.file.name, download.file.size_bytes) == ("animals.txt", len(TEXT))


async def test_the_same_content_is_indexed_once_in_a_base(house: House) -> None:
    base, other = await house.base(), await house.base("Other")

    first = await house.upload(base, TEXT)
    again = await house.upload(base, TEXT, name="copy.txt")
    await house.work()
    after = await house.upload(base, TEXT)
    elsewhere = await house.add(other, TEXT)

    assert first.id == again.id == after.id != elsewhere.id
    assert not house.queued
    assert (await house.rows())["chunks"] == 4
    assert (await house.rows())["files"] == 2


async def test_content_that_failed_may_come_again(house: House, principal: Principal) -> None:
    base = await house.base()
    document = await house.upload(base, TEXT)
    async with house.db.transaction(principal.workspace_id) as tx:
        assert document.run_id
        await house.knowledge.run_ended(tx, document.run_id, code="cancelled", message="The run was cancelled.")
    house.queued.clear()

    failed = await house.knowledge.document(principal, base.id, document.id)
    again = await house.add(base, TEXT)

    assert (failed.status, failed.error_code) == (DocumentStatus.FAILED, "cancelled")
    assert again.id != document.id
    assert again.status is DocumentStatus.READY


async def test_deleting_a_document_leaves_nothing_of_it(house: House, principal: Principal) -> None:
    base = await house.base()
    kept = await house.add(base, "Only this stays.")
    before = await house.rows()
    document = await house.add(base, TEXT)
    assert (await house.rows())["embeddings"] == 3

    await house.knowledge.delete_document(principal, base.id, document.id)

    assert await house.rows() == before
    assert [found.id for found in (await house.knowledge.documents(principal, base.id, Window())).items] == [kept.id]
    with pytest.raises(DocumentNotFound):
        await house.knowledge.document(principal, base.id, document.id)


async def test_deleting_a_base_leaves_nothing_of_it(house: House, principal: Principal) -> None:
    kept = await house.base("Kept")
    await house.add(kept, "Only this stays.")
    before = await house.rows()
    base = await house.base()
    await house.add(base, TEXT)
    await house.upload(base, "Still in processing.")

    await house.knowledge.delete(principal, base.id)

    assert await house.rows() == before
    with pytest.raises(KnowledgeBaseNotFound):
        await house.knowledge.search(principal, [base.id], "tern")
    await house.work()


async def test_another_workspace_finds_and_changes_nothing(
    house: House, principal: Principal, stranger: Principal, tmp_path: Path
) -> None:
    base = await house.base()
    document = await house.add(base, TEXT)
    knowledge, before = house.knowledge, await house.rows()

    for attempt in (
        knowledge.get(stranger, base.id),
        knowledge.update(stranger, base.id, name="Mine"),
        knowledge.delete(stranger, base.id),
        knowledge.documents(stranger, base.id, Window()),
        knowledge.document(stranger, base.id, document.id),
        knowledge.delete_document(stranger, base.id, document.id),
        knowledge.chunks(stranger, base.id, document.id),
        knowledge.download(stranger, base.id, document.id),
        knowledge.add(stranger, base.id, tmp_path / "upload", name="x.txt", media_type="text/plain"),
        knowledge.search(stranger, [base.id], "arctic tern"),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await knowledge.list(stranger, Window())).items == []
    assert await knowledge.search(stranger, [base.id], "arctic tern", is_missing_ok=True) == []
    assert await knowledge.neighbours(stranger, [(document.id, 0)]) == []
    assert set((await house.rows(stranger)).values()) == {0}
    assert await house.rows() == before
    assert await house.find(base, query="arctic tern")


async def test_a_document_is_reached_through_its_own_base_only(house: House, principal: Principal) -> None:
    base, other = await house.base(), await house.base("Other")
    document = await house.add(base, TEXT)

    with pytest.raises(DocumentNotFound):
        await house.knowledge.document(principal, other.id, document.id)
    with pytest.raises(DocumentNotFound):
        await house.knowledge.delete_document(principal, other.id, document.id)
    assert (await house.rows())["chunks"] == 2


async def test_a_key_without_the_scope_is_refused(house: House, principal: Principal) -> None:
    base = await house.base()
    reader = Principal(principal.workspace_id, principal.project_id, frozenset({"knowledge:read"}))
    nobody = Principal(principal.workspace_id, principal.project_id, frozenset({"agents:read"}))

    with pytest.raises(Forbidden, match="knowledge:write"):
        await house.base(principal=reader)
    with pytest.raises(Forbidden, match="knowledge:read"):
        await house.knowledge.search(nobody, [base.id], "anything")
    assert await house.knowledge.search(reader, [base.id], "anything") == []


async def test_what_is_out_of_bounds_names_its_field(house: House, principal: Principal) -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        (" ", {}, "name"),
        ("x" * 201, {}, "name"),
        ("x", {"text_config": "klingon"}, "text_config"),
        ("x", {"dense_weight": -1.0}, "dense_weight"),
        ("x", {"lexical_weight": float("nan")}, "lexical_weight"),
    ]
    for name, options, field in wrong:
        with pytest.raises(InvalidRequest) as error:
            await house.knowledge.create(principal, name, **options)
        assert error.value.field == field

    base = await house.base()
    for query, limit, field in [
        ("", 5, "query"),
        ("  ", 5, "query"),
        ("x\0y", 5, "query"),
        ("x" * 4001, 5, "query"),
        ("x", 0, "limit"),
        ("x", 101, "limit"),
    ]:
        with pytest.raises(InvalidRequest) as error:
            await house.knowledge.search(principal, [base.id], query, limit=limit)
        assert error.value.field == field


async def test_a_failing_start_of_the_job_keeps_nothing(house: House) -> None:
    base = await house.base()

    async def refuse(*_: object, **__: object) -> UUID:
        raise GliaError("No jobs today.")

    house.knowledge._start_job = refuse  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(GliaError, match="No jobs"):
        await house.upload(base, TEXT)

    assert set((await house.rows()).values()) == {0}
