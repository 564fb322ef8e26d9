"""Every service of one process, and its background work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import structlog

from glia.agents.drafts import Drafts
from glia.agents.relations import Relations
from glia.agents.service import Agents
from glia.billing.service import Billing, Bookkeeper
from glia.browsers.service import Browsers
from glia.collaboration.service import Spaces
from glia.deployments.feed import DeploymentFeed
from glia.deployments.kubernetes.programs import Programs
from glia.deployments.rotation import Rotation
from glia.deployments.service import Deployments
from glia.evaluations.service import Evaluations, EvaluationSets, PlannedEvaluations
from glia.feedback.service import Feedbacks
from glia.files.service import Files
from glia.gateway.service import Gateway
from glia.health.service import ServicesHealth
from glia.identity.limits import RateLimits
from glia.identity.service import Identity
from glia.inference.service import InferenceTools
from glia.instructions.service import Instructions
from glia.jobs.service import Jobs
from glia.kit import telemetry
from glia.kit.db import Database, PoolStats
from glia.kit.errors import GliaError, Unavailable
from glia.kit.notifications import Notifications
from glia.kit.outbound import Outbound
from glia.knowledge.embedding.minilm import MiniLmEmbedder
from glia.knowledge.embedding.types import Embedder
from glia.knowledge.service import Knowledge
from glia.market.service import Market
from glia.memory.answers import Answers
from glia.memory.blocks import MemoryBlocks
from glia.memory.conversations import Conversations
from glia.memory.forgetting import Forgetting
from glia.memory.jobs import SleepTime
from glia.memory.promoting import Promoter
from glia.memory.service import Memories
from glia.memory.upkeep import Upkeep
from glia.models.service import Models
from glia.pictures.service import Pictures
from glia.plans.service import Plans, Reflections
from glia.runs.approvals import Approvals
from glia.runs.engine import Engine
from glia.runs.exports import Exports
from glia.runs.figures import Figures
from glia.runs.forks import Forks
from glia.runs.lease import Lease
from glia.runs.live import Live
from glia.runs.messages import Messages
from glia.runs.model_calls import ModelCalls
from glia.runs.notes import Notes
from glia.runs.service import Runs
from glia.runs.snapshots import RunSnapshots
from glia.runs.statistics import Statistics
from glia.runs.summaries import Summaries
from glia.runs.suspensions import Suspensions
from glia.runs.workers import Workers
from glia.sandboxes.service import Sandboxes
from glia.search.service import Searches
from glia.sessions.service import Sessions
from glia.settings import Settings
from glia.storage.service import Objects
from glia.tasks.service import Tasks
from glia.tools.bundles import Bundles
from glia.tools.mcp.servers import McpServers
from glia.tools.recipes.service import Recipes
from glia.tools.service import Tools
from glia.tools.toolsets import Toolsets
from glia.triggers.hooks import Hooks
from glia.triggers.service import Triggers
from glia.triggers.ticker import Ticker
from glia.usage.meter import Meter
from glia.usage.service import Budgets, Credits, Spending, Usage
from glia.verification.service import Verifications
from glia.virtual_files.service import VirtualFiles
from glia.webhooks.dispatcher import Dispatcher
from glia.webhooks.service import Webhooks
from glia.workflows.service import Workflows

if TYPE_CHECKING:
    from glia.traces.service import Traces

log = structlog.get_logger(__name__)

_HOUSEKEEPING_SECONDS = 5.0
_LAG_SECONDS = 0.5
_SLEEP_TIME_SECONDS = 30.0
_BEFORE_PROBE_SECONDS = 5.0


@dataclass
class House:
    """Every service of one process. `open` begins its background work, `close` ends it."""

    settings: Settings
    db: Database
    outbound: Outbound
    sandbox_outbound: Outbound
    notifications: Notifications
    lease: Lease
    live: Live
    engine: Engine
    identity: Identity
    rate_limits: RateLimits
    agents: Agents
    drafts: Drafts
    relations: Relations
    sessions: Sessions
    runs: Runs
    messages: Messages
    approvals: Approvals
    spaces: Spaces
    feedback: Feedbacks
    figures: Figures
    workers: Workers
    suspensions: Suspensions
    plans: Plans
    reflections: Reflections
    forks: Forks
    exports: Exports
    model_calls: ModelCalls
    summaries: Summaries
    workflows: Workflows
    tools: Tools
    inference_tools: InferenceTools
    toolsets: Toolsets
    recipes: Recipes
    bundles: Bundles
    mcp_servers: McpServers
    models: Models
    gateway: Gateway
    knowledge: Knowledge
    files: Files
    virtual_files: VirtualFiles
    objects: Objects
    browsers: Browsers
    memories: Memories
    memory_blocks: MemoryBlocks
    conversations: Conversations
    upkeep: Upkeep
    answers: Answers
    forgetting: Forgetting
    promoter: Promoter
    sandboxes: Sandboxes
    sleep_time: SleepTime
    usage: Usage
    budgets: Budgets
    credits: Credits
    spending: Spending
    meter: Meter
    webhooks: Webhooks
    dispatcher: Dispatcher
    evaluation_sets: EvaluationSets
    evaluations: Evaluations
    verifications: Verifications
    planned_evaluations: PlannedEvaluations
    notes: Notes
    run_snapshots: RunSnapshots
    market: Market
    jobs: Jobs
    tasks: Tasks
    deployments: Deployments
    searches: Searches
    pictures: Pictures
    deployment_feed: DeploymentFeed
    rotation: Rotation
    billing: Billing
    bookkeeper: Bookkeeper
    health: ServicesHealth
    programs: Programs
    triggers: Triggers
    instructions: Instructions
    statistics: Statistics
    hooks: Hooks
    ticker: Ticker
    spool: Path
    embedder: Embedder | None
    traces: Traces | None = None
    _pool_before: PoolStats = field(default_factory=lambda: PoolStats(0, 0, 0, 0, 0.0))
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    async def open(self) -> None:
        await self.notifications.start()
        await asyncio.to_thread(self.lease.start)
        self.live.start()
        self.engine.start()
        self.meter.start()
        await self.sandboxes.open()
        self.dispatcher.start()
        if self.traces is not None:
            await self.traces.start()
        self.mcp_servers.start()
        self._tasks = [
            asyncio.create_task(self.models.watch_local_servers(), name="glia-local-models"),
            asyncio.create_task(self._keep_house(), name="glia-housekeeping"),
            asyncio.create_task(self._watch_lag(), name="glia-loop-lag"),
            asyncio.create_task(self._prepare_embedder(), name="glia-embedder"),
            asyncio.create_task(self._learn_at_night(), name="glia-sleep-time"),
            asyncio.create_task(self._warm_sandboxes(), name="glia-warm-sandboxes"),
            asyncio.create_task(self.ticker.run(), name="glia-triggers"),
            asyncio.create_task(self.objects.keep_clean(), name="glia-stored-objects"),
            asyncio.create_task(self.bookkeeper.run(), name="glia-billing"),
        ]

    async def close(self) -> None:
        """Runs get a moment to finish, the rest is handed back, then the lease is given up and the pool closed."""
        await self.engine.stop()
        await self.dispatcher.stop()
        if self.traces is not None:
            await self.traces.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sandboxes.close()
        await self.browsers.close()
        await self.meter.stop()
        await self.live.stop()
        await self.notifications.stop()
        await asyncio.to_thread(self.lease.stop)
        if isinstance(self.embedder, MiniLmEmbedder):
            self.embedder.close()
        await self.mcp_servers.close()
        await self.outbound.close()
        await self.sandbox_outbound.close()
        await self.db.close()

    async def _prepare_embedder(self) -> None:
        """Builds the embedding model while nobody waits for it; loading it is left to its first use."""
        if isinstance(self.embedder, MiniLmEmbedder):
            try:
                await self.embedder.build()
            except Unavailable as error:
                log.warning("the embedding model could not be built", error=error.message)

    async def _learn_at_night(self) -> None:
        """Looks for sessions that have been quiet for long enough to be learnt from."""
        while True:
            await asyncio.sleep(_SLEEP_TIME_SECONDS)
            try:
                await self.sleep_time.sweep()
                await self.answers.sweep()
                await self.promoter.sweep()
            except (Unavailable, psycopg.Error) as error:
                log.warning("could not look for sessions to learn from", error=str(error))

    async def _warm_sandboxes(self) -> None:
        """Finds out whether code can be run here, once the server has answered its first requests."""
        await asyncio.sleep(_BEFORE_PROBE_SECONDS)
        try:
            await self.sandboxes.warm_up()
        except (GliaError, OSError) as error:
            log.warning("whether sandboxes work is not known", error=str(error))

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked_at = loop.time()
            await asyncio.sleep(_LAG_SECONDS)
            telemetry.loop_lag.observe(max(0.0, loop.time() - asked_at - _LAG_SECONDS))

    def _note_pool(self) -> None:
        before, pool = self._pool_before, self.db.pool_stats()
        telemetry.database_connections.labels("free").set(pool.free)
        telemetry.database_connections.labels("busy").set(pool.size - pool.free)
        telemetry.database_waiting.set(pool.waiting)
        telemetry.database_waits.inc(max(0, pool.waits - before.waits))
        telemetry.database_wait_seconds.inc(max(0.0, pool.wait_seconds - before.wait_seconds))
        self._pool_before = pool

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)
            self._note_pool()
            telemetry.runs_held.set(self.engine.running)
            telemetry.watchers.set(self.live.watchers)
            try:
                await self.identity.flush_last_used()
            except (GliaError, psycopg.Error) as error:
                log.warning("could not note when keys were used", error=str(error))
