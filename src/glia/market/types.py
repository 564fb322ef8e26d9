"""A published agent or tool."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Kind = Literal["agent", "tool"]


@dataclass(frozen=True)
class Draft:
    """content: what it is made from when somebody installs it."""

    name: str
    version: str
    content: dict[str, Any]
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """rating: the mean of `ratings` of them, 1 to 5; None before there is one."""

    id: UUID
    kind: Kind
    name: str
    version: str
    description: str
    author: str
    content: dict[str, Any]
    tags: tuple[str, ...]
    downloads: int
    rating: float | None
    ratings: int
    created_by: str
    created_at: datetime
