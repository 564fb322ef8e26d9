"""Tasks: begin, look at, cancel, begin again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from glia.identity.types import Principal
from glia.jobs.service import Jobs
from glia.jobs.types import Job, JobChanges, JobFilter, JobSpec, JobStatus
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.runs.service import Runs, Said
from glia.sessions.service import Sessions
from glia.tasks.errors import TaskEnded, TaskNotFound, TaskUnderWay
from glia.tasks.types import KIND, TURN, TaskFilter, TaskSpec
from glia.tasks.work import TaskWork

__all__ = ["TaskWork", "Tasks"]

LARGEST_PRIORITY = 1_000_000


class Tasks:
    def __init__(self, db: Database, jobs: Jobs, runs: Runs, sessions: Sessions, work: TaskWork) -> None:
        """work: what does the tasks in the engine; it is told where their output goes."""
        work.jobs = jobs
        self._db = db
        self._jobs = jobs
        self._runs = runs
        self._sessions = sessions

    async def create(self, principal: Principal, spec: TaskSpec) -> Job:
        """A task that is durable once this returns: it is done even if this process is killed.

        An agent's turn waits for what its session is at work on. Raises SessionNotFound, InvalidRequest.
        """
        principal.require("jobs:write")
        session = await self._sessions.get(principal, spec.session_id)
        if session.agent_id != spec.agent_id:
            raise InvalidRequest("`agent_id` is not the agent of this session.", field="agent_id")
        if not -LARGEST_PRIORITY <= spec.priority <= LARGEST_PRIORITY:
            raise InvalidRequest(f"`priority` is beyond {LARGEST_PRIORITY}.", field="priority")
        return await self._turn(principal, spec) if spec.kind == TURN else await self._work(principal, spec)

    async def _turn(self, principal: Principal, spec: TaskSpec) -> Job:
        message = spec.input.get("user_message")
        if not isinstance(message, str) or not message.strip():
            raise InvalidRequest("`input.user_message` is missing.", field="input.user_message")
        made: list[UUID] = []

        async def also(tx: Transaction, run_id: UUID) -> None:
            made.append(await self._put(tx, principal, spec, run_id))

        await self._runs.accept_and(principal, spec.session_id, [Said("user", message)], also)
        return await self._jobs.get(principal, made[0])

    async def _work(self, principal: Principal, spec: TaskSpec) -> Job:
        async with self._db.transaction(principal.workspace_id) as tx:
            run_id = await self._runs.start_job(
                tx,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                kind=KIND,
                input={"kind": spec.kind, "input": spec.input},
            )
            id = await self._put(tx, principal, spec, run_id)
        return await self._jobs.get(principal, id)

    async def _put(self, tx: Transaction, principal: Principal, spec: TaskSpec, run_id: UUID) -> UUID:
        await tx.execute("update runs set priority = %(p)s where id = %(id)s", p=spec.priority, id=run_id)
        job = JobSpec(
            title=f"{spec.kind} in session {spec.session_id}"[:200],
            kind=KIND,
            agent_id=spec.agent_id,
            priority=max(1, min(10, spec.priority + 5)),
            input=spec.input,
            tags=(_tag(spec.session_id),),
            metadata={
                "task_type": spec.kind,
                "session_id": str(spec.session_id),
                "priority": spec.priority,
                "own": spec.metadata,
            },
        )
        return await self._jobs.put_in(tx, principal, job, run_id)

    async def get(self, principal: Principal, id: UUID) -> Job:
        job = await self._jobs.get(principal, id)
        if job.kind != KIND:
            raise _missing(id)
        return job

    async def list(self, principal: Principal, wanted: TaskFilter, *, limit: int, offset: int) -> list[Job]:
        """Newest first."""
        only = JobFilter(
            agent_id=wanted.agent_id,
            status=None if wanted.status is None else JobStatus(wanted.status),
            kind=KIND,
            tag=None if wanted.session_id is None else _tag(wanted.session_id),
        )
        found, _ = await self._jobs.list_at(principal, only, limit=limit, offset=offset)
        return list(found)

    async def cancel(self, principal: Principal, id: UUID) -> Job:
        """Raises TaskEnded for one that has ended."""
        job = await self.get(principal, id)
        if job.status.is_final:
            raise TaskEnded(f"The task '{id}' is {job.status.value} already; it cannot be cancelled.")
        return await self._jobs.update(principal, id, JobChanges(status=JobStatus.CANCELLED))

    async def retry(self, principal: Principal, id: UUID) -> Job:
        """The same task once more, as a new one. Raises TaskUnderWay."""
        job = await self.get(principal, id)
        if not job.status.is_final:
            raise TaskUnderWay(f"The task '{id}' is under way; wait for its end, or cancel it.")
        meta: dict[str, Any] = job.metadata
        return await self.create(principal, spec_of(job, {**meta["own"], "retry_of": str(id)}))


def spec_of(job: Job, metadata: dict[str, object] | None = None) -> TaskSpec:
    """What a task was begun with."""
    meta: dict[str, Any] = job.metadata
    return TaskSpec(
        kind=str(meta["task_type"]),
        agent_id=job.agent_id or UUID(int=0),
        session_id=UUID(str(meta["session_id"])),
        input=job.input,
        priority=int(meta["priority"]),
        metadata=dict(meta["own"]) if metadata is None else metadata,
    )


def _tag(session_id: UUID) -> str:
    return f"session:{session_id}"


def _missing(id: UUID) -> TaskNotFound:
    return TaskNotFound(f"There is no task '{id}' in this workspace.", task_id=str(id))
