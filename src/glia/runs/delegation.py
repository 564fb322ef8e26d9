"""Subagents: agents that another agent may give tasks to, each offered to it as a tool.

A task is a run of its own, in a session of its own. The run that gave it waits without a worker until it has ended.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from glia.agents.service import Agents
from glia.agents.types import Agent, AgentVersion
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.pages import Window
from glia.runs import log_queries, queries
from glia.runs.events import RunCompleted, RunFailed
from glia.runs.types import Accepted, Run, Said
from glia.tools.service import tool
from glia.tools.types import ChildRun, Effect, Tool, ToolContext, ToolResult

_LONGEST_TASK = 100_000
_MOST_AGENTS = 50


class StartRun(Protocol):
    async def __call__(
        self,
        principal: Principal,
        agent_id: UUID,
        said: list[Said],
        *,
        title: str,
        dedupe_key: str,
        parent_run_id: UUID,
    ) -> Accepted: ...


class Task(Struct, forbid_unknown_fields=True):
    task: Annotated[
        str,
        Meta(
            description="What the agent should do, with all that it has to know: it sees nothing of this conversation.",
            min_length=1,
            max_length=_LONGEST_TASK,
        ),
    ]


class Subagents:
    """start: set once the service that starts runs exists; it is built after the engine, which needs this."""

    start: StartRun

    def __init__(self, db: Database, agents: Agents) -> None:
        self._db = db
        self._agents = agents

    async def tools(self, principal: Principal, run: Run, agent: AgentVersion) -> list[Tool]:
        """A tool for each agent that is still there and may be given tasks."""
        if not agent.subagents and not agent.tool_choice.all_agents:
            return []
        by = replace(principal, key_id=run.key_id)
        found = await self._agents.of(principal, agent.subagents)
        if agent.tool_choice.all_agents:
            known = {run.agent_id, *(one.id for one in found)}
            others = (await self._agents.list(principal, Window(_MOST_AGENTS))).items
            found += [one for one in others if one.id not in known]
        return [self._tool(by, run, agent, subagent) for subagent in found if subagent.current.is_active]

    def _tool(self, principal: Principal, run: Run, agent: AgentVersion, subagent: Agent) -> Tool:
        async def ask(context: ToolContext, arguments: Task) -> ToolResult:
            if run.depth >= agent.limits.max_depth:
                return ToolResult(
                    f"Tasks lie {run.depth} deep already and `limits.max_depth` is {agent.limits.max_depth}; do it"
                    " without another agent.",
                    is_error=True,
                )
            async with self._db.transaction(run.workspace_id) as tx:
                above = await queries.agents_above(tx, run.id)
            if subagent.id in above:
                return ToolResult(
                    f"{subagent.current.name} is at work above this task; agents may not give tasks in a circle.",
                    is_error=True,
                )
            return await self._give(principal, context, subagent, arguments.task)

        described = subagent.current.tool_choice.offered_as or subagent.current.description or "Another agent."
        return tool(
            name=f"delegate_{re.sub(r'[^a-zA-Z0-9_-]', '_', subagent.slug)}"[:64],
            effect=Effect.IDEMPOTENT,
            description=f"Gives a task to the agent {subagent.current.name} and returns its answer. {described}"[:1000],
        )(ask)

    async def _give(self, principal: Principal, context: ToolContext, subagent: Agent, task: str) -> ToolResult:
        child = await self.start(
            principal,
            subagent.id,
            [Said("user", task)],
            title=task[:100],
            dedupe_key=context.idempotency_key,
            parent_run_id=context.run_id,
        )
        async with self._db.transaction(context.workspace_id) as tx:
            last = await log_queries.answer_of(tx, child.run_id)
        if last is None:
            return ToolResult("", child=ChildRun(child.run_id, child.session_id))
        match last.payload:
            case RunCompleted(message=message) if message is not None:
                return ToolResult(message.content)
            case RunFailed(error=error):
                return ToolResult(f"{subagent.current.name} failed: {error.message}", is_error=True)
            case _:
                return ToolResult(f"{subagent.current.name} was cancelled before it answered.", is_error=True)
