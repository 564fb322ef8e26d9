"""From a recipe to the tool that agents call."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import orjson

from glia.kit.outbound import Outbound
from glia.tools.counting import CUSTOM, counted
from glia.tools.http import Endpoint, Secrets, arguments_of, http_tool
from glia.tools.recipes.types import Recipe
from glia.tools.schema import check_arguments
from glia.tools.types import Effect, Tool, ToolContext, ToolResult

RUN_CODE = "run_code"
ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}


def headers_context(recipe: Recipe) -> str:
    """Where a recipe's sealed headers belong."""
    return f"tool_recipes.headers:{recipe.workspace_id}:{recipe.id}"


def build(recipe: Recipe, built_in: Mapping[str, Tool], outbound: Outbound, secrets: Secrets) -> Tool:
    match recipe.kind:
        case "http":
            tool = http_tool(_endpoint(recipe), outbound, secrets)
        case "code":
            tool = _program(recipe, built_in.get(RUN_CODE))
        case "tool":
            tool = _preset(recipe, built_in.get(str(recipe.config.get("tool"))))
    return counted(tool, CUSTOM)


def schema_of(recipe: Recipe, built_in: Mapping[str, Tool]) -> Mapping[str, Any]:
    """What the model is told of the arguments."""
    if recipe.schema:
        return recipe.schema
    base = built_in.get(str(recipe.config.get("tool"))) if recipe.kind == "tool" else None
    return ANYTHING if base is None else base.schema


def _endpoint(recipe: Recipe) -> Endpoint:
    method = str(recipe.config.get("method") or "GET").upper()
    return Endpoint(
        name=recipe.name,
        description=recipe.description,
        schema=recipe.schema or ANYTHING,
        effect=Effect.READ if method == "GET" else Effect.ONCE,
        method=method,
        url=str(recipe.config["url"]),
        sealed_headers=recipe.sealed_headers,
        secret_context=headers_context(recipe),
        timeout_seconds=float(recipe.config.get("timeout_seconds") or 30),
    )


def _preset(recipe: Recipe, base: Tool | None) -> Tool:
    """A built-in tool under another name, with some of its arguments set for good."""
    if base is None:
        return _missing(recipe, f"there is no tool {recipe.config.get('tool')!r} on this server")
    known = cast(Mapping[str, Any], base.schema.get("properties") or {})
    fixed = {name: value for name, value in _object(recipe.config.get("arguments")).items() if name in known}
    names = _object(recipe.config.get("rename"))
    schema = recipe.schema or base.schema
    bases = tuple(map(UUID, recipe.config.get("knowledge_base_ids") or ()))

    async def call(context: ToolContext, arguments: str) -> ToolResult:
        values = arguments_of(arguments, recipe.name)
        check_arguments(schema, values, name=recipe.name)
        given = {name if name in known else names.get(name, name): value for name, value in values.items()}
        if bases:  # its own in place of the agent's
            context = replace(context, knowledge_base_ids=bases, knowledge_path=None, knowledge_document_ids=())
        return await base.call(context, orjson.dumps({**given, **fixed}).decode())

    return replace(base, name=recipe.name, description=recipe.description, schema=schema, call=call, is_default=False)


def _program(recipe: Recipe, base: Tool | None) -> Tool:
    """A program in the session's sandbox, which finds its arguments in `args`."""
    if base is None:
        return _missing(recipe, "this server runs no code")
    language = str(recipe.config.get("language") or "python")
    program = str(recipe.config.get("code") or "")
    schema = recipe.schema or ANYTHING

    async def call(context: ToolContext, arguments: str) -> ToolResult:
        values = arguments_of(arguments, recipe.name)
        check_arguments(schema, values, name=recipe.name)
        code = _with_arguments(language, orjson.dumps(values).decode(), program)
        return await base.call(context, orjson.dumps({"code": code, "language": language}).decode())

    return replace(base, name=recipe.name, description=recipe.description, schema=schema, call=call, is_default=False)


def _with_arguments(language: str, arguments: str, program: str) -> str:
    match language:
        case "javascript":
            return f"var args = JSON.parse({orjson.dumps(arguments).decode()});\n{program}"
        case "shell":
            return f"export ARGS={shlex.quote(arguments)}\n{program}"
        case _:
            return f"import json as _json\nargs = _json.loads({arguments!r})\n{program}"


def _missing(recipe: Recipe, why: str) -> Tool:
    async def call(_context: ToolContext, _arguments: str) -> ToolResult:
        return ToolResult(f"{recipe.name} cannot be called: {why}.", is_error=True)

    schema = recipe.schema or ANYTHING
    return Tool(recipe.name, recipe.description, schema, Effect.READ, call, is_default=False)


def _object(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
