"""What requests and answers about memory look like."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from glia.memory.types import Preference
from glia.surfaces.neuronagent.memory_words import (
    TierName,
)
from glia.surfaces.shared.bodies import Body, Out, Time


class SearchBody(Body):
    """top_k: how many at most, 1 to 100. limit: the same under another name."""

    query: str = Field(min_length=1, max_length=10_000)
    top_k: int | None = None
    limit: int | None = None


class SummarizeBody(Body):
    """max_chunks: how many of the oldest become one, 2 to 100. max_length: of the summary, in characters."""

    max_chunks: int = 10
    max_length: int | None = Field(None, ge=1, le=8_000)


class SummarizedOut(Out):
    """summary, chunk_id: the chunk that took the place of the others; null when there were fewer than two."""

    status: Literal["summarized"]
    max_chunks: int
    agent_id: UUID
    summary: str | None
    chunk_id: int | None


class FeedbackBody(Body):
    """relevance_score: 0 to 1. memory_id: left away where the path names it."""

    agent_id: str | None = None
    memory_id: str | int | None = None
    memory_tier: Literal["chunk", "stm", "mtm", "lpm"]
    feedback_type: Literal["positive", "negative", "neutral", "correction"]
    session_id: str | None = None
    feedback_text: str | None = Field(None, max_length=2_000)
    query: str | None = Field(None, max_length=10_000)
    relevance_score: float | None = Field(None, ge=0, le=1, strict=False)
    metadata: dict[str, Any] | None = None


class FeedbackOut(Out):
    feedback_id: UUID
    memory_id: str
    agent_id: UUID
    feedback_type: str
    status: Literal["recorded"]
    message: str
    duration_ms: int
    created_at: Time


class ConsolidateBody(Body):
    """similarity_threshold: 0.7 to 1; how much of their words two memories must share to be merged."""

    tier: TierName = "mtm"
    similarity_threshold: float = Field(0.9, strict=False)


class ConsolidatedOut(Out):
    agent_id: UUID
    tier: str
    similarity_threshold: float
    consolidated_count: int
    status: Literal["completed"]
    duration_ms: int
    completed_at: Time


class QualityOut(Out):
    completeness: float
    accuracy: float
    relevance: float
    freshness: float
    consistency: float
    overall_score: float


class RatedOut(Out):
    """With `memory_id`: that memory's quality. Without: how many were rated, the worst first under `memories`."""

    agent_id: UUID
    memory_id: UUID | None = None
    tier: str | None = None
    quality: QualityOut | None = None
    status: str | None = None
    updated: int | None = None
    message: str | None = None
    memories: list[dict[str, Any]] | None = None
    duration_ms: int
    scored_at: Time | None = None
    updated_at: Time | None = None


class ForgetConfig(Body):
    """min_retention_hours: what is younger stays; 7 days when not given."""

    strategy: Literal["time", "importance", "relevance", "conflict", "hybrid"] = "hybrid"
    time_threshold_hours: float = Field(720, ge=0, le=1e6, strict=False)
    importance_threshold: float = Field(0.3, ge=0, le=1, strict=False)
    relevance_threshold: float = Field(0.2, ge=0, le=1, strict=False)
    max_memory_size: int = Field(10_000, ge=0, le=10**9)
    archive_before_delete: bool = True
    min_retention_hours: float = Field(168, ge=0, le=1e6, strict=False)


class ForgetBody(Body):
    tier: Literal["stm", "mtm", "lpm", "all"] = "all"
    config: ForgetConfig = Field(default_factory=lambda: ForgetConfig.model_validate({}))


class ForgottenOut(Out):
    agent_id: UUID
    tier: str
    status: Literal["completed"]
    total_forgotten: int
    tier_results: dict[str, int]
    config_used: dict[str, Any]
    duration_ms: int
    completed_at: Time


class IssueOut(Out):
    memory_id: UUID
    tier: str
    issue_type: str
    description: str
    severity: Literal["low", "medium", "high", "critical"]
    repairable: bool


class CheckedOut(Out):
    agent_id: UUID
    status: Literal["healthy", "repaired", "issues_found"]
    total_issues: int
    conflicts: int
    repairable: int
    repaired: int
    severity_counts: dict[str, int]
    issues: list[IssueOut]
    duration_ms: int
    checked_at: Time


class ResolveBody(Body):
    strategy: Literal["timestamp", "confidence", "source", "llm", "merge"] = "timestamp"


class DecidedOut(Out):
    conflict_id: UUID
    tier: str
    type: str
    resolved: bool
    error: str | None = None


class ResolvedOut(Out):
    agent_id: UUID
    strategy: str
    status: Literal["completed"]
    conflicts_found: int
    conflicts_resolved: int
    resolution_results: list[DecidedOut]
    duration_ms: int
    completed_at: Time


PREFER = {
    "timestamp": Preference.NEWEST,
    "confidence": Preference.CONFIDENCE,
    "source": Preference.SOURCE,
    "llm": Preference.MODEL,
    "merge": Preference.MERGE,
}
ISSUES = {
    "words_missing": ("missing_index", "Words of the memory are missing from the index."),
    "vector_mismatch": ("mismatched_embedding", "The embedding was made by another model."),
    "vector_missing": ("empty_embedding", "The memory has no embedding."),
    "content_empty": ("empty_content", "The memory has no content."),
    "content_huge": ("huge_content", "The content is larger than a memory may be."),
    "metadata_huge": ("huge_metadata", "The metadata is larger than it may be."),
    "expired": ("expired", "The memory has outlived its tier."),
    "version_missing": ("missing_version", "The memory's present state is not in its history."),
    "contradicted": ("conflict", "A newer memory says otherwise."),
}
