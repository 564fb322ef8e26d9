"""What whoever begins a run wants of this run alone. Kept with the run, so that every attempt of it does the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace as copy
from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from glia.agents.types import AgentSettings, AgentVersion, ToolChoice
from glia.models.types import ModelSettings, ToolSpec

T = TypeVar("T")

KEY = "options"
"""Where a run's input holds its options."""


class ClientTool(msgspec.Struct, frozen=True):
    """A function that the caller answers: the run ends when the model calls it. schema: JSON Schema of an object."""

    name: str
    description: str
    schema: dict[str, Any]


class Override(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run has in place of the agent's own. What is left away stays; the fields are those of AgentSpec."""

    model: str | UnsetType = UNSET
    knowledge_base_ids: list[UUID] | UnsetType = UNSET
    tools: list[str] | UnsetType | None = UNSET
    subagents: list[UUID] | UnsetType = UNSET
    max_iterations: int | UnsetType = UNSET
    search_depth: int | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET

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
            found["limits"] = copy(agent.limits, max_iterations=self.max_iterations)
        return found

    def applied(self, agent: AgentVersion) -> AgentVersion:
        return copy(agent, **self.changes(agent))


class RunOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is left away stays as the agent has it.

    model: of a run without an agent. instructions: said after the agent's own. client_tools: see ClientTool.
    tool_choice: as in ModelSettings, for the first answer only. max_tool_calls: how many calls the run makes itself;
    after that it is offered the client's tools only. response_format: as in ModelSettings; an answer that is not what
    it demands fails the run. tools and knowledge_base_ids: added to what the agent has. truncation: whether a
    conversation that is too long for the model is compacted or fails the run; None: as the agent has it.
    override: in place of what the agent has.
    """

    model: str | None = None
    instructions: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    stop: list[str] = []
    seed: int | None = None
    thinking_effort: Literal["low", "medium", "high"] | None = None
    response_format: dict[str, Any] | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    client_tools: list[ClientTool] = []
    tools: list[str] = []
    knowledge_base_ids: list[UUID] = []
    extra: dict[str, Any] = {}
    truncation: Literal["auto", "disabled"] | None = None
    override: Override | None = None

    def specs(self) -> list[ToolSpec]:
        return [ToolSpec(tool.name, tool.description, tool.schema) for tool in self.client_tools]

    def settings(self, agent: AgentSettings, *, is_first: bool) -> ModelSettings:
        """is_first: nothing has been asked in this run yet."""
        return ModelSettings(
            temperature=_or(self.temperature, agent.temperature),
            top_p=_or(self.top_p, agent.top_p),
            max_output_tokens=_or(self.max_output_tokens, agent.max_output_tokens),
            stop=tuple(self.stop),
            seed=self.seed,
            thinking_effort=_or(self.thinking_effort, agent.thinking_effort),
            tool_choice=self.tool_choice if is_first or self.tool_choice == "none" else None,
            parallel_tool_calls=self.parallel_tool_calls,
            response_format=self.response_format,
            extra=self.extra,
        )


NO_OPTIONS = RunOptions()


def options_input(options: RunOptions | None) -> dict[str, object]:
    """What goes into the run's input."""
    return {} if options is None or options == NO_OPTIONS else {KEY: msgspec.to_builtins(options)}


def options_of(input: Mapping[str, object]) -> RunOptions:
    given = input.get(KEY)
    return NO_OPTIONS if given is None else msgspec.convert(given, RunOptions)


def without_agent(options: RunOptions) -> AgentVersion:
    """What answers when nobody but a model was asked."""
    return with_options(AgentVersion(name="", model=options.model, tools=()), options)


def with_options(agent: AgentVersion, options: RunOptions) -> AgentVersion:
    """The agent as this run has it."""
    agent = agent if options.override is None else options.override.applied(agent)
    bases = tuple(dict.fromkeys((*agent.knowledge_base_ids, *options.knowledge_base_ids)))
    context = agent.context
    if options.truncation is not None:
        context = copy(context, is_compacted=options.truncation == "auto")
    return copy(agent, knowledge_base_ids=bases, context=context)


def _or(mine: T | None, theirs: T | None) -> T | None:
    return theirs if mine is None else mine
