import errno
import os
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import psycopg
import pytest

from glia.files.errors import FileChanged, FileMissing
from glia.files.service import PART_BYTES, Files, fingerprint_of
from glia.files.types import FileRef, Fingerprint
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import StorageFull


@pytest.fixture
def files(db: Database) -> Files:
    return Files(db)


async def write(
    db: Database, files: Files, principal: Principal, source: Path, *, fingerprint: Fingerprint | None = None
) -> FileRef:
    async with db.transaction(principal.workspace_id) as tx:
        return await files.write(
            tx,
            source,
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            name="report.bin",
            media_type="application/octet-stream",
            fingerprint=fingerprint,
        )


async def rows(db: Database, principal: Principal) -> tuple[int, int]:
    async with db.transaction(principal.workspace_id) as tx:
        return await tx.value("select count(*) from files"), await tx.value("select count(*) from file_parts")


@pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES - 7])
async def test_a_file_comes_back_as_it_was(
    db: Database, files: Files, principal: Principal, tmp_path: Path, size_bytes: int
) -> None:
    source, copy = tmp_path / "in", tmp_path / "out"
    source.write_bytes(os.urandom(size_bytes))

    file = await write(db, files, principal, source)
    await files.copy_to(principal.workspace_id, file.id, copy)

    assert copy.read_bytes() == source.read_bytes()
    assert file.size_bytes == size_bytes
    assert file.sha256 == (await fingerprint_of(source)).sha256
    assert await files.get(principal.workspace_id, file.id) == file
    assert await rows(db, principal) == (1, -(-size_bytes // PART_BYTES))


async def test_another_workspace_cannot_read_or_delete(
    db: Database, files: Files, principal: Principal, stranger: Principal, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"secret")
    file = await write(db, files, principal, source)

    with pytest.raises(FileMissing):
        await files.copy_to(stranger.workspace_id, file.id, tmp_path / "stolen")
    async with db.transaction(stranger.workspace_id) as tx:
        assert not await files.delete(tx, file.id)
        assert await tx.value("select count(*) from file_parts") == 0

    assert not (tmp_path / "stolen").exists()
    assert await rows(db, principal) == (1, 1)


async def test_a_deleted_file_leaves_no_parts(
    db: Database, files: Files, principal: Principal, tmp_path: Path, unknown_id: UUID
) -> None:
    source = tmp_path / "in"
    source.write_bytes(os.urandom(PART_BYTES + 1))
    file = await write(db, files, principal, source)

    async with db.transaction(principal.workspace_id) as tx:
        assert await files.delete(tx, file.id)
        assert not await files.delete(tx, unknown_id)

    assert await rows(db, principal) == (0, 0)
    with pytest.raises(FileMissing):
        await files.get(principal.workspace_id, file.id)


async def test_a_file_that_changes_under_our_hands_is_refused_and_nothing_is_kept(
    db: Database, files: Files, principal: Principal, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"first")
    fingerprint = await fingerprint_of(source)
    source.write_bytes(b"longer than before")

    with pytest.raises(FileChanged):
        await write(db, files, principal, source, fingerprint=fingerprint)

    assert await rows(db, principal) == (0, 0)


async def test_a_full_database_disk_is_said_so_and_nothing_is_kept(
    db: Database, files: Files, principal: Principal, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    source.write_bytes(os.urandom(3 * PART_BYTES))
    execute, written = Transaction.execute, 0

    async def full(self: Transaction, sql: str, **parameters: object) -> int:
        nonlocal written
        if "file_parts" in sql:
            written += 1
            if written == 2:
                raise psycopg.errors.DiskFull("could not extend file")
        return await execute(self, sql, **parameters)  # pyright: ignore[reportArgumentType]

    with patch.object(Transaction, "execute", full), pytest.raises(StorageFull, match="free some space"):
        await write(db, files, principal, source)

    assert written == 2
    assert await rows(db, principal) == (0, 0)


async def test_a_full_local_disk_leaves_no_half_of_a_copy(
    db: Database, files: Files, principal: Principal, tmp_path: Path
) -> None:
    source, copy = tmp_path / "in", tmp_path / "out"
    source.write_bytes(os.urandom(2 * PART_BYTES))
    file = await write(db, files, principal, source)

    class Full(OSError):
        def __init__(self) -> None:
            super().__init__(errno.ENOSPC, "No space left on device")

    async def stream(*_: object) -> object:
        yield b"first part"
        raise Full

    with patch.object(files, "stream", stream), pytest.raises(StorageFull, match="is full"):
        await files.copy_to(principal.workspace_id, file.id, copy)

    assert not copy.exists()
    await files.copy_to(principal.workspace_id, file.id, copy)
    assert copy.stat().st_size == 2 * PART_BYTES
