"""What the parts of this package hand to each other. What surfaces see is in `glia.tools.types`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from glia.kit.errors import UpstreamFailed
from glia.tools.types import Effect, Permission

Credentials = Callable[[bool], Awaitable[Mapping[str, str]]]
"""The headers that prove who calls. True asks for a fresh token, because the one before was refused."""


@dataclass(frozen=True)
class Command:
    """A server that is a program of this machine, spoken to by its standard input and output."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    folder: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a server is. Exactly one of url and command is there.

    key: the same for the same place with the same credentials. is_trusted: the operator wrote its address.
    revision: the protocol revision that was agreed on last time, so that it need not be found out again.
    """

    key: str
    name: str
    timeout_seconds: float
    url: str | None = None
    credentials: Credentials | None = None
    command: Command | None = None
    is_trusted: bool = False
    revision: str | None = None


@dataclass(frozen=True)
class ListedTool:
    """A tool as its server described it, within our limits. name: the server's own."""

    name: str
    description: str
    schema: dict[str, object]
    effect: Effect


@dataclass(frozen=True)
class Listing:
    """left_out: names of tools that cannot be offered. title: what the server calls itself."""

    tools: tuple[ListedTool, ...]
    revision: str
    title: str | None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Server:
    """A registered server, from the database or the operator's file. id: None for the operator's."""

    id: UUID | None
    workspace_id: UUID | None
    place: Place
    tools: tuple[ListedTool, ...]
    allowed_tools: tuple[str, ...] | None
    permission: Permission
    permissions: Mapping[str, Permission]
    is_enabled: bool = True

    @property
    def name(self) -> str:
        return self.place.name

    def permission_of(self, tool: str) -> Permission:
        return self.permissions.get(tool, self.permission)

    def allows(self, tool: str) -> bool:
        return self.allowed_tools is None or tool in self.allowed_tools


class McpFailed(UpstreamFailed):
    """The server could not be reached, or did not answer as MCP asks.

    is_sent: whether the request may have reached it. needs_authorization: it wants to know who calls.
    is_session_over: it answered that it no longer knows the connection's session; a new one may do.
    """

    code = "mcp_failed"

    def __init__(
        self, message: str, *, is_sent: bool, needs_authorization: bool = False, is_session_over: bool = False
    ) -> None:
        super().__init__(message)
        self.is_sent = is_sent
        self.needs_authorization = needs_authorization
        self.is_session_over = is_session_over
