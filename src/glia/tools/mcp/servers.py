"""Remote MCP servers of a workspace: register, change, list, ask anew, sign in to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from glia.identity.types import Principal, system_principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, UrlRefused
from glia.kit.outbound.target import parse
from glia.kit.pages import Page, Window, page_of
from glia.tools.custom import check_headers, origin
from glia.tools.errors import McpServerNameTaken, McpServerNotFound
from glia.tools.http import Secrets, sealed
from glia.tools.mcp import queries
from glia.tools.mcp.names import EVERY, is_server_name
from glia.tools.mcp.oauth import SignIns
from glia.tools.mcp.operator import OperatorServer
from glia.tools.mcp.places import Places, headers_context
from glia.tools.mcp.queries import ServerRow
from glia.tools.mcp.renewal import Renewal
from glia.tools.mcp.source import McpTools
from glia.tools.types import McpAuth, McpServer, McpServerSpec, McpSignIn, McpStatus, McpTool

MOST_NAMED_TOOLS = 500
MOST_SERVERS = 200
LONGEST_TIMEOUT_SECONDS = 600
_FIRST_LISTING_SECONDS = 5.0


class McpServers:
    def __init__(
        self, db: Database, outbound: Outbound, secrets: Secrets, operators: Mapping[str, OperatorServer]
    ) -> None:
        """operators: the servers of the operator's file, which every workspace may use."""
        self._db = db
        self._secrets = secrets
        self._operators = operators
        self._sign_ins = SignIns(db, outbound, secrets)
        self._places = Places(secrets, self._sign_ins)
        self._renewal = Renewal(db, outbound, operators)
        self.source = McpTools(db, self._places, self._renewal, operators)

    def start(self) -> None:
        """Asks the operator's servers for their tools."""
        for operator in self._operators.values():
            if operator.server.is_enabled:
                self._renewal.in_background(operator.server)

    async def close(self) -> None:
        await self._renewal.close()

    async def create(self, principal: Principal, spec: McpServerSpec) -> McpServer:
        """Asks the server for its tools at once, for a few seconds; a slow one is asked on in the background.

        Raises InvalidRequest, McpServerNameTaken.
        """
        principal.require("tools:write")
        _check(spec)
        id = new_id()
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        async with self._db.transaction(principal.workspace_id) as tx:
            if (count := await queries.count(tx)) >= MOST_SERVERS:
                raise Conflict(f"The workspace has {count} MCP servers, the most there may be; delete one first.")
            if await queries.is_toolset(tx, spec.name):
                raise _taken(spec.name)
            if not await queries.insert(tx, id, _values(spec, None, ()), **where):
                raise _taken(spec.name)
            row = await _get(tx, id)
            await self._set_headers(tx, row, spec)
            row = await _get(tx, id)
        return await self._asked(principal, row)

    async def get(self, principal: Principal, id: UUID) -> McpServer:
        principal.require("tools:read")
        return (await self._row(principal, id)).shown()

    async def list(self, principal: Principal, window: Window) -> Page[McpServer]:
        """The workspace's own; `operator_servers` has the others."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window)
        return page_of([row.shown() for row in rows], window, lambda server: server.id or new_id())

    def operator_servers(self, principal: Principal) -> list[McpServer]:
        """Those of the operator's file, without their commands, addresses and headers."""
        principal.require("tools:read")
        return [_operator_shown(operator) for operator in self._operators.values()]

    def operator_tools(self, principal: Principal) -> list[McpTool]:
        """What the operator's servers listed last, one server after the other."""
        principal.require("tools:read")
        return [tool for operator in self._operators.values() for tool in self.source.shown(operator.server)]

    async def tools(self, principal: Principal, id: UUID) -> list[McpTool]:
        """What the server listed last."""
        principal.require("tools:read")
        return self.source.shown(self._places.server(await self._row(principal, id)))

    async def wildcards(self, principal: Principal) -> Sequence[str]:
        """`server__*` for each server that the workspace may use."""
        async with self._db.transaction(principal.workspace_id) as tx:
            return [name for name in await self.source.suggestions(principal, tx) if name.endswith(EVERY)]

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> McpServer:
        """changes: fields of McpServerSpec. Headers that are not given stay, unless the server moves to another host,
        which also ends a sign-in."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.lock(tx, id):
                raise _missing(id)
            row = await _get(tx, id)
            spec = replace(_spec_of(row), **changes)
            _check(spec)
            is_elsewhere = origin(spec.url) != origin(row.url)
            if "headers" not in changes and row.sealed_headers is not None and is_elsewhere:
                # Otherwise anyone who may edit the server could have its secrets sent to a host of their own.
                raise InvalidRequest(
                    f"The server moves to {origin(spec.url)}; give `headers` anew, or {{}} for none.", field="headers"
                )
            if await queries.is_toolset(tx, spec.name):
                raise _taken(spec.name)
            if not await queries.update(tx, id, _values(spec, row.sealed_headers, row.header_names)):
                raise _taken(spec.name)
            if "headers" in changes:
                await self._set_headers(tx, row, spec)
            if spec.url != row.url:
                await queries.forget_listing(tx, id)
            row = await _get(tx, id)
        if {"url", "headers", "auth", "is_enabled"}.isdisjoint(changes):
            return row.shown()
        return await self._asked(principal, row)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Agents that still name its tools get a clear error when they are next run."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def refresh(self, principal: Principal, id: UUID) -> McpServer:
        """Asks the server for its tools now and waits for the answer, at most half a minute."""
        principal.require("tools:write")
        row = await self._row(principal, id)
        await self._renewal.now(self._places.server(row))
        return (await self._row(principal, id)).shown()

    async def begin_sign_in(
        self,
        principal: Principal,
        id: UUID,
        *,
        redirect_uri: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str | None = None,
    ) -> McpSignIn:
        """The address to which a person goes to allow Glia the use of the server.

        client_id: needed only where the authorization server registers nobody by itself.
        Raises SignInFailed (502) when the server or its authorization server cannot be used for that.
        """
        principal.require("tools:write")
        row = await self._row(principal, id)
        if row.auth is not McpAuth.OAUTH:
            raise InvalidRequest(f"The server {row.name!r} has `auth` 'none'; set it to 'oauth' first.", field="auth")
        try:
            parse(redirect_uri)
        except UrlRefused as error:
            raise InvalidRequest(f"`redirect_uri` cannot be used. {error.message}", field="redirect_uri") from None
        return await self._sign_ins.begin(
            row, redirect_uri=redirect_uri, client_id=client_id, client_secret=client_secret, scope=scope
        )

    async def finish_sign_in(
        self,
        state: str,
        *,
        code: str | None,
        issuer: str | None,
        error: str | None,
        only: tuple[UUID, UUID] | None = None,
    ) -> McpServer:
        """For the person who comes back from the authorization server: the state says who they are.

        only: the workspace and the server that it must be about.
        """
        workspace_id, id = await self._sign_ins.finish(state, code=code, issuer=issuer, error=error, only=only)
        principal = system_principal(workspace_id, workspace_id)
        return await self._asked(principal, await self._row(principal, id))

    async def sign_out(self, principal: Principal, id: UUID) -> None:
        """Forgets the tokens and the registration."""
        principal.require("tools:write")
        await self._row(principal, id)
        await self._sign_ins.forget(principal, id)

    async def _asked(self, principal: Principal, row: ServerRow) -> McpServer:
        if not row.is_enabled:
            return row.shown()
        try:
            async with asyncio.timeout(_FIRST_LISTING_SECONDS):
                await self._renewal.now(self._places.server(row))
        except TimeoutError:
            pass  # it goes on by itself
        return (await self._row(principal, row.id)).shown()

    async def _row(self, principal: Principal, id: UUID) -> ServerRow:
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id)

    async def _set_headers(self, tx: Transaction, row: ServerRow, spec: McpServerSpec) -> None:
        headers = sealed(spec.headers, self._secrets, headers_context(row))
        await queries.update(tx, row.id, _values(spec, headers, tuple(spec.headers)))


def _check(spec: McpServerSpec) -> None:
    if not is_server_name(spec.name):
        raise InvalidRequest(
            f"`name` {spec.name[:80]!r} must be lower-case letters, digits, `-` and single `_`, from a letter on, at"
            " most 32 of them.",
            field="name",
        )
    try:
        parse(spec.url)
    except UrlRefused as error:
        raise InvalidRequest(f"`url` cannot be used. {error.message}", field="url") from None
    check_headers(spec.headers, "headers")
    if not 1 <= spec.timeout_seconds <= LONGEST_TIMEOUT_SECONDS:
        raise InvalidRequest(
            f"`timeout_seconds` is {spec.timeout_seconds}; it must be between 1 and {LONGEST_TIMEOUT_SECONDS}.",
            field="timeout_seconds",
        )
    for field, names in (("allowed_tools", spec.allowed_tools or ()), ("permissions", spec.permissions)):
        if len(names) > MOST_NAMED_TOOLS or any(not 0 < len(name) <= 256 or "\0" in name for name in names):
            raise InvalidRequest(
                f"`{field}` names tools of 1 to 256 characters, at most {MOST_NAMED_TOOLS} of them.", field=field
            )


def _spec_of(row: ServerRow) -> McpServerSpec:
    """Without headers: they stay sealed."""
    kept = {field.name: getattr(row, field.name) for field in fields(McpServerSpec) if field.name != "headers"}
    return McpServerSpec(**kept)


def _values(spec: McpServerSpec, sealed_headers: bytes | None, header_names: tuple[str, ...]) -> dict[str, object]:
    return {
        "name": spec.name,
        "url": spec.url,
        "sealed_headers": sealed_headers,
        "header_names": [*header_names],
        "auth": str(spec.auth),
        "allowed_tools": None if spec.allowed_tools is None else [*spec.allowed_tools],
        "permission": str(spec.permission),
        "permissions": {name: str(permission) for name, permission in spec.permissions.items()},
        "timeout_seconds": spec.timeout_seconds,
        "is_enabled": spec.is_enabled,
    }


def _operator_shown(operator: OperatorServer) -> McpServer:
    server = operator.server
    return McpServer(
        id=None,
        name=server.name,
        url=None,
        header_names=(),
        auth=McpAuth.NONE,
        allowed_tools=server.allowed_tools,
        permission=server.permission,
        permissions=server.permissions,
        timeout_seconds=server.place.timeout_seconds,
        is_enabled=server.is_enabled,
        status=operator.status,
        last_error="The server's log says why." if operator.status is McpStatus.FAILED else None,
        protocol_version=server.place.revision,
        title=operator.title,
        tool_count=len(server.tools),
        is_authorized=False,
        listed_at=None if operator.listed_at is None else datetime.fromtimestamp(operator.listed_at, UTC),
        created_at=None,
        updated_at=None,
    )


async def _get(tx: Transaction, id: UUID) -> ServerRow:
    row = await queries.get(tx, id)
    if row is None:
        raise _missing(id)
    return row


def _missing(id: UUID) -> McpServerNotFound:
    return McpServerNotFound(f"There is no MCP server '{id}' in this workspace.", mcp_server_id=str(id))


def _taken(name: str) -> McpServerNameTaken:
    return McpServerNameTaken(
        f"There is already an MCP server or a toolset named {name!r}; choose another name.", field="name"
    )
