"""Everything a client may call: agents, knowledge search, sessions and runs, and the workspace's tools."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec
import orjson
from msgspec import Meta, Struct

from glia.agents.errors import AgentNotFound
from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id, parse_id
from glia.kit.pages import Window
from glia.surfaces.shared.offers.agents import agent_offer
from glia.surfaces.shared.offers.types import ASK, Answer, Caller, Offer
from glia.tools.errors import ToolNotFound
from glia.tools.types import Effect, Permission, Tool, ToolContext
from glia.wiring import House

T = TypeVar("T", bound=Struct)

MOST_AGENTS = MOST_TOOLS = 500
_MOST_BASES = 50
# The built-in tools that mean something without a session and an agent.
_BUILT_IN = ("current_time", "calculator", "web_fetch", "sql_query", "sql_schema")
_MOST_HITS = 20
_MOST_MESSAGES = 200


class _Search(Struct, forbid_unknown_fields=True):
    query: Annotated[str, Meta(description="What to look for.", min_length=1)]
    knowledge_base_ids: Annotated[list[str], Meta(description="All of the workspace when not given.")] = []
    limit: Annotated[int, Meta(ge=1, le=_MOST_HITS)] = 6


class _Session(Struct, forbid_unknown_fields=True):
    session_id: str


class _Run(Struct, forbid_unknown_fields=True):
    run_id: str


class Offers:
    def __init__(self, house: House) -> None:
        self._house = house
        own = (
            _own("search_knowledge", "Finds passages in the documents of this workspace.", _Search, self._search),
            _own("read_session", "Reads the messages of a conversation with an agent.", _Session, self._read_session),
            _own("read_run", "Tells how a run goes or how it ended.", _Run, self._read_run),
        )
        self._own = {offer.name: offer for offer in own}
        self._scopes = {
            "search_knowledge": "knowledge:read",
            "read_session": "sessions:read",
            "read_run": "runs:read",
        }

    async def all(self, principal: Principal) -> list[Offer]:
        """What this principal may call, agents first."""
        offers: list[Offer] = []
        if principal.allows("agents:read") and principal.allows("runs:write"):
            agents = await self._house.agents.list(principal, Window(MOST_AGENTS))
            offers += [agent_offer(self._house, agent) for agent in agents.items]
        offers += [offer for offer in self._own.values() if principal.allows(self._scopes[offer.name])]
        if principal.allows("tools:read") and principal.allows("tools:call"):
            tools = await self._tools(principal)
            offers += [_tool_offer(tool) for tool in tools if tool.permission is Permission.ALWAYS]
        return list({offer.name: offer for offer in reversed(offers)}.values())[::-1]

    async def one(self, principal: Principal, name: str) -> Offer:
        """Raises ToolNotFound."""
        if name in self._own:
            return self._own[name]
        if name.startswith(ASK):
            try:
                return agent_offer(self._house, await self._house.agents.find(principal, name.removeprefix(ASK)))
            except AgentNotFound:
                pass
        principal.require("tools:call")
        built_in = {tool.name: tool for tool in self._house.tools.built_in}
        if "*" in name or (name in built_in and name not in _BUILT_IN):
            raise ToolNotFound(f"There is no tool {name!r} here.")
        tools = await self._house.tools.resolve(principal, (name,), has_knowledge=False)
        if not tools:
            raise ToolNotFound(f"The MCP server behind {name!r} does not have this tool any more.")
        return _tool_offer(tools[0])

    async def _tools(self, principal: Principal) -> list[Tool]:
        built_in = {tool.name for tool in self._house.tools.built_in}
        custom = await self._house.tools.list(principal, Window(MOST_TOOLS))
        names = [name for name in _BUILT_IN if name in built_in]
        names += [tool.name for tool in custom.items]
        found = await self._house.tools.resolve(principal, tuple(names), has_knowledge=False) if names else []
        servers = await self._house.mcp_servers.wildcards(principal)
        return found + (
            await self._house.tools.resolve(principal, tuple(servers), has_knowledge=False) if servers else []
        )

    async def _search(self, principal: Principal, asked: _Search) -> Answer:
        bases = [parse_id(id, "knowledge base") for id in asked.knowledge_base_ids]
        if not bases:
            page = await self._house.knowledge.list(principal, Window(_MOST_BASES))
            bases = [base.id for base in page.items]
        if not bases:
            return Answer("There is no knowledge base in this workspace.", {"results": []})
        hits = await self._house.knowledge.search(principal, bases, asked.query, limit=asked.limit)
        results: list[dict[str, object]] = [
            {
                "uri": hit.chunk.uri,
                "document": hit.document_name,
                "page": hit.chunk.page,
                "heading": hit.chunk.heading,
                "text": hit.chunk.text,
            }
            for hit in hits
        ]
        return Answer(orjson.dumps({"results": results}).decode(), {"results": results})

    async def _read_session(self, principal: Principal, asked: _Session) -> Answer:
        messages = await self._house.runs.messages(principal, parse_id(asked.session_id, "session"))
        shown = [{"role": message.role, "content": message.content} for message in messages[-_MOST_MESSAGES:]]
        return Answer(orjson.dumps({"messages": shown}).decode(), {"messages": shown})

    async def _read_run(self, principal: Principal, asked: _Run) -> Answer:
        id: UUID = parse_id(asked.run_id, "run")
        run = await self._house.runs.get(principal, id)
        shown: dict[str, object] = {
            "run_id": str(run.id),
            "session_id": str(run.session_id),
            "status": run.status.value,
            "error": run.error,
        }
        return Answer(orjson.dumps(shown, default=str).decode(), {**shown, "error": _plain(run.error)})


def _own(name: str, description: str, type: type[T], work: Callable[[Principal, T], Awaitable[Answer]]) -> Offer:
    """A tool of this surface, with the schema of its arguments."""

    async def call(principal: Principal, arguments: Mapping[str, object], _caller: Caller) -> Answer:
        try:
            asked = msgspec.convert(arguments, type)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"The arguments of {name} are wrong: {error}.") from None
        return await work(principal, asked)

    (_,), components = msgspec.json.schema_components((type,), ref_template="#/$defs/{name}")
    schema: dict[str, object] = components[type.__name__]
    schema.pop("title", None)
    return Offer(name, name.replace("_", " ").capitalize(), description, schema, Effect.READ, call)


def _tool_offer(tool: Tool) -> Offer:
    return Offer(tool.name, tool.name, tool.description, tool.schema, tool.effect, partial(_call_tool, tool))


async def _call_tool(tool: Tool, principal: Principal, arguments: Mapping[str, object], _caller: Caller) -> Answer:
    """Called once, outside any run. What needs a person's word needs a run that can wait for it."""
    principal.require("tools:call")
    if tool.permission is not Permission.ALWAYS:
        raise InvalidRequest(f"The tool {tool.name} is not called without a person's agreement; let an agent ask.")
    key = f"mcp:{new_id()}"
    context = ToolContext(principal.workspace_id, principal.project_id, None, new_id(), new_id(), key)
    async with asyncio.timeout(tool.timeout_seconds):
        result = await tool.call(context, orjson.dumps(arguments).decode())
    return Answer(result.text, is_error=result.is_error)


def _plain(value: object) -> object:
    return orjson.loads(orjson.dumps(value, default=str))
