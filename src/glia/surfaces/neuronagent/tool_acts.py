"""Tools in NeuronAgent's words: what the fields of one make, and how each kind is shown, changed and deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.pages import all_items
from glia.surfaces.neuronagent.retrieving import base_named
from glia.surfaces.neuronagent.tool_words import ABSENT, BASES, HANDLERS, RENAMED, SEARCHES, handler_of
from glia.tools.errors import ToolNotFound
from glia.tools.recipes.types import Recipe, RecipeSpec
from glia.tools.types import CustomTool, Permission, Tool
from glia.wiring import House

KEY = "neuronagent"
_BUILT_IN_SINCE = datetime(2025, 1, 1, tzinfo=UTC)

Wire = dict[str, Any]


class ToolBuiltIn(Conflict):
    code = "tool_built_in"


@dataclass(frozen=True)
class Registered:
    """A tool of any origin. recipe, custom: what it is; neither for a built-in one."""

    wire: Wire
    recipe: Recipe | None = None
    custom: CustomTool | None = None

    @property
    def name(self) -> str:
        return self.wire["name"]


async def all_tools(house: House, principal: Principal) -> list[Registered]:
    """Built-in tools, the workspace's own of every surface, by name."""
    found = [Registered(_built_in(tool)) for tool in house.tools.built_in]
    found += [_recipe(house, recipe) for recipe in await house.recipes.list(principal)]
    found += [_custom(custom) for custom in await all_items(partial(house.tools.list, principal))]
    return sorted(found, key=lambda tool: tool.name)


async def tool_named(house: House, principal: Principal, name: str) -> Registered:
    """Raises ToolNotFound."""
    for tool in await all_tools(house, principal):
        if tool.name == name:
            return tool
    raise ToolNotFound(f"There is no tool {name[:100]!r} in this workspace.")


async def create_tool(house: House, principal: Principal, fields: Wire) -> Registered:
    config: Wire = fields.get("handler_config") or {}
    kind, ours, headers = await _made_of(house, principal, fields["handler_type"], config)
    spec = RecipeSpec(
        name=fields["name"],
        description=fields["description"],
        kind=kind,
        schema=_schema(fields.get("arg_schema") or {}),
        config=ours,
        headers=headers,
        is_enabled=fields.get("enabled", True),
        metadata={KEY: _kept(fields)},
    )
    return _recipe(house, await house.recipes.create(principal, spec))


async def update_tool(house: House, principal: Principal, name: str, fields: Wire) -> Registered:
    """Raises ToolBuiltIn for one that is not the workspace's own."""
    tool = await tool_named(house, principal, name)
    if tool.custom is not None:
        return await _update_custom(house, principal, tool.custom, fields)
    if tool.recipe is None:
        raise ToolBuiltIn(f"{name!r} is built in and cannot be changed; make a tool of your own.")
    kept = {**tool.recipe.metadata.get(KEY, {}), **_kept(fields)}
    changes: Wire = {"metadata": {**tool.recipe.metadata, KEY: kept}}
    if "handler_type" in fields or "handler_config" in fields:
        config = fields.get("handler_config", kept.get("handler_config") or {})
        kind, ours, headers = await _made_of(
            house, principal, fields.get("handler_type", tool.wire["handler_type"]), config
        )
        changes |= {"kind": kind, "config": ours, "headers": headers if "handler_config" in fields else None}
    if "arg_schema" in fields:
        changes["schema"] = _schema(fields["arg_schema"])
    if "description" in fields:
        changes["description"] = fields["description"]
    if "enabled" in fields:
        changes["is_enabled"] = fields["enabled"]
    return _recipe(house, await house.recipes.update(principal, name, changes))


async def delete_tool(house: House, principal: Principal, name: str) -> None:
    tool = await tool_named(house, principal, name)
    if tool.custom is not None:
        return await house.tools.delete(principal, tool.custom.id)
    if tool.recipe is None:
        raise ToolBuiltIn(f"{name!r} is built in and cannot be deleted; leave it out of `enabled_tools`.")
    return await house.recipes.delete(principal, name)


async def recipe_named(house: House, principal: Principal, name: str) -> Recipe:
    """For what only tools made here have. Raises ToolBuiltIn for any other."""
    tool = await tool_named(house, principal, name)
    if tool.recipe is None:
        raise ToolBuiltIn(f"{name!r} was not made here and has no versions; make a tool of your own.")
    return tool.recipe


_KEPT = ("handler_type", "handler_config", "arg_schema", "result_schema")
"""Fields that are shown as they were given."""


def _kept(fields: Wire) -> Wire:
    kept = {name: fields[name] for name in _KEPT if name in fields}
    return {**kept, "handler_config": _public(kept["handler_config"])} if "handler_config" in kept else kept


async def _made_of(
    house: House, principal: Principal, handler: str, config: Wire
) -> tuple[Any, Wire, dict[str, str] | None]:
    """Kind, config and headers of the recipe that the handler means. Raises InvalidRequest."""
    if handler not in HANDLERS:
        raise InvalidRequest(
            f"`handler_type` {handler[:50]!r} is none of {', '.join(HANDLERS)}.",
            field="handler_type",
            valid_types=list(HANDLERS),
        )
    if handler in ABSENT:
        raise InvalidRequest(
            f"`handler_type` {handler!r} needs what this server does not have; {ABSENT[handler]}.", field="handler_type"
        )
    if handler in ("http", "custom") and (url := config.get("url") or config.get("endpoint")):
        ours = {"url": url, "method": config.get("method") or "GET"}
        if seconds := config.get("timeout_seconds") or config.get("timeout"):
            ours["timeout_seconds"] = seconds
        given: object = config.get("headers") or {}
        if not isinstance(given, dict):
            raise InvalidRequest("`handler_config.headers` must be an object.", field="handler_config.headers")
        headers = cast(Wire, given)
        return "http", ours, {str(name): str(value) for name, value in headers.items()}
    if handler in ("code", "custom") and config.get("code"):
        return "code", {"code": config["code"], "language": _LANGUAGES.get(str(config.get("language")), "python")}, {}
    renamed = RENAMED.get(handler, {})
    fixed = {renamed.get(name, name): value for name, value in config.items()}
    bases: Wire = {}
    if handler in SEARCHES and (table := config.get("knowledge_table") or config.get("table_name")):
        if not isinstance(table, str) or len(table) > 200:
            raise InvalidRequest("`handler_config.knowledge_table` must be a name.", field="handler_config")
        bases = {"knowledge_base_ids": [str((await base_named(house, principal, table, is_made=True)).id)]}
    if BASES.get(handler) == "sql_query" and "database" not in fixed:
        first = house.settings.sql_databases.split("=", 1)[0].strip()
        fixed |= {"database": first} if first else {}
    return "tool", {"tool": BASES.get(handler, handler), "arguments": fixed, "rename": renamed, **bases}, {}


_LANGUAGES = {
    "python": "python",
    "python3": "python",
    "javascript": "javascript",
    "js": "javascript",
    "node": "javascript",
    "bash": "shell",
    "sh": "shell",
    "shell": "shell",
}


def _schema(given: Wire) -> Wire:
    """Arguments are an object, even where nobody said so."""
    return {"type": "object", **given} if given else {}


def _wire(name: str, description: str, schema: object, handler: str, config: Wire, *, enabled: bool) -> Wire:
    return {
        "id": name,
        "name": name,
        "description": description,
        "arg_schema": schema,
        "schema": schema,
        "result_schema": None,
        "handler_type": handler,
        "handler_config": config,
        "enabled": enabled,
        "created_at": _BUILT_IN_SINCE,
        "updated_at": _BUILT_IN_SINCE,
    }


def _built_in(tool: Tool) -> Wire:
    return _wire(tool.name, tool.description, dict(tool.schema), handler_of(tool.name), {}, enabled=True)


def _recipe(house: House, recipe: Recipe) -> Registered:
    kept: Wire = recipe.metadata.get(KEY, {})
    schema = dict(recipe.schema) if recipe.schema else kept.get("arg_schema") or dict(house.recipes.schema_of(recipe))
    handler = kept.get("handler_type") or ("http" if recipe.kind == "http" else "code")
    config: Wire = kept.get("handler_config") or {}
    if recipe.kind == "code":
        config = {**config, "code": recipe.config["code"]}  # a version may have brought another
    wire = _wire(recipe.name, recipe.description, schema, handler, config, enabled=recipe.is_enabled)
    wire |= {
        "result_schema": kept.get("result_schema"),
        "created_at": recipe.created_at,
        "updated_at": recipe.updated_at,
    }
    return Registered(wire, recipe=recipe)


def _public(config: Wire) -> Wire:
    """Headers may hold keys: their values are not shown."""
    headers: object = config.get("headers")
    if not isinstance(headers, dict):
        return config
    return {**config, "headers": dict.fromkeys(cast(Wire, headers), "***")}


def _custom(custom: CustomTool) -> Registered:
    config = {"url": custom.url, "method": custom.method, "headers": dict.fromkeys(custom.header_names, "***")}
    enabled = custom.permission is not Permission.NEVER
    wire = _wire(custom.name, custom.description, dict(custom.schema), "http", config, enabled=enabled)
    return Registered({**wire, "created_at": custom.created_at, "updated_at": custom.updated_at}, custom=custom)


async def _update_custom(house: House, principal: Principal, custom: CustomTool, fields: Wire) -> Registered:
    changes: Wire = {}
    if "description" in fields:
        changes["description"] = fields["description"]
    if "arg_schema" in fields:
        changes["schema"] = _schema(fields["arg_schema"])
    if "enabled" in fields:
        changes["permission"] = Permission.ALWAYS if fields["enabled"] else Permission.NEVER
    config: Wire = fields.get("handler_config") or {}
    changes |= {name: config[name] for name in ("url", "method") if name in config}
    if fields.get("handler_type", "http") != "http":
        raise InvalidRequest("This tool is an HTTP endpoint and stays one.", field="handler_type")
    return _custom(await house.tools.update(principal, custom.id, changes))
