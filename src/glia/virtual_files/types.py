"""A file in an agent's private tree, a folder as it is listed, and who touched what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

LARGEST_FILE_BYTES = 100 * 1024 * 1024
LARGEST_TREE_BYTES = 1024 * 1024 * 1024
"""Of one agent, its sessions' trees included."""

MOST_FILES = 10_000
"""Of one agent."""

LONGEST_PATH = 1024
MOST_FOUND = 200
LARGEST_SEARCHED_BYTES = 1024 * 1024
"""Of a file whose words are searched; of a larger one only the name is."""

Action = Literal["create", "read", "write", "delete", "copy", "move"]


@dataclass(frozen=True)
class Tree:
    """Whose files. session_id: the tree of one of the agent's sessions; None for the agent's own."""

    agent_id: UUID
    session_id: UUID | None = None


@dataclass(frozen=True)
class VirtualFile:
    """path: absolute, as `/notes/today.md`. version: counts its contents."""

    id: UUID
    agent_id: UUID
    session_id: UUID | None
    path: str
    file_id: UUID
    media_type: str
    size_bytes: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_text(self) -> bool:
        return is_text(self.media_type)


@dataclass(frozen=True)
class Content:
    """What a file holds now. file_id: where it is stored."""

    file_id: UUID
    media_type: str
    size_bytes: int


@dataclass(frozen=True)
class Hit:
    """A file that a search found. line: the first one that holds the words, counted from 1; None for its name."""

    file: VirtualFile
    line: int | None
    excerpt: str


@dataclass(frozen=True)
class Access:
    id: UUID
    agent_id: UUID
    session_id: UUID | None
    path: str
    action: Action
    other_path: str | None
    accessed_by: str
    at: datetime


_TEXT_TYPES = frozenset(
    {
        "application/json",
        "application/xml",
        "application/javascript",
        "application/yaml",
        "application/toml",
        "application/sql",
        "application/x-sh",
        "application/x-ndjson",
        "image/svg+xml",
    }
)


def is_text(media_type: str) -> bool:
    bare = media_type.partition(";")[0].strip().lower()
    return bare.startswith("text/") or bare in _TEXT_TYPES or bare.endswith(("+json", "+xml"))
