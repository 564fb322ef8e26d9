"""Sessions: open, list, delete."""

from __future__ import annotations

import builtins
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.sessions import queries
from glia.sessions.errors import SessionNotFound
from glia.sessions.types import Session, SessionFilter


class Sessions:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(
        self,
        principal: Principal,
        *,
        agent_id: UUID | None,
        title: str = "",
        metadata: dict[str, object] | None = None,
    ) -> Session:
        """The caller has made sure that the agent exists: the surface asks Agents first."""
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await open_session(tx, principal, agent_id=agent_id, title=title, metadata=metadata or {})

    async def get(self, principal: Principal, id: UUID) -> Session:
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            session = await queries.get(tx, id)
        if session is None:
            raise SessionNotFound(f"There is no session '{id}' in this workspace.", session_id=str(id))
        return session

    async def list(self, principal: Principal, window: Window, *, agent_id: UUID | None = None) -> Page[Session]:
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, agent_id)
        return page_of(rows, window, lambda session: session.id)

    async def recent(
        self, principal: Principal, wanted: SessionFilter, *, limit: int, offset: int = 0
    ) -> builtins.list[Session]:
        """The conversations that fit, those first in which something happened last."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.list_recent(tx, wanted, limit=limit, offset=offset)

    async def update(
        self, principal: Principal, id: UUID, *, title: str | None = None, metadata: dict[str, object] | None = None
    ) -> Session:
        """Changes what is given; metadata is replaced as a whole."""
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            session = await queries.update(tx, id, title=title, metadata=metadata)
        if session is None:
            raise SessionNotFound(f"There is no session '{id}' in this workspace.", session_id=str(id))
        return session

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Hides the session; its log stays for audit until the workspace prunes it."""
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise SessionNotFound(f"There is no session '{id}' in this workspace.", session_id=str(id))


async def open_session(
    tx: Transaction,
    principal: Principal,
    *,
    agent_id: UUID | None,
    agent_version: int | None = None,
    title: str = "",
    metadata: dict[str, object] | None = None,
    is_system: bool = False,
) -> Session:
    """Opens a session inside a transaction that does more, such as accepting its first run."""
    return await queries.insert(
        tx,
        new_id(),
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        agent_id=agent_id,
        agent_version=agent_version,
        title=title,
        metadata=metadata or {},
        is_system=is_system,
    )
