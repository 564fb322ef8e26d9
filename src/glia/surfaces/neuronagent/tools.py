"""/api/v1/tools: what agents may call."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from glia.kit.errors import InvalidRequest
from glia.surfaces.neuronagent.auth import TheCaller
from glia.surfaces.neuronagent.tool_acts import (
    Registered,
    all_tools,
    create_tool,
    delete_tool,
    recipe_named,
    tool_named,
    update_tool,
)
from glia.surfaces.neuronagent.turns import RunEndedBadly, finish
from glia.surfaces.neuronagent.words import SinceText, ThePart, UntilText, check_size, span_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, Time, WatchedRoute, given
from glia.tools.recipes.types import RecipeVersion, VersionSpec
from glia.tools.types import CallsOfTool

router = APIRouter(prefix="/api/v1", tags=["tools"], route_class=WatchedRoute)

LARGEST_CONFIG_BYTES = 64 * 1024

Json = dict[str, Any]


class ToolBody(Body):
    """handler_type: what the tool is made of; handler_config: how, such as `url` and `method` of `http`, or `code` and
    `language` of `code`. tool_type, config, schema: other names for handler_type, handler_config and arg_schema."""

    name: str = Field(max_length=100)
    description: str
    handler_type: str | None = None
    tool_type: str | None = None
    arg_schema: Json | None = None
    parameters: Json | None = Field(None, alias="schema")
    handler_config: Json | None = None
    config: Json | None = None
    implementation: Json | str | None = None
    result_schema: Json | None = None
    enabled: bool | None = None


class ToolChanges(Changes):
    description: str | None = None
    handler_type: str | None = None
    tool_type: str | None = None
    arg_schema: Json | None = None
    parameters: Json | None = Field(None, alias="schema")
    handler_config: Json | None = None
    config: Json | None = None
    result_schema: Json | None = None
    enabled: bool | None = None


class ToolOut(Out):
    """id: the same as name. schema: the same as arg_schema."""

    id: str
    name: str
    description: str
    arg_schema: Json
    parameters: Json = Field(alias="schema")
    result_schema: Json | None
    handler_type: str
    handler_config: Json
    enabled: bool
    created_at: Time
    updated_at: Time


class UseOut(Out):
    """total_tokens: about how many of them models read of the results. total_cost: USD; calling a tool costs none."""

    tool_name: str
    total_calls: int
    success_calls: int
    avg_execution_time_ms: float
    total_tokens: int
    total_cost: float


class VersionBody(Body):
    """version: a number or a name. code: the program, for tools made of code. is_default: at work from now on."""

    version: str | int
    parameters: Json = Field(default_factory=dict[str, Any], alias="schema")
    code: str = Field("", max_length=256 * 1024)
    is_default: bool = False
    migration: Any = None


class VersionOut(Out):
    id: UUID
    tool_name: str
    version: str
    parameters: Json = Field(alias="schema")
    code: str
    is_default: bool
    deprecated: bool
    migration: Any
    created_at: Time


class StatusOut(Out):
    status: str


class ExecutedOut(Out):
    """result: what a model would read. error: the same when the tool could not do it, else null."""

    tool: str
    success: bool
    result: str
    error: str | None
    run_id: UUID


def tool_out(tool: Registered) -> ToolOut:
    return ToolOut.model_validate(tool.wire)


@router.get("/tools")
async def list_tools(
    house: TheHouse,
    principal: TheCaller,
    part: ThePart,
    enabled: Annotated[bool | None, Query(description="Only enabled or disabled ones; enabled when not given.")] = None,
    search: Annotated[str | None, Query(description="In name or description, in any case.", max_length=1000)] = None,
    handler_type: Annotated[str | None, Query(description="Only tools with this handler.")] = None,
) -> list[ToolOut]:
    """List tools by name, built-in ones among them."""
    text = (search or "").lower()
    is_plain = enabled is None and search is None and handler_type is None
    wanted = True if is_plain else enabled
    found = [
        tool
        for tool in await all_tools(house, principal)
        if (wanted is None or tool.wire["enabled"] is wanted)
        and text in f"{tool.name}\n{tool.wire['description']}".lower()
        and (handler_type is None or tool.wire["handler_type"] == handler_type)
    ]
    return [tool_out(tool) for tool in part.of(found)]


@router.post("/tools", status_code=201)
async def create(body: ToolBody, house: TheHouse, principal: TheCaller) -> ToolOut:
    """Make a tool. Agents that name it have it from now on."""
    fields = _fields(given(body))
    implementation = body.implementation
    if implementation is not None and "handler_config" not in fields:
        fields["handler_config"] = implementation if isinstance(implementation, dict) else {"code": implementation}
        fields.setdefault("handler_type", "http" if "url" in fields["handler_config"] else "code")
    if not fields.get("handler_type"):
        raise InvalidRequest("`handler_type` is missing; say what the tool is made of.", field="handler_type")
    return tool_out(await create_tool(house, principal, fields))


@router.get("/tools/{name}")
async def get(name: str, house: TheHouse, principal: TheCaller) -> ToolOut:
    """One tool."""
    return tool_out(await tool_named(house, principal, name))


@router.put("/tools/{name}")
async def update(name: str, body: ToolChanges, house: TheHouse, principal: TheCaller) -> ToolOut:
    """Change a tool: what is given, nothing else."""
    return tool_out(await update_tool(house, principal, name, _fields(given(body))))


@router.delete("/tools/{name}", status_code=204, response_class=Response)
async def delete(name: str, house: TheHouse, principal: TheCaller) -> Response:
    """Delete a tool. Agents that name it do without."""
    await delete_tool(house, principal, name)
    return Response(status_code=204)


@router.get("/tools/{name}/analytics")
async def analytics(
    name: str, house: TheHouse, principal: TheCaller, start_date: SinceText = None, end_date: UntilText = None
) -> UseOut:
    """How often a tool was called, and how that went; in the last 30 days when no dates are given."""
    tool = await tool_named(house, principal, name)
    since, until = span_of(start_date, end_date)
    wanted = CallsOfTool(principal.workspace_id, tool.name, since, until)
    used = await house.messages.tool_use(principal, wanted)
    return UseOut(
        tool_name=tool.name,
        total_calls=used.calls,
        success_calls=used.successes,
        avg_execution_time_ms=round(used.milliseconds / used.calls, 3) if used.calls else 0.0,
        total_tokens=used.tokens,
        total_cost=0.0,
    )


@router.post("/tools/{name}/execute")
async def execute(name: str, body: Json, house: TheHouse, principal: TheCaller) -> ExecutedOut:
    """Call a tool with these arguments, and wait for its result."""
    tool = await tool_named(house, principal, name)
    if not tool.wire["enabled"]:
        raise InvalidRequest(f"The tool {name!r} is disabled; enable it first.")
    accepted = await house.runs.start_tool(principal, tool.name, body)
    error: str | None = None
    text = ""
    try:
        turn = await finish(house.runs, principal, accepted, None)
        text = turn.content
        if turn.status != "completed":
            error = f"The call is {turn.status}; GET /api/v1/approval-requests shows what waits for a decision."
    except RunEndedBadly as failed:
        error = failed.message
    return ExecutedOut(
        tool=name, success=error is None, result=text if error is None else error, error=error, run_id=accepted.run_id
    )


@router.get("/tools/{name}/versions")
async def list_versions(name: str, house: TheHouse, principal: TheCaller, part: ThePart) -> list[VersionOut]:
    """A tool's versions, newest first. Tools that were not made here have none."""
    tool = await tool_named(house, principal, name)
    if tool.recipe is None:
        return []
    return part.of([_version(name, each) for each in await house.recipes.versions(principal, name)])


@router.post("/tools/{name}/versions", status_code=201)
async def add_version(name: str, body: VersionBody, house: TheHouse, principal: TheCaller) -> VersionOut:
    """Keep a version of a tool; the default one is at work."""
    await recipe_named(house, principal, name)
    version = str(body.version)
    if not 1 <= len(version) <= 50:
        raise InvalidRequest("`version` must have between 1 and 50 characters.", field="version")
    check_size(body.migration, "migration", LARGEST_CONFIG_BYTES)
    schema = {"type": "object", **body.parameters} if body.parameters else {}
    spec = VersionSpec(version, schema, body.code, body.is_default, body.migration)
    return _version(name, await house.recipes.add_version(principal, name, spec))


@router.get("/tools/{name}/versions/{version}")
async def get_version(name: str, version: str, house: TheHouse, principal: TheCaller) -> VersionOut:
    """One version of a tool."""
    await recipe_named(house, principal, name)
    return _version(name, await house.recipes.version(principal, name, version))


@router.post("/tools/{name}/versions/{version}/deprecate")
async def deprecate(name: str, version: str, house: TheHouse, principal: TheCaller) -> StatusOut:
    """Say that a version should not be used any more. The newest other one takes the place of a default."""
    await recipe_named(house, principal, name)
    await house.recipes.deprecate(principal, name, version)
    return StatusOut(status="deprecated")


def _fields(sent: Json) -> Json:
    """One name for each field that clients call by several. Raises InvalidRequest for what is too large."""
    fields = {name: value for name, value in sent.items() if value is not None and name not in _ALIASES}
    for alias, name in _ALIASES.items():
        if sent.get(alias) is not None:
            fields.setdefault(name, sent[alias])
    fields.pop("implementation", None)
    for name in ("handler_config", "arg_schema", "result_schema"):
        check_size(fields.get(name), name, LARGEST_CONFIG_BYTES)
    return fields


_ALIASES = {"tool_type": "handler_type", "config": "handler_config", "parameters": "arg_schema"}


def _version(name: str, version: RecipeVersion) -> VersionOut:
    return VersionOut.model_validate(
        {
            "id": version.id,
            "tool_name": name,
            "version": version.version,
            "schema": version.schema,
            "code": version.code,
            "is_default": version.is_default,
            "deprecated": version.is_deprecated,
            "migration": version.migration,
            "created_at": version.created_at,
        }
    )
