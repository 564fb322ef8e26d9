"""The tool calls of one run: which may happen at once, which a person must allow, which other agents answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from msgspec.structs import replace

from glia.agents.types import AgentVersion
from glia.kit import clock
from glia.kit.db import Transaction
from glia.kit.ids import new_id
from glia.runs import approval_queries, queries
from glia.runs.asides import charge_json
from glia.runs.events import (
    ApprovalDecided,
    ApprovalRequested,
    ArtifactCreated,
    CalledTool,
    ChildStarted,
    ModelRequested,
    Payload,
    ToolCalled,
    ToolReturned,
    encode_any,
)
from glia.runs.log import RunLog
from glia.runs.permissions import Gate, Verdict
from glia.runs.progress import Progress, note_return
from glia.runs.toolbox import Toolbox
from glia.runs.types import Spent
from glia.tools.types import Permission


@dataclass(frozen=True)
class _Sorted:
    """Pending calls by what can be done about them now. asks: events to be stored; waits: asked and not decided."""

    ready: list[CalledTool]
    denied: list[ToolReturned]
    asks: list[ApprovalRequested]
    waits: list[ApprovalRequested]


class ToolCalls:
    def __init__(
        self, log: RunLog, agent: AgentVersion, toolbox: Toolbox, gate: Gate, theirs: Collection[str] = ()
    ) -> None:
        """theirs: names of the functions that the caller answers; calls of them are none of ours."""
        self._log = log
        self._theirs = theirs
        self._agent = agent
        self._toolbox = toolbox
        self._gate = gate
        self.inherited: dict[str, ToolCalled] = {}
        """Calls that an earlier attempt committed for dispatch and never saw return."""

    def announce(self, step: int, call: CalledTool) -> ToolCalled:
        """The note that must be committed before the tool is dispatched."""
        return ToolCalled(
            step=step,
            tool_call_id=call.id,
            tool=call.name,
            arguments=_parsed(call.arguments),
            effect=self._toolbox.effect_of(call.name),
            idempotency_key=self._key(call),
        )

    def is_free(self, call: CalledTool) -> bool:
        """Whether the call is made here and needs nobody's consent."""
        return call.name not in self._theirs and self._judge(call).permission is Permission.ALWAYS

    def ours(self, progress: Progress) -> list[CalledTool]:
        """Pending calls that are made here."""
        return [call for call in progress.pending if call.name not in self._theirs]

    async def settle(self, progress: Progress, *, asks_again: bool) -> bool:
        """Makes the pending calls, all at the same time; each result is stored as soon as it is there.

        asks_again: whether the model may be asked once all have come back, which the log then says at once.
        Returns False when some calls wait for people or other agents: then the run has let go of its worker.
        """
        await self._expire(progress)
        calls = self.ours(progress)
        sorted = self._sort(progress, calls)
        missing = [self.announce(progress.step, call) for call in sorted.ready if call.id not in progress.called]
        if missing or sorted.denied:
            await self._log.append(*missing, *sorted.denied, spent=Spent(tool_calls=len(sorted.denied)))
            progress.called.update({call.tool_call_id: call for call in missing})
            for denied in sorted.denied:
                note_return(progress, denied)
        await self._make(progress, sorted, asks_again=asks_again)
        for call in calls:  # in the model's order, however they came back
            if call.id in progress.returned:
                progress.talk.take_back(progress.returned[call.id])
        if not self.ours(progress):
            return True
        await self._wait(progress, sorted)
        return False

    async def _make(self, progress: Progress, sorted: _Sorted, *, asks_again: bool) -> None:
        left = len(sorted.ready)
        is_last = asks_again and not sorted.asks and not sorted.waits

        async def one(call: CalledTool) -> None:
            nonlocal left, is_last
            outcome = await self._toolbox.call(
                call, step=progress.step, key=self._key(call), earlier=self.inherited.get(call.id)
            )
            left -= 1
            if isinstance(outcome, ChildStarted):
                is_last = False
                if call.id not in progress.children:
                    await self._log.append(outcome)
                    progress.children[call.id] = outcome
                return
            payloads: list[Payload] = [*_created(outcome), _annotated(outcome, progress.decided.get(call.id))]
            if left == 0 and is_last:
                payloads.append(ModelRequested(progress.step + 1, self._agent.model))
                progress.requested_step = progress.step + 1
            charge = outcome.charge
            spent = Spent(tool_calls=1, cost_micros=None if charge is None else charge.cost_micros)
            usage = None if charge is None else charge_json(self._log.run, charge, outcome)
            await self._log.append(*payloads, spent=spent, usage=usage)
            note_return(progress, outcome)

        await _together([one(call) for call in sorted.ready])

    def _sort(self, progress: Progress, calls: list[CalledTool]) -> _Sorted:
        sorted = _Sorted([], [], [], [])
        for call in calls:
            asked, decided = progress.asked.get(call.id), progress.decided.get(call.id)
            if decided is not None:
                if decided.decision == "approved":
                    sorted.ready.append(_edited(call, decided))
                else:
                    sorted.denied.append(_denied(progress.step, call, decided))
            elif asked is not None:
                sorted.waits.append(asked)
            elif call.id in progress.called:
                sorted.ready.append(call)
            else:
                self._sort_new(progress.step, call, sorted)
        return sorted

    def _sort_new(self, step: int, call: CalledTool, sorted: _Sorted) -> None:
        verdict = self._judge(call)
        match verdict.permission:
            case Permission.ALWAYS:
                sorted.ready.append(call)
            case Permission.NEVER:
                text = f"This call is not allowed. {verdict.reason} Do without it, or tell the user."
                sorted.denied.append(ToolReturned(step, call.id, call.name, "denied", text, 0))
            case Permission.ASK:
                sorted.asks.append(self._ask(step, call, verdict.reason))

    def _judge(self, call: CalledTool) -> Verdict:
        return self._gate.judge(self._toolbox.get(call.name), call.name, _parsed(call.arguments))

    def _ask(self, step: int, call: CalledTool, reason: str) -> ApprovalRequested:
        return ApprovalRequested(
            approval_id=new_id(),
            step=step,
            tool_call_id=call.id,
            tool=call.name,
            arguments=_parsed(call.arguments),
            effect=self._toolbox.effect_of(call.name),
            reason=reason,
            expires_at=clock.now() + timedelta(seconds=self._agent.permissions.expires_after_seconds),
        )

    async def _expire(self, progress: Progress) -> None:
        """Notes the questions that nobody answered in time."""
        now = clock.now()
        late = {
            asked.approval_id: asked
            for id, asked in progress.asked.items()
            if id not in progress.decided and asked.expires_at is not None and asked.expires_at <= now
        }
        if not late:
            return
        async with self._log.transaction() as tx:
            expired = await approval_queries.expire(tx, list(late))
        decisions = [ApprovalDecided(id, late[id].tool_call_id, "expired", "") for id in expired]
        if decisions:
            await self._log.append(*decisions)
            progress.decided.update({decision.tool_call_id: decision for decision in decisions})

    async def _wait(self, progress: Progress, sorted: _Sorted) -> None:
        asked = [*sorted.asks, *sorted.waits]
        has_children = any(call.id in progress.children for call in progress.pending)
        waiting_for = [*(["approval"] if asked else []), *(["run"] if has_children else [])]
        run = self._log.run

        async def also(tx: Transaction) -> None:
            for approval in sorted.asks:
                await approval_queries.insert(tx, run, approval)
            # The run's row is held here, and whoever decides or ends a child holds it too: nothing slips between.
            if (asked and not await approval_queries.has_pending(tx, run.id)) or (
                has_children and not await queries.has_open_children(tx, run.id)
            ):
                await queries.resume(tx, run.id)

        await self._log.suspend(*sorted.asks, waiting_for=waiting_for, wake_at=_earliest(asked), also=also)

    def _key(self, call: CalledTool) -> str:
        return f"{self._log.run.id}:{call.id}"


def _earliest(asked: list[ApprovalRequested]) -> datetime | None:
    return min((approval.expires_at for approval in asked if approval.expires_at is not None), default=None)


def _edited(call: CalledTool, decided: ApprovalDecided) -> CalledTool:
    return call if decided.arguments is None else replace(call, arguments=encode_any(decided.arguments))


def _created(returned: ToolReturned) -> list[ArtifactCreated]:
    return [
        ArtifactCreated(returned.step, returned.tool_call_id, each.id, each.name, each.media_type, each.size_bytes)
        for each in returned.artifacts
    ]


def _annotated(returned: ToolReturned, decided: ApprovalDecided | None) -> ToolReturned:
    """The result, with what the person did who allowed the call: the model would not know otherwise."""
    if decided is None or (decided.arguments is None and not decided.note):
        return returned
    said = ""
    if decided.arguments is not None:
        said += f" The arguments were changed to {encode_any(decided.arguments)} before."
    if decided.note:
        said += f" Note: {decided.note}"
    return replace(returned, text=f"{returned.text}\n\n[A person approved this call.{said}]")


def _denied(step: int, call: CalledTool, decided: ApprovalDecided) -> ToolReturned:
    if decided.decision == "expired":
        text = "Nobody decided about this call in time, so it was not made. Do without it, or tell the user."
    else:
        note = f" They said: {decided.note}" if decided.note else ""
        text = f"A person denied this call, so it was not made.{note} Do not try it again in the same way."
    return ToolReturned(step, call.id, call.name, "denied", text, 0)


def _parsed(arguments: str) -> object:
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments


async def _together(calls: list[Awaitable[None]]) -> None:
    """Runs all at once. The first failure cancels the others and is raised as itself, not wrapped in a group."""

    async def wait(call: Awaitable[None]) -> None:
        await call

    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(wait(call))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
