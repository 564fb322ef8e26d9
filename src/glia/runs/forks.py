"""Forks: a new session that shares another's history up to an event and goes on from there in its own way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.runs import fork_queries
from glia.runs.events import Event, MessageReceived, ModelResponded, RunCompleted, ToolReturned
from glia.runs.fork_queries import Forkable
from glia.runs.service import Runs
from glia.runs.types import Accepted, ForkPoint, Said
from glia.sessions.errors import SessionNotFound
from glia.sessions.service import open_session
from glia.sessions.types import Session

BringFiles = Callable[[Transaction, UUID, UUID, UUID], Awaitable[object]]
"""Gives a session another's workspace: (transaction, the other session's id, the snapshot's id, the session's id)."""


@dataclass(frozen=True)
class Comparison:
    """Two sessions beside each other. shared: the last event they have in common; 0 when there is none.

    The messages are those after it.
    """

    shared: int
    first: Side
    second: Side


@dataclass(frozen=True)
class Side:
    """One of two sessions, after what they share. cost_micros: of the calls whose price is known."""

    session_id: UUID
    messages: list[tuple[str, str]]
    tools: list[str]
    model_calls: int
    input_tokens: int
    output_tokens: int
    cost_micros: int | None


class Forks:
    def __init__(self, db: Database, runs: Runs, bring_files: BringFiles | None = None) -> None:
        """bring_files: None where sessions have no files."""
        self._db = db
        self._runs = runs
        self._bring_files = bring_files

    async def fork(
        self, principal: Principal, session_id: UUID, point: ForkPoint, *, is_background: bool = True
    ) -> tuple[Session, Accepted | None]:
        """Opens the new session, and a run in it when something is said or continued.

        Raises SessionNotFound; InvalidRequest for an event that is not there.
        """
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            source = await fork_queries.forkable(tx, session_id)
            if source is None:
                raise SessionNotFound(f"There is no session '{session_id}' in this workspace.")
            at = _checked(source, point)
            if point.is_continued:
                at = _last_step(await fork_queries.read_history(tx, session_id, upto=at))
            fork = await self._open(tx, principal, session_id, source, point, at)
            await self._bring(tx, session_id, at, fork.id)
        if point.content is not None:
            said = [Said("user", point.content)]
            return fork, await self._runs.accept(principal, fork.id, said, is_background=is_background)
        if point.is_continued:
            return fork, await self._runs.go_on(principal, fork.id, is_background=is_background)
        return fork, None

    async def compare(self, principal: Principal, first: UUID, second: UUID) -> Comparison:
        """What two sessions did after what they share."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            histories: list[list[Event]] = []
            for id in (first, second):
                if await fork_queries.forkable(tx, id) is None:
                    raise SessionNotFound(f"There is no session '{id}' in this workspace.")
                histories.append(await fork_queries.read_history(tx, id))
        shared = _shared(*histories)
        return Comparison(shared, _side(first, histories[0], shared), _side(second, histories[1], shared))

    async def prune(self, principal: Principal, session_id: UUID) -> int:
        """Removes events that nothing needs any more and returns how many; forks stay whole.

        Pieces of texts go, and what a compaction covers; messages, answers and results of tools stay readable. A
        session at which a run is at work stays as it is.
        """
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await fork_queries.forkable(tx, session_id) is None:
                raise SessionNotFound(f"There is no session '{session_id}' in this workspace.")
            return await fork_queries.prune(tx, principal.workspace_id, session_id)

    async def _open(
        self, tx: Transaction, principal: Principal, session_id: UUID, source: Forkable, point: ForkPoint, at: int
    ) -> Session:
        version = point.agent_version
        if version is None and not point.is_unpinned and point.agent_id is None:
            version = await fork_queries.version_at(tx, session_id, at) or source.agent_version
        fork = await open_session(
            tx,
            principal,
            agent_id=point.agent_id or source.agent_id,
            agent_version=version,
            title=source.title if point.title is None else point.title,
            metadata=source.metadata,
        )
        await fork_queries.set_parent(tx, fork.id, parent_session_id=session_id, forked_at=at)
        return fork

    async def _bring(self, tx: Transaction, session_id: UUID, at: int, fork_id: UUID) -> None:
        if self._bring_files is None:
            return
        snapshot = await fork_queries.snapshot_at(tx, session_id, at)
        if snapshot is not None:
            await self._bring_files(tx, snapshot.session_id, snapshot.id, fork_id)


def _checked(source: Forkable, point: ForkPoint) -> int:
    if source.agent_id is None and point.agent_id is None:
        raise Conflict("This session has no agent; name one in `agent_id` that goes on from here.")
    if point.content is not None and point.is_continued:
        raise InvalidRequest("`content` and `continue` exclude each other.", field="continue")
    if point.content is not None and not point.content.strip():
        raise InvalidRequest("`content` is empty; say something, or leave it away.", field="content")
    at = source.last_seq if point.at is None else point.at
    if not 0 <= at <= source.last_seq:
        raise InvalidRequest(f"`at` is {at}; the session's events are 1 to {source.last_seq}.", field="at")
    return at


def _last_step(events: Sequence[Event]) -> int:
    """The last event after which the model has something to answer and no tool call is open."""
    last, pending = 0, set[str]()
    for event in events:
        match event.payload:
            case MessageReceived(role="user") if not pending:
                last = event.seq
            case ModelResponded(tool_calls=calls):
                pending = {call.id for call in calls}
            case ToolReturned(tool_call_id=id):
                pending.discard(id)
                last = last if pending else event.seq
            case _:
                pass
    if not last:
        raise InvalidRequest("Nothing was said before `at` that could be answered.", field="at")
    return last


def _shared(first: Sequence[Event], second: Sequence[Event]) -> int:
    shared = 0
    for one, other in zip(first, second, strict=False):
        if (one.seq, one.run_id, one.type, one.at) != (other.seq, other.run_id, other.type, other.at):
            break
        shared = one.seq
    return shared


def _side(session_id: UUID, events: Sequence[Event], shared: int) -> Side:
    messages: list[tuple[str, str]] = []
    tools: list[str] = []
    calls = input_tokens = output_tokens = 0
    cost: int | None = None
    for event in events:
        if event.seq <= shared:
            continue
        match event.payload:
            case MessageReceived(role=role, content=content):
                messages.append((role, content))
            case RunCompleted(message=message) if message is not None:
                messages.append(("assistant", message.content))
            case ToolReturned(tool=tool):
                tools.append(tool)
            case ModelResponded(usage=usage, cost_micros=micros):
                calls += 1
                input_tokens += usage.input_tokens
                output_tokens += usage.output_tokens
                cost = cost if micros is None else (cost or 0) + micros
            case _:
                pass
    return Side(session_id, messages, tools, calls, input_tokens, output_tokens, cost)
