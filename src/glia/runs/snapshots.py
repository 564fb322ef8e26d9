"""Snapshots: what a run said and did, kept for being shown again exactly, or for trying the same again."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, json
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.runs.errors import SnapshotNotFound
from glia.runs.types import RunSnapshot

_COLUMNS: LiteralString = "id, run_id, session_id, agent_id, user_message, is_deterministic, state, created_at"


class RunSnapshots:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def keep(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        session_id: UUID,
        agent_id: UUID,
        user_message: str,
        is_deterministic: bool,
        state: dict[str, Any],
    ) -> RunSnapshot:
        principal.require("runs:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await tx.one(
                RunSnapshot,
                """
                insert into run_snapshots (id, workspace_id, run_id, session_id, agent_id, user_message,
                  is_deterministic, state)
                values (%(id)s, %(workspace_id)s, %(run_id)s, %(session_id)s, %(agent_id)s, %(user_message)s,
                  %(is_deterministic)s, %(state)s)
                returning """
                + _COLUMNS,
                id=new_id(),
                workspace_id=principal.workspace_id,
                run_id=run_id,
                session_id=session_id,
                agent_id=agent_id,
                user_message=user_message,
                is_deterministic=is_deterministic,
                state=json(state),
            )

    async def get(self, principal: Principal, id: UUID) -> RunSnapshot:
        """Raises SnapshotNotFound."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await tx.one_or_none(
                RunSnapshot, "select " + _COLUMNS + " from run_snapshots where id = %(id)s", id=id
            )
        if found is None:
            raise _missing(id)
        return found

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        session_id: UUID | None = None,
        agent_id: UUID | None = None,
    ) -> Page[RunSnapshot]:
        """Newest first."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await tx.many(
                RunSnapshot,
                "select "
                + _COLUMNS
                + """ from run_snapshots
                where (%(session_id)s::uuid is null or session_id = %(session_id)s)
                  and (%(agent_id)s::uuid is null or agent_id = %(agent_id)s)
                  and (%(after)s::uuid is null or id < %(after)s)
                order by id desc limit %(rows)s""",
                session_id=session_id,
                agent_id=agent_id,
                after=window.after,
                rows=window.limit + 1,
            )
        return page_of(rows, window, lambda snapshot: snapshot.id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """The run and its events stay."""
        principal.require("runs:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await tx.execute("delete from run_snapshots where id = %(id)s", id=id) != 1:
                raise _missing(id)


def _missing(id: UUID) -> SnapshotNotFound:
    return SnapshotNotFound(f"There is no snapshot '{id}' in this workspace.", snapshot_id=str(id))
