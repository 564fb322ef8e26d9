"""`neuron_config` in both directions: how a neuron is set up, as the fields of an agent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from glia.agents.types import Agent, AgentSettings, AgentSpec, AgentVersion
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.surfaces.auvy.words import SURFACE, ids_of, own
from glia.surfaces.shared.bodies import Changes, Out, given
from glia.wiring import House

NeuronType = Literal["standard", "agentic", "completion"]
CHARTER = ("Purpose", "Domain", "Ownership", "Delegation")

_HEADING = re.compile(r"^\s*(?:#{1,6}\s*|\*\*)([A-Za-z][A-Za-z ]*?)\s*(?:\*\*)?\s*:?\s*(?:\*\*)?\s*$", re.MULTILINE)
_MOST_STEPS = {"standard": 20, "agentic": 50, "completion": 2}


class NeuronConfig(Changes):
    """How the neuron works. Null empties a field; a field that is left away stays as it is.

    neuron_type: `standard`; `agentic` makes a plan before it acts and may take more steps; `completion` gives one
    structured answer. system_prompt: its charter, as text or as an object with `purpose`, `domain`, `ownership` and
    `delegation`. resource_ids: all documents or knowledge bases it may search. vault_path: a folder of the vault that
    it may search besides. sub_neuron_ids, subagents: neurons of the same brain that it may delegate to; both lists
    together count. tools: names of tools; left away, it has only those of its reflexes. temperature: 0 to 2.
    """

    neuron_type: NeuronType = "standard"
    system_prompt: str | dict[str, str] | None = None
    model: str | None = Field(None, max_length=300)
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    resource_ids: list[str] | None = Field(None, max_length=1000)
    vault_path: str | None = Field(None, max_length=500)
    sub_neuron_ids: list[str] | None = Field(None, max_length=50)
    subagents: list[str] | None = Field(None, max_length=50)
    tools: list[str] | None = Field(None, max_length=128)


class NeuronConfigOut(Out):
    """model, temperature, max_tokens: null leaves the choice to the server. vault_path: null for no folder."""

    neuron_type: NeuronType
    system_prompt: str
    model: str | None
    temperature: float | None
    max_tokens: int | None
    resource_ids: list[UUID]
    vault_path: str | None
    sub_neuron_ids: list[UUID]
    tools: list[str] | None


class CharterOut(Out):
    """Which of the charter's sections the system prompt has, and which it lacks. Nothing is refused for it."""

    sections: list[str]
    missing: list[str]


@dataclass(frozen=True)
class Place:
    """Who configures which neuron. id: None while it is being made."""

    house: House
    principal: Principal
    id: UUID | None = None


def refuse_engagement(config: Mapping[str, Any] | None, where: str) -> None:
    """Engagements are no context of a run, so naming one is a mistake and not a field to pass over."""
    if config is not None and "engagement_resource_id" in config:
        raise InvalidRequest(
            f"`{where}engagement_resource_id` is not taken: an engagement is no context of a neuron's run.",
            field=f"{where}engagement_resource_id",
        )


async def changed(place: Place, spec: AgentSpec, config: NeuronConfig | None) -> AgentSpec:
    """The spec with the given fields of the configuration. Raises InvalidRequest."""
    if config is None:
        return spec
    refuse_engagement(config.model_extra, "neuron_config.")
    fields = given(config)
    spec = _with_model(spec, fields)
    if "neuron_type" in fields:
        spec = _with_type(spec, config.neuron_type)
    if "system_prompt" in fields:
        spec = replace(spec, instructions=_charter_text(config.system_prompt))
    if "tools" in fields:
        spec = replace(spec, tools=tuple(config.tools or ()))
    if "sub_neuron_ids" in fields or "subagents" in fields:
        spec = replace(spec, subagents=await _subagents(place, config))
    return await _with_knowledge(place, spec, fields)


def _with_model(spec: AgentSpec, fields: Mapping[str, Any]) -> AgentSpec:
    if "model" in fields:
        spec = replace(spec, model=fields["model"] or None)
    settings = spec.settings
    if "temperature" in fields:
        settings = replace(settings, temperature=fields["temperature"])
    if "max_tokens" in fields:
        settings = replace(settings, max_output_tokens=fields["max_tokens"])
    return replace(spec, settings=settings)


def _with_type(spec: AgentSpec, kind: NeuronType) -> AgentSpec:
    kept = {**own(spec.metadata), "neuron_type": kind}
    return replace(
        spec,
        metadata={**spec.metadata, SURFACE: kept},
        limits=replace(spec.limits, max_iterations=_MOST_STEPS[kind]),
        deliberation=replace(spec.deliberation, plans=kind == "agentic"),
    )


def _charter_text(prompt: str | dict[str, str] | None) -> str:
    if isinstance(prompt, dict):
        return "\n\n".join(f"## {name.strip().capitalize()}\n\n{text.strip()}" for name, text in prompt.items())
    return prompt or ""


async def _subagents(place: Place, config: NeuronConfig) -> tuple[UUID, ...]:
    """They must be neurons that this brain has."""
    wanted = ids_of([*(config.sub_neuron_ids or ()), *(config.subagents or ())], "neuron_config.sub_neuron_ids")
    brain = place.principal.project_id
    for id, agent in zip(wanted, [await _found(place, id) for id in wanted], strict=True):
        if agent is None or agent.project_id != brain:
            raise InvalidRequest(
                f"There is no neuron '{id}' in this brain to delegate to.", field="neuron_config.sub_neuron_ids"
            )
        if id == place.id:
            raise InvalidRequest("A neuron cannot delegate to itself.", field="neuron_config.sub_neuron_ids")
    return wanted


async def _found(place: Place, id: UUID) -> Agent | None:
    agents = await place.house.agents.of(place.principal, [id])
    return agents[0] if agents else None


async def _with_knowledge(place: Place, spec: AgentSpec, fields: Mapping[str, Any]) -> AgentSpec:
    if "resource_ids" in fields:
        bases, documents = await _resources(place, ids_of(fields["resource_ids"] or [], "neuron_config.resource_ids"))
        spec = replace(spec, knowledge_base_ids=bases, knowledge=replace(spec.knowledge, document_ids=documents))
    if "vault_path" in fields:
        path = fields["vault_path"]
        kept = None if path is None else _folder(path)
        project = None if path is None else place.principal.project_id
        spec = replace(spec, knowledge=replace(spec.knowledge, path=kept, project_id=project))
    return spec


async def _resources(place: Place, ids: tuple[UUID, ...]) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """Whole bases and single documents. Raises InvalidRequest for what is neither."""
    bases: list[UUID] = []
    documents: list[UUID] = []
    for index, id in enumerate(ids):
        try:
            documents.append((await place.house.knowledge.find_document(place.principal, id)).id)
        except NotFound:
            try:
                bases.append((await place.house.knowledge.get(place.principal, id)).id)
            except NotFound:
                where = f"neuron_config.resource_ids[{index}]"
                raise InvalidRequest(f"There is no resource '{id}' in this workspace.", field=where) from None
    return tuple(bases), tuple(documents)


def _folder(path: str) -> str:
    parts = [part.strip() for part in path.split("/") if part.strip() not in ("", ".")]
    if ".." in parts:
        raise InvalidRequest(
            f"`neuron_config.vault_path` {path[:100]!r} holds `..`; give a folder such as /policies/eu.",
            field="neuron_config.vault_path",
        )
    return "/".join(parts)


def config_out(version: AgentVersion, *, is_redacted: bool = False) -> NeuronConfigOut:
    """is_redacted: without what only those who look after a core neuron may read."""
    path = version.knowledge.path
    return NeuronConfigOut(
        neuron_type=type_of(version),
        system_prompt="" if is_redacted else version.instructions,
        model=version.model,
        temperature=version.settings.temperature,
        max_tokens=version.settings.max_output_tokens,
        resource_ids=[] if is_redacted else [*version.knowledge_base_ids, *version.knowledge.document_ids],
        vault_path=None if path is None or is_redacted else f"/{path}",
        sub_neuron_ids=list(version.subagents),
        tools=None if version.tools is None else list(version.tools),
    )


def type_of(version: AgentSpec) -> NeuronType:
    """As it was given here; a neuron made elsewhere is agentic when it plans."""
    kind = own(version.metadata).get("neuron_type")
    if kind in ("standard", "agentic", "completion"):
        return kind
    return "agentic" if version.deliberation.plans else "standard"


def charter_of(version: AgentVersion) -> CharterOut:
    found = {match.strip().lower() for match in _HEADING.findall(version.instructions)}
    return CharterOut(
        sections=[name for name in CHARTER if name.lower() in found],
        missing=[name for name in CHARTER if name.lower() not in found],
    )


NEW = AgentSpec(name="", tools=(), settings=AgentSettings(default_if_unknown=True))
"""What a neuron is before anything is said about it: it has the tools of its reflexes and no others, and the server's
default model answers where no provider has its own."""
