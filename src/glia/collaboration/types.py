"""A space is what people and agents share while they work together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class SpaceRole(StrEnum):
    """Viewers look; members also write updates and the context; admins also choose who takes part."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class UpdateKind(StrEnum):
    MESSAGE = "message"
    ACTION = "action"
    STATE_CHANGE = "state_change"
    FILE_UPDATE = "file_update"
    CONTEXT_SYNC = "context_sync"


@dataclass(frozen=True)
class Space:
    """context: JSON that all who take part read and members change. last_seq: of the newest update."""

    id: UUID
    name: str
    description: str
    owner: str
    context: dict[str, object]
    last_seq: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Participant:
    """A person or an agent: exactly one of user_name and agent_id is set."""

    id: UUID
    space_id: UUID
    user_name: str | None
    agent_id: UUID | None
    role: SpaceRole
    joined_at: datetime


@dataclass(frozen=True)
class Update:
    """author: who wrote it; agent_id: if an agent did."""

    seq: int
    kind: UpdateKind
    author: str
    agent_id: UUID | None
    content: str
    data: dict[str, object]
    at: datetime


@dataclass(frozen=True)
class News:
    """An update that is to be written."""

    kind: UpdateKind
    content: str
    data: dict[str, object] = field(default_factory=dict[str, object])
