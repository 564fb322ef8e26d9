"""What is found, and what kinds of things are looked through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    AGENT = "agent"
    KNOWLEDGE_BASE = "knowledge_base"
    DOCUMENT = "document"
    SESSION = "session"
    RUN = "run"
    MEMORY = "memory"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True)
class Found:
    """One thing. title: what people call it. text: a line that says more, perhaps empty.

    parent_id: a document's knowledge base, a run's session, the agent of a session or a memory.
    """

    kind: Kind
    id: UUID
    title: str
    text: str
    parent_id: UUID | None
    at: datetime


@dataclass(frozen=True)
class Wanted:
    """patterns: for `ilike`, each of which must match. lowest, highest: the ids that begin with what was asked; the
    nil id twice when it is no part of an id."""

    patterns: list[str]
    begins: str
    lowest: UUID
    highest: UUID
    limit: int
