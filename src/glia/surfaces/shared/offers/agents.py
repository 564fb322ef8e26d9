"""Agents as MCP tools: a call starts a run, follows it, and brings back its answer with citations."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from uuid import UUID

import msgspec

from glia.agents.types import Agent
from glia.identity.types import Principal
from glia.kit.errors import Conflict, GliaError, InvalidRequest, UpstreamFailed
from glia.runs.events import Event, ModelRequested, RunCancelled, RunCompleted, RunFailed, RunWaiting, ToolCalled
from glia.runs.service import Said
from glia.runs.types import Accepted
from glia.surfaces.shared.offers.types import ASK, Answer, Caller, Offer
from glia.tools.types import Effect
from glia.wiring import House

LONGEST_WAIT_SECONDS = 1800.0
_LONGEST_DESCRIPTION = 2_000

_SCHEMA = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "minLength": 1, "description": "What to ask or tell the agent."},
        "session_id": {
            "type": "string",
            "description": "From an earlier answer, to go on with that conversation; leave out to begin a new one.",
        },
    },
    "required": ["message"],
    "additionalProperties": False,
}
_OUTPUT = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "citations": {"type": "array", "items": {"type": "object"}},
        "session_id": {"type": "string"},
        "run_id": {"type": "string"},
    },
    "required": ["answer", "citations", "session_id", "run_id"],
}


class _Arguments(msgspec.Struct, forbid_unknown_fields=True):
    message: str
    session_id: str | None = None


def agent_offer(house: House, agent: Agent) -> Offer:
    about = agent.current.description.strip() or f"Asks the agent {agent.current.name}."
    return Offer(
        name=f"{ASK}{agent.slug}",
        title=agent.current.name,
        description=about[:_LONGEST_DESCRIPTION],
        schema=_SCHEMA,
        effect=Effect.ONCE,
        call=partial(_ask, house, agent),
        output_schema=_OUTPUT,
    )


async def _ask(
    house: House, agent: Agent, principal: Principal, arguments: Mapping[str, object], caller: Caller
) -> Answer:
    try:
        asked = msgspec.convert(arguments, _Arguments)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The arguments are wrong: {error}. Give `message`.") from None
    session_id = await _session(house, principal, agent, asked.session_id)
    with house.runs.watch(session_id) as watcher:
        accepted = await house.runs.accept(principal, session_id, [Said("user", asked.message)])
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                items = house.runs.follow(principal, session_id, after=accepted.after, watcher=watcher)
                async with aclosing(items):
                    async for item in items:
                        if isinstance(item, Event) and item.run_id == accepted.run_id:
                            if item.is_final or item.needs_someone:
                                return _answer(item, accepted)
                            await _tell(item, caller)
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if caller.leaving_cancels:  # nobody is going to read the answer
                await asyncio.shield(house.runs.cancel(principal, accepted.run_id))
            raise
    raise Conflict(f"The run {accepted.run_id} goes on; read_run shows how it ended.", run_id=str(accepted.run_id))


async def _session(house: House, principal: Principal, agent: Agent, reference: str | None) -> UUID:
    if reference is None:
        return (await house.sessions.create(principal, agent_id=agent.id)).id
    try:
        session = await house.sessions.get(principal, UUID(reference))
    except ValueError:
        raise InvalidRequest(f"`session_id` {reference[:100]!r} is not an id.", field="session_id") from None
    if session.agent_id != agent.id:
        raise InvalidRequest(f"The session {reference} belongs to another agent.", field="session_id")
    return session.id


async def _tell(event: Event, caller: Caller) -> None:
    match event.payload:
        case ModelRequested(step=step):
            await caller.report(f"Step {step}: thinking")
        case ToolCalled(tool=tool):
            await caller.report(f"Calling {tool}")
        case _:
            pass


def _answer(last: Event, accepted: Accepted) -> Answer:
    match last.payload:
        case RunCompleted(message=message):
            text = message.content if message else ""
            structured: dict[str, object] = {
                "answer": text,
                "citations": msgspec.to_builtins(message.citations if message else ()),
                "session_id": str(accepted.session_id),
                "run_id": str(accepted.run_id),
            }
            return Answer(text, structured)
        case RunFailed(error=error):
            raise _RunEndedBadly(error.code, error.message)
        case RunWaiting(waiting_for=waiting_for):
            raise _RunEndedBadly(
                "run_waiting",
                f"The run {accepted.run_id} waits for: {' and '.join(waiting_for)}. Somebody has to decide it under"
                f" /v1/approvals, or raise the budget; read_session {accepted.session_id} then has the answer.",
            )
        case RunCancelled():
            raise _RunEndedBadly("run_cancelled", f"The run {accepted.run_id} was cancelled before it answered.")
        case _:
            raise UpstreamFailed(f"The run {accepted.run_id} ended in a way that this version does not know.")


class _RunEndedBadly(GliaError):
    """Carries the run's own code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
