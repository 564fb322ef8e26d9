"""A recipe: how a workspace makes a tool of its own from what is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Kind = Literal["tool", "code", "http"]
Config = Mapping[str, Any]


@dataclass(frozen=True)
class RecipeSpec:
    """schema: JSON Schema of the arguments, an object; empty takes that of the tool behind it.

    config of `tool`: {tool, arguments, rename}: a built-in tool, arguments that are set for good, and other names for
    its arguments. Of `code`: {code, language}: the program finds its arguments in `args` (`ARGS` as JSON in a shell).
    Of `http`: {url, method, timeout_seconds}, as for custom tools. headers: of `http`, kept encrypted.
    metadata: what a surface gives back.
    """

    name: str
    description: str
    kind: Kind
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    config: Config = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] | None = None
    is_enabled: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Recipe:
    """As it is shown: of its headers only the names. An agent that names a disabled one does without."""

    id: UUID
    workspace_id: UUID
    name: str
    description: str
    kind: Kind
    schema: dict[str, Any]
    config: dict[str, Any]
    header_names: tuple[str, ...]
    is_enabled: bool
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    sealed_headers: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class VersionSpec:
    """code: of a recipe of the kind `code`. migration: what users of older versions have to know; JSON."""

    version: str
    schema: dict[str, Any]
    code: str = ""
    is_default: bool = False
    migration: Any = None


@dataclass(frozen=True)
class RecipeVersion:
    id: UUID
    recipe_id: UUID
    version: str
    schema: dict[str, Any]
    code: str
    is_default: bool
    is_deprecated: bool
    migration: Any
    created_at: datetime
