"""A provider's model as a tool: what it makes, for how much, and what came of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType
from uuid import UUID

from glia.tools.types import MadeArtifact, ToolContext

InferenceToolId = NewType("InferenceToolId", UUID)

Kind = Literal["image", "speech", "video", "text"]
Style = Literal["openai", "deepinfra"]

KINDS: tuple[Kind, ...] = ("image", "speech", "video", "text")
PREFIX = "inference__"
"""What the names of these tools begin with, as agents' `tools` name them; `inference__*` offers one for each kind."""

EVERY = f"{PREFIX}*"


@dataclass(frozen=True)
class InferenceProvider:
    """Where models are and how they are called.

    base_url: without a slash at the end. An `openai` one is followed by `/images/generations` and the like; of a
    `deepinfra` one it is the root, followed by `/v1/inference/<model>`.
    """

    name: str
    style: Style
    base_url: str
    api_key: str | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """Holds the key: never log it."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True)
class Offered:
    """A model as its provider lists it. price_micros: of one call, None when it is not known."""

    model: str
    kind: Kind
    description: str = ""
    price_micros: int | None = None
    output_price_micros: int | None = None
    price_unit: str = "per_call"
    logo_url: str | None = None


@dataclass(frozen=True)
class InferenceTool:
    """A model that agents may use.

    family: what it is grouped by, such as `flux`. owner: who made the model, as `black-forest-labs`. title: its name
    for people. price_unit: `per_call`, or `per_million_tokens` for text, whose prices are of input and output.
    most_seconds: how long a call may take.
    """

    id: InferenceToolId
    provider: str
    model: str
    kind: Kind
    family: str
    title: str
    description: str
    owner: str
    price_micros: int | None
    output_price_micros: int | None
    price_unit: str
    most_seconds: int
    logo_url: str | None
    synced_at: datetime


@dataclass(frozen=True)
class Sync:
    """What a look at the providers brought. failures: why a provider could not be asked, by its name."""

    added: int
    updated: int
    removed: int
    failures: dict[str, str]


@dataclass(frozen=True)
class Made:
    """What a call brought. files: content and media type. cost_micros: what the provider says it cost, if it does."""

    files: tuple[tuple[bytes, str], ...] = ()
    text: str = ""
    cost_micros: int | None = None


Keep = Callable[[ToolContext, str, str, bytes], Awaitable[MadeArtifact]]
"""Keeps a file (name, media type, content) as an artifact of the session that the call belongs to."""
