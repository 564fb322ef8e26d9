"""Work that waits until nobody does: learning from sessions that have ended, and putting memories in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from glia.identity.types import Principal, system_principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError, InvalidRequest, NotFound, Unavailable
from glia.kit.jobs import JobContext, StartJob
from glia.memory import queries, turn_queries
from glia.memory import upkeep_queries as rows
from glia.memory.conversations import Conversations
from glia.memory.extraction import Extracted, by_model, by_rules
from glia.memory.service import Memories
from glia.memory.types import By, Draft, MemorySettings, Origin, Tier
from glia.memory.upkeep import Upkeep
from glia.models.service import Models
from glia.usage.service import Spending, Usage
from glia.usage.types import UsageRecord

LEARN = "memory.learn"
TEND = "memory.tend"
_MOST_TURNS = 400
_SWEPT_AT_ONCE = 50
_TENDED_EVERY = timedelta(hours=1)
_KEPT_FOR = timedelta(days=7)

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class SleepTime:
    """models: None extracts by rules only. spending: None for models that no budget or credit limits."""

    db: Database
    memories: Memories
    conversations: Conversations
    upkeep: Upkeep
    usage: Usage
    start_job: StartJob
    models: Models | None = None
    spending: Spending | None = None

    async def sweep(self) -> int:
        """Starts learning from the sessions that have been quiet for long enough. Returns how many."""
        async with self.db.across_workspaces() as tx:
            workspaces = await rows.learning_workspaces(tx)
        started = 0
        for workspace_id in workspaces:
            async with self.db.transaction(workspace_id) as tx:
                due = await rows.due(tx, limit=_SWEPT_AT_ONCE)
            for one in due:
                started += await self._ask(system_principal(workspace_id, one.project_id), one.session_id) is not None
        return started

    async def ask_to_learn(self, principal: Principal, session_id: UUID) -> UUID:
        """Starts learning from a session now, whatever the settings say. Returns the run's id."""
        principal.require("memory:write")
        run_id = await self._ask(principal, session_id, is_forced=True)
        if run_id is None:
            raise NotFound(f"There is no session '{session_id}' with an agent in this workspace.")
        return run_id

    async def ask_to_tend(self, principal: Principal, agent_id: UUID) -> UUID:
        """Starts putting an agent's memories in order. Returns the run's id."""
        principal.require("memory:write")
        async with self.db.transaction(principal.workspace_id) as tx:
            if not await queries.has_agent(tx, agent_id):
                raise InvalidRequest(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")
            return await self._start(tx, principal, TEND, {"agent_id": str(agent_id)})

    async def _ask(self, principal: Principal, session_id: UUID, *, is_forced: bool = False) -> UUID | None:
        async with self.db.transaction(principal.workspace_id) as tx:
            if await turn_queries.lock_reading(tx, session_id) is None:
                return None
            if not await rows.mark_asked(tx, session_id) and not is_forced:
                return None
            return await self._start(tx, principal, LEARN, {"session_id": str(session_id)})

    async def _start(self, tx: Transaction, principal: Principal, kind: str, input: dict[str, object]) -> UUID:
        return await self.start_job(
            tx, workspace_id=principal.workspace_id, project_id=principal.project_id, kind=kind, input=input
        )

    async def learn(self, job: JobContext) -> None:
        """The function of jobs of LEARN. What it saves is keyed by the event and the fact, so once is enough."""
        session_id = UUID(str(job.input["session_id"]))
        principal = system_principal(job.workspace_id, job.project_id)
        await job.progress("reading", 0, 1)
        await self.conversations.catch_up(job.workspace_id, agent_id=None, session_id=session_id)
        while True:
            async with job.transaction() as tx:
                reading = await turn_queries.lock_reading(tx, session_id)
                if reading is None:
                    return
                turns = await rows.to_learn(tx, session_id, limit=_MOST_TURNS)
                settings = await queries.settings(tx, reading.agent_id)
                user_name = await queries.user_of(tx, session_id)
            if not turns:
                break
            facts, usage = await self._extract(job, turns, settings, user_name, reading.agent_id)
            async with job.transaction() as tx:
                lesson = _Lesson(principal, reading.agent_id, session_id, user_name, settings)
                saved = [await self._keep(tx, lesson, fact) for fact in facts]
                await rows.set_learnt(tx, session_id, turns[-1].seq)
                if usage is not None:
                    await self.usage.record(tx, usage)
            log.info("learnt from a session", session=str(session_id), facts=len(facts), new=sum(saved))
            await job.progress("learning", len(turns), len(turns))
        async with job.transaction() as tx:
            if settings.tended_at is None or settings.tended_at < datetime.now(UTC) - _TENDED_EVERY:
                await self._start(tx, principal, TEND, {"agent_id": str(reading.agent_id)})

    async def _extract(
        self,
        job: JobContext,
        turns: Sequence[rows.Heard],
        settings: MemorySettings,
        user_name: str | None,
        agent_id: UUID,
    ) -> tuple[list[Extracted], UsageRecord | None]:
        """A model that fails, or for which there is no money, is not waited for: the rules find less, and at once."""
        if self.models is not None:
            try:
                if not (await self.models.resolve(settings.model)).is_embedded:
                    where = {"workspace_id": job.workspace_id, "project_id": job.project_id, "agent_id": agent_id}
                    return await by_model(self.models, self.spending, settings.model, turns, **where)
            except Unavailable:
                raise
            except GliaError as error:
                log.warning("facts are extracted by rules", code=error.code)
        return by_rules(turns, user_name or "The user"), None

    async def _keep(self, tx: Transaction, lesson: _Lesson, fact: Extracted) -> bool:
        """Whether it is new. What is known already is made stronger instead."""
        known = await rows.known(tx, lesson.agent_id, fact.content, lesson.user_name)
        if known is not None and (lesson.settings.shares_sessions or known.session_id == lesson.session_id):
            if known.source_seq != fact.seq or known.session_id != lesson.session_id:
                await queries.reinforce(tx, known.id, None)
            return False
        digest = hashlib.sha256(fact.content.lower().encode()).hexdigest()[:32]
        draft = Draft(
            fact.content,
            lesson.agent_id,
            lesson.user_name,
            # Unless the agent may share, what was said in a session stays in it.
            tier=Tier.SHORT if lesson.settings.shares_sessions else Tier.WORKING,
            expires_at=datetime.now(UTC) + _KEPT_FOR,
            bucket=fact.bucket,
            importance=fact.importance,
            metadata={"extracted_by": fact.how},
        )
        key = f"learn:{lesson.session_id}:{fact.seq}:{digest}"
        origin = Origin(lesson.session_id, fact.run_id, key, fact.seq, By.EXTRACTION)
        _, is_new = await self.memories.save_in(tx, lesson.principal, draft, origin)
        return is_new

    async def tend(self, job: JobContext) -> None:
        """The function of jobs of TEND. Every part of it finds out itself what is left to do."""
        agent_id = UUID(str(job.input["agent_id"]))
        principal = system_principal(job.workspace_id, job.project_id)
        await job.progress("tending", 0, 1)
        try:
            done = await self.upkeep.tend(principal, agent_id)
        except InvalidRequest:
            log.info("agent deleted before its memories were put in order", agent=str(agent_id))
            return
        await job.progress("tending", 1, 1)
        turns = await self._embed_turns(job.workspace_id, agent_id)
        log.info("memories put in order", agent=str(agent_id), merged=done.merged, turns=turns)

    async def _embed_turns(self, workspace_id: UUID, agent_id: UUID) -> int:
        embedded = 0
        try:
            await self.conversations.catch_up(workspace_id, agent_id=agent_id)
            while made := await self.conversations.embed_some(workspace_id, agent_id):
                embedded += made
        except GliaError as error:
            log.warning("turns could not be embedded; the next time does it", code=error.code)
        return embedded


@dataclass(frozen=True)
class _Lesson:
    """What is the same for all facts of one session."""

    principal: Principal
    agent_id: UUID
    session_id: UUID
    user_name: str | None
    settings: MemorySettings


async def nothing_to_undo(tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
    """For the engine, when it ends such a job early: everything that was done stays, the next job does the rest."""
    del tx, run_id, code, message
