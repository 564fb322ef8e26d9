"""/v1/toolsets: tools made in bulk from OpenAPI documents."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.tools import EffectName, PermissionName, ToolOut, tool_out
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.tools.types import BundleSpec, CustomToolSpec, Effect, ImportOutcome, OpenApiImport, Permission

router = APIRouter(prefix="/v1/toolsets", tags=["toolsets"], route_class=WatchedRoute)


class OpenApiBody(Body):
    """name: the first part of the tools' names, as in `shop__listOrders`. A name that is there is imported anew.

    document: an OpenAPI 3.x or Swagger 2.0 document, as an object or as text in JSON or YAML; or url: where it is.
    base_url: instead of the document's own server. headers: sent with each call, kept encrypted; those of an earlier
    import stay when not given. include, exclude, effects: patterns such as `list*` or `GET /orders/*`.
    dry_run: tells what would be done, and does nothing.
    """

    name: str
    document: dict[str, Any] | str | None = None
    url: str | None = Field(None, max_length=8000)
    base_url: str | None = Field(None, max_length=8000)
    headers: dict[str, str] | None = None
    include: list[str] = Field(default_factory=list[str], max_length=500)
    exclude: list[str] = Field(default_factory=list[str], max_length=500)
    tags: list[str] = Field(default_factory=list[str], max_length=500)
    effects: dict[str, EffectName] = Field(default_factory=dict[str, EffectName])
    permission: PermissionName | None = None
    timeout_seconds: float = 30.0
    dry_run: bool = False


Visibility = Literal["project", "workspace", "core"]


class BundleBody(Body):
    """tools: names of tools from elsewhere, as agents name them. visibility: who sees it beside the project."""

    title: str = Field(max_length=200)
    tools: list[str] = Field(default_factory=list[str], max_length=128)
    description: str = ""
    visibility: Visibility = "project"
    is_enabled: bool = True
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class BundleChanges(Changes):
    title: str = Field("", max_length=200)
    tools: list[str] = Field(default_factory=list[str], max_length=128)
    description: str = ""
    visibility: Visibility = "project"
    is_enabled: bool = True
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class ToolsetOut(Out):
    """header_names: the headers that are sent; their values stay secret. members: of a bundle; null for an import."""

    id: UUID
    name: str
    title: str
    base_url: str
    source_url: str | None
    header_names: list[str]
    tool_count: int
    members: list[str] | None
    description: str
    visibility: Visibility
    is_enabled: bool
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time


class PlannedToolOut(Out):
    name: str
    description: str
    parameters: dict[str, Any] = Field(serialization_alias="schema")
    method: str
    url: str
    effect: EffectName
    permission: PermissionName


class SkippedOut(Out):
    operation: str
    reason: str


class ToolsetImportOut(Out):
    """toolset: null for a dry run. created, updated, removed: names of tools. skipped: what could be no tool."""

    toolset: ToolsetOut | None
    tools: list[PlannedToolOut]
    created: list[str]
    updated: list[str]
    removed: list[str]
    skipped: list[SkippedOut]


@router.post("/openapi")
async def import_openapi(body: OpenApiBody, house: TheHouse, principal: ThePrincipal) -> ToolsetImportOut:
    """Make each operation of an OpenAPI document a tool. Agents may name all of them as `<name>__*`."""
    document = orjson.dumps(body.document).decode() if isinstance(body.document, dict) else body.document
    wish = OpenApiImport(
        name=body.name,
        document=document,
        url=body.url,
        base_url=body.base_url,
        headers=body.headers,
        include=tuple(body.include),
        exclude=tuple(body.exclude),
        tags=tuple(body.tags),
        effects={pattern: Effect(effect) for pattern, effect in body.effects.items()},
        permission=None if body.permission is None else Permission(body.permission),
        timeout_seconds=body.timeout_seconds,
    )
    return _outcome(await house.toolsets.import_openapi(principal, wish, dry_run=body.dry_run))


@router.post("", status_code=201)
async def create_bundle(body: BundleBody, house: TheHouse, principal: ThePrincipal) -> ToolsetOut:
    """Bundle tools from elsewhere, so that agents get and lose them together, as `<name>__*` or by attaching it."""
    spec = BundleSpec(body.title, tuple(body.tools), body.description, body.visibility, body.is_enabled, body.metadata)
    return ToolsetOut.of(await house.bundles.create(principal, spec))


@router.patch("/{toolset}")
async def update(toolset: str, body: BundleChanges, house: TheHouse, principal: ThePrincipal) -> ToolsetOut:
    """Change a toolset. Which tools an import brought is changed by importing anew."""
    changes = given(body)
    if "tools" in changes:
        changes["members"] = tuple(changes.pop("tools"))
    return ToolsetOut.of(await house.bundles.update(principal, parse_id(toolset, "toolset"), changes))


@router.get("")
async def list_toolsets(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[ToolsetOut]:
    """List the toolsets, newest first."""
    return page_of(await house.toolsets.list(principal, window), ToolsetOut.of)


@router.get("/{toolset}")
async def get(toolset: str, house: TheHouse, principal: ThePrincipal) -> ToolsetOut:
    """One toolset."""
    return ToolsetOut.of(await house.toolsets.get(principal, parse_id(toolset, "toolset")))


@router.get("/{toolset}/tools")
async def list_tools(toolset: str, house: TheHouse, principal: ThePrincipal) -> ListOf[ToolOut]:
    """The tools of a toolset, by name."""
    return ListOf(data=[tool_out(tool) for tool in await house.toolsets.tools(principal, parse_id(toolset, "toolset"))])


@router.delete("/{toolset}", status_code=204, response_class=Response)
async def delete(toolset: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a toolset and its tools."""
    await house.toolsets.delete(principal, parse_id(toolset, "toolset"))
    return Response(status_code=204)


def _outcome(outcome: ImportOutcome) -> ToolsetImportOut:
    return ToolsetImportOut(
        toolset=None if outcome.toolset is None else ToolsetOut.of(outcome.toolset),
        tools=[_planned(spec) for spec in outcome.tools],
        created=list(outcome.created),
        updated=list(outcome.updated),
        removed=list(outcome.removed),
        skipped=[SkippedOut.of(skipped) for skipped in outcome.skipped],
    )


def _planned(spec: CustomToolSpec) -> PlannedToolOut:
    return PlannedToolOut(
        name=spec.name,
        description=spec.description,
        parameters=dict(spec.schema),
        method=spec.method,
        url=spec.url,
        effect=spec.effect.value,
        permission=spec.permission.value,
    )
