"""Messages: read one by one, changed, taken back. The log keeps what was written; a change is one more entry of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.runs import accept_queries, fork_queries, message_queries, queries
from glia.runs.accepting import LONGEST_MESSAGE, messages_for, no_session
from glia.runs.errors import MessageNotFound, SessionBusy
from glia.runs.events import MessageDeleted, MessageEdited, Payload
from glia.runs.live import Live
from glia.runs.log import append_unfenced
from glia.runs.message_queries import Activity, ToolUse
from glia.runs.transcript import Entry, transcript_of
from glia.runs.types import Said
from glia.tools.types import CallsOfTool

_SHOWN = frozenset({"said", "answered", "cut"})

MOST_EVENTS_IN_SESSION = 10_000_000
"""Sequence numbers stay far below this, so a session's number and an event's make one number."""


class Messages:
    def __init__(self, db: Database, live: Live) -> None:
        self._db = db
        self._live = live

    async def transcript(self, principal: Principal, session_id: UUID) -> list[Entry]:
        """Everything that was said and done in a session, oldest first. Raises SessionNotFound."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _transcript(tx, session_id)

    async def get(self, principal: Principal, session_id: UUID, seq: int) -> Entry:
        """Raises MessageNotFound, also for one that was deleted."""
        return _one(await self.transcript(principal, session_id), seq)

    async def edit(
        self,
        principal: Principal,
        session_id: UUID,
        seq: int,
        *,
        content: str | None = None,
        metadata: dict[str, object] | None = None,
    ) -> Entry:
        """What is None stays. Runs that begin after this one read the new text."""
        principal.require("sessions:write")
        if content is not None and not 1 <= len(content) <= LONGEST_MESSAGE:
            raise InvalidRequest(
                f"`content` has {len(content)} characters; it must have between 1 and {LONGEST_MESSAGE}.",
                field="content",
            )
        return await self._change(principal, session_id, seq, MessageEdited(seq, content, metadata))

    async def delete(self, principal: Principal, session_id: UUID, seq: int) -> None:
        """Nobody is shown it any more, and runs that begin after this one do not read it."""
        principal.require("sessions:write")
        await self._change(principal, session_id, seq, MessageDeleted(seq))

    async def _change(self, principal: Principal, session_id: UUID, seq: int, change: Payload) -> Entry:
        async with self._db.transaction(principal.workspace_id) as tx:
            before = _one(await _transcript(tx, session_id), seq)
            await append_unfenced(tx, self._live, session_id, None, None, [change])
            return before if isinstance(change, MessageDeleted) else _one(await _transcript(tx, session_id), seq)

    async def counts(self, principal: Principal, session_ids: Sequence[UUID]) -> dict[UUID, int]:
        """How many messages each session shows."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await message_queries.counts(tx, list(session_ids))
        return dict.fromkeys(session_ids, 0) | {count.session_id: count.messages for count in found}

    async def replace(self, principal: Principal, session_id: UUID, said: Sequence[Said]) -> None:
        """Makes these the messages of a session. What it begins with already stays as it is; the rest is deleted, and
        what is new is added. Raises SessionBusy while a run is at work."""
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            place = await accept_queries.hold_session(tx, session_id)
            if place is None:
                raise no_session(session_id)
            if place.is_busy:
                raise SessionBusy("A run is working on this session; wait for it to end.", session_id=str(session_id))
            entries = [entry for entry in await _transcript(tx, session_id) if entry.kind in _SHOWN]
            same = 0
            while same < min(len(entries), len(said)) and _is_same(entries[same], said[same]):
                same += 1
            changes: list[Payload] = [MessageDeleted(entry.seq) for entry in entries[same:]]
            changes += messages_for(said[same:])
            if changes:
                await append_unfenced(tx, self._live, session_id, None, None, changes)

    async def number_of(self, principal: Principal, session_id: UUID) -> int:
        """The session's number, the same for ever; given to it when it is first asked for."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            number = await message_queries.number_of(tx, principal.workspace_id, session_id)
        if number is None:
            raise no_session(session_id)
        return number

    async def numbered(self, principal: Principal, number: int) -> UUID:
        """The session that has this number. Raises MessageNotFound."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await message_queries.numbered(tx, number) if 0 < number < 2**62 else None
        if found is None:
            raise MessageNotFound("There is no such message in this workspace.")
        return found

    async def activity(self, principal: Principal, agent_id: UUID) -> Activity:
        """How much an agent was used so far."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await message_queries.activity(tx, agent_id)

    async def tool_use(self, principal: Principal, wanted: CallsOfTool) -> ToolUse:
        """How often agents called a tool, and how that went."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await message_queries.tool_use(tx, wanted)


async def _transcript(tx: Transaction, session_id: UUID) -> list[Entry]:
    forked_at = await queries.fork_point(tx, session_id)
    if forked_at is None:
        raise no_session(session_id)
    if forked_at:
        return transcript_of(await fork_queries.read_history(tx, session_id))
    return transcript_of(await message_queries.read_entries(tx, session_id))


def _is_same(entry: Entry, said: Said) -> bool:
    return (entry.role, entry.content) == (said.role, said.content)


def _one(entries: list[Entry], seq: int) -> Entry:
    for entry in entries:
        if entry.seq == seq:
            return entry
    raise MessageNotFound("There is no such message in this workspace.")
