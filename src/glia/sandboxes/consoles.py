"""What people see of the code that ran in a session: its terminal, its files and what it made.

Written by the session's own code as it runs, and by clients that keep such a record themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, cast
from uuid import UUID

import orjson

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction, json
from glia.kit.errors import InvalidRequest, NotFound
from glia.kit.ids import new_id
from glia.sandboxes import queries
from glia.sandboxes.records import Console, Ran

MOST_LINES = 2_000
MOST_ENTRIES = 1_000
LARGEST_PART_BYTES = 2 * 1024 * 1024
_PARTS = ("terminal_lines", "files", "artifacts", "details")
_LONGEST_LINE = 16_000
_COLUMNS: LiteralString = "id, session_id, terminal_lines, files, artifacts, details, created_at, updated_at"


class Consoles:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def save(self, principal: Principal, session_id: UUID, given: Mapping[str, Any]) -> Console:
        """given: some of terminal_lines, files, artifacts, details; each replaces what was there, the others stay."""
        principal.require("sessions:write")
        _check(given)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_session(tx, session_id)
            return await _write(tx, principal.workspace_id, session_id, given)

    def checked(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """What can be saved. Raises InvalidRequest for what is too large."""
        _check(given)
        return given

    async def get(self, principal: Principal, session_id: UUID) -> Console:
        found = await self.find(principal, session_id)
        if found is None:
            raise _missing(session_id)
        return found

    async def find(self, principal: Principal, session_id: UUID) -> Console | None:
        """None for a session without such a record. Raises NotFound for a session that is not there."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_session(tx, session_id)
            return await _read(tx, session_id)

    async def delete(self, principal: Principal, session_id: UUID) -> None:
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_session(tx, session_id)
            if not await tx.execute("delete from session_consoles where session_id = %(id)s", id=session_id):
                raise _missing(session_id)

    async def note(self, workspace_id: UUID, session_id: UUID, ran: Ran) -> None:
        """Adds what code of the session did; the oldest lines make room, and a file stands once under its path."""
        async with self._db.transaction(workspace_id) as tx:
            if not await queries.has_session(tx, session_id):
                return
            before = await _read(tx, session_id, for_update=True)
            details = dict(before.details) if before else {}
            minutes = details.get("runtime_minutes")
            minutes = minutes if isinstance(minutes, (int, float)) else 0.0
            details |= {
                "status": ran.status,
                "template": ran.template,
                "runtime_minutes": round(minutes + ran.seconds / 60, 4),
            }
            files = {_path(one): one for one in [*(before.files if before else []), *ran.files]}
            lines: list[Any] = [*(before.terminal_lines if before else []), *ran.lines][-MOST_LINES:]
            while _size(lines) > LARGEST_PART_BYTES:
                lines = lines[len(lines) // 2 + 1 :]
            given = {
                "terminal_lines": lines,
                "files": list(files.values())[-MOST_ENTRIES:],
                "artifacts": [*(before.artifacts if before else []), *ran.artifacts][-MOST_ENTRIES:],
                "details": details,
            }
            await _write(tx, workspace_id, session_id, given)


def line(kind: str, text: str) -> dict[str, object]:
    """kind: `command`, `output` or `error`."""
    return {"type": kind, "text": text.replace("\0", "")[:_LONGEST_LINE]}


async def _read(tx: Transaction, session_id: UUID, *, for_update: bool = False) -> Console | None:
    where: LiteralString = " from session_consoles where session_id = %(id)s" + (" for update" if for_update else "")
    return await tx.one_or_none(Console, "select " + _COLUMNS + where, id=session_id)


async def _write(tx: Transaction, workspace_id: UUID, session_id: UUID, given: Mapping[str, Any]) -> Console:
    parts = {name: json(given[name]) if name in given else None for name in _PARTS}
    return await tx.one(
        Console,
        """
        insert into session_consoles as c (session_id, workspace_id, id, terminal_lines, files, artifacts, details)
        values (%(session_id)s, %(workspace_id)s, %(id)s, coalesce(%(terminal_lines)s::jsonb, '[]'),
          coalesce(%(files)s::jsonb, '[]'), coalesce(%(artifacts)s::jsonb, '[]'), coalesce(%(details)s::jsonb, '{}'))
        on conflict (session_id) do update set
          terminal_lines = coalesce(%(terminal_lines)s::jsonb, c.terminal_lines),
          files = coalesce(%(files)s::jsonb, c.files), artifacts = coalesce(%(artifacts)s::jsonb, c.artifacts),
          details = coalesce(%(details)s::jsonb, c.details), updated_at = clock_timestamp()
        returning """
        + _COLUMNS,
        session_id=session_id,
        workspace_id=workspace_id,
        id=new_id(),
        **parts,
    )


def _check(given: Mapping[str, Any]) -> None:
    for name in _PARTS:
        part = given.get(name)
        if part is None:
            continue
        most = MOST_LINES if name == "terminal_lines" else MOST_ENTRIES
        if len(part) > most:
            raise InvalidRequest(f"`{name}` has {len(part)} entries; the most is {most}.", field=name)
        if _size(part) > LARGEST_PART_BYTES:
            raise InvalidRequest(f"`{name}` is larger than {LARGEST_PART_BYTES} bytes.", field=name)
        if b"\\u0000" in orjson.dumps(part):
            raise InvalidRequest(f"`{name}` holds a NUL character, which the database cannot keep.", field=name)


def _size(part: object) -> int:
    try:
        return len(orjson.dumps(part))
    except (TypeError, orjson.JSONEncodeError):
        raise InvalidRequest("A part of the record is no plain JSON, or is nested too deeply.") from None


def _path(file: Any) -> str:
    """Any: JSON of a client's, most often an object with a path."""
    known = cast(dict[str, Any], file) if isinstance(file, dict) else {}
    return str(known.get("path") or known.get("name") or cast(object, file))


async def _require_session(tx: Transaction, id: UUID) -> None:
    if not await queries.has_session(tx, id):
        raise NotFound(f"There is no session '{id}' in this workspace.", session_id=str(id))


def _missing(id: UUID) -> NotFound:
    return NotFound(f"The session '{id}' has no record of code that ran in it.", session_id=str(id))
