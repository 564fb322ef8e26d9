"""A folder as one tar, always the same bytes for the same contents, made while it is sent."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

_READ_BYTES = 256 * 1024


def pack(folder: Path) -> Iterator[bytes]:
    """Names, contents and whether they may be executed; neither times nor owners."""
    for path in sorted(folder.rglob("*")):
        info = tarfile.TarInfo(path.relative_to(folder).as_posix())
        if path.is_dir():
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            yield info.tobuf(tarfile.GNU_FORMAT)
            continue
        info.size, info.mode = path.stat().st_size, 0o755 if path.stat().st_mode & 0o100 else 0o644
        yield info.tobuf(tarfile.GNU_FORMAT)
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                yield piece
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def sha256_of(folder: Path) -> str:
    """Of the tar. Blocking."""
    digest = hashlib.sha256()
    for piece in pack(folder):
        digest.update(piece)
    return digest.hexdigest()
