"""Conversations: what was said in an agent's sessions, found again. The logs are read when somebody searches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import msgspec
import structlog

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError, InvalidRequest
from glia.memory import queries, turn_queries
from glia.memory.turn_queries import Reading, Said, Turn, TurnToEmbed, Where, date_of
from glia.memory.types import Embedding, FoundTurn

LONGEST_QUERY = 2_000
LONGEST_TURN = 20_000
_MOST_FOUND = 100
_MOST_ASKED = 6
_SESSIONS_AT_ONCE = 200
_EVENTS_AT_ONCE = 500
_EMBEDDED_AT_ONCE = 32
_EMBED_SECONDS = 5.0
_NO_END = 2**62

log = structlog.stdlib.get_logger(__name__)


class Conversations:
    def __init__(self, db: Database, embedding: Embedding | None = None) -> None:
        self._db = db
        self._embedding = embedding

    async def search(
        self,
        principal: Principal,
        query: str,
        *,
        agent_id: UUID,
        session_id: UUID | None = None,
        limit: int = 10,
    ) -> list[FoundTurn]:
        """What was said in an agent's sessions, or in one of them; for people, who may see all of it."""
        principal.require("memory:read")
        principal.require("sessions:read")
        return await self._search(principal, Where(agent_id, session_id, is_any_user=True), query, limit)

    async def search_as_agent(
        self, principal: Principal, query: str, *, agent_id: UUID, session_id: UUID, limit: int = 10
    ) -> list[FoundTurn]:
        """What an agent may recall in a session: this session, and the same user's others if they are shared.

        Sessions that name no user are of one user that way; sharing is off unless the agent's settings allow it.
        """
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            settings = await queries.settings(tx, agent_id)
            user_name = await queries.user_of(tx, session_id)
        if settings.shares_sessions:
            where = Where(agent_id, user_name=user_name)
        else:
            where = Where(agent_id, session_id, is_any_user=True)
        return await self._search(principal, where, query, limit)

    async def _search(self, principal: Principal, where: Where, query: str, limit: int) -> list[FoundTurn]:
        if not 1 <= limit <= _MOST_FOUND:
            raise InvalidRequest(f"`limit` is {limit}; it must be between 1 and {_MOST_FOUND}.", field="limit")
        query = query.replace("\0", " ").strip()[:LONGEST_QUERY]
        await self.catch_up(principal.workspace_id, agent_id=where.agent_id, session_id=where.session_id)
        vector = await self._vector_of(query)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await turn_queries.search(
                tx, where, query, limit=limit, vector=vector, model=self._embedding.model if self._embedding else None
            )

    async def catch_up(self, workspace_id: UUID, *, agent_id: UUID | None, session_id: UUID | None = None) -> int:
        """Reads what sessions' logs have gained since they were last read, newest sessions first, 200 at most.

        Returns how many sessions were read. Reading 1,000 turns takes about 0.2 s.
        """
        async with self._db.transaction(workspace_id) as tx:
            sessions = await turn_queries.behind(tx, agent_id=agent_id, session_id=session_id, limit=_SESSIONS_AT_ONCE)
        for session in sessions:
            while await self._read_some(workspace_id, session):
                pass
        return len(sessions)

    async def _read_some(self, workspace_id: UUID, session_id: UUID) -> bool:
        """Whether there is more."""
        async with self._db.transaction(workspace_id) as tx:
            reading = await turn_queries.lock_reading(tx, session_id)
            if reading is None or reading.read_seq >= reading.last_seq:
                return False
            changes = await _changes(tx, session_id, after=reading.read_seq, until=reading.last_seq)
            if not any(seq <= reading.read_seq for seq in changes):
                return await _read_on(tx, reading, changes)
            # What was read is no longer so: the session is read anew, at once, since the changes stay in its log.
            await turn_queries.forget_turns(tx, session_id)
            changes = await _changes(tx, session_id, after=0, until=reading.last_seq)
            while (anew := await turn_queries.lock_reading(tx, session_id)) and await _read_on(tx, anew, changes):
                pass
            return False

    async def asked(self, workspace_id: UUID, session_id: UUID) -> list[str]:
        """The last questions and remarks of people in a session, at most six, oldest first."""
        async with self._db.transaction(workspace_id) as tx:
            said = await turn_queries.last_received(tx, session_id, limit=_MOST_ASKED)
            changes = await _changes(tx, session_id, after=said[-1].seq, until=_NO_END) if said else {}
        turns = [turn for one in said if (turn := _turn_now(one, changes)) is not None]
        return [turn.text for turn in reversed(turns) if turn.role == "user"]

    async def embed_some(self, workspace_id: UUID, agent_id: UUID) -> int:
        """Makes the vectors of up to 32 turns, each with its date and neighbours. Returns how many.

        Raises what the embedder raises.
        """
        if self._embedding is None:
            return 0
        model = self._embedding.model
        async with self._db.transaction(workspace_id) as tx:
            turns = await turn_queries.list_without_vector(tx, agent_id, model, limit=_EMBEDDED_AT_ONCE)
        if not turns:
            return 0
        vectors = await self._embedding.embed([text_with_context(turn) for turn in turns])
        async with self._db.transaction(workspace_id) as tx:
            await turn_queries.set_vectors(tx, turns, vectors, agent_id=agent_id, model=model)
        return len(turns)

    async def _vector_of(self, query: str) -> str | None:
        if self._embedding is None or not query:
            return None
        try:
            async with asyncio.timeout(_EMBED_SECONDS):
                return (await self._embedding.embed([query]))[0]
        except (GliaError, TimeoutError) as error:
            log.warning("conversations are searched by their words only", error=str(error) or "timeout")
            return None


class _Message(msgspec.Struct):
    role: str = "assistant"
    content: str = ""


class _Payload(msgspec.Struct):
    """What events that hold a turn have of it: a message's own fields, an answer, or what was seen of one."""

    role: str = ""
    content: str = ""
    message: _Message | None = None
    text: str = ""


_decode = msgspec.json.Decoder(_Payload).decode


def turn_of(said: Said) -> Turn | None:
    """None for what nobody said: a system message, an empty answer, or text that is not readable."""
    try:
        payload = _decode(said.data)
    except msgspec.DecodeError as error:
        log.warning("an event could not be read as a turn", seq=said.seq, error=str(error))
        return None
    if said.type == "message.received":
        role, text = payload.role, payload.content
    else:
        role, text = "assistant", payload.message.content if payload.message else payload.text
    text = text.replace("\0", "").strip()
    if role == "system" or not text:
        return None
    return Turn(said.seq, said.run_id, role, said.at, text[:LONGEST_TURN])


class _Changed(msgspec.Struct):
    seq: int
    content: str | None = None


async def _changes(tx: Transaction, session_id: UUID, *, after: int, until: int) -> dict[int, str | None]:
    """The new texts of messages by their events; None for what was deleted."""
    found: dict[int, str | None] = {}
    for one in await turn_queries.read_changes(tx, session_id, after=after, until=until):
        changed = msgspec.json.decode(one.data, type=_Changed)
        if one.type == "message.deleted":
            found[changed.seq] = None
        elif changed.content is not None:
            found[changed.seq] = changed.content
    return found


def _turn_now(said: Said, changes: dict[int, str | None]) -> Turn | None:
    """As it reads since it was changed."""
    turn = turn_of(said)
    if turn is None or turn.seq not in changes:
        return turn
    text = (changes[turn.seq] or "").replace("\0", "").strip()
    return replace(turn, text=text[:LONGEST_TURN]) if text else None


async def _read_on(tx: Transaction, reading: Reading, changes: dict[int, str | None]) -> bool:
    """Whether there is more."""
    # Up to last_seq as it was under the lock: an event that came in since is read next time, not twice.
    said = await turn_queries.read_log(
        tx, reading.session_id, after=reading.read_seq, until=reading.last_seq, limit=_EVENTS_AT_ONCE
    )
    turns = [turn for one in said if (turn := _turn_now(one, changes)) is not None]
    if turns:
        await turn_queries.add_turns(tx, reading, turns)
    has_more = len(said) == _EVENTS_AT_ONCE
    await turn_queries.set_read(tx, reading.session_id, said[-1].seq if has_more else reading.last_seq)
    return has_more


def text_with_context(turn: TurnToEmbed) -> str:
    """What a turn's vector is made of: its date, itself, then what was said before and after it."""
    return " ".join(part for part in (f"[{date_of(turn.at)}]", turn.text, turn.before, turn.after) if part)


def shown(turns: Sequence[FoundTurn], most_characters: int) -> str:
    """Turns as an agent reads them, each with its neighbours."""
    lines: list[str] = []
    for turn in turns:
        around = [line for line in (turn.before, f"{turn.role}: {turn.text[:2000]}", turn.after) if line]
        lines.append(f"[{date_of(turn.at)}, session {turn.session_id}, event {turn.seq}]\n" + "\n".join(around))
    return "\n\n".join(lines)[:most_characters]
