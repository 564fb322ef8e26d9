"""The tools of a response: the client's functions, and this API's built-in tools as Glia has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.errors import GliaError, InvalidRequest, NotFound
from glia.runs.service import ClientTool
from glia.surfaces.openai.ids import STORE, read_id
from glia.surfaces.openai.response_calls import CODE, KNOWLEDGE, WEB
from glia.tools.errors import ToolNotFound
from glia.wiring import House

Json = dict[str, Any]

_WEB_SEARCH = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
_KNOWN = ("function", "file_search", "web_search", "code_interpreter", "mcp")


@dataclass
class OfferedTools:
    """functions: what the client answers. names: tools of this server. bases: knowledge bases to search."""

    functions: list[ClientTool] = field(default_factory=list[ClientTool])
    names: list[str] = field(default_factory=list[str])
    bases: list[UUID] = field(default_factory=list[UUID])
    shown: list[Json] = field(default_factory=list[Json])


async def read_tools(house: House, principal: Principal, given: list[Json]) -> OfferedTools:
    """Raises InvalidRequest that names the tool at fault and the way out."""
    found = OfferedTools()
    for index, tool in enumerate(given):
        where = f"tools[{index}]"
        match tool.get("type"):
            case "function":
                found.functions.append(_function(tool, where))
            case "file_search":
                found.bases += await _bases(house, principal, tool, where)
            case str(kind) if kind in _WEB_SEARCH:
                found.names.append(await _known(house, principal, WEB, where))
            case "code_interpreter":
                found.names.append(await _known(house, principal, CODE, where))
            case "mcp":
                found.names += [await _known(house, principal, name, where) for name in _of_server(tool, where)]
            case other:
                raise InvalidRequest(
                    f"`{where}.type` is {str(other)[:50]!r}; this server has {', '.join(_KNOWN)}.",
                    field=f"{where}.type",
                )
        found.shown.append({"description": None, "strict": True, **tool} if tool["type"] == "function" else tool)
    return found


def read_choice(choice: str | Json | None, tools: OfferedTools) -> str | None:
    """`auto`, `none`, `required` or a tool's name. `allowed_tools` leaves out the other functions.

    Raises InvalidRequest for a tool that is not there.
    """
    if choice is None or isinstance(choice, str):
        if choice not in (None, "auto", "none", "required"):
            raise _no_choice(choice)
        return choice
    match choice.get("type"):
        case "function" | "custom":
            name = choice.get("name")
            if name not in {tool.name for tool in tools.functions}:
                raise _no_choice(name)
            return str(name)
        case "allowed_tools":
            allowed = [entry.get("name") for entry in cast(list[Json], choice.get("tools") or [])]
            tools.functions = [tool for tool in tools.functions if tool.name in allowed]
            return read_choice(choice.get("mode"), tools)
        case "file_search" if tools.bases:
            return KNOWLEDGE
        case str(kind) if kind in _WEB_SEARCH and WEB in tools.names:
            return WEB
        case "code_interpreter" if CODE in tools.names:
            return CODE
        case other:
            raise _no_choice(other)


def _no_choice(choice: object) -> InvalidRequest:
    return InvalidRequest(
        f"`tool_choice` is {str(choice)[:100]!r}; it must be 'auto', 'none', 'required' or one of `tools`.",
        field="tool_choice",
    )


def _function(tool: Json, where: str) -> ClientTool:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequest(f"`{where}.name` is missing; name the function.", field=f"{where}.name")
    schema: Any = tool.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(schema, dict):
        raise InvalidRequest(f"`{where}.parameters` must be a JSON Schema.", field=f"{where}.parameters")
    return ClientTool(name, str(tool.get("description") or ""), cast(Json, schema))


async def _bases(house: House, principal: Principal, tool: Json, where: str) -> list[UUID]:
    given = tool.get("vector_store_ids")
    if not isinstance(given, list) or not given:
        raise InvalidRequest(
            f"`{where}.vector_store_ids` is missing; name the knowledge bases to search.",
            field=f"{where}.vector_store_ids",
        )
    for name in ("filters", "ranking_options", "max_num_results"):
        if tool.get(name) is not None:
            raise InvalidRequest(
                f"`{where}.{name}` cannot be set here; the knowledge base decides it. Leave it out.",
                field=f"{where}.{name}",
            )
    ids: list[UUID] = []
    for text in cast(list[object], given):
        try:
            id = read_id(STORE, str(text), "knowledge base")
            ids.append((await house.knowledge.get(principal, id)).id)
        except NotFound as error:
            raise InvalidRequest(error.message, field=f"{where}.vector_store_ids") from None
    return ids


def _of_server(tool: Json, where: str) -> list[str]:
    label = tool.get("server_label")
    if not isinstance(label, str) or not label:
        raise InvalidRequest(
            f"`{where}.server_label` is missing; name an MCP server of this workspace.", field=f"{where}.server_label"
        )
    if tool.get("require_approval", "never") != "never":
        raise InvalidRequest(
            f"`{where}.require_approval` must be 'never'; whom to ask is set at the MCP server, under /v1/mcp-servers.",
            field=f"{where}.require_approval",
        )
    allowed = tool.get("allowed_tools")
    names = cast(Json, allowed).get("tool_names") if isinstance(allowed, dict) else allowed
    return [f"{label}__{name}" for name in cast(list[object], names)] if names else [f"{label}__*"]


async def _known(house: House, principal: Principal, name: str, where: str) -> str:
    try:
        await house.tools.resolve(principal, (name,), has_knowledge=False)
    except ToolNotFound:
        way = " Register the server under /v1/mcp-servers first." if "__" in name else " Take it out of `tools`."
        raise InvalidRequest(f"This server has no tool {name!r} for `{where}`.{way}", field=where) from None
    except GliaError as error:
        raise InvalidRequest(f"The tool {name!r} of `{where}` cannot be had: {error.message}", field=where) from None
    return name
