"""/v1/tool-recipes: tools made from what is there: a built-in tool with fixed arguments, a program, an endpoint."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.tools.recipes.types import RecipeSpec, VersionSpec

router = APIRouter(prefix="/v1/tool-recipes", tags=["tools"], route_class=WatchedRoute)

Json = dict[str, Any]
KindName = Literal["tool", "code", "http"]


class RecipeBody(Body):
    """config of `tool`: {tool, arguments, rename}. Of `code`: {code, language}; the program finds its arguments in
    `args`. Of `http`: {url, method, timeout_seconds}. headers: of `http`, kept encrypted, never shown."""

    name: str
    description: str
    kind: KindName
    parameters: Json = Field(default_factory=dict[str, Any], alias="schema")
    config: Json = Field(default_factory=dict[str, Any])
    headers: dict[str, str] | None = None
    is_enabled: bool = True
    metadata: Json = Field(default_factory=dict[str, Any])


class RecipeChanges(Changes):
    description: str = ""
    kind: KindName = "tool"
    parameters: Json = Field(default_factory=dict[str, Any], alias="schema")
    config: Json = Field(default_factory=dict[str, Any])
    headers: dict[str, str] | None = None
    is_enabled: bool = True
    metadata: Json = Field(default_factory=dict[str, Any])


class RecipeOut(Out):
    id: UUID
    name: str
    description: str
    kind: KindName
    parameters: Json = Field(validation_alias="schema", serialization_alias="schema")
    config: Json
    header_names: list[str]
    is_enabled: bool
    metadata: Json
    created_at: Time
    updated_at: Time


class VersionBody(Body):
    version: str = Field(min_length=1, max_length=50)
    parameters: Json = Field(default_factory=dict[str, Any], alias="schema")
    code: str = Field("", max_length=256 * 1024)
    is_default: bool = False
    migration: Any = None


class RecipeVersionOut(Out):
    id: UUID
    version: str
    parameters: Json = Field(validation_alias="schema", serialization_alias="schema")
    code: str
    is_default: bool
    is_deprecated: bool
    migration: Any
    created_at: Time


@router.get("")
async def list_recipes(house: TheHouse, principal: ThePrincipal) -> ListOf[RecipeOut]:
    """List recipes by name."""
    return ListOf(data=[RecipeOut.of(recipe) for recipe in await house.recipes.list(principal)])


@router.post("", status_code=201)
async def create(body: RecipeBody, house: TheHouse, principal: ThePrincipal) -> RecipeOut:
    """Make a tool. Agents that name it have it from now on."""
    spec = RecipeSpec(
        name=body.name,
        description=body.description,
        kind=body.kind,
        schema=body.parameters,
        config=body.config,
        headers=body.headers,
        is_enabled=body.is_enabled,
        metadata=body.metadata,
    )
    return RecipeOut.of(await house.recipes.create(principal, spec))


@router.get("/{recipe}")
async def get(recipe: str, house: TheHouse, principal: ThePrincipal) -> RecipeOut:
    """One recipe, by its name."""
    return RecipeOut.of(await house.recipes.get(principal, recipe))


@router.patch("/{recipe}")
async def update(recipe: str, body: RecipeChanges, house: TheHouse, principal: ThePrincipal) -> RecipeOut:
    """Change a recipe. Headers that are not given stay, unless the address changes."""
    changes = given(body)
    if "parameters" in changes:
        changes["schema"] = changes.pop("parameters")
    return RecipeOut.of(await house.recipes.update(principal, recipe, changes))


@router.delete("/{recipe}", status_code=204, response_class=Response)
async def delete(recipe: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Delete a recipe."""
    await house.recipes.delete(principal, recipe)
    return Response(status_code=204)


@router.get("/{recipe}/versions")
async def versions(recipe: str, house: TheHouse, principal: ThePrincipal) -> ListOf[RecipeVersionOut]:
    """A recipe's versions, newest first."""
    return ListOf(data=[RecipeVersionOut.of(each) for each in await house.recipes.versions(principal, recipe)])


@router.post("/{recipe}/versions", status_code=201)
async def add_version(recipe: str, body: VersionBody, house: TheHouse, principal: ThePrincipal) -> RecipeVersionOut:
    """Keep a version; the default one is at work."""
    spec = VersionSpec(body.version, body.parameters, body.code, body.is_default, body.migration)
    return RecipeVersionOut.of(await house.recipes.add_version(principal, recipe, spec))


@router.post("/{recipe}/versions/{version}/deprecate")
async def deprecate(recipe: str, version: str, house: TheHouse, principal: ThePrincipal) -> RecipeVersionOut:
    """Say that a version should not be used any more; a default gives its place to the newest other one."""
    return RecipeVersionOut.of(await house.recipes.deprecate(principal, recipe, version))
