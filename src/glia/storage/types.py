"""A stored object, an address that opens it, and what a place for contents has to offer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from datetime import datetime
from typing import NewType, Protocol
from uuid import UUID

ObjectId = NewType("ObjectId", UUID)


@dataclass(frozen=True)
class StoredObject:
    """name: its path inside the workspace, as `reports/may.pdf`. sha256: 64 lower-case hex digits.

    store, store_key: where the content lies; for the service alone.
    """

    id: ObjectId
    workspace_id: UUID
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    store: str
    store_key: str

    @property
    def pathname(self) -> str:
        """Its name in the whole installation: the workspace's id, then the path inside it."""
        return f"{self.workspace_id}/{self.name}"


@dataclass(frozen=True)
class Link:
    """What opens one object without a key until `expires`, in seconds since 1970."""

    pathname: str
    expires: int
    signature: str


@dataclass(frozen=True)
class Totals:
    """What a workspace keeps. most_bytes: what it may keep; None for no limit."""

    objects: int
    size_bytes: int
    most_bytes: int | None


class Store(Protocol):
    """A place for contents. A content never changes: a new one gets a new key."""

    name: str

    async def write(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """All of it or nothing: when a chunk raises, or writing does, nothing stays under the key."""
        ...

    def read(self, key: str, *, start: int, length: int) -> AsyncGenerator[bytes]:
        """That part of the content, in chunks. Raises ContentMissing."""
        ...

    async def delete(self, key: str) -> None:
        """None there is no error."""
        ...
