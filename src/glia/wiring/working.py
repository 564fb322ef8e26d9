"""Builds what does the work: the engine, the runs, and every kind of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from glia.agents.service import Agents, SpecCheck
from glia.agents.types import AgentSpec
from glia.evaluations.jobs import KIND as EVALUATE
from glia.evaluations.jobs import Evaluator
from glia.evaluations.judging import Judge as AnswerJudge
from glia.identity.types import Principal
from glia.kit.db import Transaction
from glia.kit.mail import Mail
from glia.knowledge.jobs import Ingest
from glia.knowledge.parsing.types import ParseLimits
from glia.knowledge.reading import Reader
from glia.knowledge.service import Knowledge
from glia.memory.jobs import LEARN, TEND, nothing_to_undo
from glia.plans.service import PlanNotebook
from glia.runs.delegation import Subagents
from glia.runs.engine import Engine
from glia.runs.lease import Lease
from glia.runs.live import Live
from glia.runs.loop import Crew
from glia.runs.model_contexts import ModelContexts
from glia.runs.service import Runs
from glia.runs.tool_runs import tool_work
from glia.runs.types import MODEL, TOOL
from glia.runs.work import JobKind, agent_work, kinds_of, model_work
from glia.tasks.service import TaskWork
from glia.tasks.types import KIND as TASK
from glia.tools.bundles import require_toolsets
from glia.tools.service import Tools
from glia.triggers.firings import Firings
from glia.triggers.judging import JUDGE, ConditionJudge
from glia.usage.service import Budgets, Credits
from glia.verification.jobs import Verifier
from glia.verification.judging import Judge as Verdicts
from glia.verification.service import KIND as VERIFY
from glia.verification.service import Verifications
from glia.wiring.ground import Ground
from glia.wiring.knowing import Knowing
from glia.wiring.searching import (
    cite,
    knowledge_jobs,
)
from glia.wiring.tooling import Tooling
from glia.workflows.notices import KIND as NOTIFY
from glia.workflows.notices import Notifier
from glia.workflows.service import Workflows
from glia.workflows.types import WORKFLOW


@dataclass(frozen=True)
class Working:
    agents: Agents
    live: Live
    lease: Lease
    engine: Engine
    runs: Runs
    workflows: Workflows
    budgets: Budgets
    credit: Credits
    firings: Firings
    task_work: TaskWork
    verifications: Verifications


def working_of(ground: Ground, knowing: Knowing, tooling: Tooling) -> Working:
    db, models, spending = ground.db, ground.models, ground.spending
    tools = tooling.tools
    checks = (_check_tools(tools), _check_knowledge(knowing.knowledge))
    agents = knowing.agents = Agents(db, checks=checks, is_home=ground.identity.is_home)
    live = Live(db)
    engine: Engine
    lease = _lease(ground, lambda: engine)
    evaluator = Evaluator(db, AnswerJudge(models, spending), ground.usage)
    verifier = Verifier(Verdicts(models, spending), ground.usage)
    judge = ConditionJudge(db, agents, models, ground.usage, spending)
    task_work, subagents = TaskWork(tooling.sandboxes), Subagents(db, agents)
    mail = Mail(ground.settings.mail)
    workflows = Workflows(
        db, agents=agents, tools=tools, outbound=ground.outbound, start_job=ground.jobs, has_mail=mail.is_on
    )
    verifications = Verifications(db, ground.jobs)
    crew = Crew(
        models,
        cite,
        spending,
        ModelContexts(db),
        PlanNotebook(),
        read_file=ground.files.read,
        seal=ground.secrets,
        verify=verifications.answered,
    )
    pinned = partial(knowing.memory.recall.pinned, edit=tooling.edit_block)
    jobs = {
        **_knowledge_jobs(ground, knowing),
        EVALUATE: JobKind(evaluator.work, evaluator.ended),
        TASK: JobKind(task_work.work, task_work.ended),
        VERIFY: JobKind(verifier.work, verifier.ended),
        JUDGE: JobKind(judge.work, judge.ended),
        NOTIFY: JobKind(Notifier(ground.outbound, mail, ground.settings.public_url or "").work, nothing_to_undo),
    }
    others = {WORKFLOW: workflows.work, TOOL: tool_work(tools), MODEL: model_work(tools, crew)}
    kinds = kinds_of(agent_work(agents, tools, crew, subagents, pinned), jobs, others)
    engine = Engine(db, live, lease, kinds, ground.settings.runs)
    budgets, credit = Budgets(db, spending), Credits(db, spending)
    runs = Runs(db, live, engine, budgets, ground.secrets)
    budgets.on_raised = credit.on_raised = runs.limits_raised
    ground.jobs.runs, subagents.start, evaluator.runs = runs, runs.start, runs
    firings = judge.firings = Firings(db, runs, workflows.start)
    workflows.connect(runs, engine.wake)
    tooling.workflow_tools.workflows = workflows
    return Working(agents, live, lease, engine, runs, workflows, budgets, credit, firings, task_work, verifications)


def _knowledge_jobs(ground: Ground, knowing: Knowing) -> dict[str, JobKind]:
    ingest = Ingest(
        files=ground.files,
        read=Reader(ParseLimits(input_bytes=ground.settings.limits.upload_bytes)),
        embedders=knowing.embedders,
        start_job=ground.jobs,
    )
    sleep_time = knowing.sleep_time
    return {
        **knowledge_jobs(knowing.knowledge, ingest, ground.outbound),
        LEARN: JobKind(sleep_time.learn, nothing_to_undo),
        TEND: JobKind(sleep_time.tend, nothing_to_undo),
    }


def _lease(ground: Ground, engine: Callable[[], Engine]) -> Lease:
    loop, config = asyncio.get_running_loop(), ground.settings.lease
    return Lease(
        ground.app_url,
        lease_seconds=config.lease_seconds,
        beat_seconds=config.beat_seconds,
        on_lost=lambda worker: _call(loop, lambda: engine().lost(worker)),
        on_cancelled=lambda runs: _call(loop, lambda: engine().cancel_all(runs)),
    )


def _check_tools(tools: Tools) -> SpecCheck:
    async def check(principal: Principal, tx: Transaction, spec: AgentSpec) -> None:
        await tools.check_names(principal, tx, spec.tools)
        await require_toolsets(tx, spec.toolset_ids)

    return check


def _check_knowledge(knowledge: Knowledge) -> SpecCheck:
    async def check(_principal: Principal, tx: Transaction, spec: AgentSpec) -> None:
        await knowledge.require_bases(tx, spec.knowledge_base_ids)
        await knowledge.require_documents(tx, spec.knowledge.document_ids)

    return check


def _call(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """From another thread onto the event loop; silently nothing when the loop is already closed."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
