"""An agent, its versions, and the limits of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType
from uuid import UUID

AgentId = NewType("AgentId", UUID)


@dataclass(frozen=True)
class Limits:
    """What one run may use. A run that reaches a limit ends as failed, with its partial work kept in the log.

    max_iterations: calls of the model. timeout_seconds: from start to end, waiting included.
    max_tokens: input and output of all model calls. max_cost_micros: micro-dollars, None for no limit.
    """

    max_iterations: int = 20
    timeout_seconds: float = 600
    max_tokens: int = 1_000_000
    max_cost_micros: int | None = None


@dataclass(frozen=True)
class AgentSettings:
    """How the model is asked. None leaves the choice to the provider."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    thinking_effort: Literal["low", "medium", "high"] | None = None


@dataclass(frozen=True)
class AgentSpec:
    """Everything about an agent that a version keeps.

    tools: names of the tools it may use; None means the safe built-in ones. Knowledge search comes with
    knowledge_base_ids in any case.
    """

    name: str
    description: str = ""
    instructions: str = ""
    model: str | None = None
    fallback_model: str | None = None
    settings: AgentSettings = field(default_factory=AgentSettings)
    knowledge_base_ids: tuple[UUID, ...] = ()
    tools: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    metadata: dict[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class AgentVersion(AgentSpec):
    """One immutable state of an agent."""

    version: int = 1
    created_by: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True)
class Agent:
    """An agent as it is now: its identity and its current version."""

    id: AgentId
    slug: str
    current: AgentVersion
    created_at: datetime
    updated_at: datetime

    @property
    def version(self) -> int:
        return self.current.version
