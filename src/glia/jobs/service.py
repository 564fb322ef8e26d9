"""Jobs: make, tell how far they are, list, look at their trees, close what nobody works on any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from glia.agents.service import Agents
from glia.identity.types import Principal
from glia.jobs import checks, queries
from glia.jobs.errors import BelongsToRun, JobNotFound
from glia.jobs.types import DEEPEST, MOST_IN_TREE, Job, JobChanges, JobFilter, JobSpec, JobStatus, JobTree
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.runs.service import Runs
from glia.runs.types import Said

LONGEST_QUIET_MINUTES = 60 * 24 * 365
EVERY_JOB = JobFilter()


class Jobs:
    def __init__(self, db: Database, agents: Agents, runs: Runs) -> None:
        self._db = db
        self._agents = agents
        self._runs = runs

    async def create(self, principal: Principal, spec: JobSpec, *, run_id: UUID | None = None) -> Job:
        """A job that its makers tell about; with run_id, one that shows the state of that run.

        Raises InvalidRequest for a parent that is not there, AgentNotFound, RunNotFound.
        """
        principal.require("jobs:write")
        await self._check(principal, spec)
        if run_id is not None:
            await self._runs.get(principal, run_id)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            await _insert(tx, principal, id, spec, run_id)
            return await _get(tx, id)

    async def start(self, principal: Principal, spec: JobSpec, said: Sequence[Said]) -> Job:
        """Begins a background run of the spec's agent, and the job that shows it, in one transaction."""
        principal.require("jobs:write")
        await self._check(principal, spec)
        if spec.agent_id is None:
            raise InvalidRequest("`agent_id` is missing; say which agent is to do the job.", field="agent_id")
        id = new_id()

        async def also(tx: Transaction, run_id: UUID) -> None:
            await _insert(tx, principal, id, spec, run_id)

        metadata: dict[str, object] = {"job_id": str(id)}
        await self._runs.start(principal, spec.agent_id, said, title=spec.title[:200], metadata=metadata, also=also)
        return await self.get(principal, id)

    async def put_in(self, tx: Transaction, principal: Principal, spec: JobSpec, run_id: UUID) -> UUID:
        """A job that shows a run, inside the transaction that begins the run. Its agent is known to be there."""
        principal.require("jobs:write")
        checks.check_spec(spec)
        id = new_id()
        await _insert(tx, principal, id, spec, run_id)
        return id

    async def set_output(self, tx: Transaction, run_id: UUID, output: dict[str, object]) -> None:
        """For the run that a job shows: what came of it."""
        await queries.set_output(tx, run_id, output)

    async def get(self, principal: Principal, id: UUID) -> Job:
        principal.require("jobs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id)

    async def list(self, principal: Principal, window: Window, only: JobFilter = EVERY_JOB) -> Page[Job]:
        """Newest first."""
        principal.require("jobs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, only)
        return page_of(rows, window, lambda job: job.id)

    async def list_at(
        self, principal: Principal, only: JobFilter, *, limit: int, offset: int
    ) -> tuple[Sequence[Job], int]:
        """Newest first, counted from `offset`; also how many match in all."""
        principal.require("jobs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.list_at(tx, only, limit=limit, offset=offset)
            return found, await queries.count(tx, only)

    async def tree(self, principal: Principal, id: UUID) -> JobTree:
        """The job with all below it."""
        principal.require("jobs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            job = await _get(tx, id)
            return _tree(job, await queries.below(tx, job.root_id, job.depth))

    async def about(self, principal: Principal, resource: str, *, agent_id: UUID | None = None) -> Job:
        """The newest job about a resource: named with it, in its input or output, or its run. Raises JobNotFound."""
        principal.require("jobs:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.about(tx, resource, agent_id)
        if found is None:
            raise JobNotFound(f"There is no job about {resource[:100]!r} in this workspace.", resource=resource[:100])
        return found

    async def update(self, principal: Principal, id: UUID, changes: JobChanges) -> Job:
        """Raises IllegalMove for a status that cannot follow the present one; BelongsToRun."""
        principal.require("jobs:write")
        if changes.status is JobStatus.CANCELLED:
            await self._stop_run(principal, id)
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await queries.lock(tx, id)
            if before is None:
                raise _missing(id)
            if before.run_id is not None and changes.status not in (None, before.status, JobStatus.CANCELLED):
                raise BelongsToRun(
                    f"The job shows the run '{before.run_id}', which is {before.status.value}; it can be cancelled."
                )
            if before.run_id is not None:
                changes = replace(changes, status=None)
            after = checks.changed(before, changes)
            await queries.update(tx, after, checks.resources_of(after, after.output))
            return await _get(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """With the jobs below it. Their runs are cancelled."""
        principal.require("jobs:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            runs = await queries.open_runs(tx, await _get(tx, id))
        for run in runs:
            await self._runs.cancel(principal, run)
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def close_stale(
        self, principal: Principal, *, max_age_minutes: float = 60, agent_id: UUID | None = None
    ) -> Sequence[UUID]:
        """Fails the jobs in progress that nobody has told anything of for so long. Which they were."""
        principal.require("jobs:write")
        if not 0 < max_age_minutes <= LONGEST_QUIET_MINUTES:
            raise InvalidRequest(
                f"`max_age_minutes` is {max_age_minutes:g}; it must be above 0 and at most {LONGEST_QUIET_MINUTES}.",
                field="max_age_minutes",
            )
        error = f"Closed: nothing was heard of this job for {max_age_minutes:g} minutes."
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.close_stale(tx, agent_id=agent_id, seconds=max_age_minutes * 60, error=error)

    async def _check(self, principal: Principal, spec: JobSpec) -> None:
        checks.check_spec(spec)
        if spec.agent_id is not None:
            await self._agents.get(principal, spec.agent_id)

    async def _stop_run(self, principal: Principal, id: UUID) -> None:
        job = await self.get(principal, id)
        if job.run_id is not None and not job.status.is_final:
            await self._runs.cancel(principal, job.run_id)


async def _insert(tx: Transaction, principal: Principal, id: UUID, spec: JobSpec, run_id: UUID | None) -> None:
    root_id, depth = id, 0
    if spec.parent_id is not None:
        parent = await queries.get(tx, spec.parent_id)
        if parent is None:
            raise InvalidRequest(f"There is no job '{spec.parent_id}' to be the parent.", field="parent_id")
        root_id, depth = parent.root_id, parent.depth + 1
        if depth > DEEPEST:
            raise InvalidRequest(f"Jobs lie at most {DEEPEST} deep below one another.", field="parent_id")
        if await queries.hold_tree(tx, root_id) >= MOST_IN_TREE:
            raise InvalidRequest(f"The tree has {MOST_IN_TREE} jobs already, the most.", field="parent_id")
    spec = replace(spec, resources=tuple(checks.resources_of(spec)))
    await queries.insert(
        tx,
        id,
        spec,
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        root_id=root_id,
        depth=depth,
        run_id=run_id,
        created_by=principal.name,
    )


def _tree(job: Job, below: Sequence[Job]) -> JobTree:
    """below: the jobs of the whole tree that lie deeper, in the order in which children are shown."""
    children: dict[UUID | None, list[Job]] = {}
    for child in below:
        children.setdefault(child.parent_id, []).append(child)

    def grown(top: Job) -> JobTree:
        return JobTree(top, tuple(grown(child) for child in children.get(top.id, ())))

    return grown(job)


async def _get(tx: Transaction, id: UUID) -> Job:
    found = await queries.get(tx, id)
    if found is None:
        raise _missing(id)
    return found


def _missing(id: UUID) -> JobNotFound:
    return JobNotFound(f"There is no job '{id}' in this workspace.", job_id=str(id))
