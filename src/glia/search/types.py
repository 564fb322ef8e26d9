"""What is found, and what kinds of things are looked through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from glia.identity.types import Principal


class Kind(StrEnum):
    AGENT = "agent"
    KNOWLEDGE_BASE = "knowledge_base"
    DOCUMENT = "document"
    PASSAGE = "passage"
    SESSION = "session"
    RUN = "run"
    MEMORY = "memory"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True)
class Found:
    """One thing. title: what people call it. text: a line that says more, perhaps empty.

    parent_id: a document's knowledge base, a run's session, the agent of a session or a memory. A passage has the id
    and the title of its document; page: where it stands there, from 1, in a document with pages; ordinal: its place
    among the document's chunks, from 0.
    """

    kind: Kind
    id: UUID
    title: str
    text: str
    parent_id: UUID | None
    at: datetime
    page: int | None = None
    ordinal: int | None = None


@dataclass(frozen=True)
class Wanted:
    """patterns: for `ilike`, each of which must match. lowest, highest: the ids that begin with what was asked; the
    nil id twice when it is no part of an id."""

    patterns: list[str]
    begins: str
    lowest: UUID
    highest: UUID
    limit: int


class Passages(Protocol):
    """Finds what documents say. Raises what refuses the principal."""

    async def __call__(self, principal: Principal, text: str, limit: int) -> Sequence[Found]: ...
