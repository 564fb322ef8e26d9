"""/v1/mcp-servers: servers of the Model Context Protocol whose tools agents may use."""

from __future__ import annotations

import html
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.requests import Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field

from glia.kit.errors import GliaError
from glia.kit.ids import parse_id
from glia.surfaces.native.tools import EffectName, PermissionName
from glia.surfaces.native.words import ListOf, TheWindow, page_of
from glia.surfaces.shared.bodies import Body, Changes, Out, TheHouse, ThePrincipal, Time, WatchedRoute, given
from glia.tools.types import McpAuth, McpServerSpec, McpTool, Permission

router = APIRouter(prefix="/v1/mcp-servers", tags=["mcp servers"], route_class=WatchedRoute)

CALLBACK = "/v1/mcp-servers/callback"
"""Where authorization servers send people back to; it needs no key, because its `state` says who they are."""

AuthName = Literal["none", "oauth"]


class McpServerBody(Body):
    """name: the first part of its tools' names, as in `github__create_issue`. url: of its streamable HTTP endpoint.

    headers: sent with each request, kept encrypted, never shown. auth: `oauth` when a person has to sign in.
    allowed_tools: as the server names them; all when not given. permissions: by tool; others have `permission`.
    """

    name: str
    url: str = Field(max_length=8000)
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    auth: AuthName = "none"
    allowed_tools: list[str] | None = None
    permission: PermissionName = "always"
    permissions: dict[str, PermissionName] = Field(default_factory=dict[str, PermissionName])
    timeout_seconds: float = 60.0
    is_enabled: bool = True


class McpServerChanges(Changes):
    name: str = ""
    url: str = Field("", max_length=8000)
    headers: dict[str, str] = Field(default_factory=dict[str, str])
    auth: AuthName = "none"
    allowed_tools: list[str] | None = None
    permission: PermissionName = "always"
    permissions: dict[str, PermissionName] = Field(default_factory=dict[str, PermissionName])
    timeout_seconds: float = 60.0
    is_enabled: bool = True


class McpServerOut(Out):
    """id and url: null for servers of the operator's file. status: `pending` until it has been asked once.

    tool_count: in the list it gave last. is_authorized: somebody has signed in to it.
    """

    id: UUID | None
    name: str
    url: str | None
    header_names: list[str]
    auth: AuthName
    allowed_tools: list[str] | None
    permission: PermissionName
    permissions: dict[str, PermissionName]
    timeout_seconds: float
    is_enabled: bool
    status: Literal["pending", "ready", "failed", "needs_authorization"]
    last_error: str | None
    protocol_version: str | None
    title: str | None
    tool_count: int
    is_authorized: bool
    listed_at: Time | None
    created_at: Time | None
    updated_at: Time | None


class McpToolOut(Out):
    """name: what agents call it. own_name: what the server calls it."""

    name: str
    own_name: str
    description: str
    parameters: dict[str, Any] = Field(serialization_alias="schema")
    effect: EffectName
    permission: PermissionName
    is_allowed: bool


class SignInBody(Body):
    """client_id, client_secret: only where the authorization server registers nobody by itself.

    redirect_uri: where the browser comes back to; this server's own callback when not given.
    """

    client_id: str | None = Field(None, max_length=2000)
    client_secret: str | None = Field(None, max_length=2000)
    scope: str | None = Field(None, max_length=2000)
    redirect_uri: str | None = Field(None, max_length=2000)


class SignInOut(Out):
    authorization_url: str
    expires_at: Time


class FinishBody(Body):
    """What the authorization server added to the redirect address. For clients with a callback of their own."""

    state: str = Field(max_length=4000)
    code: str | None = Field(None, max_length=4000)
    iss: str | None = Field(None, max_length=2000)
    error: str | None = Field(None, max_length=2000)


@router.post("", status_code=201)
async def create(body: McpServerBody, house: TheHouse, principal: ThePrincipal) -> McpServerOut:
    """Register an MCP server. It is asked for its tools at once; agents then name them `<server>__<tool>` or
    `<server>__*`."""
    spec = McpServerSpec(
        name=body.name,
        url=body.url,
        headers=body.headers,
        auth=McpAuth(body.auth),
        allowed_tools=None if body.allowed_tools is None else tuple(body.allowed_tools),
        permission=Permission(body.permission),
        permissions=_permissions(body.permissions),
        timeout_seconds=body.timeout_seconds,
        is_enabled=body.is_enabled,
    )
    return McpServerOut.of(await house.mcp_servers.create(principal, spec))


@router.get("")
async def list_servers(house: TheHouse, principal: ThePrincipal, window: TheWindow) -> ListOf[McpServerOut]:
    """List the workspace's MCP servers, newest first."""
    return page_of(await house.mcp_servers.list(principal, window), McpServerOut.of)


@router.get("/operator")
async def list_operator_servers(house: TheHouse, principal: ThePrincipal) -> ListOf[McpServerOut]:
    """The MCP servers of the operator's file, which every workspace may use."""
    return ListOf(data=[McpServerOut.of(server) for server in house.mcp_servers.operator_servers(principal)])


@router.get("/operator/tools")
async def list_operator_tools(house: TheHouse, principal: ThePrincipal) -> ListOf[McpToolOut]:
    """The tools that the servers of the operator's file listed last."""
    return ListOf(data=[_tool_out(tool) for tool in house.mcp_servers.operator_tools(principal)])


@router.get("/callback", response_class=HTMLResponse, include_in_schema=False)
async def callback(
    house: TheHouse,
    state: Annotated[str, Query(max_length=4000)] = "",
    code: Annotated[str | None, Query(max_length=4000)] = None,
    iss: Annotated[str | None, Query(max_length=2000)] = None,
    error: Annotated[str | None, Query(max_length=2000)] = None,
) -> HTMLResponse:
    """Where a person's browser comes back to after a sign-in."""
    try:
        server = await house.mcp_servers.finish_sign_in(state, code=code, issuer=iss, error=error)
    except GliaError as problem:
        return _page("The sign-in did not work", problem.message, problem.status)
    return _page("Signed in", f"Glia may now use the MCP server {server.name}. You can close this page.", 200)


@router.get("/{mcp_server}")
async def get(mcp_server: str, house: TheHouse, principal: ThePrincipal) -> McpServerOut:
    """One MCP server: its status, and what went wrong last."""
    return McpServerOut.of(await house.mcp_servers.get(principal, parse_id(mcp_server, "MCP server")))


@router.patch("/{mcp_server}")
async def update(mcp_server: str, body: McpServerChanges, house: TheHouse, principal: ThePrincipal) -> McpServerOut:
    """Change an MCP server. Headers that are not given stay, unless it moves to another host."""
    changes = given(body)
    if "auth" in changes:
        changes["auth"] = McpAuth(body.auth)
    if "permission" in changes:
        changes["permission"] = Permission(body.permission)
    if "permissions" in changes:
        changes["permissions"] = _permissions(body.permissions)
    if body.allowed_tools is not None:
        changes["allowed_tools"] = tuple(body.allowed_tools)
    return McpServerOut.of(await house.mcp_servers.update(principal, parse_id(mcp_server, "MCP server"), changes))


@router.delete("/{mcp_server}", status_code=204, response_class=Response)
async def delete(mcp_server: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Forget an MCP server, its secrets and its sign-in."""
    await house.mcp_servers.delete(principal, parse_id(mcp_server, "MCP server"))
    return Response(status_code=204)


@router.get("/{mcp_server}/tools")
async def list_tools(mcp_server: str, house: TheHouse, principal: ThePrincipal) -> ListOf[McpToolOut]:
    """The tools that the server listed last."""
    tools = await house.mcp_servers.tools(principal, parse_id(mcp_server, "MCP server"))
    return ListOf(data=[_tool_out(tool) for tool in tools])


@router.post("/{mcp_server}/refresh")
async def refresh(mcp_server: str, house: TheHouse, principal: ThePrincipal) -> McpServerOut:
    """Ask the server for its tools now."""
    return McpServerOut.of(await house.mcp_servers.refresh(principal, parse_id(mcp_server, "MCP server")))


@router.post("/{mcp_server}/sign-in")
async def begin_sign_in(
    mcp_server: str, body: SignInBody, request: Request, house: TheHouse, principal: ThePrincipal
) -> SignInOut:
    """Begin an OAuth sign-in: open the address that comes back in a browser."""
    sign_in = await house.mcp_servers.begin_sign_in(
        principal,
        parse_id(mcp_server, "MCP server"),
        redirect_uri=body.redirect_uri or _callback_of(house.settings.public_url, request),
        client_id=body.client_id,
        client_secret=body.client_secret,
        scope=body.scope,
    )
    return SignInOut.of(sign_in)


@router.post("/{mcp_server}/sign-in/finish")
async def finish_sign_in(mcp_server: str, body: FinishBody, house: TheHouse, principal: ThePrincipal) -> McpServerOut:
    """Finish a sign-in whose `redirect_uri` was your own."""
    principal.require("tools:write")
    id = parse_id(mcp_server, "MCP server")
    await house.mcp_servers.get(principal, id)
    server = await house.mcp_servers.finish_sign_in(
        body.state, code=body.code, issuer=body.iss, error=body.error, only=(principal.workspace_id, id)
    )
    return McpServerOut.of(server)


@router.delete("/{mcp_server}/sign-in", status_code=204, response_class=Response)
async def sign_out(mcp_server: str, house: TheHouse, principal: ThePrincipal) -> Response:
    """Forget the tokens of a sign-in."""
    await house.mcp_servers.sign_out(principal, parse_id(mcp_server, "MCP server"))
    return Response(status_code=204)


def _permissions(permissions: dict[str, PermissionName]) -> dict[str, Permission]:
    return {name: Permission(permission) for name, permission in permissions.items()}


def _callback_of(public_url: str | None, request: Request) -> str:
    """From the operator's word, else as the client itself reached us; it is only ever shown to that client."""
    if public_url:
        return public_url.rstrip("/") + CALLBACK
    return f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}{CALLBACK}"


def _tool_out(tool: McpTool) -> McpToolOut:
    return McpToolOut(
        name=tool.name,
        own_name=tool.own_name,
        description=tool.description,
        parameters=dict(tool.schema),
        effect=tool.effect.value,
        permission=tool.permission.value,
        is_allowed=tool.is_allowed,
    )


def _page(title: str, text: str, status: int) -> HTMLResponse:
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><style>:root{color-scheme:light dark}'
        "body{font:16px/1.6 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem}</style></head>"
        f"<body><main><h1>{title}</h1><p>{html.escape(text)}</p>"
        # Relative, because the console may be mounted below a path.
        '<p><a href="../../tools?show=connections">To the connections</a></p></main></body></html>'
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(body, status, headers)
