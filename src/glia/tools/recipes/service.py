"""Recipes: make, change, delete, version; and what agents get of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import orjson

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound
from glia.tools.custom import check_spec
from glia.tools.errors import ToolNameTaken, ToolNotFound
from glia.tools.http import Secrets, sealed
from glia.tools.recipes import queries
from glia.tools.recipes.breaker import Breakers
from glia.tools.recipes.building import ANYTHING, build, headers_context, schema_of
from glia.tools.recipes.errors import ToolVersionNotFound, ToolVersionTaken
from glia.tools.recipes.types import Kind, Recipe, RecipeSpec, RecipeVersion, VersionSpec
from glia.tools.types import CustomToolSpec, Tool

MOST_RECIPES = 1000
LARGEST_CONFIG_BYTES = 100_000
LANGUAGES = ("python", "javascript", "shell")


class Recipes:
    """Also a source of tools, for agents that name a recipe."""

    def __init__(self, db: Database, outbound: Outbound, secrets: Secrets, built_in: Sequence[Tool]) -> None:
        """built_in: the tools that recipes may be made of."""
        self.built_in = {tool.name: tool for tool in built_in}
        self._db = db
        self._outbound = outbound
        self._secrets = secrets
        self._breakers = Breakers()

    async def create(self, principal: Principal, spec: RecipeSpec) -> Recipe:
        """Raises InvalidRequest, ToolNameTaken."""
        principal.require("tools:write")
        self._check(spec)
        if spec.name in self.built_in:
            raise _taken(spec.name)
        id = new_id()
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.insert(tx, id, _values(spec), **where):
                raise _taken(spec.name)
            made = await _get(tx, spec.name)
            if spec.headers:
                await queries.update(tx, id, self._sealed(spec, made))
            return await _get(tx, spec.name)

    async def get(self, principal: Principal, name: str) -> Recipe:
        """Raises ToolNotFound."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, name)

    async def list(self, principal: Principal) -> list[Recipe]:
        """By name."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.list_all(tx, MOST_RECIPES)

    async def update(self, principal: Principal, name: str, changes: Mapping[str, Any]) -> Recipe:
        """changes: fields of RecipeSpec besides the name. Headers that are not given stay, for the same address."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            recipe = await _lock(tx, name)
            return await self._change(tx, recipe, changes)

    async def _change(self, tx: Transaction, recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
        spec = replace(_spec_of(recipe), **changes)
        self._check(spec)
        if spec.headers is None and spec.config.get("url") != recipe.config.get("url"):
            spec = replace(spec, headers={})  # else whoever may change the address could have the secrets sent there
        await queries.update(tx, recipe.id, self._sealed(spec, recipe))
        return await _get(tx, recipe.name)

    async def delete(self, principal: Principal, name: str) -> None:
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, name):
                raise _missing(name)

    def schema_of(self, recipe: Recipe) -> Mapping[str, Any]:
        """What models are told of its arguments."""
        return schema_of(recipe, self.built_in)

    async def versions(self, principal: Principal, name: str) -> list[RecipeVersion]:
        """Newest first."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.versions(tx, (await _get(tx, name)).id)

    async def version(self, principal: Principal, name: str, version: str) -> RecipeVersion:
        """Raises ToolVersionNotFound."""
        for found in await self.versions(principal, name):
            if found.version == version:
                return found
        raise ToolVersionNotFound(f"The tool {name!r} has no version {version[:100]!r}.")

    async def add_version(self, principal: Principal, name: str, spec: VersionSpec) -> RecipeVersion:
        """One that is the default is at work at once. Raises ToolVersionTaken."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            recipe = await _lock(tx, name)
            made = await queries.insert_version(
                tx, new_id(), spec, workspace_id=principal.workspace_id, recipe_id=recipe.id
            )
            if made is None:
                raise ToolVersionTaken(f"The tool {name!r} has a version {spec.version!r} already.", field="version")
            if spec.is_default:
                await self._put_to_work(tx, recipe, made)
            return next(each for each in await queries.versions(tx, recipe.id) if each.id == made.id)

    async def deprecate(self, principal: Principal, name: str, version: str) -> RecipeVersion:
        """The default gives its place to the newest version that is not deprecated; without one the tool stays."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            recipe = await _lock(tx, name)
            if not await queries.deprecate(tx, recipe.id, version):
                raise ToolVersionNotFound(f"The tool {name!r} has no version {version[:100]!r}.")
            versions = await queries.versions(tx, recipe.id)
            if any(each.is_default and each.is_deprecated for each in versions):
                left = [each for each in versions if not each.is_deprecated]
                if left:
                    await self._put_to_work(tx, recipe, left[0])
                else:
                    await queries.set_default(tx, recipe.id, None)
            return next(each for each in await queries.versions(tx, recipe.id) if each.version == version)

    async def _put_to_work(self, tx: Transaction, recipe: Recipe, version: RecipeVersion) -> None:
        changes: dict[str, Any] = {"schema": version.schema} if version.schema else {}
        if version.code:
            changes |= {"kind": "code", "config": {**recipe.config, "code": version.code}}
        await self._change(tx, recipe, changes)
        await queries.set_default(tx, recipe.id, version.id)

    async def resolve(self, principal: Principal, names: Sequence[str]) -> Mapping[str, Sequence[Tool]]:
        """See ToolSource. A disabled recipe stands for no tool."""
        if not names:
            return {}
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.named(tx, names)
        return {recipe.name: [self._tool(recipe)] if recipe.is_enabled else [] for recipe in found}

    async def known(self, principal: Principal, tx: Transaction, names: Sequence[str]) -> set[str]:
        """See ToolSource."""
        return {recipe.name for recipe in await queries.named(tx, names)}

    async def suggestions(self, principal: Principal, tx: Transaction) -> list[str]:
        """See ToolSource."""
        return await queries.list_names(tx)

    def _tool(self, recipe: Recipe) -> Tool:
        return self._breakers.guarded(build(recipe, self.built_in, self._outbound, self._secrets), recipe.id)

    def _sealed(self, spec: RecipeSpec, recipe: Recipe) -> dict[str, Any]:
        values = _values(spec)
        if spec.headers is None:
            return {**values, "sealed_headers": recipe.sealed_headers, "header_names": list(recipe.header_names)}
        kept = sealed(spec.headers, self._secrets, headers_context(recipe))
        return {**values, "sealed_headers": kept, "header_names": list(spec.headers)}

    def _check(self, spec: RecipeSpec) -> None:
        if spec.kind not in get_args(Kind):
            raise InvalidRequest(f"`kind` {spec.kind[:50]!r} is none of {', '.join(get_args(Kind))}.", field="kind")
        size = len(orjson.dumps(spec.config)) + len(orjson.dumps(spec.metadata))
        if size > LARGEST_CONFIG_BYTES:
            raise InvalidRequest(
                f"`config` has {size} bytes as JSON; the most is {LARGEST_CONFIG_BYTES}.", field="config"
            )
        config = spec.config
        check_spec(
            CustomToolSpec(
                name=spec.name,
                description=spec.description,
                schema=spec.schema or ANYTHING,
                url=str(config.get("url")) if spec.kind == "http" else "https://tool.invalid/",
                method=str(config.get("method") or "GET").upper() if spec.kind == "http" else "GET",
                headers=spec.headers or {},
                timeout_seconds=_seconds(config) if spec.kind == "http" else 30,
            )
        )
        language = config.get("language", "python")
        if spec.kind == "code" and (language not in LANGUAGES or not config.get("code")):
            raise InvalidRequest(
                f"`config` needs `code`, and a `language` of {', '.join(LANGUAGES)}; it has {str(language)[:50]!r}.",
                field="config",
            )


def _seconds(config: Mapping[str, Any]) -> float:
    seconds = config.get("timeout_seconds") or 30
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidRequest("`config.timeout_seconds` must be a number.", field="config.timeout_seconds")
    return seconds


def _values(spec: RecipeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "kind": spec.kind,
        "schema": dict(spec.schema),
        "config": dict(spec.config),
        "sealed_headers": None,
        "header_names": [],
        "is_enabled": spec.is_enabled,
        "metadata": dict(spec.metadata),
    }


def _spec_of(recipe: Recipe) -> RecipeSpec:
    """Without headers: they stay sealed."""
    return RecipeSpec(
        recipe.name,
        recipe.description,
        recipe.kind,
        recipe.schema,
        recipe.config,
        None,
        recipe.is_enabled,
        recipe.metadata,
    )


async def _get(tx: Transaction, name: str) -> Recipe:
    found = await queries.named(tx, [name])
    if not found:
        raise _missing(name)
    return found[0]


async def _lock(tx: Transaction, name: str) -> Recipe:
    recipe = await queries.lock(tx, name)
    if recipe is None:
        raise _missing(name)
    return recipe


def _missing(name: str) -> ToolNotFound:
    return ToolNotFound(f"There is no tool {name[:100]!r} in this workspace.")


def _taken(name: str) -> ToolNameTaken:
    return ToolNameTaken(f"There is already a tool named {name!r}; choose another name.", field="name")
