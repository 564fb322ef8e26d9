"""What the engine executes: agents' turns, and the jobs of other slices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from glia.agents.errors import AgentInactive
from glia.agents.service import Agents
from glia.agents.types import AgentVersion
from glia.identity.types import Principal, system_principal
from glia.kit.db import Transaction
from glia.kit.errors import GliaError
from glia.kit.jobs import Job
from glia.memory.types import Pinned
from glia.runs import accept_queries, approval_queries
from glia.runs.choosing import fitting, is_inference
from glia.runs.delegation import Subagents
from glia.runs.documents import DOCUMENT
from glia.runs.engine import MakeWork, Work
from glia.runs.events import JobProgress, Payload, RunCompleted
from glia.runs.log import RunLog
from glia.runs.loop import AgentLoop, Crew
from glia.runs.options import RunOptions, options_of, with_options, without_agent
from glia.runs.permissions import Gate, may_ask
from glia.runs.toolbox import Toolbox
from glia.runs.types import AGENT, Run, RunStatus, Spent
from glia.tools.service import DEFAULT_TOOLS, Tools
from glia.tools.types import Tool, ToolContext
from glia.usage.types import CallStatus

_VERSIONS_KEPT = 1000


class AgentWork(Work):
    def __init__(self, run_id: UUID, loop: AgentLoop, timeout_seconds: float) -> None:
        self._run_id = run_id
        self._loop = loop
        self.timeout_seconds = timeout_seconds

    async def run(self) -> None:
        await self._loop.run()

    @property
    def partial(self) -> str:
        return self._loop.partial

    async def unsaved(self) -> list[Payload]:
        return await self._loop.unsaved()

    def unsettled(self, status: CallStatus) -> tuple[Spent, str] | None:
        return self._loop.unsettled(status)

    async def ended(self, tx: Transaction, *, code: str, message: str) -> None:
        await approval_queries.withdraw(tx, self._run_id)
        await accept_queries.forget_input(tx, self._run_id, DOCUMENT)


Pin = Callable[[UUID, UUID, UUID], Awaitable[Pinned]]
"""What memory pins into a run's prompt, by workspace, agent and session."""


async def _nothing_pinned(_workspace_id: UUID, _agent_id: UUID, _session_id: UUID) -> Pinned:
    return Pinned()


def agent_work(agents: Agents, tools: Tools, crew: Crew, subagents: Subagents, pin: Pin = _nothing_pinned) -> MakeWork:
    """Makes the work of an agent's run: its pinned version, with the tools that version may use, and its memory."""
    versions = _Versions(agents)

    async def make(log: RunLog) -> Work:
        run = log.run
        if run.agent_id is None or run.agent_version is None:
            raise GliaError("An agent's run names its agent and version; this one does not.")
        principal = system_principal(run.workspace_id, run.project_id)
        options = options_of(run.input)
        version = await versions.get(principal, run.agent_id, run.agent_version)
        agent = with_options(version, options)
        if not agent.is_active:
            raise AgentInactive(f"The agent {agent.name!r} is not active; activate it, then start a new run.")
        offered = await tools.resolve(
            principal, agent.tools, has_knowledge=agent.has_knowledge, toolset_ids=agent.toolset_ids
        )
        offered = await _with_more(tools, principal, offered, options)
        pinned = await pin(run.workspace_id, run.agent_id, run.session_id)
        if agent.tools is None or DEFAULT_TOOLS in agent.tools:  # an agent that lists its tools has no others
            offered = [*offered, *pinned.tools]
        asked_agents = await subagents.tools(principal, run, agent)
        if agent.tool_choice.is_automatic:
            offered, asked_agents = _chosen(await log.asked(), offered, asked_agents)
        offered = [*offered, *asked_agents]
        granted: list[str] = []
        if may_ask(agent.permissions, offered):
            granted = await log.granted()
        toolbox = Toolbox(offered, _context(run, agent), check_lease=log.check_lease)
        loop = AgentLoop(crew, log, agent, toolbox, Gate(agent.permissions, granted), pinned.text, options)
        return AgentWork(run.id, loop, _seconds_left(log, agent.limits.timeout_seconds))

    return make


def model_work(tools: Tools, crew: Crew) -> MakeWork:
    """Makes the work of a run in which a model answers without an agent, as the run's options say."""

    async def make(log: RunLog) -> Work:
        run = log.run
        options = options_of(run.input)
        agent = without_agent(options)
        principal = system_principal(run.workspace_id, run.project_id)
        offered = await tools.resolve(principal, (), has_knowledge=bool(agent.knowledge_base_ids))
        offered = await _with_more(tools, principal, offered, options)
        toolbox = Toolbox(offered, _context(run, agent), check_lease=log.check_lease)
        loop = AgentLoop(crew, log, agent, toolbox, Gate(agent.permissions, []), options=options)
        return AgentWork(run.id, loop, _seconds_left(log, agent.limits.timeout_seconds))

    return make


def _context(run: Run, agent: AgentVersion) -> ToolContext:
    return ToolContext(
        workspace_id=run.workspace_id,
        project_id=run.project_id,
        agent_id=run.agent_id,
        session_id=run.session_id,
        run_id=run.id,
        idempotency_key="",
        knowledge_base_ids=agent.knowledge_base_ids,
        knowledge_path=agent.knowledge.path,
        knowledge_project_id=agent.knowledge.project_id,
        knowledge_document_ids=agent.knowledge.document_ids,
        search_depth=agent.search_depth,
        key_id=run.key_id,
    )


async def _with_more(tools: Tools, principal: Principal, offered: list[Tool], options: RunOptions) -> list[Tool]:
    """Also with the tools that only this run has."""
    if not options.tools:
        return offered
    known = {tool.name for tool in offered}
    more = await tools.resolve(principal, tuple(options.tools), has_knowledge=False)
    return [*offered, *(tool for tool in more if tool.name not in known)]


def _chosen(asked: str, offered: list[Tool], agents: list[Tool]) -> tuple[list[Tool], list[Tool]]:
    """What fits the question of the tools that make things and of the agents; other tools are there in any case."""
    making = [tool for tool in offered if is_inference(tool)]
    if not asked or not (making or agents):
        return offered, agents
    kept = {tool.name for tool in fitting(asked, making)}
    return [tool for tool in offered if not is_inference(tool) or tool.name in kept], fitting(asked, agents)


class _Versions:
    """Agent versions never change, so each is read once."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._known: OrderedDict[tuple[UUID, int], AgentVersion] = OrderedDict()

    async def get(self, principal: Principal, agent_id: UUID, version: int) -> AgentVersion:
        known = self._known.get((agent_id, version))
        if known is None:
            known = (await self._agents.get(principal, agent_id, version=version)).current
            self._known[agent_id, version] = known
            if len(self._known) > _VERSIONS_KEPT:
                self._known.popitem(last=False)
        return known


def _seconds_left(log: RunLog, timeout_seconds: float) -> float:
    """The limit counts from the first start, not from the latest attempt, and leaves out what the run has waited."""
    started_at = log.run.started_at
    if started_at is None:
        return timeout_seconds
    worked = (datetime.now(UTC) - started_at).total_seconds() - log.run.waited_seconds
    return max(0.0, timeout_seconds - worked)


class OnEnd(Protocol):
    async def __call__(self, tx: Transaction, run_id: UUID, *, code: str, message: str) -> None:
        """Told, in the transaction that ends the run as failed or cancelled."""
        ...


@dataclass(frozen=True)
class JobKind:
    job: Job
    on_end: OnEnd


class JobWork(Work):
    """A job of another slice. It is also what the job sees as its context."""

    def __init__(self, kind: JobKind, log: RunLog) -> None:
        self._kind = kind
        self._log = log
        self.workspace_id: UUID = log.run.workspace_id
        self.project_id: UUID = log.run.project_id
        self.run_id: UUID = log.run.id
        self.attempt = log.run.attempt
        self.input = log.run.input

    async def run(self) -> None:
        await self._kind.job(self)
        await self._log.finish(RunCompleted(), status=RunStatus.COMPLETED)

    async def ended(self, tx: Transaction, *, code: str, message: str) -> None:
        await self._kind.on_end(tx, self.run_id, code=code, message=message)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        async with self._log.transaction() as tx:
            yield tx

    async def progress(self, phase: str, done: int, total: int) -> None:
        await self._log.append(JobProgress(phase, done, total))


def job_work(kind: JobKind) -> MakeWork:
    async def make(log: RunLog) -> Work:
        return JobWork(kind, log)

    return make


def kinds_of(
    agent: MakeWork, jobs: Mapping[str, JobKind], others: Mapping[str, MakeWork] | None = None
) -> dict[str, MakeWork]:
    """others: kinds of runs that layers above do, such as workflows."""
    return {AGENT: agent, **{name: job_work(kind) for name, kind in jobs.items()}, **(others or {})}
