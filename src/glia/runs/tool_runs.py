"""A run that is one tool call: with the same log, consent, resuming and cancelling as an agent's calls have."""

from __future__ import annotations

import orjson

from glia.agents.types import AgentVersion
from glia.identity.types import system_principal
from glia.kit.db import Transaction
from glia.kit.errors import GliaError, NotFound
from glia.kit.ids import new_id
from glia.runs import approval_queries
from glia.runs.calls import ToolCalls
from glia.runs.engine import MakeWork, Work
from glia.runs.events import AnswerMessage, CalledTool, ModelResponded, RunCompleted, RunUsage
from glia.runs.log import RunLog
from glia.runs.model_events import StepUsage
from glia.runs.permissions import Gate
from glia.runs.progress import Progress, fold
from glia.runs.toolbox import Toolbox
from glia.runs.types import RunStatus
from glia.tools.service import Tools
from glia.tools.types import Tool, ToolContext

_CALL_ID = "call"


class ToolFailed(GliaError):
    """The tool said no, or may not be called; the message is the tool's own."""

    code = "tool_failed"


class OutcomeUnknown(GliaError):
    """The server stopped in the middle of a call that must not be made twice."""

    code = "outcome_unknown"


def tool_work(tools: Tools) -> MakeWork:
    """Makes the work of a tool's run. `input` of the run has `tool`, its name, and `arguments`, an object."""

    async def make(log: RunLog) -> Work:
        run = log.run
        name = str(run.input["tool"])
        found = await tools.resolve(system_principal(run.workspace_id, run.project_id), (name,), has_knowledge=False)
        return ToolWork(log, one_tool(found, name), run.input.get("arguments") or {})

    return make


class ToolWork(Work):
    def __init__(self, log: RunLog, tool: Tool, arguments: object) -> None:
        self._log = log
        run = log.run
        context = ToolContext(run.workspace_id, run.project_id, None, run.session_id, run.id, idempotency_key="")
        toolbox = Toolbox([tool], context, check_lease=log.check_lease)
        caller = AgentVersion(name=tool.name)  # nobody's own rules: the tool's permission decides
        self._calls = ToolCalls(log, caller, toolbox, Gate(caller.permissions))
        self._call = CalledTool(_CALL_ID, "", tool.name, orjson.dumps(arguments).decode())

    async def run(self) -> None:
        """Makes the call, or waits for a person's consent. Raises ToolFailed, OutcomeUnknown."""
        progress = fold(await self._log.read(), self._log.run.id)
        self._calls.inherited = {id: called for id, called in progress.called.items() if id not in progress.returned}
        progress.response = _asked(self._call)
        if not await self._calls.settle(progress, asks_again=False):
            return
        await self._log.finish(_completed(progress), status=RunStatus.COMPLETED)

    async def ended(self, tx: Transaction, *, code: str, message: str) -> None:
        await approval_queries.withdraw(tx, self._log.run.id)


def one_tool(found: list[Tool], name: str) -> Tool:
    """The tool of this name; a name may also stand for all tools of a source, which is none to call."""
    for tool in found:
        if tool.name == name:
            return tool
    if len(found) == 1:
        return found[0]
    names = ", ".join(tool.name for tool in found[:20])
    hint = f"it stands for several; name one of {names}" if found else "it is for agents only"
    raise NotFound(f"{name[:80]!r} is no tool that can be called by itself: {hint}.", field="target")


def _asked(call: CalledTool) -> ModelResponded:
    """The call as if a model had wanted it; no model was asked, so this is never stored."""
    return ModelResponded(0, "", "", "", [call], StepUsage(0, 0), None, 0, "tool_calls")


def _completed(progress: Progress) -> RunCompleted:
    returned = progress.returned[_CALL_ID]
    if returned.status == "unknown":
        raise OutcomeUnknown(returned.text)
    if returned.status != "ok":
        raise ToolFailed(returned.text)
    message = AnswerMessage(str(new_id()), returned.text)
    return RunCompleted(message=message, usage=RunUsage(0, progress.tool_calls, 0, 0))
