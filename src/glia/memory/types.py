"""A memory: one fact, whose it is, and which run it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID

MemoryId = NewType("MemoryId", UUID)


@dataclass(frozen=True)
class Memory:
    """agent_id: whose memory it is; None means every agent of the workspace finds it.

    session_id, run_id: where it came from, None when a person wrote it.
    """

    id: MemoryId
    agent_id: UUID | None
    content: str
    metadata: dict[str, object]
    session_id: UUID | None
    run_id: UUID | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Origin:
    """Where a memory comes from. source_key: the same for every try of one save, so that it is kept once."""

    session_id: UUID | None = None
    run_id: UUID | None = None
    source_key: str | None = None


@dataclass(frozen=True)
class Recall:
    """What a search found, best first. is_fallback: nothing matched, so these are the newest."""

    memories: tuple[Memory, ...]
    is_fallback: bool
