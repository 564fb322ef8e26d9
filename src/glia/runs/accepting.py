"""Accepting runs: stored with their messages before anybody is told, then begun here or left to some worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

from glia.identity.types import Principal, system_principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.runs import accept_queries, approval_queries, log_queries, queries
from glia.runs.documents import DOCUMENT, Seal, document_input
from glia.runs.engine import CANCEL_CHANNEL, WORK_CHANNEL, Engine
from glia.runs.errors import RunNotFound, SessionBusy, SessionQueueFull
from glia.runs.events import MessageReceived, ModelRequested, Payload, RunCancelled, RunCreated, RunStarted
from glia.runs.live import Live
from glia.runs.log import append_unfenced, stored_events
from glia.runs.options import RunOptions, options_input
from glia.runs.types import AGENT, TOOL, Accepted, Run, RunId, RunStatus, Said, WhenBusy
from glia.sessions.errors import SessionNotFound
from glia.sessions.service import open_session

LONGEST_MESSAGE = 400_000
"""Characters; about 100,000 tokens."""

AlsoStored = Callable[[Transaction, UUID], Awaitable[None]]
"""Told, in the transaction that accepts a run, of the run's id."""

_WHEN_BUSY = ("refuse", "queue", "interrupt", "steer")


class Accepting:
    """What begins and stops runs; the other half of the Runs service reads them."""

    def __init__(self, db: Database, live: Live, engine: Engine, seal: Seal | None = None) -> None:
        """seal: for what is kept with a run only until its end."""
        self._db = db
        self._live = live
        self._engine = engine
        self._seal = seal

    async def accept(
        self,
        principal: Principal,
        session_id: UUID,
        said: Sequence[Said],
        *,
        is_background: bool = False,
        when_busy: WhenBusy = "refuse",
        dedupe_key: str | None = None,
        options: RunOptions | None = None,
        document: str = "",
    ) -> Accepted:
        """Stores the messages and a run that answers them, in one transaction.

        An interactive run begins at once in this process if it has room; any other is taken by some worker.
        when_busy: what becomes of them while another run works on the session. dedupe_key: the first run that was begun
        under it in this workspace is the answer to every later try. options: what is wanted of this run alone.
        document: a text for the model in this run alone; it is no part of the log and, encrypted, kept until the
        run ends. Raises SessionNotFound, SessionBusy.
        """
        principal.require("runs:write")
        check(said, when_busy)
        wanted = self._wanted(principal, session_id, is_background, when_busy=when_busy, dedupe_key=dedupe_key)
        # Shielded: once the database has the run as ours it must be begun, even if the client has gone meanwhile.
        input = {**options_input(options), **document_input(wanted.run_id, document, self._seal)}
        accepting = asyncio.ensure_future(self._accept(principal, wanted, messages_for(said), input))
        accepted = await asyncio.shield(accepting)
        if when_busy == "interrupt" and accepted.outcome == "queued":
            await self._interrupt(principal, accepted)
        return accepted

    async def accept_and(
        self, principal: Principal, session_id: UUID, said: Sequence[Said], also: AlsoStored
    ) -> Accepted:
        """As `accept` for a background run that waits its turn, with what else becomes true in that transaction."""
        principal.require("runs:write")
        check(said, "queue")
        wanted, messages = self._wanted(principal, session_id, True, when_busy="queue"), messages_for(said)

        async def store() -> Accepted:
            async with self._db.transaction(principal.workspace_id) as tx:
                acceptance = await accept_queries.accept_in(tx, wanted, messages)
                if acceptance.outcome in ("accepted", "queued"):
                    await also(tx, acceptance.run_id or wanted.run_id)
            return await self._begin(principal, wanted, messages, acceptance)

        return await asyncio.shield(asyncio.ensure_future(store()))

    async def go_on(self, principal: Principal, session_id: UUID, *, is_background: bool = False) -> Accepted:
        """A run that answers what the session's log ends with, without anything being said."""
        principal.require("runs:write")
        wanted = self._wanted(principal, session_id, is_background)
        return await asyncio.shield(asyncio.ensure_future(self._accept(principal, wanted, [])))

    async def start(
        self,
        principal: Principal,
        agent_id: UUID,
        said: Sequence[Said],
        *,
        is_background: bool = True,
        agent_version: int | None = None,
        title: str = "",
        metadata: dict[str, object] | None = None,
        dedupe_key: str | None = None,
        parent_run_id: UUID | None = None,
        also: AlsoStored | None = None,
        is_system: bool = False,
    ) -> Accepted:
        """Opens a session with an agent and begins its first run, in one transaction.

        agent_version: at which the session stays. dedupe_key: as for `accept`; a later try opens no session either.
        parent_run_id: the run that waits for this one. also: what else is stored with a run that is new. is_system: the
        session holds background work.
        """
        principal.require("runs:write")
        check(said, "refuse")
        starting = asyncio.ensure_future(
            self._start(
                principal,
                said,
                _Opening(agent_id, agent_version, title, metadata or {}, is_system),
                is_background=is_background,
                dedupe_key=dedupe_key,
                parent_run_id=parent_run_id,
                also=also,
            )
        )
        return await asyncio.shield(starting)

    async def _start(
        self,
        principal: Principal,
        said: Sequence[Said],
        opening: _Opening,
        *,
        is_background: bool,
        dedupe_key: str | None,
        parent_run_id: UUID | None,
        also: AlsoStored | None,
    ) -> Accepted:
        messages = messages_for(said)
        try:
            async with self._db.transaction(principal.workspace_id) as tx:
                session = await open_session(
                    tx,
                    principal,
                    agent_id=opening.agent_id,
                    agent_version=opening.agent_version,
                    title=opening.title,
                    metadata=opening.metadata,
                    is_system=opening.is_system,
                )
                wanted = self._wanted(
                    principal, session.id, is_background, dedupe_key=dedupe_key, parent_run_id=parent_run_id
                )
                acceptance = await accept_queries.accept_in(tx, wanted, messages)
                if acceptance.outcome == "known":
                    raise _Known(acceptance)
                if also is not None:
                    await also(tx, wanted.run_id)
        except _Known as known:
            return await self._known(principal, known.acceptance)
        return await self._begin(principal, wanted, messages, acceptance)

    def _wanted(
        self,
        principal: Principal,
        session_id: UUID,
        is_background: bool,
        *,
        when_busy: WhenBusy = "refuse",
        dedupe_key: str | None = None,
        parent_run_id: UUID | None = None,
    ) -> accept_queries.Acceptable:
        return accept_queries.Acceptable(
            run_id=new_id(),
            session_id=session_id,
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            is_background=is_background,
            worker_id=None if is_background else self._engine.seat,
            when_busy=when_busy,
            dedupe_key=dedupe_key,
            parent_run_id=parent_run_id,
        )

    async def _accept(
        self,
        principal: Principal,
        wanted: accept_queries.Acceptable,
        messages: Sequence[MessageReceived],
        input: dict[str, object] | None = None,
    ) -> Accepted:
        if not input:
            acceptance = await accept_queries.accept(self._db, wanted, messages)
        else:
            async with self._db.transaction(principal.workspace_id) as tx:
                acceptance = await accept_queries.accept_in(tx, wanted, messages)
                if acceptance.outcome in ("accepted", "queued"):
                    await accept_queries.add_input(tx, wanted.run_id, input)
        if acceptance.outcome == "known":
            return await self._known(principal, acceptance)
        return await self._begin(principal, wanted, messages, acceptance, input)

    async def _begin(
        self,
        principal: Principal,
        wanted: accept_queries.Acceptable,
        messages: Sequence[MessageReceived],
        acceptance: accept_queries.Acceptance,
        input: dict[str, object] | None = None,
    ) -> Accepted:
        """Tells those who watch, and whoever is to execute the run."""
        session_id = wanted.session_id
        base = _base_of(acceptance, session_id)
        run_id = RunId(acceptance.run_id or wanted.run_id)
        outcome = cast(Literal["accepted", "queued", "steered"], acceptance.outcome)
        seat = wanted.worker_id if outcome == "accepted" else None
        payloads = _first_events(acceptance, messages, wanted, seat)
        events = stored_events(payloads, base + 1, acceptance.at, run_id, 1 if seat else None)
        self._live.stored(session_id, events)
        if seat is not None:
            run = new_run(principal, run_id, session_id, acceptance, input)
            self._engine.begin(run, seat, events if base == 0 else None, is_announced=True)
        elif outcome == "accepted":
            await self._call_workers()
        return Accepted(run_id, session_id, base, outcome, acceptance.agent_version)

    async def _known(self, principal: Principal, acceptance: accept_queries.Acceptance) -> Accepted:
        """The run that an earlier try with the same key began."""
        async with self._db.transaction(principal.workspace_id) as tx:
            run = await get_run(tx, cast(UUID, acceptance.run_id))
            return Accepted(run.id, run.session_id, await log_queries.before_run(tx, run.id), "known")

    async def _interrupt(self, principal: Principal, accepted: Accepted) -> None:
        """Stops the run at work, so that the one that was queued first begins."""
        async with self._db.transaction(principal.workspace_id) as tx:
            at_work = await queries.at_work(tx, accepted.session_id, besides=accepted.run_id)
        for run in at_work:
            await self._cancel(principal, run)

    async def start_job(
        self, tx: Transaction, *, workspace_id: UUID, project_id: UUID, kind: str, input: dict[str, object]
    ) -> UUID:
        """Queues a job in the caller's transaction. Its events have a session of their own."""
        principal = system_principal(workspace_id, project_id)
        session = await open_session(tx, principal, agent_id=None, title=kind)
        run_id = new_id()
        await queries.insert_job(
            tx,
            run_id,
            workspace_id=workspace_id,
            project_id=project_id,
            session_id=session.id,
            kind=kind,
            input=input,
        )
        await append_unfenced(tx, self._live, session.id, run_id, None, [RunCreated(kind, True)])
        await tx.execute("select pg_notify(%(channel)s, '')", channel=WORK_CHANNEL)
        tx.after_commit.append(self._engine.wake)
        return run_id

    async def start_tool(self, principal: Principal, tool: str, arguments: Mapping[str, object]) -> Accepted:
        """A run that calls this tool once, with the consent that the tool asks for. The tool must be there already."""
        principal.require("runs:write")
        principal.require("tools:call")
        return await asyncio.shield(asyncio.ensure_future(self._start_tool(principal, tool, arguments)))

    async def _start_tool(self, principal: Principal, tool: str, arguments: Mapping[str, object]) -> Accepted:
        run_id = RunId(new_id())
        async with self._db.transaction(principal.workspace_id) as tx:
            session = await open_session(tx, principal, agent_id=None, title=tool)
            await queries.insert_job(
                tx,
                run_id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                session_id=session.id,
                kind=TOOL,
                input={"tool": tool, "arguments": dict(arguments)},
                key_id=principal.key_id,
            )
            await append_unfenced(tx, self._live, session.id, run_id, None, [RunCreated(TOOL, True)])
            await tx.execute("select pg_notify(%(channel)s, '')", channel=WORK_CHANNEL)
            tx.after_commit.append(self._engine.wake)
        return Accepted(run_id, session.id, 0)

    async def cancel(self, principal: Principal, id: UUID) -> Run:
        """Stops a run within a second, wherever it is, with the runs it waits for; what it has done and said stays.

        Ended runs stay as they are.
        """
        principal.require("runs:write")
        return await self._cancel_tree(principal, id)

    async def _cancel_tree(self, principal: Principal, id: UUID) -> Run:
        run = await self._cancel(principal, id)
        async with self._db.transaction(principal.workspace_id) as tx:
            children = await queries.open_children(tx, id)
        for child in children:
            await self._cancel_tree(principal, child)
        return run

    async def cancel_session(self, principal: Principal, session_id: UUID) -> None:
        """Stops all open runs of a session that is about to be deleted, with the runs that they wait for.

        Nobody could see them any more, and a run above would wait for them for as long as they do.
        """
        principal.require("sessions:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            runs = await queries.open_in_session(tx, session_id)
        for run in runs:
            await self._cancel_tree(principal, run)

    async def cancel_agent(self, principal: Principal, agent_id: UUID) -> None:
        """Stops all open runs of an agent that is about to be removed."""
        principal.require("runs:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            runs = await accept_queries.open_of_agent(tx, agent_id)
        for run in runs:
            await self._cancel_tree(principal, run)

    async def _cancel(self, principal: Principal, id: UUID) -> Run:
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await queries.request_cancel(tx, id)
            if before is None:
                raise no_run(id)
            run = await get_run(tx, id)
            if before is RunStatus.RUNNING:
                await tx.execute("select pg_notify(%(channel)s, %(run)s)", channel=CANCEL_CHANNEL, run=str(id))
                tx.after_commit.append(lambda: self._engine.cancel(id))
            elif not before.is_final and run.status is RunStatus.CANCELLED:
                await approval_queries.withdraw(tx, id)
                await accept_queries.forget_input(tx, id, DOCUMENT)
                await append_unfenced(tx, self._live, run.session_id, id, run.attempt, [RunCancelled()])
            if not before.is_final:
                tx.after_commit.append(self._engine.wake)
                await tx.execute("select pg_notify(%(channel)s, '')", channel=WORK_CHANNEL)
        return run

    async def _call_workers(self) -> None:
        """Wakes one worker when that is enough: this process, if it has room; else whoever listens."""
        self._engine.wake()
        if self._engine.seat is None:
            await self._db.notify(WORK_CHANNEL, "")


def new_run(
    principal: Principal,
    id: RunId,
    session_id: UUID,
    acceptance: accept_queries.Acceptance,
    input: dict[str, object] | None = None,
) -> Run:
    """A run that was accepted into this process, without asking the database what is known already."""
    return Run(
        id=id,
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        session_id=session_id,
        kind=AGENT,
        agent_id=acceptance.agent_id,
        agent_version=acceptance.agent_version,
        key_id=principal.key_id,
        status=RunStatus.RUNNING,
        is_background=False,
        attempt=1,
        max_attempts=10,
        cancel_requested_at=None,
        model_calls=0,
        tool_calls=0,
        input_tokens=0,
        output_tokens=0,
        cost_micros=None,
        error=None,
        created_at=acceptance.at,
        started_at=acceptance.at,
        finished_at=None,
        root_run_id=id,
        input=input or {},
    )


def _base_of(acceptance: accept_queries.Acceptance, session_id: UUID) -> int:
    match acceptance.outcome:
        case "no_session":
            raise no_session(session_id)
        case "no_agent":
            raise Conflict("The session's agent is gone; open a session with another agent.")
        case "busy":
            raise SessionBusy(
                "Another run is working on this session; wait for it to end, cancel it, or say with `when_busy` whether"
                " the message should `queue`, `interrupt` or `steer` it.",
                session_id=str(session_id),
            )
        case "full":
            raise SessionQueueFull(
                "A hundred messages wait in this session already; let some be answered, or cancel their runs.",
                session_id=str(session_id),
            )
        case _:
            return acceptance.base_seq or 0


def _first_events(
    acceptance: accept_queries.Acceptance,
    messages: Sequence[MessageReceived],
    wanted: accept_queries.Acceptable,
    seat: UUID | None,
) -> list[Payload]:
    """The events that accepting has stored, as the database wrote them."""
    if acceptance.outcome == "steered":
        return [*messages]
    model = acceptance.model
    version = acceptance.agent_version
    created = RunCreated(AGENT, wanted.is_background, acceptance.agent_id, version, model, wanted.parent_run_id)
    if acceptance.outcome == "queued":
        return [created]
    payloads: list[Payload] = [*messages, created]
    if seat is not None:
        payloads += [RunStarted(1, str(seat)), ModelRequested(1, model)]
    return payloads


@dataclass(frozen=True)
class _Opening:
    """The session that a run is started in."""

    agent_id: UUID
    agent_version: int | None
    title: str
    metadata: dict[str, object]
    is_system: bool


class _Known(Exception):
    """The key was used before: the transaction that opened a session for the run is undone."""

    def __init__(self, acceptance: accept_queries.Acceptance) -> None:
        self.acceptance = acceptance


def messages_for(said: Sequence[Said]) -> list[MessageReceived]:
    return [
        MessageReceived(
            str(entry.id or new_id()),
            entry.role,
            entry.content,
            images=list(entry.images),
            tool_calls=list(entry.tool_calls),
            tool_call_id=entry.tool_call_id,
            metadata=entry.metadata,
            thinking=entry.thinking,
            provider_state=entry.provider_state,
        )
        for entry in said
    ]


async def get_run(tx: Transaction, id: UUID) -> Run:
    run = await queries.get(tx, id)
    if run is None:
        raise no_run(id)
    return run


def no_run(id: UUID) -> RunNotFound:
    return RunNotFound(f"There is no run '{id}' in this workspace.", run_id=str(id))


def no_session(id: UUID) -> SessionNotFound:
    return SessionNotFound(f"There is no session '{id}' in this workspace.", session_id=str(id))


def check(said: Sequence[Said], when_busy: WhenBusy) -> None:
    if when_busy not in _WHEN_BUSY:
        raise InvalidRequest(
            f"`when_busy` {str(when_busy)[:50]!r} is none of {', '.join(_WHEN_BUSY)}.", field="when_busy"
        )
    if not said or not (said[-1].content.strip() or said[-1].images or said[-1].role == "tool"):
        raise InvalidRequest("`content` is empty; say something to the agent.", field="content")
    length = sum(len(entry.content) for entry in said)
    if length > LONGEST_MESSAGE:
        raise InvalidRequest(
            f"`content` has {length} characters; the most is {LONGEST_MESSAGE}. Put long texts into a knowledge base.",
            field="content",
        )
