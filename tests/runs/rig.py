"""An engine in one process with a scripted model: what the model says is a list, what the tools do is a function."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson

from glia.agents.service import Agents
from glia.agents.types import AgentSpec
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.models.service import Models, read_configuration
from glia.models.types import (
    FinishReason,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    TextDelta,
    TokenUsage,
    ToolCall,
)
from glia.runs.approvals import Approvals
from glia.runs.delegation import Subagents
from glia.runs.deliberation import Notebook
from glia.runs.engine import Engine, EngineConfig
from glia.runs.events import Event
from glia.runs.lease import Lease
from glia.runs.live import Live
from glia.runs.loop import Crew
from glia.runs.model_contexts import ModelContexts
from glia.runs.service import Runs, Said
from glia.runs.tool_runs import tool_work
from glia.runs.types import TOOL, Accepted
from glia.runs.work import JobKind, agent_work, kinds_of
from glia.sessions.service import Sessions
from glia.tools.service import Tools
from glia.tools.types import Effect, Tool, ToolContext, ToolResult
from glia.usage.service import Budgets, Spending
from glia.workflows.service import Workflows
from glia.workflows.tools import WorkflowTools
from glia.workflows.types import WORKFLOW


@dataclass
class Say:
    """One answer of the model. pause_seconds: between its words."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, object]], ...] = ()
    pause_seconds: float = 0.0
    before: Callable[[], Awaitable[None]] | None = None


class ScriptedModel:
    def __init__(self, *script: Say) -> None:
        self.script = list(script)
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        say = self.script.pop(0)
        if say.before is not None:
            await say.before()
        for word in say.text.split(" ") if say.text else ():
            yield TextDelta(word + " ")
            await asyncio.sleep(say.pause_seconds)
        calls = tuple(
            ToolCall(f"call_{uuid4().hex}", "provider-id", name, orjson.dumps(arguments).decode())
            for name, arguments in say.calls
        )
        text = say.text + " " if say.text else ""
        reason = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
        yield ModelResponse(text, "", calls, TokenUsage(10, 5), reason, "glia/embedded", 7, 1)


def make_tool(
    name: str, call: Callable[[ToolContext, str], Awaitable[ToolResult]], effect: Effect = Effect.READ
) -> Tool:
    return Tool(name, f"Does {name}.", {"type": "object", "properties": {}}, effect, call)


class NoSecrets:
    def seal(self, plaintext: bytes, context: str) -> bytes:
        return plaintext

    def open(self, sealed: bytes, context: str) -> bytes:
        return sealed


@dataclass
class Rig:
    db: Database
    live: Live
    lease: Lease
    engine: Engine
    runs: Runs
    approvals: Approvals
    agents: Agents
    sessions: Sessions
    model: ScriptedModel
    budgets: Budgets
    spending: Spending
    workflows: Workflows
    models: Models
    tools: list[Tool] = field(default_factory=list)

    async def session(self, principal: Principal, **spec: object) -> UUID:
        agent = await self.agents.create(principal, AgentSpec(name="Clerk", **spec))  # type: ignore[arg-type]
        return (await self.sessions.create(principal, agent_id=agent.id)).id

    async def send(self, principal: Principal, session: UUID, text: str = "Go.", **options: Any) -> Accepted:
        return await self.runs.accept(principal, session, [Said("user", text)], **options)

    async def start(self, principal: Principal, agent: UUID, text: str = "Go.", **options: Any) -> Accepted:
        return await self.runs.start(principal, agent, [Said("user", text)], **options)

    async def finish(self, principal: Principal, accepted: Accepted, seconds: float = 60) -> Event:
        async with asyncio.timeout(seconds):
            return await self.runs.outcome(principal, accepted)

    async def events(self, principal: Principal, session: UUID) -> list[Event]:
        return await self.runs.events(principal, session, after=0, limit=1000)

    async def types(self, principal: Principal, session: UUID) -> list[str]:
        return [event.type for event in await self.events(principal, session)]


@asynccontextmanager
async def rig(
    db: Database,
    url: str,
    model: ScriptedModel,
    tools: Sequence[Tool] = (),
    *,
    lease_seconds: float = 60.0,
    beat_seconds: float = 0.2,
    config: EngineConfig | None = None,
    is_working: bool = True,
    models: Models | None = None,
    allow: str = "",
    jobs: Mapping[str, JobKind] | None = None,
    notebook: Notebook | None = None,
) -> AsyncIterator[Rig]:
    """is_working: False for a process that accepts but never claims, as if it had no room.

    allow: addresses that outbound calls may reach. jobs: what it does besides agents' runs.
    """
    outbound = Outbound(OutboundPolicy.from_setting(allow))
    models = models or Models(outbound, read_configuration({"GLIA_MODEL_DISCOVERY": "off"}), embedded=model)
    workflow_tools = WorkflowTools(db)
    toolset = Tools(db, built_in=list(tools), outbound=outbound, secrets=NoSecrets(), sources=[workflow_tools])
    agents = Agents(db)
    live = Live(db)
    loop = asyncio.get_running_loop()
    engine: Engine
    lease = Lease(
        url,
        lease_seconds=lease_seconds,
        beat_seconds=beat_seconds,
        on_lost=lambda worker: loop.call_soon_threadsafe(engine.lost, worker),
        on_cancelled=lambda runs: loop.call_soon_threadsafe(engine.cancel_all, runs),
    )
    spending = Spending(db)
    budgets = Budgets(db, spending)
    contexts = ModelContexts(db)
    seal = NoSecrets()
    crew = Crew(
        models=models,
        cite=lambda text, sources: ([], 0),
        spending=spending,
        contexts=contexts,
        notebook=notebook,
        seal=seal,
    )
    subagents = Subagents(db, agents)
    config = config or EngineConfig(poll_seconds=0.1, drain_seconds=0.5, most_at_once=200 if is_working else 0)
    workflows = Workflows(db, agents=agents, tools=toolset, outbound=outbound)
    kinds = kinds_of(
        agent_work(agents, toolset, crew, subagents), jobs or {}, {WORKFLOW: workflows.work, TOOL: tool_work(toolset)}
    )
    engine = Engine(db, live, lease, kinds, config)
    runs = Runs(db, live, engine, budgets, seal)
    budgets.on_raised = runs.limits_raised
    subagents.start = runs.start
    workflows.connect(runs, engine.wake)
    workflow_tools.workflows = workflows
    await asyncio.to_thread(lease.start)
    live.start()
    engine.start()
    try:
        approvals = Approvals(db, live, engine)
        sessions = Sessions(db)
        services = (runs, approvals, agents, sessions, model, budgets, spending, workflows, models)
        yield Rig(db, live, lease, engine, *services, list(tools))
    finally:
        await engine.stop()
        await live.stop()
        await asyncio.to_thread(lease.stop)
        await outbound.close()
