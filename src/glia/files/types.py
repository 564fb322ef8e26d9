"""A stored file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID

FileId = NewType("FileId", UUID)


@dataclass(frozen=True)
class Fingerprint:
    """What a file on disk holds. sha256: 64 lower-case hex digits."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class FileRef:
    """A file as it was uploaded; its content never changes.

    name: as the client called it; for people, never a path. sha256: 64 lower-case hex digits. purpose: of a file that
    a client uploaded by itself; None for one that belongs to a document or the like. expires_at: after that it is gone.
    """

    id: FileId
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    purpose: str | None = None
    expires_at: datetime | None = None
