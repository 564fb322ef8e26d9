"""Builds every service, from the database up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, Protocol, get_args
from uuid import UUID

import structlog

from glia.agents.drafts import Drafts
from glia.agents.relations import Relations
from glia.agents.service import Agents, SpecCheck
from glia.agents.types import AgentSpec
from glia.browsers.service import Browsers
from glia.collaboration.service import Spaces
from glia.evaluations.jobs import KIND as EVALUATE
from glia.evaluations.jobs import Evaluator
from glia.evaluations.judging import Judge as AnswerJudge
from glia.evaluations.service import Evaluations, EvaluationSets, PlannedEvaluations
from glia.feedback.service import Feedbacks
from glia.files.service import Files
from glia.gateway.service import Gateway
from glia.identity.limits import RateLimits
from glia.identity.secrets import Secrets, load_secrets
from glia.identity.service import CHANNEL as KEYS_CHANNEL
from glia.identity.service import Identity
from glia.identity.types import Principal
from glia.instructions.service import Instructions
from glia.jobs.service import Jobs
from glia.kit.db import Database, Transaction
from glia.kit.mail import Mail
from glia.kit.notifications import Notifications
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.knowledge.embedding.opening import Endpoints
from glia.knowledge.jobs import Ingest
from glia.knowledge.parsing.types import ParseLimits
from glia.knowledge.reading import Reader
from glia.knowledge.rewriter import Rewriter
from glia.knowledge.service import Knowledge
from glia.knowledge.tools import knowledge_search
from glia.market.service import Market
from glia.memory.block_tools import memory_block_edit
from glia.memory.jobs import LEARN, TEND, SleepTime, nothing_to_undo
from glia.memory.promoting import Promoter
from glia.memory.tools import conversation_search, memory_tools
from glia.models.embedded import EmbeddedModel
from glia.models.service import Models, read_configuration
from glia.plans.asking import Thinkers
from glia.plans.service import PlanNotebook, Plans, Reflections
from glia.runs.approvals import Approvals
from glia.runs.delegation import Subagents
from glia.runs.engine import CANCEL_CHANNEL, WORK_CHANNEL, Engine
from glia.runs.events import Payload, TextDelta, ThinkingDelta
from glia.runs.exports import Exports
from glia.runs.figures import Figures
from glia.runs.forks import Forks
from glia.runs.lease import Lease
from glia.runs.live import CHANNEL as EVENTS_CHANNEL
from glia.runs.live import Live
from glia.runs.loop import Crew
from glia.runs.messages import Messages
from glia.runs.model_calls import ModelCalls
from glia.runs.model_contexts import ModelContexts
from glia.runs.notes import Notes
from glia.runs.service import Runs
from glia.runs.snapshots import RunSnapshots
from glia.runs.statistics import Statistics
from glia.runs.tool_runs import tool_work
from glia.runs.totals import Totals
from glia.runs.types import MODEL, TOOL
from glia.runs.work import JobKind, agent_work, kinds_of, model_work
from glia.sandboxes.backends import configured_backend
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.service import Sandboxes
from glia.sandboxes.tools import run_code
from glia.sandboxes.types import SandboxBackend
from glia.sessions.service import Sessions
from glia.settings import Settings
from glia.storage.building import stores_of
from glia.storage.service import Objects
from glia.tasks.service import Tasks, TaskWork
from glia.tasks.types import KIND as TASK
from glia.tools.builtin import BUILT_IN
from glia.tools.mcp.operator import read_servers
from glia.tools.mcp.servers import McpServers
from glia.tools.recipes.service import Recipes
from glia.tools.service import Tools
from glia.tools.sql import read_databases, sql_tools
from glia.tools.toolsets import Toolsets
from glia.tools.types import Tool
from glia.tools.web_fetch import web_fetch
from glia.tools.web_search import searcher_of, web_search
from glia.triggers.firings import Firings
from glia.triggers.hooks import Hooks
from glia.triggers.judging import JUDGE, ConditionJudge
from glia.triggers.queries import CHANNEL as TRIGGERS_CHANNEL
from glia.triggers.service import Triggers
from glia.triggers.ticker import Ticker
from glia.usage.meter import Meter
from glia.usage.service import LIMITS_CHANNEL, Budgets, Credits, Spending, Usage
from glia.verification.jobs import Verifier
from glia.verification.judging import Judge as Verdicts
from glia.verification.service import KIND as VERIFY
from glia.verification.service import Verifications
from glia.virtual_files.service import VirtualFiles
from glia.webhooks.dispatcher import CHANNEL as WEBHOOKS_CHANNEL
from glia.webhooks.dispatcher import Dispatcher
from glia.webhooks.service import Webhooks
from glia.wiring.agent_tools import Hands, agent_tools
from glia.wiring.house import House
from glia.wiring.making import inference_of
from glia.wiring.remembering import remembering
from glia.wiring.searching import (
    cite,
    embedders_of,
    embedding_of,
    knowledge_jobs,
    minilm_of,
    model_of,
    open_embedder,
    reranker_of,
)
from glia.workflows.service import Workflows
from glia.workflows.tools import WorkflowTools
from glia.workflows.types import WORKFLOW

if TYPE_CHECKING:
    from glia.traces.service import Traces

log = structlog.get_logger(__name__)

_TRACE_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_EVENT_TYPES = frozenset(payload.type for payload in get_args(Payload)) - {TextDelta.type, ThinkingDelta.type}
"""What a trigger may wait for: everything in a run but the pieces of a text."""


async def build(
    settings: Settings,
    app_url: str,
    data_dir: Path,
    environment: Mapping[str, str] | None = None,
    *,
    sandbox_backend: SandboxBackend | None = None,
) -> House:
    """app_url: connects as a role that is, or may become, glia_app. data_dir: for built models and spooled uploads.

    sandbox_backend: instead of the one that the settings name.
    """
    environment = os.environ if environment is None else environment
    db = Database(app_url, largest_pool=settings.database_pool, timeout_seconds=settings.database_wait_seconds)
    await db.open()
    outbound, sandbox_outbound = _outbound(settings), _outbound(settings, refuses_own=True)
    secrets = await load_secrets(db, settings.secret_key)
    identity = Identity(db, secrets, is_registration_open=settings.registration == "open")
    models = Models(outbound, read_configuration(environment), embedded=EmbeddedModel())
    spending = Spending(db, settings.budgets)
    files, usage, meter = Files(db), Usage(db), Meter(db, is_limited=spending.was_limited)
    endpoints = Endpoints(models, meter)
    embedder = await open_embedder(settings, endpoints, data_dir)
    memory, virtual_files = remembering(db, embedding_of(embedder), models, usage), VirtualFiles(db, files)
    memories, conversations = memory.memories, memory.conversations
    jobs = _StartJob()
    sleep_time = SleepTime(db, memories, conversations, memory.upkeep, usage, jobs, models, spending)
    embedders = embedders_of(settings, endpoints, embedder, data_dir)
    agents: Agents

    knowledge = Knowledge(
        db,
        files,
        start_job=jobs,
        embedders=embedders,
        reranker=reranker_of(settings, outbound),
        rewrite=Rewriter(db, models, usage, lambda follow_up: model_of(agents, follow_up)),
    )
    search = knowledge_search(knowledge, lambda context: conversations.asked(context.workspace_id, context.session_id))
    built_in = [
        *BUILT_IN,
        web_fetch(outbound),
        web_search(searcher_of(settings.search, outbound, environment), spending),
        search,
        *memory_tools(memories),
    ]
    edit_block, browsers = memory_block_edit(memory.blocks, memories), Browsers(sandbox_outbound, settings.browser)
    sandboxes = Sandboxes(
        Hosting(
            db,
            sandbox_backend or configured_backend(settings.sandbox, data_dir),
            outbound=sandbox_outbound,
            secrets=secrets,
            config=settings.sandbox,
            folder=data_dir / "sandboxes",
        ),
        files,
        spool=_spool(data_dir),
        preview_key=secrets.derive("sandbox preview"),
    )
    built_in += [
        conversation_search(conversations),
        edit_block,
        run_code(sandboxes),
        *_sql_tools(settings),
        *agent_tools(Hands(settings, outbound, browsers, sandboxes, virtual_files)),
    ]
    mcp_servers = McpServers(db, outbound, secrets, read_servers(settings.mcp_file, environment))
    toolsets, recipes, workflow_tools = (
        Toolsets(db, outbound, secrets),
        Recipes(db, outbound, secrets, built_in),
        WorkflowTools(db),
    )
    inference = inference_of(db, outbound, read_configuration(environment), sandboxes, spending)
    sources = (toolsets, recipes, mcp_servers.source, workflow_tools, inference)
    tools = Tools(db, built_in=built_in, outbound=outbound, secrets=secrets, sources=sources)
    agents = Agents(db, checks=(_check_tools(tools), _check_knowledge(knowledge)))
    live = Live(db)
    engine: Engine
    loop = asyncio.get_running_loop()
    lease = Lease(
        app_url,
        lease_seconds=settings.lease.lease_seconds,
        beat_seconds=settings.lease.beat_seconds,
        on_lost=lambda worker: _call(loop, lambda: engine.lost(worker)),
        on_cancelled=lambda runs: _call(loop, lambda: engine.cancel_all(runs)),
    )
    ingest = Ingest(
        files=files,
        read=Reader(ParseLimits(input_bytes=settings.limits.upload_bytes)),
        embedders=embedders,
        start_job=jobs,
    )
    crew = Crew(models, cite, spending, ModelContexts(db), notebook=PlanNotebook(), read_file=files.read, seal=secrets)
    evaluator, verifier, judge = (
        Evaluator(db, AnswerJudge(models, spending), usage),
        Verifier(Verdicts(models, spending), usage),
        ConditionJudge(db, agents, models, usage, spending),
    )
    subagents, workflows = Subagents(db, agents), Workflows(db, agents=agents, tools=tools, outbound=outbound)
    engine = Engine(
        db,
        live,
        lease,
        kinds_of(
            agent_work(agents, tools, crew, subagents, partial(memory.recall.pinned, edit=edit_block)),
            {
                **knowledge_jobs(knowledge, ingest, outbound),
                LEARN: JobKind(sleep_time.learn, nothing_to_undo),
                TEND: JobKind(sleep_time.tend, nothing_to_undo),
                EVALUATE: JobKind(evaluator.work, evaluator.ended),
                TASK: JobKind((task_work := TaskWork(sandboxes)).work, task_work.ended),
                VERIFY: JobKind(verifier.work, verifier.ended),
                JUDGE: JobKind(judge.work, judge.ended),
            },
            {WORKFLOW: workflows.work, TOOL: tool_work(tools), MODEL: model_work(tools, crew)},
        ),
        settings.runs,
    )
    budgets, credit = Budgets(db, spending), Credits(db, spending)
    runs = Runs(db, live, engine, budgets, secrets)
    budgets.on_raised = credit.on_raised = runs.limits_raised
    jobs.runs, subagents.start, evaluator.runs = runs, runs.start, runs
    dispatcher = Dispatcher(db, outbound, secrets, settings.webhooks, Mail(settings.mail))
    rate_limits = RateLimits(default_per_minute=settings.limits.requests_per_minute)
    firings = judge.firings = Firings(db, runs, workflows.start)
    ticker = Ticker(db, firings)
    workflows.connect(runs, engine.wake)
    workflow_tools.workflows = workflows
    return House(
        settings=settings,
        db=db,
        outbound=outbound,
        sandbox_outbound=sandbox_outbound,
        notifications=_listen(
            app_url,
            identity,
            live,
            engine,
            spending,
            {WORK_CHANNEL: engine, WEBHOOKS_CHANNEL: dispatcher, TRIGGERS_CHANNEL: ticker},
        ),
        lease=lease,
        live=live,
        engine=engine,
        identity=identity,
        rate_limits=rate_limits,
        agents=agents,
        drafts=Drafts(db, agents),
        relations=Relations(db, agents),
        sessions=Sessions(db),
        runs=runs,
        messages=Messages(db, live),
        approvals=Approvals(db, live, engine),
        spaces=Spaces(db),
        feedback=Feedbacks(db),
        figures=Figures(db),
        plans=Plans(db, thinkers := Thinkers(agents, tools, models, spending, usage), runs),
        reflections=Reflections(db, thinkers),
        forks=Forks(db, runs, sandboxes.fork_workspace),
        exports=Exports(db, agents),
        model_calls=ModelCalls(db),
        workflows=workflows,
        tools=tools,
        toolsets=toolsets,
        recipes=recipes,
        mcp_servers=mcp_servers,
        models=models,
        inference_tools=inference,
        gateway=Gateway(
            models, meter, minilm_of(embedder, data_dir), spending=spending, is_strict=settings.strict_fields
        ),
        knowledge=knowledge,
        files=files,
        virtual_files=virtual_files,
        objects=_objects(db, settings, data_dir, secrets),
        browsers=browsers,
        memories=memories,
        memory_blocks=memory.blocks,
        conversations=conversations,
        upkeep=memory.upkeep,
        answers=memory.answers,
        forgetting=memory.forgetting,
        promoter=Promoter(db, memory.upkeep, sleep_time),
        sandboxes=sandboxes,
        sleep_time=sleep_time,
        usage=usage,
        budgets=budgets,
        credits=credit,
        spending=spending,
        meter=meter,
        webhooks=Webhooks(db, outbound, secrets, dispatcher, settings.webhooks),
        dispatcher=dispatcher,
        evaluation_sets=EvaluationSets(db),
        evaluations=Evaluations(db, runs, jobs, models),
        jobs=(all_jobs := Jobs(db, agents, runs)),
        tasks=Tasks(db, all_jobs, runs, Sessions(db), task_work),
        verifications=Verifications(db, jobs),
        planned_evaluations=PlannedEvaluations(db),
        notes=Notes(db, live, models, usage),
        run_snapshots=RunSnapshots(db),
        triggers=(triggers := Triggers(db, firings, secrets, event_types=_EVENT_TYPES)),
        instructions=Instructions(db, agents, triggers),
        statistics=Statistics(db),
        totals=Totals(db),
        market=Market(db),
        hooks=Hooks(db, firings, secrets, rate_limits),
        ticker=ticker,
        spool=data_dir / "spool",
        embedder=embedder,
        traces=_traces(db, outbound, environment),
    )


def _objects(db: Database, settings: Settings, data_dir: Path, secrets: Secrets) -> Objects:
    stores = stores_of(settings.storage, data_dir / "objects")
    return Objects(db, stores, settings.storage, link_key=secrets.derive("storage link"))


def _sql_tools(settings: Settings) -> Sequence[Tool]:
    return sql_tools(read_databases(settings.sql_databases))


def _outbound(settings: Settings, *, refuses_own: bool = False) -> Outbound:
    return Outbound(replace(OutboundPolicy.from_setting(settings.outbound_allow), refuses_own=refuses_own))


def _spool(data_dir: Path) -> Path:
    spool = data_dir / "spool"
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(spool)
    return spool


def _traces(db: Database, outbound: Outbound, environment: Mapping[str, str]) -> Traces | None:
    """Nothing of tracing is loaded unless somebody has said where traces go."""
    if not any(environment.get(name) for name in _TRACE_ENDPOINTS):
        return None
    from glia.traces.config import read_config
    from glia.traces.service import Traces

    config = read_config(environment)
    return None if config is None else Traces(db, outbound, config)


def _sweep(spool: Path) -> None:
    """Removes uploads that a killed process left half-received. Others' uploads of the last hour are left alone."""
    oldest = time.time() - 3600
    for file in spool.iterdir():
        with suppress(FileNotFoundError):
            if file.is_file() and file.stat().st_mtime < oldest:
                file.unlink()


class _StartJob:
    """Knowledge lies below runs and yet starts some: this closes the circle once both exist."""

    runs: Runs

    async def __call__(
        self, tx: Transaction, *, workspace_id: UUID, project_id: UUID, kind: str, input: dict[str, object]
    ) -> UUID:
        return await self.runs.start_job(tx, workspace_id=workspace_id, project_id=project_id, kind=kind, input=input)


class _Wakes(Protocol):
    def wake(self) -> None: ...


def _listen(
    url: str,
    identity: Identity,
    live: Live,
    engine: Engine,
    spending: Spending,
    sleepers: Mapping[LiteralString, _Wakes],
) -> Notifications:
    """sleepers: what has work when a note comes on a channel, or may have missed one."""
    notifications = Notifications(url)
    notifications.on(EVENTS_CHANNEL, live.heard)
    notifications.on(CANCEL_CHANNEL, lambda run: engine.cancel(UUID(run)))
    notifications.on(KEYS_CHANNEL, identity.forget)
    notifications.on(LIMITS_CHANNEL, spending.forget)
    notifications.on_reconnect(live.heard_nothing_for_a_while)
    notifications.on_reconnect(lambda: identity.forget("*"))
    notifications.on_reconnect(lambda: spending.forget("*"))
    for channel, sleeper in sleepers.items():
        notifications.on(channel, lambda _note, sleeper=sleeper: sleeper.wake())
        notifications.on_reconnect(sleeper.wake)
    return notifications


def _check_tools(tools: Tools) -> SpecCheck:
    async def check(principal: Principal, tx: Transaction, spec: AgentSpec) -> None:
        await tools.check_names(principal, tx, spec.tools)

    return check


def _check_knowledge(knowledge: Knowledge) -> SpecCheck:
    async def check(_principal: Principal, tx: Transaction, spec: AgentSpec) -> None:
        await knowledge.require_bases(tx, spec.knowledge_base_ids)

    return check


def _call(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """From another thread onto the event loop; silently nothing when the loop is already closed."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
