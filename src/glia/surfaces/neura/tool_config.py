"""Neura's five words about tools, as fields of the core's spec, and back.

Which inference tools an agent has is told by names in its `tools`, which agents by its `subagents`; `tool_choice` says
whether all agents may be asked, and whether a run is offered only what fits its question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from glia.agents.types import AgentSpec
from glia.inference.service import name_of
from glia.inference.types import EVERY, PREFIX
from glia.surfaces.shared.bodies import id_of
from glia.tools.service import DEFAULT_TOOLS


@dataclass(frozen=True)
class ToolWishes:
    """None: stays as it is. A selection without its switch switches it on."""

    agents: bool | None = None
    inference: bool | None = None
    is_automatic: bool | None = None
    agent_ids: Sequence[str] | None = None
    inference_tools: Sequence[str] | None = None

    @property
    def is_empty(self) -> bool:
        return self == ToolWishes()

    def fields(self, before: AgentSpec) -> dict[str, Any]:
        """The fields of AgentSpec that they change."""
        found: dict[str, Any] = {}
        choice = before.tool_choice
        if self.is_automatic is not None:
            choice = replace(choice, is_automatic=self.is_automatic)
        if self.agents is not None or self.agent_ids is not None:
            wanted = self.agents if self.agents is not None else bool(self.agent_ids)
            ids = self._agent_ids(before) if wanted else ()
            found["subagents"] = ids
            choice = replace(choice, all_agents=wanted and not ids)
        if self.inference is not None or self.inference_tools is not None:
            wanted = self.inference if self.inference is not None else bool(self.inference_tools)
            found["tools"] = _with_inference(before.tools, self._names(before) if wanted else ())
        if choice != before.tool_choice:
            found["tool_choice"] = choice
        return found

    def _agent_ids(self, before: AgentSpec) -> tuple[UUID, ...]:
        if self.agent_ids is None:
            return before.subagents
        ids = (id_of(text, f"selected_agent_ids[{index}]") for index, text in enumerate(self.agent_ids))
        return tuple(dict.fromkeys(ids))

    def _names(self, before: AgentSpec) -> tuple[str, ...]:
        if self.inference_tools is None:
            return inference_names(before) or (EVERY,)
        return tuple(dict.fromkeys(name_of(reference) for reference in self.inference_tools)) or (EVERY,)


def inference_names(spec: AgentSpec) -> tuple[str, ...]:
    """Those of the agent's tools that are providers' models."""
    return tuple(name for name in spec.tools or () if name.startswith(PREFIX))


def selected_names(spec: AgentSpec) -> list[str]:
    """Single models, as the core names their tools; none when it has all of them."""
    return [name.removesuffix("?") for name in inference_names(spec) if not name.startswith(EVERY)]


def _with_inference(tools: tuple[str, ...] | None, names: tuple[str, ...]) -> tuple[str, ...] | None:
    others = tuple(name for name in tools or (DEFAULT_TOOLS,) if not name.startswith(PREFIX))
    if names:
        return (*others, *names)
    return None if others == (DEFAULT_TOOLS,) else others
