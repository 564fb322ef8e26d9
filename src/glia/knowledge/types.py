"""Knowledge bases, their documents and chunks, what a search finds, and what reads documents."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal, NewType, Protocol
from uuid import UUID

from glia.knowledge.embedding.types import Embedder as Embedder  # noqa: PLC0414  # outsiders enter by types

KnowledgeBaseId = NewType("KnowledgeBaseId", UUID)
DocumentId = NewType("DocumentId", UUID)


@dataclass(frozen=True)
class KnowledgeBase:
    """A set of documents that is searched together.

    embedding_model: what its vectors are made with; None means that only words are compared.
    text_config: PostgreSQL's name for how words are cut and stemmed, such as `english` or `simple`; `auto` finds out
    for each document. next_embedding_model: what it is being re-embedded with, while the old vectors still serve.
    dense_weight, lexical_weight: what meaning and words count in a search; only their ratio matters.
    chunks: how many are searchable now.
    """

    id: KnowledgeBaseId
    project_id: UUID
    name: str
    description: str
    embedding_model: str | None
    dimensions: int | None
    next_embedding_model: str | None
    reembed_run_id: UUID | None
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
    error_code, error_message: why it failed, for the person who uploaded it; on a READY document, why its last
    re-indexing failed. path: the folder it lies in, as `handbook/travel`; blank at the top.
    title: what it calls itself. source_url: where it was fetched from. text_config: how its words were cut.
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
    path: str = ""
    title: str = ""
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    source_url: str | None = None
    text_config: str | None = None


@dataclass(frozen=True)
class Filter:
    """Which documents a search or list is about; what is None does not matter.

    path: a folder with all below it. metadata: what a document's metadata must contain.
    base_ids: when given, path, document_ids and these whole bases are alternatives: what lies in one of them is meant.
    """

    path: str | None = None
    metadata: Mapping[str, object] | None = None
    document_ids: Sequence[UUID] | None = None
    base_ids: Sequence[UUID] | None = None


EVERYTHING = Filter()


@dataclass(frozen=True)
class Folder:
    """A path that documents lie in, and how many lie in it itself."""

    path: str
    documents: int


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

    fused: what hits are ordered by, from 0 to 1; comparable within one search only.
    dense_rank, lexical_rank: the place in each ranking, from 1. reranked: what a reranking model gave it; hits with one
    are ordered by it.
    """

    dense: float | None
    lexical: float | None
    fused: float
    dense_rank: int | None = None
    lexical_rank: int | None = None
    reranked: float | None = None


@dataclass(frozen=True)
class Hit:
    chunk: Chunk
    document_name: str
    scores: Scores
    document_title: str = ""
    document_path: str = ""


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
    """A document read and cut. pages: None where the format has none. title: blank when nothing tells it."""

    pages: int | None
    passages: Sequence[Passage]
    title: str = ""


class Read(Protocol):
    async def __call__(self, path: Path, *, file_name: str, media_type: str) -> Reading:
        """Raises a GliaError that says what is wrong with the document and the way out."""
        ...


class Embedders(Protocol):
    """Where the embedder of a base comes from."""

    async def default(self) -> Embedder | None:
        """What new bases use; None compares words only. Raises Unavailable when it has not answered yet."""
        ...

    async def named(self, model_id: str, *, is_fresh: bool = False) -> Embedder | None:
        """The embedder with this id; None when there is none, or it does not answer. is_fresh: asks it anew."""
        ...

    async def required(self, model_id: str) -> Embedder | None:
        """As `named`, but raises Unavailable when the model is configured and does not answer."""
        ...


class Reranker(Protocol):
    """Reads question and passage together, which tells more than comparing their vectors, and costs more."""

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """One score per text, higher is better. Raises a GliaError when it cannot."""
        ...


@dataclass(frozen=True)
class FollowUp:
    """A question, those before it (oldest first), and who asks. agent_id: whose model is meant; None: the default."""

    query: str
    previous: Sequence[str]
    workspace_id: UUID
    project_id: UUID
    agent_id: UUID | None = None


class Rewrite(Protocol):
    def __call__(self, follow_up: FollowUp) -> Awaitable[str | None]:
        """The query so that it can be understood without the questions before it.

        None where no other model than the built-in one is there. Raises a GliaError when the model cannot.
        """
        ...


@dataclass(frozen=True)
class Rewriting:
    """What was really searched for. by: what made the question whole; `nothing` when it was searched as it came.

    problem: why the model did not do it, in a sentence.
    """

    query: str
    by: Literal["nothing", "rules", "model"] = "nothing"
    problem: str | None = None


@dataclass(frozen=True)
class HitOfAll:
    """A hit among all bases of the workspace. at: when its document was added."""

    hit: Hit
    at: datetime


@dataclass(frozen=True)
class Found:
    hits: Sequence[Hit]
    rewriting: Rewriting
