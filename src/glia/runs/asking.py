"""Runs with wishes of their own: an agent with options for this run alone, or a model without an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.ids import new_id
from glia.models.types import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from glia.runs import accept_queries, fork_queries, log_queries, queries
from glia.runs.accepting import Accepting, check, get_run, messages_for, no_session
from glia.runs.conversation import Conversation
from glia.runs.engine import WORK_CHANNEL
from glia.runs.errors import SessionBusy
from glia.runs.events import RunCreated
from glia.runs.log import append_unfenced
from glia.runs.message_events import CalledTool, StoredImage
from glia.runs.options import RunOptions, options_input
from glia.runs.progress import hear
from glia.runs.types import AGENT, MODEL, Accepted, Run, RunId, Said


@dataclass(frozen=True)
class Question:
    """Who is asked, and how.

    agent_id, agent_version, model: the agent and the model of that version; without an agent the model is the one of
    the options. notes: what a surface wants to give back later, under its name, such as `{"openai": {...}}`.
    dedupe_key: as for `accept`.
    """

    options: RunOptions
    agent_id: UUID | None = None
    agent_version: int | None = None
    model: str | None = None
    notes: dict[str, object] = field(default_factory=dict[str, object])
    is_background: bool = False
    dedupe_key: str | None = None


class Asking(Accepting):
    async def ask(self, principal: Principal, session_id: UUID, said: Sequence[Said], question: Question) -> Accepted:
        """Stores the messages and a run that answers them; some worker, most often this process, begins it at once.

        The session may be any agent's or nobody's. Raises SessionNotFound, SessionBusy.
        """
        principal.require("runs:write")
        check(said, "refuse")
        return await asyncio.shield(asyncio.ensure_future(self._ask(principal, session_id, said, question)))

    async def _ask(self, principal: Principal, session_id: UUID, said: Sequence[Said], question: Question) -> Accepted:
        run_id = RunId(new_id())
        kind = MODEL if question.agent_id is None else AGENT
        model = question.model if question.agent_id is not None else question.options.model
        async with self._db.transaction(principal.workspace_id) as tx:
            key = question.dedupe_key
            if key and (known := await accept_queries.known(tx, key)) is not None:
                return known
            place = await accept_queries.hold_session(tx, session_id)
            if place is None:
                raise no_session(session_id)
            if place.is_busy:
                raise SessionBusy(
                    "Another run is working on this session; wait for it to end, or cancel it.",
                    session_id=str(session_id),
                )
            await accept_queries.insert_run(
                tx,
                run_id,
                session_id=session_id,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                key_id=principal.key_id,
                kind=kind,
                agent_id=question.agent_id,
                agent_version=question.agent_version,
                is_background=question.is_background,
                input={**question.notes, **options_input(question.options)},
                dedupe_key=question.dedupe_key,
            )
            created = RunCreated(kind, question.is_background, question.agent_id, question.agent_version, model)
            await append_unfenced(tx, self._live, session_id, run_id, None, [*messages_for(said), created])
            await tx.execute("select pg_notify(%(channel)s, '')", channel=WORK_CHANNEL)
            tx.after_commit.append(self._engine.wake)
        return Accepted(run_id, session_id, place.last_seq)

    async def known(self, principal: Principal, dedupe_key: str) -> Accepted | None:
        """The run that was begun under a key, or None."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await accept_queries.known(tx, dedupe_key)

    async def add_messages(self, principal: Principal, session_id: UUID, said: Sequence[Said]) -> list[str]:
        """Puts messages into a session without having them answered. Returns their ids. Raises SessionNotFound."""
        principal.require("sessions:write")
        messages = messages_for(said)
        async with self._db.transaction(principal.workspace_id) as tx:
            place = await accept_queries.hold_session(tx, session_id)
            if place is None:
                raise no_session(session_id)
            if place.is_busy:
                raise SessionBusy("A run is working on this session; wait for it to end.", session_id=str(session_id))
            await append_unfenced(tx, self._live, session_id, None, None, messages)
        return [message.message_id for message in messages]

    async def note(self, principal: Principal, id: UUID, name: str, value: dict[str, object]) -> None:
        """Changes what a surface keeps with a run under its name. Raises RunNotFound."""
        principal.require("runs:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await get_run(tx, id)
            await accept_queries.set_note(tx, id, name, value)

    async def conversation(self, principal: Principal, session_id: UUID, *, upto: int = 2**62) -> Heard:
        """What a session's log says to a model up to an event, as messages that can be said again elsewhere."""
        principal.require("sessions:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.fork_point(tx, session_id) is None:
                raise no_session(session_id)
            events = await fork_queries.read_history(tx, session_id, upto=upto)
        talk = Conversation()
        for event in events:
            hear(talk, event, event.payload)
        talk.release()
        names = frozenset(call.provider_id for call in talk.open_calls)
        return Heard([_said(message) for message in talk.messages], names)

    async def last_of(self, principal: Principal, run: Run) -> int | None:
        """The number of a run's last event, None while it has not ended."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            last = await log_queries.answer_of(tx, run.id)
        return None if last is None else last.seq

    async def accepted(self, principal: Principal, run: Run) -> Accepted:
        """For following a run that was begun earlier, from its first event on."""
        principal.require("runs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return Accepted(run.id, run.session_id, await log_queries.before_run(tx, run.id), "known")

    async def is_newest(self, principal: Principal, run: Run) -> bool:
        """Whether nothing was said in the session after this run."""
        async with self._db.transaction(principal.workspace_id) as tx:
            return await accept_queries.is_newest(tx, run.session_id, run.id)


@dataclass(frozen=True)
class Heard:
    """A conversation. open_calls: the providers' ids of calls that the caller has to answer."""

    said: list[Said]
    open_calls: frozenset[str]


def _said(message: Message) -> Said:
    match message:
        case SystemMessage(text=text):
            return Said("system", text)
        case UserMessage(text=text, images=images):
            return Said("user", text, images=tuple(StoredImage(i.file_id, i.media_type, i.detail) for i in images))
        case AssistantMessage(text=text, tool_calls=calls, thinking=thinking, provider_state=state):
            asked = tuple(CalledTool(c.id, c.provider_id, c.name, c.arguments) for c in calls)
            return Said("assistant", text, tool_calls=asked, thinking=thinking, provider_state=state)
        case ToolMessage(tool_call_id=id, text=text):
            return Said("tool", text, tool_call_id=id)
