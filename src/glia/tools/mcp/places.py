"""Registered servers as something to connect to, with the headers that prove who calls."""

from __future__ import annotations

from collections.abc import Mapping

from glia.tools.http import Secrets, opened
from glia.tools.mcp.oauth import SignIns
from glia.tools.mcp.queries import ServerRow
from glia.tools.mcp.types import Place, Server
from glia.tools.types import McpAuth


class Places:
    def __init__(self, secrets: Secrets, sign_ins: SignIns) -> None:
        self._secrets = secrets
        self._sign_ins = sign_ins

    def server(self, row: ServerRow) -> Server:
        place = Place(
            # Whatever is changed makes it another place, so that no connection with old headers is used again.
            key=f"{row.id}:{row.updated_at.isoformat()}",
            name=row.name,
            timeout_seconds=row.timeout_seconds,
            url=row.url,
            credentials=lambda is_refused: self._headers(row, is_refused),
            revision=row.protocol_version,
        )
        return Server(
            id=row.id,
            workspace_id=row.workspace_id,
            place=place,
            tools=row.tools,
            allowed_tools=row.allowed_tools,
            permission=row.permission,
            permissions=row.permissions,
            is_enabled=row.is_enabled,
        )

    async def _headers(self, row: ServerRow, is_refused: bool) -> Mapping[str, str]:
        headers = opened(row.sealed_headers, self._secrets, headers_context(row))
        if row.auth is not McpAuth.OAUTH:
            return headers
        return headers | dict(await self._sign_ins.bearer(row.workspace_id, row.id, is_refused=is_refused))


def headers_context(row: ServerRow) -> str:
    return f"mcp_servers.headers:{row.workspace_id}:{row.id}"
