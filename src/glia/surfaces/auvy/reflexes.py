"""/v1/reflexes, and which of them a neuron has. A reflex is a toolset: tools that come and go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.pages import LARGEST_LIMIT
from glia.surfaces.auvy.auth import GivenBrain, InBrain
from glia.surfaces.auvy.neuron_words import neuron
from glia.surfaces.auvy.words import (
    SURFACE,
    LimitText,
    OffsetText,
    ScopeName,
    SearchText,
    id_in_path,
    own,
    page_of,
    scope_of,
    visibility_of,
)
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.tools.errors import ToolsetNotFound
from glia.tools.types import BundleSpec, Toolset
from glia.wiring import House

router = APIRouter(prefix="/v1", tags=["reflexes"], route_class=WatchedRoute)

BUILT_IN = "glia"
"""The integration of tools that belong to none: built-in ones and the workspace's own."""

ReflexType = Literal["sensory", "effector"]


class IntegrationTools(Body):
    """integration_id: the id or name of an imported toolset or an MCP server; `glia` for built-in tools and the
    workspace's own. tools: their names there; empty for all of an integration."""

    integration_id: str = Field(max_length=200)
    tools: list[str] = Field(default_factory=list[str], max_length=128)


class IntegrationToolsOut(Out):
    integration_id: str
    tools: list[str]


class ReflexBody(Body):
    """type: `sensory` takes something in, `effector` has an effect. is_active: false keeps its tools from neurons."""

    name: str = Field(max_length=200)
    type: ReflexType = "sensory"
    description: str = Field("", max_length=10_000)
    tools: list[IntegrationTools] = Field(default_factory=list[IntegrationTools], max_length=50)
    scope: ScopeName = "brain"
    is_active: bool = True


class ReflexChanges(Changes):
    name: str = Field("", max_length=200)
    type: ReflexType = "sensory"
    description: str = Field("", max_length=10_000)
    tools: list[IntegrationTools] = Field(default_factory=list[IntegrationTools], max_length=50)
    scope: ScopeName = "brain"
    is_active: bool = True


class ReflexOut(Out):
    """slug: its tools are named `<slug>__*` where a neuron lists tools."""

    id: UUID
    brain_id: UUID
    name: str
    slug: str
    type: ReflexType
    description: str
    tools: list[IntegrationToolsOut]
    scope: ScopeName
    is_active: bool
    created_at: Time
    updated_at: Time


ReflexInPath = Annotated[str, Path(alias="reflexId")]


class AttachBody(Body):
    reflex_id: str


class DetachedOut(Out):
    neuron_id: UUID
    reflex_id: UUID
    removed: bool = True


class RemovedReflexOut(Out):
    id: UUID
    deleted: bool = True


@router.get("/reflexes")
async def list_reflexes(
    house: TheHouse,
    principal: InBrain,
    response: Response,
    search: SearchText = "",
    type: Annotated[ReflexType | None, Query(description="Only reflexes of this type.")] = None,
    limit: LimitText = None,
    offset: OffsetText = None,
) -> list[ReflexOut]:
    """The reflexes that a brain sees, newest first. `X-Total-Count` says how many there are."""
    number, passed = page_of(limit, offset)
    if type is None:
        found, total = await house.bundles.list(principal, text=search, limit=number, offset=passed)
        shown = [reflex_out(toolset) for toolset in found]
    else:  # the type is this surface's own word, which the core does not filter by
        found, _ = await house.bundles.list(principal, text=search, limit=LARGEST_LIMIT)
        of_type = [reflex for reflex in map(reflex_out, found) if reflex.type == type]
        shown, total = of_type[passed : passed + number], len(of_type)
    response.headers["X-Total-Count"] = str(total)
    return shown


@router.post("/reflexes", status_code=201)
async def create(body: ReflexBody, house: TheHouse, principal: InBrain) -> ReflexOut:
    """Make a reflex of tools that are there."""
    members, kept = await _members(house, principal, body.tools)
    spec = BundleSpec(
        title=body.name,
        members=members,
        description=body.description,
        visibility=visibility_of(body.scope),
        is_enabled=body.is_active,
        metadata={SURFACE: {"type": body.type, "tools": kept}},
    )
    return reflex_out(await house.bundles.create(principal, spec))


@router.get("/reflexes/{reflex_id}")
async def get(reflex_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> ReflexOut:
    """One reflex."""
    return reflex_out(await _reflex(house, principal, reflex_id, brain))


@router.put("/reflexes/{reflex_id}")
@router.patch("/reflexes/{reflex_id}")
async def update(
    reflex_id: str, body: ReflexChanges, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> ReflexOut:
    """Change what is given. Neurons that have it get its new tools with their next job."""
    found = await _reflex(house, principal, reflex_id, brain)
    names = {"name": "title", "description": "description", "is_active": "is_enabled"}
    fields = given(body)
    changes: dict[str, Any] = {ours: fields[theirs] for theirs, ours in names.items() if theirs in fields}
    if "scope" in fields:
        changes["visibility"] = visibility_of(body.scope)
    kept = own(found.metadata)
    if "type" in fields:
        kept["type"] = body.type
    if "tools" in fields:
        changes["members"], kept["tools"] = await _members(house, principal, body.tools)
    if "type" in fields or "tools" in fields:
        changes["metadata"] = {**found.metadata, SURFACE: kept}
    return reflex_out(await house.bundles.update(principal, found.id, changes) if changes else found)


@router.delete("/reflexes/{reflex_id}")
async def delete(reflex_id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> RemovedReflexOut:
    """Delete a reflex. Neurons that have it lose its tools."""
    found = await _reflex(house, principal, reflex_id, brain)
    await house.toolsets.delete(principal, found.id)
    return RemovedReflexOut(id=found.id)


@router.get("/neurons/{id}/reflexes")
async def list_of_neuron(id: str, house: TheHouse, principal: InBrain, brain: GivenBrain) -> list[ReflexOut]:
    """The reflexes that a neuron has, in the order in which they were added."""
    found = await neuron(house, principal, id, brain)
    return [reflex_out(toolset) for toolset in await house.bundles.of(principal, found.current.toolset_ids)]


@router.post("/neurons/{id}/reflexes", status_code=201)
async def attach(id: str, body: AttachBody, house: TheHouse, principal: InBrain, brain: GivenBrain) -> ReflexOut:
    """Give a neuron a reflex: a new version of it. 409 when it has the reflex already."""
    found = await neuron(house, principal, id, brain)
    reflex = await _reflex(house, principal, body.reflex_id, brain)
    await house.agents.attach_toolset(principal, found.id, reflex.id)
    return reflex_out(reflex)


@router.delete("/neurons/{id}/reflexes/{reflexId}")
async def detach(
    id: str, reflex_id: ReflexInPath, house: TheHouse, principal: InBrain, brain: GivenBrain
) -> DetachedOut:
    """Take a reflex away from a neuron. 404 when it does not have it."""
    found = await neuron(house, principal, id, brain)
    reflex = id_in_path(reflex_id, "reflex")
    await house.agents.detach_toolset(principal, found.id, reflex)
    return DetachedOut(neuron_id=found.id, reflex_id=reflex)


def reflex_out(toolset: Toolset) -> ReflexOut:
    kept = own(toolset.metadata)
    return ReflexOut(
        id=toolset.id,
        brain_id=toolset.project_id,
        name=toolset.title or toolset.name,
        slug=toolset.name,
        type=cast(ReflexType, kept.get("type", "effector")),
        description=toolset.description,
        tools=[IntegrationToolsOut(**entry) for entry in _tools_of(toolset, kept)],
        scope=scope_of(toolset.visibility),
        is_active=toolset.is_enabled,
        created_at=toolset.created_at,
        updated_at=toolset.updated_at,
    )


def _tools_of(toolset: Toolset, kept: dict[str, Any]) -> list[dict[str, Any]]:
    """As they were given here; else read from the names of the tools."""
    if toolset.members is None:
        return [{"integration_id": str(toolset.id), "tools": []}]
    written = cast(list[dict[str, Any]], kept.get("tools", []))
    if [name for entry in written for name in entry.get("names", [])] == list(toolset.members):
        return [{"integration_id": entry["integration_id"], "tools": entry["tools"]} for entry in written]
    grouped: dict[str, list[str]] = {}
    for member in toolset.members:
        integration, _, name = member.rpartition("__")
        grouped.setdefault(integration or BUILT_IN, []).extend([] if name == "*" else [name])
    return [{"integration_id": integration, "tools": names} for integration, names in grouped.items()]


async def _members(
    house: House, principal: Principal, tools: Sequence[IntegrationTools]
) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """The names of the tools as agents write them, and what is kept to show them as they were given."""
    kept: list[dict[str, Any]] = []
    for index, entry in enumerate(tools):
        prefix = await _prefix(house, principal, entry.integration_id, f"tools[{index}].integration_id")
        if not prefix and not entry.tools:
            raise InvalidRequest(
                f"`tools[{index}].tools` is empty; name tools of {BUILT_IN!r}.", field=f"tools[{index}].tools"
            )
        wanted = entry.tools or ["*"]
        names = [name if not prefix or name.startswith(f"{prefix}__") else f"{prefix}__{name}" for name in wanted]
        kept.append({"integration_id": entry.integration_id, "tools": entry.tools, "names": names})
    members = [name for entry in kept for name in cast(list[str], entry["names"])]
    if len(set(members)) != len(members):
        raise InvalidRequest("`tools` names a tool twice.", field="tools")
    return tuple(members), kept


async def _prefix(house: House, principal: Principal, integration: str, field: str) -> str:
    """What the names of an integration's tools begin with; blank for tools of none."""
    if integration == BUILT_IN:
        return ""
    try:
        id = UUID(integration)
    except ValueError:
        return integration
    try:
        return (await house.toolsets.get(principal, id)).name
    except NotFound:
        pass
    try:
        return (await house.mcp_servers.get(principal, id)).name
    except NotFound:
        raise InvalidRequest(f"`{field}`: there is no integration '{id}' in this workspace.", field=field) from None


async def _reflex(house: House, principal: Principal, text: str, brain: UUID | None) -> Toolset:
    id = id_in_path(text, "reflex")
    found = await house.toolsets.get(principal, id)
    if brain is not None and found.project_id != brain and found.visibility == "project":
        raise ToolsetNotFound(f"There is no reflex '{id}' in this brain.")
    return found
