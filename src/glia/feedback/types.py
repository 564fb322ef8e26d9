"""What somebody said of an answer, or of an agent as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

Kind = Literal["positive", "negative", "neutral", "correction"]


@dataclass(frozen=True)
class FeedbackSpec:
    """rating: 1 to 5. message_seq: the event of the session that it is about. user_name: who says so."""

    kind: Kind
    agent_id: UUID | None = None
    session_id: UUID | None = None
    message_seq: int | None = None
    user_name: str | None = None
    rating: int | None = None
    comment: str = ""
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Feedback:
    """number: counts feedback, for clients that name it so."""

    id: UUID
    number: int
    kind: Kind
    agent_id: UUID | None
    session_id: UUID | None
    message_seq: int | None
    user_name: str | None
    rating: int | None
    comment: str
    metadata: dict[str, object]
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class FeedbackStats:
    """average_rating: None when nobody rated."""

    total: int
    positive: int
    negative: int
    neutral: int
    corrections: int
    average_rating: float | None
