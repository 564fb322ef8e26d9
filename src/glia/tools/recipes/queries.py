"""SQL of recipes and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.tools.recipes.types import Recipe, RecipeVersion, VersionSpec

_COLUMNS: LiteralString = """
    id, workspace_id, name, description, kind, schema, config, header_names, is_enabled, metadata, created_at,
    updated_at, sealed_headers"""
_VERSION: LiteralString = "id, recipe_id, version, schema, code, is_default, is_deprecated, migration, created_at"


async def insert(tx: Transaction, id: UUID, values: Mapping[str, Any], *, workspace_id: UUID, project_id: UUID) -> bool:
    """values: as the columns are named. False when a recipe or a custom tool has the name."""
    count = await tx.execute(
        """
        insert into tool_recipes (id, workspace_id, project_id, name, description, kind, schema, config,
          sealed_headers, header_names, is_enabled, metadata)
        select %(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(description)s, %(kind)s, %(schema)s, %(config)s,
          %(sealed_headers)s, %(header_names)s, %(is_enabled)s, %(metadata)s
        where not exists (select from tools where name = %(name)s)
        on conflict (workspace_id, name) do nothing""",
        **_parameters(values),
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
    )
    return count == 1


async def update(tx: Transaction, id: UUID, values: Mapping[str, Any]) -> None:
    await tx.execute(
        """
        update tool_recipes set description = %(description)s, kind = %(kind)s, schema = %(schema)s,
          config = %(config)s, sealed_headers = %(sealed_headers)s, header_names = %(header_names)s,
          is_enabled = %(is_enabled)s, metadata = %(metadata)s, updated_at = now()
        where id = %(id)s""",
        **_parameters({name: value for name, value in values.items() if name != "name"}),
        id=id,
    )


def _parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    as_json = {name: json(values[name]) for name in ("schema", "config", "metadata")}
    return {**values, **as_json}


async def named(tx: Transaction, names: Sequence[str]) -> list[Recipe]:
    return await tx.many(
        Recipe,
        "select " + _COLUMNS + " from tool_recipes where name = any(%(names)s)",
        names=list(names),
    )


async def lock(tx: Transaction, name: str) -> Recipe | None:
    return await tx.one_or_none(
        Recipe, "select " + _COLUMNS + " from tool_recipes where name = %(name)s for update", name=name
    )


async def list_all(tx: Transaction, limit: int) -> list[Recipe]:
    return await tx.many(Recipe, "select " + _COLUMNS + " from tool_recipes order by name limit %(limit)s", limit=limit)


async def list_names(tx: Transaction) -> list[str]:
    return await tx.values("select name from tool_recipes order by name limit 1000")


async def delete(tx: Transaction, name: str) -> bool:
    return await tx.execute("delete from tool_recipes where name = %(name)s", name=name) == 1


async def versions(tx: Transaction, recipe_id: UUID) -> list[RecipeVersion]:
    return await tx.many(
        RecipeVersion,
        "select " + _VERSION + " from tool_recipe_versions where recipe_id = %(id)s order by id desc limit 1000",
        id=recipe_id,
    )


async def insert_version(
    tx: Transaction, id: UUID, spec: VersionSpec, *, workspace_id: UUID, recipe_id: UUID
) -> RecipeVersion | None:
    """None when the version is there already."""
    return await tx.one_or_none(
        RecipeVersion,
        """
        insert into tool_recipe_versions (id, workspace_id, recipe_id, version, schema, code, migration)
        values (%(id)s, %(workspace_id)s, %(recipe_id)s, %(version)s, %(schema)s, %(code)s, %(migration)s)
        on conflict (recipe_id, version) do nothing
        returning """
        + _VERSION,
        id=id,
        workspace_id=workspace_id,
        recipe_id=recipe_id,
        version=spec.version,
        schema=json(spec.schema),
        code=spec.code,
        migration=None if spec.migration is None else json(spec.migration),
    )


async def set_default(tx: Transaction, recipe_id: UUID, version_id: UUID | None) -> None:
    await tx.execute(
        """
        update tool_recipe_versions set is_default = (id = %(version_id)s) is true
        where recipe_id = %(recipe_id)s""",
        recipe_id=recipe_id,
        version_id=version_id,
    )


async def deprecate(tx: Transaction, recipe_id: UUID, version: str) -> bool:
    count = await tx.execute(
        """
        update tool_recipe_versions set is_deprecated = true
        where recipe_id = %(recipe_id)s and version = %(version)s""",
        recipe_id=recipe_id,
        version=version,
    )
    return count == 1
