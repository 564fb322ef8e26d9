from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import make_principal

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest, StorageFull, TooLarge
from glia.storage.config import StorageConfig
from glia.storage.errors import ContentMissing, LinkRefused, ObjectNotFound, QuotaExceeded, StoreUnavailable
from glia.storage.service import Objects
from glia.storage.types import StoredObject

MIB = 1024 * 1024


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def content(objects: Objects, object: StoredObject, **part: int) -> bytes:
    return b"".join([chunk async for chunk in objects.read(object, **part)])


async def leftovers(db: Database, principal: Principal) -> int:
    async with db.transaction(principal.workspace_id) as tx:
        return await tx.value("select count(*) from stored_object_leftovers")


@pytest.fixture
async def principal(db: Database) -> Principal:
    return await make_principal(db)


async def test_an_object_is_read_as_it_was_put(objects: Objects, principal: Principal) -> None:
    put = await objects.put(principal, "reports/may.pdf", pieces(b"one", b"two"), media_type="application/pdf")
    found = await objects.get(principal, put.pathname)

    assert found == put
    assert put.pathname == f"{principal.workspace_id}/reports/may.pdf"
    assert (put.size_bytes, put.media_type) == (6, "application/pdf")
    assert put.sha256 == hashlib.sha256(b"onetwo").hexdigest()
    assert await content(objects, found) == b"onetwo"
    assert await content(objects, found, start=2, length=3) == b"etw"
    assert await objects.get(principal, "reports/may.pdf") == put


async def test_large_and_empty_contents_come_back_whole(objects: Objects, principal: Principal) -> None:
    block = bytes(range(256)) * 4096  # 1 MiB
    large = await objects.put(principal, "large.bin", pieces(*[block] * 20, b"end"))
    empty = await objects.put(principal, "empty.bin", pieces())

    assert hashlib.sha256(await content(objects, large)).hexdigest() == large.sha256
    assert large.size_bytes == 20 * MIB + 3
    assert await content(objects, large, start=20 * MIB - 1, length=4) == b"\xffend"
    assert await content(objects, empty) == b""


async def test_a_second_put_replaces_the_first_and_leaves_nothing(
    objects: Objects, principal: Principal, db: Database
) -> None:
    first = await objects.put(principal, "a.txt", pieces(b"first"))
    second = await objects.put(principal, "a.txt", pieces(b"second!"))

    assert await content(objects, await objects.get(principal, "a.txt")) == b"second!"
    assert first.id == second.id
    with pytest.raises(ContentMissing):
        await content(objects, first)
    totals = await objects.totals(principal)
    assert (totals.objects, totals.size_bytes) == (1, 7)
    assert await leftovers(db, principal) == 0


async def test_a_deleted_object_is_gone(objects: Objects, principal: Principal, db: Database) -> None:
    put = await objects.put(principal, "a.txt", pieces(b"first"))

    await objects.delete(principal, put.pathname)

    with pytest.raises(ObjectNotFound):
        await objects.get(principal, put.pathname)
    with pytest.raises(ObjectNotFound):
        await objects.delete(principal, put.pathname)
    with pytest.raises(ContentMissing):
        await content(objects, put)
    assert (await objects.totals(principal)).size_bytes == 0
    assert await leftovers(db, principal) == 0


async def test_an_upload_that_breaks_off_leaves_nothing(objects: Objects, principal: Principal, db: Database) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await objects.put(principal, "a.bin", broken())

    with pytest.raises(ObjectNotFound):
        await objects.get(principal, "a.bin")
    assert await leftovers(db, principal) == 0
    assert (await objects.totals(principal)).size_bytes == 0


async def test_a_cancelled_upload_leaves_nothing(objects: Objects, principal: Principal, db: Database) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        begun.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(objects.put(principal, "a.bin", endless()))
    await asyncio.wait_for(begun.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await leftovers(db, principal) == 0


async def test_what_a_killed_process_left_is_swept(objects: Objects, principal: Principal, db: Database) -> None:
    kept = await objects.put(principal, "kept.txt", pieces(b"kept"))
    lost = await objects.put(principal, "lost.txt", pieces(b"lost"))
    async with db.transaction(principal.workspace_id) as tx:  # as if it had died between the two
        await tx.execute("delete from stored_objects where name = 'lost.txt'")
        await tx.execute(
            """insert into stored_object_leftovers (store_key, store, workspace_id, due_at)
            values (%(key)s, %(store)s, %(workspace)s, now())""",
            key=lost.store_key,
            store=lost.store,
            workspace=principal.workspace_id,
        )

    await objects.sweep()

    assert await leftovers(db, principal) == 0
    with pytest.raises(ContentMissing):
        await content(objects, lost)
    assert await content(objects, kept) == b"kept"


async def test_a_content_that_is_still_coming_is_not_swept(
    objects: Objects, principal: Principal, db: Database
) -> None:
    async def swept_meanwhile() -> AsyncIterator[bytes]:
        yield b"one"
        await objects.sweep()
        yield b"two"

    put = await objects.put(principal, "a.txt", swept_meanwhile())

    assert await content(objects, put) == b"onetwo"


async def test_pages_go_by_name_within_a_prefix(objects: Objects, principal: Principal) -> None:
    for name in ("a/1", "a/2", "a/3", "a%b", "b/1", "Ü"):
        await objects.put(principal, name, pieces(b""))

    first = await objects.list(principal, prefix="a/", limit=2, cursor=None)
    second = await objects.list(principal, prefix=f"{principal.workspace_id}/a/", limit=2, cursor=first.next_cursor)
    everything = await objects.list(principal, limit=100, cursor=None)

    assert [each.name for each in first.items] == ["a/1", "a/2"]
    assert first.has_more
    assert [each.name for each in second.items] == ["a/3"]
    assert second.next_cursor is None
    assert len(everything.items) == 6
    for cursor in ("%%%", "a", "AA"):
        with pytest.raises(InvalidRequest):
            await objects.list(principal, limit=2, cursor=cursor)


async def test_another_workspace_finds_none_of_it(objects: Objects, principal: Principal, db: Database) -> None:
    put = await objects.put(principal, "a.txt", pieces(b"mine"))
    stranger = await make_principal(db)

    for pathname in (put.pathname, "a.txt"):
        with pytest.raises(ObjectNotFound):
            await objects.get(stranger, pathname)
        with pytest.raises(ObjectNotFound):
            await objects.delete(stranger, pathname)
    assert (await objects.list(stranger, limit=10, cursor=None)).items == []
    assert await objects.get(principal, put.pathname) == put


async def test_scopes_are_asked_for(objects: Objects, principal: Principal) -> None:
    put = await objects.put(principal, "a.txt", pieces(b"mine"))
    reader = replace(principal, scopes=frozenset({"storage:read"}))
    writer = replace(principal, scopes=frozenset({"storage:write"}))

    assert await objects.get(reader, put.pathname) == put
    with pytest.raises(Forbidden, match="storage:write"):
        await objects.put(reader, "b.txt", pieces(b""))
    with pytest.raises(Forbidden, match="storage:write"):
        await objects.delete(reader, put.pathname)
    with pytest.raises(Forbidden, match="storage:read"):
        await objects.list(writer, limit=1, cursor=None)


async def test_what_is_too_large_is_refused_before_and_while_it_comes(
    make_objects: Callable[..., Objects], principal: Principal, db: Database
) -> None:
    objects = make_objects(object_bytes=10, workspace_bytes=15)

    with pytest.raises(TooLarge, match="10 bytes"):
        await objects.put(principal, "a", pieces(b""), expected_bytes=11)
    with pytest.raises(TooLarge, match="10 bytes"):
        await objects.put(principal, "a", pieces(b"12345", b"678901"))
    put = await objects.put(principal, "a", pieces(b"1234567890"))
    with pytest.raises(QuotaExceeded):
        await objects.put(principal, "b", pieces(b"123456"))
    again = await objects.put(principal, "a", pieces(b"123456789"))  # what is replaced gives its room back

    assert put.size_bytes == 10
    assert again.size_bytes == 9
    assert await leftovers(db, principal) == 0


async def test_uploads_at_once_cannot_overrun_the_quota(
    make_objects: Callable[..., Objects], principal: Principal
) -> None:
    objects = make_objects(workspace_bytes=25)

    done = await asyncio.gather(
        *(objects.put(principal, f"{number}", pieces(b"0123456789")) for number in range(6)), return_exceptions=True
    )

    assert sum(isinstance(each, StoredObject) for each in done) == 2
    assert all(isinstance(each, StoredObject | QuotaExceeded) for each in done)
    assert (await objects.totals(principal)).size_bytes == 20


async def test_a_link_opens_one_object_until_it_expires(
    objects: Objects, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = await objects.put(principal, "a.txt", pieces(b"mine"))
    other = await objects.put(principal, "b.txt", pieces(b"mine"))
    link = objects.link(put, 60)

    assert await objects.linked(link.pathname, str(link.expires), link.signature) == put
    for pathname, expires, signature in (
        (other.pathname, str(link.expires), link.signature),
        (link.pathname, str(link.expires + 1), link.signature),
        (link.pathname, str(link.expires), link.signature[:-1] + "é"),
        (link.pathname, "soon", link.signature),
        (link.pathname, "", ""),
    ):
        with pytest.raises(LinkRefused):
            await objects.linked(pathname, expires, signature)
    with pytest.raises(InvalidRequest):
        objects.link(put, 8 * 86_400)


async def test_a_link_that_has_expired_opens_nothing(
    objects: Objects, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from glia.kit import clock
    from glia.storage import links

    link = objects.link(await objects.put(principal, "a.txt", pieces(b"mine")), 60)
    monkeypatch.setattr(links, "now", lambda: clock.now() + timedelta(seconds=61))

    with pytest.raises(LinkRefused, match="expired"):
        await objects.linked(link.pathname, str(link.expires), link.signature)


async def test_a_server_that_does_not_answer_is_named(
    db: Database, principal: Principal, s3: StorageConfig, tmp_path: Path
) -> None:
    from glia.storage.building import stores_of

    down = replace(s3, s3_bucket="not-there")
    objects = Objects(db, stores_of(down, tmp_path), down, link_key=b"k" * 32)

    with pytest.raises(StoreUnavailable):
        await objects.put(principal, "a.txt", pieces(b"mine"))
    assert await leftovers(db, principal) <= 1


async def test_a_full_disk_is_told(
    db: Database, principal: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from glia.storage import disk
    from glia.storage.building import stores_of

    async def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    objects = Objects(db, stores_of(StorageConfig(), tmp_path), StorageConfig(), link_key=b"k" * 32)
    monkeypatch.setattr(disk, "_fill", full)

    with pytest.raises(StorageFull):
        await objects.put(principal, "a.txt", pieces(b"mine"))
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


async def test_what_lies_on_the_disk_stays_readable_after_the_change_to_a_bucket(
    db: Database, principal: Principal, s3: StorageConfig, tmp_path: Path
) -> None:
    from glia.storage.building import stores_of

    before = Objects(db, stores_of(StorageConfig(), tmp_path), StorageConfig(), link_key=b"k" * 32)
    put = await before.put(principal, "a.txt", pieces(b"mine"))

    after = Objects(db, stores_of(s3, tmp_path), s3, link_key=b"k" * 32)

    assert await content(after, await after.get(principal, put.pathname)) == b"mine"
    moved = await after.put(principal, "a.txt", pieces(b"anew"))
    assert moved.store == "s3"
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]
