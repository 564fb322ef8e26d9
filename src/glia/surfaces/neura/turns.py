"""A turn of a conversation: the run that a chat request begins, and what is answered once it has ended."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from glia.agents.types import Agent
from glia.identity.service import IdempotentAnswers
from glia.identity.types import Principal
from glia.kit.errors import Conflict, InvalidRequest, Unavailable
from glia.kit.pages import Window
from glia.runs.service import Override, RunOptions, Runs, Watcher
from glia.runs.types import Accepted, Run
from glia.sessions.errors import SessionNotFound
from glia.surfaces.neura.chat_body import Asked, ChatBody, override_of, read_chat
from glia.surfaces.neura.endings import ended_badly
from glia.surfaces.neura.tale import Tale, settle
from glia.surfaces.shared.accepting import accepted_once
from glia.surfaces.shared.asgi import Request, ignored_header
from glia.surfaces.shared.idempotency import REPLAYED, key_of
from glia.surfaces.shared.json_body import read_json, replay
from glia.surfaces.shared.tracing import join_trace
from glia.wiring import House

Headers = list[tuple[bytes, bytes]]

K = TypeVar("K")
V = TypeVar("V")

_LONGEST_WAIT_SECONDS = 3600.0
_LOOK_SECONDS = 1.0
_LONGEST_TITLE = 100
_LOOKED_THROUGH = 20
_MOST_KNOWN = 2_000
"""Of agents, of conversations, of contexts."""
_PLAIN = frozenset({"query", "message", "conversation_id", "conversation_history", "session_context", "detailed_mode"})
_BLOCK = '<block label="'


@dataclass(frozen=True)
class Turn:
    """A run that was begun. watcher: entered before it was; None for a run that was there already."""

    principal: Principal
    agent: Agent
    asked: Asked
    accepted: Accepted
    watcher: Watcher | None
    is_replayed: bool

    @property
    def headers(self) -> Headers:
        found = [
            (b"x-conversation-id", str(self.accepted.session_id).encode()),
            (b"x-run-id", str(self.accepted.run_id).encode()),
            *ignored_header(self.asked.ignored),
        ]
        return [*found, REPLAYED] if self.is_replayed else found


class Turns:
    """Begins turns, and gathers what became of them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._answers = IdempotentAnswers(house.db, house.settings.secret_key)
        self._blocks: OrderedDict[tuple[UUID, str], int] = OrderedDict()
        self._agents: OrderedDict[tuple[UUID, str], Agent] = OrderedDict()
        self._conversations: OrderedDict[tuple[UUID, UUID], UUID] = OrderedDict()

    async def begin(self, request: Request, agent_id: str, stack: ExitStack) -> Turn:
        """stack: leaving it ends the watching. Raises before anything is stored what is wrong with the request."""
        asked = read_chat(await read_json(request))
        if asked.ignored and self.house.settings.strict_fields:
            raise InvalidRequest(f"`{asked.ignored[0]}` has no effect here; leave it out.", field=asked.ignored[0])
        principal = request.principal
        if asked.session_id is not None and is_plain(asked.body):
            known = self._agents.get((principal.workspace_id, agent_id))
            if known is not None:
                principal.require("agents:read")
                try:
                    await self._require_conversation(principal, known.id, asked.session_id)
                    return await self._accepted(request, principal, known, asked, stack)
                except (Conflict, SessionNotFound):  # such as that the agent is gone, which the usual way says better
                    del self._agents[principal.workspace_id, agent_id]
        agent = await self.house.agents.find(principal, agent_id)
        turn = await self.begin_asked(request, principal, agent, asked, stack)
        _remember(self._agents, (principal.workspace_id, agent_id), turn.agent)
        _remember(self._conversations, (principal.workspace_id, turn.accepted.session_id), turn.agent.id)
        return turn

    async def found(self, request: Request, agent_id: str, last_seen: int) -> Turn | None:
        """The turn that a reader with a `Last-Event-ID` was reading: the newest run that was asked the same."""
        if not last_seen or key_of(request) is not None:
            return None  # an Idempotency-Key names it better
        asked = read_chat(await read_json(request))
        request.receive = replay(asked.raw, request.receive)
        principal = request.principal
        agent = await self.house.agents.find(principal, agent_id)
        runs = await self.house.runs.list(
            principal, Window(_LOOKED_THROUGH), session_id=asked.session_id, agent_id=agent.id
        )
        for run in runs.items:
            if run.key_id == principal.key_id and await self._asks(principal, run, asked.question):
                accepted = await self.house.runs.again(principal, run.id)
                return Turn(principal, agent, asked, accepted, None, True)
        return None

    async def _asks(self, principal: Principal, run: Run, question: str) -> bool:
        said = await self.house.runs.messages(principal, run.session_id)
        return any(message.event.run_id == run.id and message.content == question for message in said)

    async def begin_asked(
        self, request: Request, principal: Principal, agent: Agent, asked: Asked, stack: ExitStack
    ) -> Turn:
        """For somebody who has found the agent. principal: in whose name the run is begun."""
        override = override_of(asked, agent)
        if override is not None:
            await self.house.agents.check(principal, override.applied(agent.current))
        if asked.session_id is not None:
            await self._require_conversation(principal, agent.id, asked.session_id)
        return await self._accepted(request, principal, agent, asked, stack, override)

    async def _accepted(
        self,
        request: Request,
        principal: Principal,
        agent: Agent,
        asked: Asked,
        stack: ExitStack,
        override: Override | None = None,
    ) -> Turn:
        runs, watchers = self.house.runs, list[Watcher]()

        async def accept(dedupe_key: str | None) -> Accepted:
            session_id = asked.session_id or await self._opened(principal, agent.id, asked)
            watchers.append(stack.enter_context(runs.watch(session_id)))
            return await runs.accept(
                principal,
                session_id,
                asked.said,
                when_busy="queue",
                dedupe_key=dedupe_key,
                options=None if override is None else RunOptions(override=override),
                document=asked.document,
            )

        accepted, is_replayed = await accepted_once(self._answers, request, asked.raw, accept)
        if not is_replayed:
            await join_trace(self.house.traces, request, accepted)
        if accepted.agent_version not in (None, agent.version):
            agent = await self.house.agents.get(principal, agent.id)  # it was changed since we looked
        is_ours = watchers and watchers[0].session_id == accepted.session_id and not is_replayed
        return Turn(principal, agent, asked, accepted, watchers[0] if is_ours else None, is_replayed)

    async def tale_of(self, turn: Turn) -> Tale:
        """Waits for the run. Raises the error that a run without an answer stands for."""
        tale = await told(self.house.runs, turn)
        if (error := await ended_badly(self.house, turn.principal, turn.accepted, tale)) is not None:
            raise error
        await settle(self.house, turn.principal, turn.accepted.run_id, tale)
        return tale

    async def answer(self, turn: Turn, tale: Tale) -> dict[str, Any]:
        """The body of a chat's answer."""
        body: dict[str, Any] = {
            "answer": tale.answer,
            "sources": tale.sources,
            "tool_calls": tale.calls,
            "iterations": tale.iterations,
            "costs": tale.costs.wire(),
            "agent_id": str(turn.agent.id),
            "agent_name": turn.agent.current.name,
            "memories_used": tale.memories + await self._pinned(turn.principal, tale),
            "instructions_active": len(getattr(turn.agent.current, "standing_instructions", ())),
        }
        body["context_loaded"] = bool(
            body["memories_used"]
            or body["instructions_active"]
            or turn.asked.document
            or turn.asked.session_id
            or len(turn.asked.said) > 1
            or tale.has_searched
        )
        body["conversation_id"] = str(turn.accepted.session_id)
        if turn.asked.is_detailed:
            body["metadata"] = details(turn, tale)
        return body

    async def _require_conversation(self, principal: Principal, agent_id: UUID, session_id: UUID) -> None:
        """A conversation stays with its agent, so it is looked for once."""
        principal.require("sessions:read")
        key = (principal.workspace_id, session_id)
        if self._conversations.get(key) == agent_id:
            return
        session = await self.house.sessions.get(principal, session_id)
        if session.agent_id != agent_id:
            raise SessionNotFound(f"There is no conversation '{session_id}' with this agent.")
        _remember(self._conversations, key, agent_id)

    async def _opened(self, principal: Principal, agent_id: UUID, asked: Asked) -> UUID:
        title = " ".join(asked.question.split())[:_LONGEST_TITLE]
        return (await self.house.sessions.create(principal, agent_id=agent_id, title=title)).id

    async def _pinned(self, principal: Principal, tale: Tale) -> int:
        """How many memory blocks the model was shown. Read once for each context, which never changes."""
        most = 0
        for context in tale.contexts:
            key = (principal.workspace_id, context)
            if key not in self._blocks:
                text = await self.house.model_calls.instructions(principal, context)
                _remember(self._blocks, key, text.count(_BLOCK))
            most = max(most, self._blocks[key])
        return most


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)


def is_plain(body: ChatBody) -> bool:
    """Whether the agent is to answer as it is."""
    return all(getattr(body, name) is None for name in body.__struct_fields__ if name not in _PLAIN)


async def told(runs: Runs, turn: Turn) -> Tale:
    """Follows the run to its end, or to where it needs someone."""
    tale = Tale()
    events = runs.story(turn.principal, turn.accepted, turn.watcher, quiet_seconds=_LOOK_SECONDS)
    try:
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS), aclosing(events):
            async for event in events:
                if event is not None:
                    tale.note(event, event.payload)
    except TimeoutError:
        raise Unavailable(
            f"The run {turn.accepted.run_id} is still going on after an hour; its answer will be in the conversation."
        ) from None
    return tale


def details(turn: Turn, tale: Tale) -> dict[str, Any]:
    """What `detailed_mode` adds: which model answered, tokens, and which costs nobody knows."""
    asked_for = turn.asked.body.model_id or tale.asked_model
    return {
        "run_id": str(turn.accepted.run_id),
        "conversation_id": str(turn.accepted.session_id),
        "agent_version": turn.agent.version,
        "model_requested": asked_for,
        "models_used": list(tale.models),
        "input_tokens": tale.input_tokens,
        "output_tokens": tale.output_tokens,
        "latency_ms": tale.latency_ms,
        "unknown_costs": tale.costs.unknown,
    }
