"""What is different from the agent in one run. Kept with the run, so that every attempt of it does the same."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from glia.agents.types import AgentVersion, ToolChoice

KEY = "override"
"""Where a run's input holds it."""

DOCUMENT = "sealed_document"
"""Where a run's input holds, until the run ends, a text that is for this run alone."""


class Override(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left away stays as the agent's version has it. The fields mean what they mean in AgentSpec."""

    model: str | UnsetType = UNSET
    knowledge_base_ids: list[UUID] | UnsetType = UNSET
    tools: list[str] | UnsetType | None = UNSET
    subagents: list[UUID] | UnsetType = UNSET
    max_iterations: int | UnsetType = UNSET
    search_depth: int | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET

    @property
    def is_empty(self) -> bool:
        return self == _NOTHING

    def changes(self, agent: AgentVersion) -> dict[str, Any]:
        """As fields of AgentSpec."""
        found: dict[str, Any] = {}
        for name in ("model", "search_depth", "tool_choice"):
            if (value := getattr(self, name)) is not UNSET:
                found[name] = value
        for name in ("knowledge_base_ids", "tools", "subagents"):
            if (value := getattr(self, name)) is not UNSET:
                found[name] = None if value is None else tuple(value)
        if self.max_iterations is not UNSET:
            found["limits"] = replace(agent.limits, max_iterations=self.max_iterations)
        return found

    def applied(self, agent: AgentVersion) -> AgentVersion:
        return replace(agent, **self.changes(agent))


_NOTHING = Override()


class Seal(Protocol):
    """Encrypts what must not be read in the database."""

    def seal(self, secret: bytes, context: str) -> bytes: ...
    def open(self, sealed: bytes, context: str) -> bytes: ...


def with_override(agent: AgentVersion, input: Mapping[str, object]) -> AgentVersion:
    """The agent as this run has it."""
    given = input.get(KEY)
    return agent if given is None else msgspec.convert(given, Override).applied(agent)


def as_input(run_id: UUID, override: Override | None, document: str, seal: Seal | None) -> dict[str, object]:
    """What goes into the run's input."""
    found: dict[str, object] = {}
    if override is not None and not override.is_empty:
        found[KEY] = msgspec.to_builtins(override)
    if document and seal is not None:
        found[DOCUMENT] = b64encode(seal.seal(document.encode(), f"run:{run_id}")).decode()
    return found


def document_of(run_id: UUID, input: Mapping[str, object], seal: Seal | None) -> str:
    """The text for this run alone; empty when it has none."""
    sealed = input.get(DOCUMENT)
    if not isinstance(sealed, str) or seal is None:
        return ""
    return seal.open(b64decode(sealed), f"run:{run_id}").decode()


def with_document(question: str, document: str) -> str:
    """What the model is told in place of the question."""
    inert = document.replace("</context>", "</ context>")
    return f"<context>\n{inert}\n</context>\n\n{question}"
