"""Starting a run that is one tool call, for every surface that offers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.runs.types import Accepted
from glia.tools.errors import ToolNotFound
from glia.tools.types import Tool
from glia.wiring import House


async def start_tool_run(house: House, principal: Principal, name: str, given: object, *, field: str) -> Accepted:
    """given: the arguments as an object; or the one that the tool needs, by itself. Raises ToolNotFound."""
    tool = await _find(house, principal, name, field)
    return await house.runs.start_tool(principal, tool.name, _arguments(tool, given))


async def _find(house: House, principal: Principal, name: str, field: str) -> Tool:
    try:
        found = await house.tools.resolve(principal, (name,), has_knowledge=False)
    except ToolNotFound:
        found = []
    tool = next((each for each in found if each.name == name), found[0] if len(found) == 1 else None)
    if tool is None:
        raise ToolNotFound(f"There is no tool {name[:100]!r} in this workspace that can be run by itself.", field=field)
    return tool


def _arguments(tool: Tool, given: object) -> Mapping[str, object]:
    if isinstance(given, dict):
        return cast(dict[str, object], given)
    # Any: a JSON Schema, which whoever made the tool has written.
    schema = cast(Mapping[str, Any], tool.schema)
    properties: dict[str, Any] = schema.get("properties") or {}
    needed = list(schema.get("required") or properties)
    if len(needed) == 1:
        return {str(needed[0]): given}
    raise InvalidRequest(
        f"`input` must be an object for the tool {tool.name!r}, with {', '.join(map(str, properties)) or 'no fields'}.",
        field="input",
    )
