"""An agent in NeuronAgent's words, and what their fields change in ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from glia.agents.types import Agent, AgentSettings, AgentSpec, AgentVersion
from glia.kit.errors import InvalidRequest
from glia.surfaces.neuronagent.profiles import Profile, profile_named
from glia.surfaces.neuronagent.tool_words import names_of, tools_of
from glia.surfaces.neuronagent.words import check_size

KEY = "neuronagent"
"""Under which an agent's metadata keeps what NeuronAgent's clients want back."""

DEFAULT_MODEL = "default"
"""The name of no model in particular: the server's own choice."""

VERIFIES = "verification_enabled"
"""The setting with which every answer is queued for being verified."""

LARGEST_CONFIG_BYTES = 10 * 1024
MOST_TOOLS = 50
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}", re.ASCII)


@dataclass(frozen=True)
class Shown:
    """What clients see of an agent, and may send back. memory_table: a name that is kept for them."""

    name: str
    description: str | None
    system_prompt: str
    model_name: str
    memory_table: str | None
    enabled_tools: list[str]
    config: dict[str, Any]


def shown(version: AgentVersion) -> Shown:
    kept = kept_of(version.metadata)
    return Shown(
        name=version.name,
        description=version.description or None,
        system_prompt=version.instructions,
        model_name=version.model or DEFAULT_MODEL,
        memory_table=kept.get("memory_table"),
        enabled_tools=_enabled(version, kept),
        config=_config(version, kept),
    )


def wire(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        **vars(shown(agent.current)),
        "created_at": agent.created_at,
        "updated_at": agent.updated_at,
    }


def new_spec(fields: Mapping[str, Any]) -> AgentSpec:
    """A new agent from the fields that were given; a profile fills in what was not. Raises InvalidRequest."""
    given = {name: value for name, value in fields.items() if value is not None}
    profile = profile_named(given.pop("profile", None))
    if profile is not None:
        given = {**_of_profile(profile), **given, "config": {**profile.config, **given.get("config", {})}}
    for needed in ("name", "system_prompt"):
        if needed not in given:
            raise InvalidRequest(f"`{needed}` is missing.", field=needed)
    _check(given)
    spec = replace(AgentSpec(name=""), **changes_of(given, AgentVersion(name="")))
    return spec if profile is None else _marked(spec, {"profile": profile.name})


def changes_of(given: Mapping[str, Any], current: AgentVersion) -> dict[str, Any]:
    """The fields of AgentSpec that differ because of what was given. Raises InvalidRequest for what cannot be.

    What is given as it is shown is no change, so that a client may send back a whole agent of any surface's.
    """
    before = vars(shown(current))
    new = {name: value for name, value in given.items() if name in before and value != before[name]}
    _check(new)
    found: dict[str, Any] = {}
    if "name" in new:
        found["name"] = new["name"]
    if "description" in new:
        found["description"] = new["description"] or ""
    if "system_prompt" in new:
        found["instructions"] = new["system_prompt"]
    if "model_name" in new:
        found["model"] = None if new["model_name"] == DEFAULT_MODEL else new["model_name"]
    if "enabled_tools" in new:
        found["tools"] = tools_of(new["enabled_tools"])
    if "config" in new or "model_name" in new:
        found["settings"] = _settings(new.get("config", before["config"]), current.settings)
    if "config" in new:
        verifies = _is_on(new["config"], VERIFIES)
        found["deliberation"] = replace(current.deliberation, verifies=verifies)
    marks = {name: new[name] for name in ("memory_table", "enabled_tools", "config") if name in new}
    if marks:
        found["metadata"] = _marked(current, marks).metadata
    return found


def kept_of(metadata: Mapping[str, object]) -> dict[str, Any]:
    kept = metadata.get(KEY)
    return cast(dict[str, Any], kept) if isinstance(kept, dict) else {}


def _marked(spec: AgentSpec, marks: dict[str, Any]) -> AgentSpec:
    return replace(spec, metadata={**spec.metadata, KEY: {**kept_of(spec.metadata), **marks}})


def _enabled(version: AgentVersion, kept: dict[str, Any]) -> list[str]:
    names = kept.get("enabled_tools")
    if isinstance(names, list):
        own = cast(list[str], names)
        if tools_of(own) == version.tools:
            return own
    return names_of(version.tools or ())


def _config(version: AgentVersion, kept: dict[str, Any]) -> dict[str, Any]:
    """As it was given, with the settings as they are now: another surface may have changed them."""
    own = dict(cast(dict[str, Any], kept.get("config") or {}))
    settings = version.settings
    for name, value in (
        ("temperature", settings.temperature),
        ("top_p", settings.top_p),
        ("max_tokens", settings.max_output_tokens),
    ):
        if value is None:
            own.pop(name, None)
        elif own.get(name) != value:
            own[name] = value
    if version.deliberation.verifies is not (own.get(VERIFIES) is True):
        own[VERIFIES] = version.deliberation.verifies
    return own


def _settings(config: dict[str, Any], before: AgentSettings) -> AgentSettings:
    return replace(
        before,
        temperature=_number(config, "temperature", 0, 2),
        top_p=_number(config, "top_p", 0, 1),
        max_output_tokens=_whole(config, "max_tokens"),
        default_if_unknown=True,
    )


def _number(config: dict[str, Any], name: str, smallest: float, largest: float) -> float | None:
    value = config.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not smallest <= value <= largest:
        raise InvalidRequest(
            f"`config.{name}` is {value!r}; it must be a number between {smallest} and {largest}.",
            field=f"config.{name}",
        )
    return value


def _whole(config: dict[str, Any], name: str) -> int | None:
    value = config.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000_000:
        raise InvalidRequest(
            f"`config.{name}` is {value!r}; it must be a whole number above 0.", field=f"config.{name}"
        )
    return value


def _is_on(config: dict[str, Any], name: str) -> bool:
    value = config.get(name)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(
            f"`config.{name}` is {str(value)[:50]!r}; it must be true or false.", field=f"config.{name}"
        )
    return bool(value)


def _of_profile(profile: Profile) -> dict[str, Any]:
    return {"system_prompt": profile.system_prompt, "enabled_tools": list(profile.enabled_tools)}


def _check(new: Mapping[str, Any]) -> None:
    name = new.get("name")
    if name is not None and not _NAME.fullmatch(name):
        raise InvalidRequest(f"`name` {name[:120]!r} must have 1 to 100 letters, digits, `_` or `-`.", field="name")
    _check_length(new, "description", 0, 1000)
    _check_length(new, "system_prompt", 1, 50_000)
    _check_length(new, "model_name", 1, 100)
    table = new.get("memory_table")
    if table is not None and not _TABLE.fullmatch(table):
        raise InvalidRequest(
            f"`memory_table` {table[:120]!r} must begin with a letter and hold letters, digits and `_`, at most 100.",
            field="memory_table",
        )
    _check_tools(new.get("enabled_tools") or [])
    check_size(new.get("config") or {}, "config", LARGEST_CONFIG_BYTES)


def _check_length(new: Mapping[str, Any], name: str, smallest: int, largest: int) -> None:
    text = new.get(name)
    if text is not None and not smallest <= len(text) <= largest:
        raise InvalidRequest(
            f"`{name}` has {len(text)} characters; it must have between {smallest} and {largest}.", field=name
        )
    if text is not None and smallest and not text.strip():
        raise InvalidRequest(f"`{name}` is empty.", field=name)


def _check_tools(names: list[str]) -> None:
    if len(names) > MOST_TOOLS:
        raise InvalidRequest(
            f"`enabled_tools` has {len(names)} names; the most is {MOST_TOOLS}.", field="enabled_tools"
        )
    for index, name in enumerate(names):
        if not 1 <= len(name) <= 50:
            raise InvalidRequest(
                f"`enabled_tools[{index}]` has {len(name)} characters; a name has between 1 and 50.",
                field=f"enabled_tools[{index}]",
            )
