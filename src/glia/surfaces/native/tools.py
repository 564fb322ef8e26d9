"""/v1/tools: the workspace's own HTTP tools, and what is built in."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.kit.ids import parse_id
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.tools.types import CustomTool, CustomToolSpec, Effect, Permission, Placement, PlaceName, StyleName

router = APIRouter(prefix="/v1/tools", tags=["tools"], route_class=WatchedRoute)

EffectName = Literal["read", "idempotent", "once"]
PermissionName = Literal["always", "ask", "never"]


class ParameterBody(Body):
    """Where one argument goes.

    in: `path`, `query`, `header`, `cookie`, `form` or, for the whole JSON body, `body`. name: there; the property's
    own when not given. style: how lists and objects are written.
    """

    place: PlaceName = Field(alias="in")
    name: str | None = Field(None, max_length=200)
    style: StyleName = "repeat"


class HttpBody(Body):
    """url: may hold `{placeholders}` named like properties of the schema. headers: kept encrypted, never shown.

    parameters: where arguments go, by property. Others go into the query of a GET or DELETE, else the JSON body.
    """

    url: str = Field(max_length=8000)
    method: str = "POST"
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    parameters: dict[str, ParameterBody] = Field(default_factory=dict[str, ParameterBody])


class HttpChanges(Changes):
    url: str = Field("", max_length=8000)
    method: str = ""
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    parameters: dict[str, ParameterBody] = Field(default_factory=dict[str, ParameterBody])


class ToolBody(Body):
    """schema: JSON Schema of the arguments, an object.

    effect: what calling it twice would do: `read` and `idempotent` are called again after a crash, `once` never.
    permission: `always` lets agents call it, `ask` lets a person decide on each call, `never` refuses every call.
    """

    name: str
    description: str
    parameters: dict[str, Any] = Field(alias="schema")
    http: HttpBody
    effect: EffectName = "once"
    timeout_seconds: float = 30.0
    permission: PermissionName = "always"


class ToolChanges(Changes):
    name: str = ""
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any], alias="schema")
    http: HttpChanges | None = None
    effect: EffectName = "once"
    timeout_seconds: float = 30.0
    permission: PermissionName = "always"


class ParameterOut(Out):
    place: PlaceName = Field(serialization_alias="in")
    name: str
    style: StyleName


class HttpOut(Out):
    """header_names: the headers that are sent; their values stay secret."""

    method: str
    url: str
    header_names: list[str]
    parameters: dict[str, ParameterOut]


class ToolOut(Out):
    id: UUID
    name: str
    description: str
    parameters: dict[str, Any] = Field(serialization_alias="schema")
    http: HttpOut
    effect: EffectName
    timeout_seconds: float
    permission: PermissionName
    toolset_id: UUID | None
    created_at: Time
    updated_at: Time


class BuiltInToolOut(Out):
    """is_default: agents that name no tools have it."""

    name: str
    description: str
    parameters: dict[str, Any] = Field(serialization_alias="schema")
    effect: EffectName
    is_default: bool


@router.post("", status_code=201)
async def create(body: ToolBody, house: TheHouse, principal: ThePrincipal) -> ToolOut:
    """Make an HTTP endpoint a tool. It is called with an `Idempotency-Key` of its own for each call."""
    spec = CustomToolSpec(
        name=body.name,
        description=body.description,
        schema=body.parameters,
        url=body.http.url,
        method=body.http.method,
        headers=body.http.headers,
        effect=Effect(body.effect),
        timeout_seconds=body.timeout_seconds,
        permission=Permission(body.permission),
        placements=placements_of(body.http.parameters),
    )
    return tool_out(await house.tools.create(principal, spec))


@router.get("")
async def list_tools(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[ToolOut]:
    """List the workspace's own tools, newest first."""
    return page_of(await house.tools.list(principal, window), tool_out)


@router.get("/built-in")
async def list_built_in(house: TheHouse, principal: ThePrincipal) -> ListOf[BuiltInToolOut]:
    """The tools that every workspace has."""
    principal.require("tools:read")
    return ListOf(
        data=[
            BuiltInToolOut(
                name=tool.name,
                description=tool.description,
                parameters=dict(tool.schema),
                effect=tool.effect.value,
                is_default=tool.is_default,
            )
            for tool in house.tools.built_in
        ]
    )


@router.get("/{tool}")
async def get(tool: str, house: TheHouse, principal: ThePrincipal) -> ToolOut:
    """One of the workspace's own tools."""
    return tool_out(await house.tools.get(principal, parse_id(tool, "tool")))


@router.patch("/{tool}")
async def update(tool: str, body: ToolChanges, house: TheHouse, principal: ThePrincipal) -> ToolOut:
    """Change a tool. Headers that are not given stay, unless the tool moves to another host."""
    changes = given(body)
    if "parameters" in changes:
        changes["schema"] = changes.pop("parameters")
    if "effect" in changes:
        changes["effect"] = Effect(body.effect)
    if "permission" in changes:
        changes["permission"] = Permission(body.permission)
    if changes.pop("http", None) is not None:
        changes |= given(body.http)
    if "parameters" in changes and body.http is not None:
        del changes["parameters"]
        changes["placements"] = placements_of(body.http.parameters)
    return tool_out(await house.tools.update(principal, parse_id(tool, "tool"), changes))


@router.delete("/{tool}", status_code=204, response_class=Response)
async def delete(tool: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a tool. Agents that still name it are told so when they are next run."""
    await house.tools.delete(principal, parse_id(tool, "tool"))
    return Response(status_code=204)


def placements_of(parameters: dict[str, ParameterBody]) -> dict[str, Placement]:
    return {key: Placement(each.place, each.name or key, each.style) for key, each in parameters.items()}


def tool_out(tool: CustomTool) -> ToolOut:
    return ToolOut(
        id=tool.id,
        name=tool.name,
        description=tool.description,
        parameters=dict(tool.schema),
        http=HttpOut(
            method=tool.method,
            url=tool.url,
            header_names=list(tool.header_names),
            parameters={key: ParameterOut.of(placement) for key, placement in tool.placements.items()},
        ),
        effect=tool.effect.value,
        timeout_seconds=tool.timeout_seconds,
        permission=tool.permission.value,
        toolset_id=tool.toolset_id,
        created_at=tool.created_at,
        updated_at=tool.updated_at,
    )
