"""All SQL about MCP servers and the sign-ins to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from glia.kit.db import Transaction, json
from glia.kit.pages import Window
from glia.tools.mcp.types import ListedTool, Listing
from glia.tools.types import McpAuth, McpServer, McpServerId, McpStatus, Permission


@dataclass(frozen=True)
class ServerRow:
    """A server with its sealed headers and the tools it listed last, which stay in this package."""

    id: McpServerId
    workspace_id: UUID
    name: str
    url: str
    sealed_headers: bytes | None
    header_names: tuple[str, ...]
    auth: McpAuth
    allowed_tools: tuple[str, ...] | None
    permission: Permission
    permissions: dict[str, Permission]
    timeout_seconds: float
    is_enabled: bool
    status: McpStatus
    last_error: str | None
    protocol_version: str | None
    title: str | None
    tools: tuple[ListedTool, ...]
    is_authorized: bool
    listed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def shown(self) -> McpServer:
        return McpServer(
            id=self.id,
            name=self.name,
            url=self.url,
            header_names=self.header_names,
            auth=self.auth,
            allowed_tools=self.allowed_tools,
            permission=self.permission,
            permissions=self.permissions,
            timeout_seconds=self.timeout_seconds,
            is_enabled=self.is_enabled,
            status=self.status,
            last_error=self.last_error,
            protocol_version=self.protocol_version,
            title=self.title,
            tool_count=len(self.tools),
            is_authorized=self.is_authorized,
            listed_at=self.listed_at,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


@dataclass(frozen=True)
class SignInRow:
    """sealed: the registration and the tokens. pending: a sign-in that was begun. Both encrypted."""

    sealed: bytes | None
    expires_at: datetime | None
    pending: bytes | None
    is_pending: bool


async def insert(
    tx: Transaction, id: UUID, values: Mapping[str, object], *, workspace_id: UUID, project_id: UUID
) -> bool:
    """values: as `ServerRow` names them. False when the name is taken."""
    count = await tx.execute(
        """
        insert into mcp_servers (id, workspace_id, project_id, name, url, sealed_headers, header_names, auth,
          allowed_tools, permission, permissions, timeout_seconds, is_enabled)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(name)s, %(url)s, %(sealed_headers)s, %(header_names)s,
          %(auth)s, %(allowed_tools)s, %(permission)s, %(permissions)s, %(timeout_seconds)s, %(is_enabled)s)
        on conflict (workspace_id, name) do nothing""",
        **_parameters(values),
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
    )
    return count == 1


async def update(tx: Transaction, id: UUID, values: Mapping[str, object]) -> bool:
    """False when another server has the name."""
    count = await tx.execute(
        """
        update mcp_servers set name = %(name)s, url = %(url)s, sealed_headers = %(sealed_headers)s,
          header_names = %(header_names)s, auth = %(auth)s, allowed_tools = %(allowed_tools)s,
          permission = %(permission)s, permissions = %(permissions)s, timeout_seconds = %(timeout_seconds)s,
          is_enabled = %(is_enabled)s, updated_at = now()
        where id = %(id)s
          and not exists (select 1 from mcp_servers other where other.name = %(name)s and other.id <> %(id)s)""",
        **_parameters(values),
        id=id,
    )
    return count == 1


def _parameters(values: Mapping[str, object]) -> dict[str, object]:
    return {**values, "permissions": json(values["permissions"])}


async def forget_listing(tx: Transaction, id: UUID) -> None:
    """After a move to another address: what the old one offered and was told is gone."""
    await tx.execute(
        """
        update mcp_servers set tools = '[]', listed_at = null, status = 'pending', last_error = null,
          protocol_version = null, title = null where id = %(id)s""",
        id=id,
    )
    await tx.execute("delete from mcp_authorizations where server_id = %(id)s", id=id)


async def lock(tx: Transaction, id: UUID) -> bool:
    return await tx.value("select 1 from mcp_servers where id = %(id)s for update", id=id) is not None


async def get(tx: Transaction, id: UUID) -> ServerRow | None:
    return await tx.one_or_none(
        ServerRow,
        """
        select id, workspace_id, name, url, sealed_headers, header_names, auth, allowed_tools, permission, permissions,
          timeout_seconds, is_enabled, status, last_error, protocol_version, title, tools, listed_at, created_at,
          updated_at, exists (select 1 from mcp_authorizations a where a.server_id = id and a.sealed is not null
            and a.expires_at is not null) as is_authorized
        from mcp_servers where id = %(id)s""",
        id=id,
    )


async def named(tx: Transaction, names: Sequence[str]) -> list[ServerRow]:
    return await tx.many(
        ServerRow,
        """
        select id, workspace_id, name, url, sealed_headers, header_names, auth, allowed_tools, permission, permissions,
          timeout_seconds, is_enabled, status, last_error, protocol_version, title, tools, listed_at, created_at,
          updated_at, exists (select 1 from mcp_authorizations a where a.server_id = id and a.sealed is not null
            and a.expires_at is not null) as is_authorized
        from mcp_servers where name = any(%(names)s)""",
        names=list(names),
    )


async def list_page(tx: Transaction, window: Window) -> list[ServerRow]:
    return await tx.many(
        ServerRow,
        """
        select id, workspace_id, name, url, sealed_headers, header_names, auth, allowed_tools, permission, permissions,
          timeout_seconds, is_enabled, status, last_error, protocol_version, title, tools, listed_at, created_at,
          updated_at, exists (select 1 from mcp_authorizations a where a.server_id = id and a.sealed is not null
            and a.expires_at is not null) as is_authorized
        from mcp_servers where %(after)s::uuid is null or id < %(after)s
        order by id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


async def count(tx: Transaction) -> int:
    return await tx.value("select count(*) from mcp_servers")


async def is_toolset(tx: Transaction, name: str) -> bool:
    """Whether a toolset has the name: `name__*` must not mean two things."""
    return await tx.value("select exists (select 1 from toolsets where name = %(name)s)", name=name)


async def list_names(tx: Transaction) -> list[str]:
    return await tx.values("select name from mcp_servers order by name limit 200")


async def delete(tx: Transaction, id: UUID) -> bool:
    return await tx.execute("delete from mcp_servers where id = %(id)s", id=id) == 1


async def store_listing(tx: Transaction, id: UUID, url: str, listing: Listing, note: str | None) -> None:
    """url: where it came from; a listing of an address that was changed meanwhile is dropped."""
    await tx.execute(
        """
        update mcp_servers set tools = %(tools)s, listed_at = now(), status = 'ready', last_error = %(note)s,
          protocol_version = %(revision)s, title = %(title)s
        where id = %(id)s and url = %(url)s""",
        id=id,
        url=url,
        tools=json([asdict(tool) for tool in listing.tools]),
        revision=listing.revision,
        title=listing.title,
        note=note,
    )


async def store_failure(tx: Transaction, id: UUID, url: str, status: McpStatus, error: str) -> None:
    """The protocol revision is forgotten: the server may have become another one."""
    await tx.execute(
        """
        update mcp_servers set status = %(status)s, last_error = %(error)s, protocol_version = null
        where id = %(id)s and url = %(url)s""",
        id=id,
        url=url,
        status=status,
        error=error[:2000],
    )


async def sign_in(tx: Transaction, server_id: UUID) -> SignInRow | None:
    return await tx.one_or_none(
        SignInRow,
        """
        select sealed, expires_at, pending, coalesce(pending_until > now(), false) as is_pending
        from mcp_authorizations where server_id = %(server_id)s""",
        server_id=server_id,
    )


async def begin_sign_in(
    tx: Transaction, server_id: UUID, pending: bytes, *, workspace_id: UUID, seconds: int
) -> datetime:
    """When it runs out."""
    return await tx.value(
        """
        insert into mcp_authorizations (server_id, workspace_id, pending, pending_until)
        values (%(server_id)s, %(workspace_id)s, %(pending)s, now() + make_interval(secs => %(seconds)s))
        on conflict (server_id) do update set pending = excluded.pending, pending_until = excluded.pending_until
        returning pending_until""",
        server_id=server_id,
        workspace_id=workspace_id,
        pending=pending,
        seconds=seconds,
    )


async def take_pending(tx: Transaction, server_id: UUID) -> bytes | None:
    """The sign-in that was begun, once."""
    return await tx.value(
        """
        with old as (select server_id, pending from mcp_authorizations
                     where server_id = %(server_id)s and pending_until > now() for update)
        update mcp_authorizations a set pending = null, pending_until = null from old
        where a.server_id = old.server_id returning old.pending""",
        server_id=server_id,
    )


async def store_tokens(
    tx: Transaction, server_id: UUID, sealed: bytes, *, workspace_id: UUID, lifetime_seconds: float | None
) -> None:
    """lifetime_seconds: None for a token that lives until it is refused."""
    await tx.execute(
        """
        insert into mcp_authorizations (server_id, workspace_id, sealed, expires_at)
        values (%(server_id)s, %(workspace_id)s, %(sealed)s, now() + make_interval(secs => %(seconds)s))
        on conflict (server_id) do update set sealed = excluded.sealed, expires_at = excluded.expires_at,
          refreshing_until = null, updated_at = now()""",
        server_id=server_id,
        workspace_id=workspace_id,
        sealed=sealed,
        seconds=lifetime_seconds if lifetime_seconds is not None else 10 * 365 * 86_400,
    )


async def claim_refresh(tx: Transaction, server_id: UUID, seconds: int) -> bool:
    """Whether this process may trade the refresh token in; for so long nobody else does."""
    count = await tx.execute(
        """
        update mcp_authorizations set refreshing_until = now() + make_interval(secs => %(seconds)s)
        where server_id = %(server_id)s and (refreshing_until is null or refreshing_until < now())""",
        server_id=server_id,
        seconds=seconds,
    )
    return count == 1


async def end_refresh(tx: Transaction, server_id: UUID) -> None:
    await tx.execute(
        "update mcp_authorizations set refreshing_until = null where server_id = %(server_id)s", server_id=server_id
    )
