"""One try of one step that does something outside: calls a tool, sends a request, begins another run.

What may happen only once is committed before it is dispatched. If an earlier attempt's worker vanished in the middle of
it, its outcome is unknown, and it is not done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

import orjson

from glia.agents.service import Agents
from glia.identity.types import Principal, system_principal
from glia.kit import clock
from glia.kit.db import Database, Transaction
from glia.kit.errors import Unavailable
from glia.kit.jobs import StartJob
from glia.kit.outbound import Outbound
from glia.runs import approval_queries
from glia.runs.events import CalledTool, Payload, StepStarted, StepWaiting, ToolCalled, ToolReturned, encode_any
from glia.runs.log import RunLog
from glia.runs.service import Runs
from glia.runs.toolbox import UNKNOWN, Toolbox
from glia.runs.types import NOTHING, Accepted, Said, Spent
from glia.tools.service import Tools
from glia.tools.types import Effect, Permission, Tool, ToolContext
from glia.workflows import http
from glia.workflows.errors import StepError
from glia.workflows.references import Resolver
from glia.workflows.state import Unit
from glia.workflows.types import DEEPEST_NESTING, AgentAction, HttpAction, SubworkflowAction, ToolAction
from glia.workflows.waits import asks, check_decision

_STRICTNESS = (Permission.ALWAYS, Permission.ASK, Permission.NEVER)


class StartWorkflow(Protocol):
    async def __call__(
        self,
        principal: Principal,
        workflow: UUID | str,
        input: Any,
        *,
        version: int | None = None,
        dedupe_key: str | None = None,
        parent_run_id: UUID | None = None,
    ) -> Accepted: ...


@dataclass
class Crew:
    """What executions work with. runs and start: set once they exist; they are built after the engine.

    start_job: for telling people; None tells nobody. has_mail: whether mails can be sent.
    """

    db: Database
    agents: Agents
    tools: Tools
    outbound: Outbound
    start_job: StartJob | None = None
    has_mail: bool = False
    runs: Runs = field(init=False)
    start: StartWorkflow = field(init=False)

    def require_mail(self) -> None:
        if not self.has_mail:
            raise Unavailable("No mail server is configured, so no mail can be sent; the operator sets GLIA_MAIL__URL.")


@dataclass(frozen=True)
class Did:
    """What a try came to. before: events that belong with its end."""

    output: Any = None
    error: StepError | None = None
    before: tuple[Payload, ...] = ()
    spent: Spent = NOTHING


class Act(Protocol):
    async def __call__(self, resolver: Resolver, *, is_inherited: bool) -> Did | None:
        """None when the step waits now. is_inherited: its start was committed by an earlier attempt of the run."""
        ...


Write = Callable[..., Awaitable[None]]


class Acts:
    def __init__(self, crew: Crew, log: RunLog, name: str) -> None:
        """name: the workflow's, for the titles of the sessions it begins."""
        run = log.run
        self._crew = crew
        self._log = log
        self._name = name
        self._known: dict[str, Tool] = {}
        self.principal = replace(system_principal(run.workspace_id, run.project_id), key_id=run.key_id)

    def act(self, unit: Unit, write: Write) -> Act:
        match unit.action:
            case ToolAction() as action:

                async def call(resolver: Resolver, *, is_inherited: bool) -> Did | None:
                    return await self._tool(unit, action, resolver, write, is_inherited=is_inherited)

                return call
            case HttpAction() as request:

                async def send(resolver: Resolver, *, is_inherited: bool) -> Did | None:
                    return await self._http(unit, request, resolver, write, is_inherited=is_inherited)

                return send
            case AgentAction() | SubworkflowAction() as asked:

                async def start(resolver: Resolver, *, is_inherited: bool) -> Did | None:
                    await self._start(unit, asked, resolver, write, is_inherited=is_inherited)
                    return None

                return start
            case _:
                raise AssertionError(f"{unit.key} is nothing that is done outside.")

    def _key(self, unit: Unit) -> str:
        """The same for every try: whoever is called can tell that it is the same thing."""
        return f"{self._log.run.id}:{unit.key}"

    async def _tool(
        self, unit: Unit, action: ToolAction, resolver: Resolver, write: Write, *, is_inherited: bool
    ) -> Did | None:
        if is_inherited and unit.effect == Effect.ONCE:
            return self._lost(unit, action)
        tool = await self._find(action.tool)
        arguments = resolver.value(action.arguments)
        check_decision(unit)
        if unit.decided is not None:
            if unit.decided.arguments is not None:
                arguments = unit.decided.arguments
        elif not is_inherited and unit.attempts == 0 and await self._asks(unit, action, tool, arguments, write):
            return None
        key = self._key(unit)
        if not is_inherited:
            await write(
                StepStarted(unit.key, "tool", unit.attempts + 1, tool.effect, key),
                ToolCalled(0, unit.key, tool.name, arguments, tool.effect, key),
            )
        returned = await self._call(unit, action, tool, arguments, earlier=unit.called if is_inherited else None)
        if returned.status == "ok":
            return Did(_parsed(returned.text), before=(returned,), spent=Spent(tool_calls=1))
        return _did_not(returned)

    def _lost(self, unit: Unit, action: ToolAction) -> Did:
        """The worker vanished in the middle of a call that may happen once, whatever has become of the tool since."""
        return _did_not(ToolReturned(0, unit.key, action.tool, "unknown", UNKNOWN, 0))

    async def _call(
        self, unit: Unit, action: ToolAction, tool: Tool, arguments: Any, *, earlier: ToolCalled | None
    ) -> ToolReturned:
        run = self._log.run
        context = ToolContext(run.workspace_id, run.project_id, None, run.session_id, run.id, idempotency_key="")
        toolbox = Toolbox([tool], context, check_lease=self._log.check_lease)
        call = CalledTool(unit.key, "", tool.name, encode_any(arguments))
        try:
            async with asyncio.timeout(action.timeout_seconds):
                returned = await toolbox.call(call, step=0, key=self._key(unit), earlier=earlier)
        except TimeoutError:
            return self._late(unit, action, tool)
        if not isinstance(returned, ToolReturned):
            raise StepError(f"The tool {tool.name!r} begins another run; use an `agent` step.", is_final=True)
        return returned

    def _late(self, unit: Unit, action: ToolAction, tool: Tool) -> ToolReturned:
        seconds = action.timeout_seconds or 0.0
        status: Literal["unknown", "error"] = "unknown" if tool.effect is Effect.ONCE else "error"
        text = UNKNOWN if tool.effect is Effect.ONCE else f"{tool.name} gave no answer within {seconds:g} s."
        return ToolReturned(0, unit.key, tool.name, status, text, round(seconds * 1000))

    async def _asks(self, unit: Unit, action: ToolAction, tool: Tool, arguments: Any, write: Write) -> bool:
        """Whether a person must decide first, who then is asked. Raises StepError when nobody may call the tool."""
        permission = max(tool.permission, action.permission, key=_STRICTNESS.index)
        if permission is Permission.NEVER:
            raise StepError(f"The tool {tool.name!r} may not be called.", code="tool_not_allowed", is_final=True)
        if permission is Permission.ALWAYS:
            return False
        by = "tool" if tool.permission is Permission.ASK else "step"
        reason = f"The step {unit.key!r} of {self._name!r} calls {tool.name}; the {by}'s permission is `ask`."
        asked = asks(unit, reason, arguments, tool=tool.name, effect=tool.effect)

        async def insert(tx: Transaction) -> None:
            await approval_queries.insert(tx, self._log.run, asked[0])

        await write(*asked, also=insert)
        return True

    async def _find(self, name: str) -> Tool:
        if name not in self._known:
            found = await self._crew.tools.resolve(self.principal, (name,), has_knowledge=False)
            self._known[name] = one_tool(found, name)
        return self._known[name]

    async def _http(
        self, unit: Unit, action: HttpAction, resolver: Resolver, write: Write, *, is_inherited: bool
    ) -> Did:
        effect = http.effect_of(action)
        if is_inherited and Effect.ONCE in (effect, unit.effect):
            raise http.unknown(f"the {action.method} request")
        if not is_inherited:
            await write(StepStarted(unit.key, "http", unit.attempts + 1, effect, self._key(unit)))
        self._log.check_lease()
        return Did(await http.call(action, resolver, self._key(unit), self._crew.outbound))

    async def _start(
        self,
        unit: Unit,
        action: AgentAction | SubworkflowAction,
        resolver: Resolver,
        write: Write,
        *,
        is_inherited: bool,
    ) -> None:
        """Begins a run, or finds the one that an earlier attempt began for this try."""
        run = self._log.run
        kind = "agent" if isinstance(action, AgentAction) else "workflow"
        if not is_inherited:
            await write(StepStarted(unit.key, kind, unit.attempts + 1))
        if run.depth >= DEEPEST_NESTING:
            raise StepError(f"Runs lie {run.depth} deep already; the deepest is {DEEPEST_NESTING}.", is_final=True)
        key = f"{self._key(unit)}:{unit.attempts}"
        if isinstance(action, AgentAction):
            child = await self._start_agent(unit, action, resolver.text(action.prompt), key)
        else:
            child = await self._crew.start(
                self.principal,
                action.workflow,
                resolver.value(action.input),
                version=action.version,
                dedupe_key=key,
                parent_run_id=run.id,
            )
        wake_at = None
        if action.timeout_seconds is not None:
            wake_at = clock.now() + timedelta(seconds=action.timeout_seconds)
        await write(StepWaiting(unit.key, kind, "run", wake_at, child.run_id, child.session_id))

    async def _start_agent(self, unit: Unit, action: AgentAction, prompt: str, key: str) -> Accepted:
        agent = await self._crew.agents.find(self.principal, action.agent)
        if action.version is not None:
            await self._crew.agents.get(self.principal, agent.id, version=action.version)
        title = f"{self._name}: {unit.key}"[:200]
        return await self._crew.runs.start(
            self.principal,
            agent.id,
            [Said("user", prompt)],
            agent_version=action.version,
            title=title,
            dedupe_key=key,
            parent_run_id=self._log.run.id,
        )


def one_tool(found: list[Tool], name: str) -> Tool:
    """The tool that a step names. A name may stand for all tools of a source; a step calls one. Raises StepError."""
    exact = [tool for tool in found if tool.name == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise StepError(f"The tool {name!r} is for agents only.", code="tool_not_allowed", is_final=True)
    names = ", ".join(tool.name for tool in found[:20])
    raise StepError(f"{name!r} stands for several tools; name one of {names}.", code="tool_not_found", is_final=True)


def _did_not(returned: ToolReturned) -> Did:
    is_unknown = returned.status == "unknown"
    is_late = "gave no answer within" in returned.text
    code = "outcome_unknown" if is_unknown else "timeout" if is_late else "tool_failed"
    error = StepError(returned.text[:4000], code=code, is_final=is_unknown)
    return Did(error=error, before=(returned,), spent=Spent(tool_calls=1))


def _parsed(text: str) -> Any:
    """Objects and lists that a tool wrote as JSON can be referred into; anything else stays the text it is."""
    if text[:1] in ("{", "["):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return text
