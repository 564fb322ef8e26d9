"""The tools of MCP servers, as agents get and call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.tools.counting import MCP, counted
from glia.tools.http import arguments_of
from glia.tools.mcp import queries
from glia.tools.mcp.names import EVERY, SEPARATOR, server_of, shown_names
from glia.tools.mcp.operator import OperatorServer
from glia.tools.mcp.places import Places
from glia.tools.mcp.renewal import Renewal
from glia.tools.mcp.types import ListedTool, McpFailed, Server
from glia.tools.types import Effect, McpTool, Tool, ToolContext, ToolResult

_MOST_SUGGESTED = 200
_GRACE_SECONDS = 5.0


class McpTools:
    """A ToolSource. Agents name `server__tool`, or `server__*` for all that the server lists."""

    def __init__(self, db: Database, places: Places, renewal: Renewal, operators: Mapping[str, OperatorServer]) -> None:
        self._db = db
        self._places = places
        self._renewal = renewal
        self._operators = operators

    async def resolve(self, principal: Principal, names: Sequence[str]) -> dict[str, list[Tool]]:
        """From the lists that are kept; a server that is down or slow is noticed when its tool is called.

        A tool that the server no longer lists is left out; only a server that is gone makes its names unknown.
        """
        wanted = {name: server for name in names if (server := server_of(name))}
        async with self._db.transaction(principal.workspace_id) as tx:
            servers = await self._servers(tx, set(wanted.values()))
        found: dict[str, list[Tool]] = {}
        for server in servers.values():
            self._renewal.if_stale(server)
            offered = {tool.name: tool for tool in self._tools(server)}
            for name in (name for name, of in wanted.items() if of == server.name):
                found[name] = list(offered.values()) if _is_every(name) else [offered[name]] if name in offered else []
        return found

    async def known(self, principal: Principal, tx: Transaction, names: Sequence[str]) -> set[str]:
        """Any name of a server that has not answered yet is taken at its word."""
        wanted = {name: server for name in names if (server := server_of(name))}
        servers = await self._servers(tx, set(wanted.values()))
        found: set[str] = set()
        for name, of in wanted.items():
            server = servers.get(of)
            if server is not None and (_is_every(name) or not server.tools or name in _names(server)):
                found.add(name)
        return found

    async def suggestions(self, principal: Principal, tx: Transaction) -> list[str]:
        names = {*await queries.list_names(tx), *self._operators}
        servers = await self._servers(tx, names)
        every = [f"{name}{SEPARATOR}{EVERY}" for name in sorted(servers)]
        return (every + [name for server in servers.values() for name in _names(server)])[:_MOST_SUGGESTED]

    def shown(self, server: Server) -> list[McpTool]:
        """All that it lists, also what agents may not have."""
        names = {own: name for name, own in shown_names(server.name, (tool.name for tool in server.tools)).items()}
        return [
            McpTool(
                name=names[tool.name],
                own_name=tool.name,
                description=tool.description,
                schema=tool.schema,
                effect=tool.effect,
                permission=server.permission_of(tool.name),
                is_allowed=server.allows(tool.name),
            )
            for tool in server.tools
            if tool.name in names
        ]

    async def _servers(self, tx: Transaction, names: Iterable[str]) -> dict[str, Server]:
        """A workspace's own server comes before the operator's of the same name."""
        rows = await queries.named(tx, list(names)) if names else []
        operators = {name: self._operators[name].server for name in names if name in self._operators}
        return operators | {row.name: self._places.server(row) for row in rows}

    def _tools(self, server: Server) -> list[Tool]:
        if not server.is_enabled:
            return []
        listed = {tool.name: tool for tool in server.tools}
        shown = shown_names(server.name, listed)
        return [self._tool(server, name, listed[own]) for name, own in shown.items() if server.allows(own)]

    def _tool(self, server: Server, name: str, listed: ListedTool) -> Tool:
        async def call(context: ToolContext, arguments: str) -> ToolResult:
            return await self._call(server, name, listed, context, arguments_of(arguments, name))

        tool = Tool(
            name=name,
            description=listed.description,
            schema=listed.schema,
            effect=listed.effect,
            call=call,
            # The connection's own limit comes first, because it knows whether the request was sent.
            timeout_seconds=2 * server.place.timeout_seconds + _GRACE_SECONDS,
            is_default=False,
            permission=server.permission_of(listed.name),
        )
        return counted(tool, MCP)

    async def _call(
        self, server: Server, name: str, listed: ListedTool, context: ToolContext, arguments: dict[str, object]
    ) -> ToolResult:
        failure = McpFailed("", is_sent=False)
        for _ in range(2):
            try:
                connection = self._renewal.connections.of(server.place, str(context.run_id))
                return await connection.call(listed.name, arguments, context.idempotency_key)
            except McpFailed as error:
                failure = error
                if failure.is_sent or not failure.is_session_over:
                    break
        if not failure.is_sent:
            self._renewal.if_stale(server)
        return _failed(name, listed.effect, failure)


def _failed(name: str, effect: Effect, failure: McpFailed) -> ToolResult:
    if failure.is_sent and effect is Effect.ONCE:
        return ToolResult(
            f"The outcome of {name} is unknown: the request was sent, but no usable answer came. {failure.message}"
            " It may have taken effect; find out before calling it again.",
            is_error=True,
            is_unknown=True,
        )
    return ToolResult(f"{name} failed. {failure.message}", is_error=True)


def _is_every(name: str) -> bool:
    return name.partition(SEPARATOR)[2] == EVERY


def _names(server: Server) -> list[str]:
    own = [tool.name for tool in server.tools if server.allows(tool.name)]
    return list(shown_names(server.name, own))
