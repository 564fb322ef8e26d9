"""What Neura calls an agent's settings, as fields of the core's spec, and back.

What changes what an agent does is in the spec's own fields. What Neura only gives back lies in its metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from glia.agents.types import Agent, AgentSettings, AgentSpec, Limits
from glia.kit.errors import InvalidRequest
from glia.surfaces.neura.words import SURFACE, one_of
from glia.surfaces.shared.bodies import id_of
from glia.tools.service import DEFAULT_TOOLS

WEB_SEARCH = "web_search"

VISIBILITIES = ("private", "public")

_SAME = {
    "name": "name",
    "description": "description",
    "system_prompt": "instructions",
    "search_depth": "search_depth",
}
_KEPT = ("visibility", "category", "tags", "tool_description", "settings", "pricing")
_NUMBERS = {
    "temperature": ("temperature", 0.0, 2.0),
    "top_p": ("top_p", 0.0, 1.0),
    "max_tokens": ("max_output_tokens", 1, 10_000_000),
    "max_output_tokens": ("max_output_tokens", 1, 10_000_000),
}
"""Entries of `settings` that say how the model is asked: the core's field, and what it may be."""


def changes_of(given: Mapping[str, Any], before: AgentSpec) -> dict[str, Any]:
    """given: fields in Neura's words. The fields of AgentSpec that they change. Raises InvalidRequest."""
    found: dict[str, Any] = {}
    for name, field in _SAME.items():
        if name in given:
            found[field] = given[name]
    if "model_id" in given:
        found["model"] = given["model_id"] or None
    if "kb_ids" in given:
        found["knowledge_base_ids"] = bases_of(given["kb_ids"])
    if "max_iterations" in given:
        found["limits"] = replace(before.limits, max_iterations=given["max_iterations"])
    if "use_web_search" in given:
        found["tools"] = searching(before.tools, is_wanted=given["use_web_search"])
    if "tool_description" in given:
        found["tool_choice"] = replace(before.tool_choice, offered_as=given["tool_description"] or "")
    if "settings" in given:
        found["settings"] = _asked(given["settings"], before.settings)
    if kept := {name: given[name] for name in _KEPT if name in given}:
        if "visibility" in kept:
            one_of(kept["visibility"], "visibility", VISIBILITIES)
        found["metadata"] = {**before.metadata, SURFACE: {**kept_of(before), **kept}}
    return found


def new_spec(given: Mapping[str, Any]) -> AgentSpec:
    """given: all fields in Neura's words, with its defaults."""
    blank = AgentSpec(
        name=given["name"], limits=Limits(ends_with_answer=True), settings=AgentSettings(default_if_unknown=True)
    )
    return replace(blank, **changes_of(given, blank))


def kept_of(spec: AgentSpec) -> dict[str, Any]:
    """What Neura gave to be given back."""
    kept = spec.metadata.get(SURFACE)
    return dict(kept) if isinstance(kept, dict) else {}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON


def bases_of(ids: list[str]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(id_of(text, f"kb_ids[{index}]") for index, text in enumerate(ids)))


def searching(tools: tuple[str, ...] | None, *, is_wanted: bool) -> tuple[str, ...] | None:
    """An agent's tools with web search, or without. None are the default ones, which have none."""
    others = tuple(name for name in tools or (DEFAULT_TOOLS,) if name != WEB_SEARCH)
    if is_wanted:
        return (*others, WEB_SEARCH)
    return None if others == (DEFAULT_TOOLS,) else others


def searches(spec: AgentSpec) -> bool:
    return WEB_SEARCH in (spec.tools or ())


def settings_of(agent: Agent) -> dict[str, Any]:
    """As they were given, with what has become of those that the core knows."""
    kept = dict(kept_of(agent.current).get("settings") or {})
    for name, (field, _, _) in _NUMBERS.items():
        value = getattr(agent.current.settings, field)
        if name in kept or (value is not None and name != "max_output_tokens" and field not in kept):
            kept[name] = value
    return kept


def _asked(settings: Mapping[str, Any], before: AgentSettings) -> AgentSettings:
    found: dict[str, Any] = {"temperature": None, "top_p": None, "max_output_tokens": None}
    for name, (field, smallest, largest) in _NUMBERS.items():
        value = settings.get(name)
        if value is None:
            continue
        whole = field == "max_output_tokens"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            kind = "a whole number" if whole else "a number"
            raise InvalidRequest(f"`settings.{name}` must be {kind}.", field=f"settings.{name}")
        if not smallest <= value <= largest:
            raise InvalidRequest(
                f"`settings.{name}` is {value}; it must be between {smallest} and {largest}.", field=f"settings.{name}"
            )
        found[field] = value
    return replace(before, **found)
