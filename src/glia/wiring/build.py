"""Builds every service, from the database up."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, Protocol, get_args
from uuid import UUID

import structlog

from glia.agents.drafts import Drafts
from glia.agents.relations import Relations
from glia.billing.service import Billing, Bookkeeper
from glia.deployments.feed import DeploymentFeed
from glia.deployments.queries import CHANNEL as FLEET_CHANNEL
from glia.deployments.reaching import PURPOSE
from glia.deployments.rotation import Rotation
from glia.deployments.service import Deployments
from glia.evaluations.service import Evaluations, EvaluationSets, PlannedEvaluations
from glia.feedback.service import Feedbacks
from glia.gateway.service import Gateway
from glia.identity.limits import RateLimits
from glia.identity.minutes import Minutes
from glia.identity.service import CHANNEL as KEYS_CHANNEL
from glia.identity.service import Identity
from glia.instructions.service import Instructions
from glia.jobs.service import Jobs
from glia.kit.mail import Mail
from glia.kit.notifications import Notifications
from glia.market.service import Market
from glia.memory.promoting import Promoter
from glia.pictures.service import Pictures
from glia.plans.asking import Thinkers
from glia.plans.service import Plans, Reflections
from glia.runs.approvals import Approvals
from glia.runs.engine import CANCEL_CHANNEL, WORK_CHANNEL, Engine
from glia.runs.events import Payload, TextDelta, ThinkingDelta
from glia.runs.exports import Exports
from glia.runs.figures import Figures
from glia.runs.forks import Forks
from glia.runs.live import CHANNEL as EVENTS_CHANNEL
from glia.runs.live import Live
from glia.runs.messages import Messages
from glia.runs.model_calls import ModelCalls
from glia.runs.notes import Notes
from glia.runs.snapshots import RunSnapshots
from glia.runs.statistics import Statistics
from glia.runs.summaries import Summaries
from glia.runs.suspensions import Suspensions
from glia.runs.workers import Workers
from glia.sandboxes.types import SandboxBackend
from glia.search.service import Searches
from glia.sessions.service import Sessions
from glia.settings import Settings
from glia.storage.building import stores_of
from glia.storage.service import Objects
from glia.tasks.service import Tasks
from glia.tools.bundles import Bundles
from glia.triggers.hooks import Hooks
from glia.triggers.queries import CHANNEL as TRIGGERS_CHANNEL
from glia.triggers.service import Triggers
from glia.triggers.ticker import Ticker
from glia.usage.service import LIMITS_CHANNEL, Spending
from glia.webhooks.dispatcher import CHANNEL as WEBHOOKS_CHANNEL
from glia.webhooks.dispatcher import Dispatcher
from glia.webhooks.service import Webhooks
from glia.wiring.checking import health_of
from glia.wiring.clusters import programs_of
from glia.wiring.ground import Ground, lay_ground
from glia.wiring.house import House
from glia.wiring.knowing import Knowing, knowing_of
from glia.wiring.searching import (
    minilm_of,
    passages_in,
)
from glia.wiring.tooling import Tooling, tooling_of
from glia.wiring.working import Working, working_of

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
    ground = await lay_ground(settings, os.environ if environment is None else environment, app_url, data_dir)
    knowing = await knowing_of(ground)
    tooling = tooling_of(ground, knowing, sandbox_backend)
    working = working_of(ground, knowing, tooling)
    return _house(ground, knowing, tooling, working)


def _house(ground: Ground, knowing: Knowing, tooling: Tooling, working: Working) -> House:
    settings, db, outbound, secrets, models = ground.settings, ground.db, ground.outbound, ground.secrets, ground.models
    spending, usage, memory = ground.spending, ground.usage, knowing.memory
    agents, tools, runs, live, engine = working.agents, tooling.tools, working.runs, working.live, working.engine
    dispatcher = Dispatcher(db, outbound, secrets, settings.webhooks, Mail(settings.mail))
    rate_limits = RateLimits(default_per_minute=settings.limits.requests_per_minute, minutes=Minutes(db))
    ticker = Ticker(db, working.firings)
    thinkers = Thinkers(agents, tools, models, spending, usage)
    triggers = Triggers(db, working.firings, secrets, event_types=_EVENT_TYPES)
    jobs, sessions = Jobs(db, agents, runs), Sessions(db)
    rotation, objects = Rotation(db, secrets.derive(PURPOSE)), _objects(ground)
    sleepers: dict[LiteralString, _Wakes] = {
        WORK_CHANNEL: engine,
        WEBHOOKS_CHANNEL: dispatcher,
        TRIGGERS_CHANNEL: ticker,
        FLEET_CHANNEL: rotation,
    }
    return House(
        settings=settings,
        db=db,
        outbound=outbound,
        sandbox_outbound=ground.sandbox_outbound,
        notifications=_listen(ground.app_url, ground.identity, live, engine, spending, sleepers),
        lease=working.lease,
        live=live,
        engine=engine,
        identity=ground.identity,
        rate_limits=rate_limits,
        agents=agents,
        drafts=Drafts(db, agents),
        relations=Relations(db, agents),
        sessions=sessions,
        runs=runs,
        messages=Messages(db, live),
        approvals=Approvals(db, live, engine),
        spaces=tooling.spaces,
        feedback=Feedbacks(db),
        figures=Figures(db),
        workers=Workers(db),
        suspensions=Suspensions(db),
        plans=Plans(db, thinkers, runs),
        reflections=Reflections(db, thinkers),
        forks=Forks(db, runs, tooling.sandboxes.fork_workspace),
        exports=Exports(db, agents),
        model_calls=ModelCalls(db),
        summaries=Summaries(db),
        workflows=working.workflows,
        tools=tools,
        toolsets=tooling.toolsets,
        recipes=tooling.recipes,
        bundles=Bundles(db, tools, is_home=ground.identity.is_home),
        mcp_servers=tooling.mcp_servers,
        models=models,
        inference_tools=tooling.inference,
        gateway=Gateway(
            models,
            ground.meter,
            minilm_of(knowing.embedder, ground.data_dir),
            spending=spending,
            is_strict=settings.strict_fields,
        ),
        knowledge=knowing.knowledge,
        files=ground.files,
        virtual_files=tooling.virtual_files,
        objects=objects,
        browsers=tooling.browsers,
        memories=memory.memories,
        memory_blocks=memory.blocks,
        conversations=memory.conversations,
        upkeep=memory.upkeep,
        answers=memory.answers,
        forgetting=memory.forgetting,
        promoter=Promoter(db, memory.upkeep, knowing.sleep_time),
        sandboxes=tooling.sandboxes,
        sleep_time=knowing.sleep_time,
        usage=usage,
        budgets=working.budgets,
        credits=working.credit,
        spending=spending,
        meter=ground.meter,
        webhooks=Webhooks(db, outbound, secrets, dispatcher, settings.webhooks),
        dispatcher=dispatcher,
        evaluation_sets=EvaluationSets(db),
        evaluations=Evaluations(db, runs, ground.jobs, models),
        jobs=jobs,
        tasks=Tasks(db, jobs, runs, sessions, working.task_work),
        verifications=working.verifications,
        planned_evaluations=PlannedEvaluations(db),
        notes=Notes(db, live, models, usage),
        run_snapshots=RunSnapshots(db),
        deployments=Deployments(db, secrets),
        searches=Searches(db, passages_in(knowing.knowledge)),
        pictures=Pictures(outbound),
        deployment_feed=DeploymentFeed(db),
        rotation=rotation,
        billing=Billing(db, settings.billing, ground.identity.plans.require_operator),
        bookkeeper=Bookkeeper(db, settings.billing),
        health=health_of(db, secrets, objects, models),
        programs=programs_of(settings, db, outbound, objects, secrets, ground.data_dir),
        triggers=triggers,
        instructions=Instructions(db, agents, triggers),
        statistics=Statistics(db),
        market=Market(db),
        hooks=Hooks(db, working.firings, secrets, rate_limits),
        ticker=ticker,
        spool=ground.data_dir / "spool",
        embedder=knowing.embedder,
        traces=_traces(ground),
    )


def _objects(ground: Ground) -> Objects:
    config = ground.settings.storage
    stores = stores_of(config, ground.data_dir / "objects")
    return Objects(ground.db, stores, config, link_key=ground.secrets.derive("storage link"))


def _traces(ground: Ground) -> Traces | None:
    """Nothing of tracing is loaded unless somebody has said where traces go."""
    if not any(ground.environment.get(name) for name in _TRACE_ENDPOINTS):
        return None
    from glia.traces.config import read_config
    from glia.traces.service import Traces

    config = read_config(ground.environment)
    return None if config is None else Traces(ground.db, ground.outbound, config)


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
