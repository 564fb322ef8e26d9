"""The operator's file of MCP servers, in the shape that people bring from other programs:

    {"mcpServers": {"files": {"command": "mcp-files", "args": ["/data"], "env": {"TOKEN": "${FILES_TOKEN}"}},
                    "tickets": {"url": "https://tickets.example/mcp", "headers": {"X-Key": "${TICKETS_KEY}"}}}}

Only here can a program be started: what may run on the server's machine is the operator's to say, never a tenant's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgspec
import structlog

from glia.kit.config import SettingsInvalid
from glia.kit.outbound import UrlRefused
from glia.kit.outbound.target import parse
from glia.tools.mcp.names import is_server_name
from glia.tools.mcp.types import Command, Place, Server
from glia.tools.types import McpStatus, Permission

log = structlog.get_logger(__name__)

_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_MOST_SERVERS = 100
_LARGEST_FILE_BYTES = 1024 * 1024


class _Entry(msgspec.Struct):
    """One server. The names without a rename are those of other programs' files."""

    command: str | None = None
    args: list[str] = msgspec.field(default_factory=list[str])
    env: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    type: str | None = None
    disabled: bool = False
    allowed_tools: list[str] | None = None
    permission: Permission = Permission.ALWAYS
    permissions: dict[str, Permission] = msgspec.field(default_factory=dict[str, Permission])
    timeout_seconds: float = 60.0


class _File(msgspec.Struct):
    servers: dict[str, _Entry] = msgspec.field(name="mcpServers", default_factory=dict[str, _Entry])


@dataclass
class OperatorServer:
    """A server of the file, and what is known about it in this process."""

    server: Server
    status: McpStatus = McpStatus.PENDING
    title: str | None = None
    listed_at: float | None = None


def read_servers(path: str | None, environment: Mapping[str, str]) -> dict[str, OperatorServer]:
    """By name; empty without a file. Raises SettingsInvalid, which says what to mend."""
    if path is None:
        return {}
    try:
        body = Path(path).expanduser().read_bytes()
        file = msgspec.json.decode(body[:_LARGEST_FILE_BYTES], type=_File)
    except OSError as error:
        raise SettingsInvalid(f"GLIA_MCP_FILE names {path!r}, which cannot be read: {error.strerror}.") from None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsInvalid(f"GLIA_MCP_FILE: {path} is not a list of MCP servers: {error}.") from None
    if len(file.servers) > _MOST_SERVERS:
        raise SettingsInvalid(f"GLIA_MCP_FILE has {len(file.servers)} servers; the most is {_MOST_SERVERS}.")
    _tell_of_unknown(body)
    return {name: OperatorServer(_server(name, entry, environment)) for name, entry in file.servers.items()}


def _server(name: str, entry: _Entry, environment: Mapping[str, str]) -> Server:
    if not is_server_name(name):
        raise _wrong(name, "its name must be lower-case letters, digits, `-` and single `_`, at most 32")
    if (entry.command is None) == (entry.url is None):
        raise _wrong(name, "it needs either `command` or `url`")
    if entry.type not in {None, "stdio", "http", "streamable-http", "streamableHttp", "streamable_http"}:
        raise _wrong(name, f"its `type` is {entry.type!r}; only stdio and http (streamable) are spoken")
    if not 1 <= entry.timeout_seconds <= 600:
        raise _wrong(name, "its `timeout_seconds` must be between 1 and 600")
    place = Place(key=f"operator:{name}", name=name, timeout_seconds=entry.timeout_seconds, is_trusted=True)
    return Server(
        id=None,
        workspace_id=None,
        place=_there(name, entry, place, environment),
        tools=(),
        allowed_tools=None if entry.allowed_tools is None else tuple(entry.allowed_tools),
        permission=entry.permission,
        permissions=entry.permissions,
        is_enabled=not entry.disabled,
    )


def _there(name: str, entry: _Entry, place: Place, environment: Mapping[str, str]) -> Place:
    def filled(text: str) -> str:
        return _VARIABLE.sub(lambda match: _value(name, match, environment), text)

    if entry.command is not None:
        command = Command(
            command=filled(entry.command),
            arguments=tuple(filled(text) for text in entry.args),
            environment={key: filled(text) for key, text in entry.env.items()},
            folder=entry.cwd,
        )
        return replace(place, command=command)
    url, headers = filled(entry.url or ""), {key: filled(text) for key, text in entry.headers.items()}
    try:
        parse(url)
    except UrlRefused as error:
        raise _wrong(name, error.message.rstrip(".")) from None

    async def credentials(_is_refused: bool) -> Mapping[str, str]:
        return headers

    return replace(place, url=url, credentials=credentials)


def _value(name: str, match: re.Match[str], environment: Mapping[str, str]) -> str:
    default: str | None = match[2]
    if match[1] not in environment and default is None:
        raise _wrong(name, f"the environment has no {match[1]}")
    return environment.get(match[1], default or "")


def _tell_of_unknown(body: bytes) -> None:
    """Other programs' files have fields of their own; that they do nothing here is said, not hidden."""
    known = {field.encode_name for field in msgspec.structs.fields(_Entry)}
    tree = cast(dict[str, dict[str, dict[str, object]]], msgspec.json.decode(body))
    for name, entry in tree.get("mcpServers", {}).items():
        if unknown := sorted(set(entry) - known):
            log.warning("the MCP file has fields that have no effect here", server=name, fields=unknown)


def _wrong(name: str, why: str) -> SettingsInvalid:
    return SettingsInvalid(f"GLIA_MCP_FILE: the server {name!r} cannot be used: {why}.")
