"""Knowledge bases, their documents and chunks, what a search finds, and what reads documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NewType, Protocol
from uuid import UUID

from glia.knowledge.embedding.types import Embedder as Embedder  # noqa: PLC0414  # outsiders enter by types

KnowledgeBaseId = NewType("KnowledgeBaseId", UUID)
DocumentId = NewType("DocumentId", UUID)


@dataclass(frozen=True)
class KnowledgeBase:
    """A set of documents that is searched together.

    embedding_model: what its vectors are made with; None means that only words are compared.
    text_config: PostgreSQL's name for how words are cut and stemmed, such as `english` or `simple`.
    dense_weight, lexical_weight: what meaning and words count in a search; only their ratio matters.
    chunks: how many are searchable now.
    """

    id: KnowledgeBaseId
    project_id: UUID
    name: str
    description: str
    embedding_model: str | None
    dimensions: int | None
    text_config: str
    dense_weight: float
    lexical_weight: float
    documents: int
    chunks: int
    created_at: datetime
    updated_at: datetime


class DocumentStatus(StrEnum):
    """PROCESSING documents are already searched as far as they are indexed."""

    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Document:
    """phase: what is done now: queued, reading, indexing, embedding, done.

    progress_done of progress_total: chunks of that phase. pages: None where the format has none, or not yet read.
    error_code, error_message: why it failed, for the person who uploaded it.
    """

    id: DocumentId
    knowledge_base_id: KnowledgeBaseId
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    status: DocumentStatus
    error_code: str | None
    error_message: str | None
    phase: str
    progress_done: int
    progress_total: int
    chunks: int
    pages: int | None
    file_id: UUID | None
    run_id: UUID | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Chunk:
    """A passage of a document. ordinal: its place in the document, from 0.

    page, last_page: from 1, None where the format has no pages. start_character, end_character: in the parsed text.
    """

    knowledge_base_id: KnowledgeBaseId
    document_id: DocumentId
    ordinal: int
    page: int | None
    last_page: int | None
    heading: str
    start_character: int
    end_character: int
    text: str

    @property
    def uri(self) -> str:
        return f"kb://{self.knowledge_base_id}/{self.document_id}#{self.ordinal}"


@dataclass(frozen=True)
class Scores:
    """dense: cosine similarity, None when the chunk was not among the nearest. lexical: BM25, None when no word met.

    fused: what hits are ordered by; comparable within one search only.
    """

    dense: float | None
    lexical: float | None
    fused: float


@dataclass(frozen=True)
class Hit:
    chunk: Chunk
    document_name: str
    scores: Scores


@dataclass(frozen=True)
class Citation:
    """A passage an answer names. chunk: its ordinal. quote: the sentence of the passage nearest to what was said."""

    uri: str
    document_id: str
    document_name: str
    chunk: int
    page: int | None
    quote: str


class Passage(Protocol):
    """A chunk as it comes out of a document; see Chunk."""

    @property
    def ordinal(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def page(self) -> int | None: ...
    @property
    def last_page(self) -> int | None: ...
    @property
    def heading(self) -> str: ...
    @property
    def start_character(self) -> int: ...
    @property
    def end_character(self) -> int: ...


@dataclass(frozen=True)
class Reading:
    """A document read and cut. pages: None where the format has none."""

    pages: int | None
    passages: Sequence[Passage]


class Read(Protocol):
    async def __call__(self, path: Path, *, file_name: str, media_type: str) -> Reading:
        """Raises a GliaError that says what is wrong with the document and the way out."""
        ...
