"""A session is a conversation with one agent. Its content is its event log, which the runs slice keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType
from uuid import UUID

SessionId = NewType("SessionId", UUID)


@dataclass(frozen=True)
class SessionFilter:
    """Which conversations are wanted. metadata: what theirs holds, among other things. since: opened then or later;
    until: opened before."""

    agent_id: UUID | None = None
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Session:
    """agent_id: None for a session that holds a job instead of a conversation. agent_version: the version at which the
    conversation stays; None when each run takes the newest. is_system: it holds background work, no conversation.

    last_seq: the sequence number of the newest event; 0 when there is none yet. parent_session_id, forked_at: the
    session whose history it shares, and up to which event; None for one that began by itself.
    """

    id: SessionId
    project_id: UUID
    agent_id: UUID | None
    title: str
    last_seq: int
    created_at: datetime
    updated_at: datetime
    agent_version: int | None = None
    is_system: bool = False
    metadata: dict[str, object] = field(default_factory=dict[str, object])
    parent_session_id: UUID | None = None
    forked_at: int | None = None
