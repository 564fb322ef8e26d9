"""What the engine executes for a workflow: begins what is ready, takes in what came back, lets go while it waits.

Every decision is an event before it has an effect. One attempt begins with the fold of the log and adds to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from glia.kit import clock
from glia.kit.db import Transaction
from glia.kit.errors import DatabaseUnavailable, GliaError, StorageFull
from glia.kit.ids import new_id
from glia.runs import approval_queries
from glia.runs import queries as run_queries
from glia.runs.engine import Work
from glia.runs.events import (
    AnswerMessage,
    ApprovalDecided,
    Payload,
    RunCompleted,
    RunError,
    StepCompensated,
    StepCompleted,
    StepFailed,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWaiting,
    WorkflowCompleted,
)
from glia.runs.log import AlsoWrite, RunLog
from glia.runs.types import NOTHING, RunStatus, Spent
from glia.workflows import queries
from glia.workflows.acts import Act, Acts, Crew, Did
from glia.workflows.conditions import holds
from glia.workflows.errors import StepError, WorkflowFailed
from glia.workflows.frontier import Frontier
from glia.workflows.graph import Graph
from glia.workflows.notices import KIND as NOTIFY
from glia.workflows.notices import notices_of
from glia.workflows.references import Resolver, plain
from glia.workflows.reuse import Reuse
from glia.workflows.state import UNDO, State, Unit, fold, size_of
from glia.workflows.types import (
    LARGEST_INPUT_BYTES,
    MOST_ITEMS,
    ONE_TRY,
    ApprovalAction,
    ConditionAction,
    MapAction,
    Retry,
    TimeAction,
)
from glia.workflows.waits import approved, asks, child_output, due_at

_MOST_AT_ONCE = 32
"""Steps that one execution does at the same time in its process; runs that it has started do not count."""
_LOOK_SECONDS = 1.0
_SHORT_SECONDS = 1.5
"""A pause before another try for which letting go of the worker is not worth it."""
_LIVELY_SECONDS = 2.0
"""After one of several runs has ended, how long to stay for the next."""
_STOPPED = "The workflow failed meanwhile."


class WorkflowWork(Work):
    def __init__(self, log: RunLog, graph: Graph, name: str, crew: Crew) -> None:
        self._log = log
        self._graph = graph
        self._crew = crew
        self._acts = Acts(crew, log, name)
        self._state = State(graph, log.run.input.get("input"), log.run.id)
        self._frontier = Frontier(self._state)
        self._reuse = Reuse(crew.db, log.run, graph)
        self._lists: dict[str, list[Any]] = {}
        """What each map goes over."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)
        self._heard = 0
        """The newest event in which decisions of people were looked for."""
        self._looked_at = 0.0
        self._child_ended_at = float("-inf")
        self._stopped: set[UUID] = set()
        """Runs that were told to stop."""

    async def ended(self, tx: Transaction, *, code: str, message: str) -> None:
        await approval_queries.withdraw(tx, self._log.run.id)

    async def run(self) -> None:
        async with self._crew.db.transaction(self._log.run.workspace_id) as tx:
            events = await queries.read_steps(tx, self._log.run.id)
        self._state = fold(self._graph, self._state.input, self._log.run.id, events)
        self._heard = events[-1].seq if events else 0
        self._frontier = Frontier(self._state)
        try:
            async with asyncio.TaskGroup() as group:
                is_over = await self._go(group)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if is_over:
            await self._end()

    async def _go(self, group: asyncio.TaskGroup) -> bool:
        """True when nothing is left to do, False when the run has let go of its worker."""

        def begin(unit: Unit, *, is_inherited: bool = False) -> None:
            task = group.create_task(self._perform(unit, is_inherited=is_inherited), name=f"glia-step-{unit.key}")
            self._tasks[unit.key] = task
            task.add_done_callback(lambda _task: self._task_done(unit.key))

        for unit in list(self._state.active.values()):
            if unit.status == "running" and unit.items is None:
                begin(unit, is_inherited=True)
        while True:
            await self._look_outside(begin)
            await self._time_out()
            was_failing = self._state.failure is not None
            await (self._wind_down(begin) if was_failing else self._begin_ready(begin))
            if self._tasks:
                await self._pause()
            elif self._frontier.ready or was_failing is not (self._state.failure is not None):
                continue
            elif not self._state.active:
                return True
            elif not await self._nap():
                await self._suspend()
                return False

    def _task_done(self, key: str) -> None:
        self._tasks.pop(key, None)
        self._changed.set()

    async def _pause(self) -> None:
        """Until a task has ended, or something else may have happened."""
        self._changed.clear()
        try:
            async with asyncio.timeout(self._seconds_to_next()):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _seconds_to_next(self) -> float | None:
        now = clock.now()
        waits = [max(0.01, (unit.wake_at - now).total_seconds()) for unit in self._waiting() if unit.wake_at]
        if any(unit.waiting_for in ("run", "approval") for unit in self._waiting()):
            waits.append(_LOOK_SECONDS)
        if self._deadline is not None and self._state.failure is None:
            waits.append(max(0.01, (self._deadline - now).total_seconds()))
        return min(waits, default=None)

    def _waiting(self) -> list[Unit]:
        return [unit for unit in self._state.active.values() if unit.status in ("waiting", "retrying")]

    async def _nap(self) -> bool:
        """Sits out what will not take long; False when letting go is better."""
        children = sum(unit.waiting_for == "run" for unit in self._waiting())
        if children > 1 and asyncio.get_running_loop().time() - self._child_ended_at < _LIVELY_SECONDS:
            await asyncio.sleep(_LIVELY_SECONDS / 10)  # the next one will end soon; coming back means reading the log
            return True
        pauses = [unit.wake_at for unit in self._waiting() if unit.status == "retrying" and unit.wake_at is not None]
        if not pauses or (left := (min(pauses) - clock.now()).total_seconds()) > _SHORT_SECONDS:
            return False
        await asyncio.sleep(max(0.0, left))
        return True

    async def _suspend(self) -> None:
        waiting = self._waiting()
        if not waiting:
            raise AssertionError(f"Execution {self._log.run.id} has nothing to do and nothing to wait for.")
        children = [unit.child_id for unit in waiting if unit.child_id is not None]
        approvals = [unit.asked.approval_id for unit in waiting if unit.waiting_for == "approval" and unit.asked]
        reasons = dict.fromkeys(unit.waiting_for or "time" for unit in waiting)
        due = [unit.wake_at for unit in waiting] + [self._deadline if self._state.failure is None else None]
        wake_at = min((at for at in due if at is not None), default=None)

        async def also(tx: Transaction) -> None:
            if await queries.has_news(tx, children=children, approvals=approvals):
                await run_queries.resume(tx, self._log.run.id)

        await self._log.suspend(waiting_for=list(reasons), wake_at=wake_at, also=also)

    # -- what has happened outside --

    async def _look_outside(self, begin: Callable[[Unit], None]) -> None:
        await self._take_due(begin)
        waits = [unit for unit in self._waiting() if unit.waiting_for in ("run", "approval")]
        now = asyncio.get_running_loop().time()
        if not waits or (self._tasks and now - self._looked_at < _LOOK_SECONDS):
            return
        self._looked_at = now
        run = self._log.run
        children = {unit.child_id: unit for unit in waits if unit.child_id is not None}
        async with self._crew.db.transaction(run.workspace_id) as tx:
            ended = await queries.ended(tx, list(children)) if children else []
            decisions = await queries.read_decisions(tx, run.id, after=self._heard)
        for event in decisions:
            self._heard = event.seq
            self._state.apply(event.payload, event.at)
        for child in ended:
            self._child_ended_at = now
            await self._finish(children[child.run_id], child_output, child)
        for unit in waits:
            if unit.waiting_for == "approval" and unit.decided is not None and unit.key not in self._tasks:
                await self._decided(unit, begin)

    async def _take_due(self, begin: Callable[[Unit], None]) -> None:
        """Times that have come: waits that are over, tries that are due, runs and people that took too long."""
        now = clock.now()
        for unit in self._waiting():
            if unit.wake_at is None or unit.wake_at > now or unit.key in self._tasks:
                continue
            if unit.status == "retrying":
                if self._state.failure is None or unit.part == "compensation":
                    begin(unit)
            elif unit.waiting_for == "time":
                await self._complete(unit, {"until": unit.wake_at.isoformat()})
            elif unit.waiting_for == "run":
                await self._stop_child(unit)
                error = StepError("The run that the step began did not end within `timeout_seconds`.", code="timeout")
                await self._fail(unit, error)
            elif unit.decided is None:
                await self._expire(unit)

    @property
    def _deadline(self) -> datetime | None:
        seconds = self._graph.definition.timeout_seconds
        return None if seconds is None else self._log.run.created_at + timedelta(seconds=seconds)

    async def _time_out(self) -> None:
        """The whole workflow took too long: what waits fails, and with it the workflow. What is at work may finish."""
        if self._deadline is None or self._state.failure is not None or clock.now() < self._deadline:
            return
        seconds = self._graph.definition.timeout_seconds
        error = StepError(f"The workflow did not end within {seconds:g} s.", code="timeout", is_final=True)
        waiting = [unit for unit in self._state.active.values() if unit.part == "step" and unit.key not in self._tasks]
        for unit in waiting:
            await self._stop_child(unit)
            await self._fail(unit, error)
        while not self._tasks and self._frontier.ready and self._state.failure is None:
            await self._fail(self._state.units[self._frontier.ready.popleft()], error)

    async def _expire(self, unit: Unit) -> None:
        """Nobody decided in time. Whoever does at this very moment was first."""
        asked = unit.asked
        if asked is None:
            return
        async with self._log.transaction() as tx:
            expired = await approval_queries.expire(tx, [asked.approval_id])
        if expired:
            await self._write(ApprovalDecided(asked.approval_id, unit.key, "expired", ""))

    async def _decided(self, unit: Unit, begin: Callable[[Unit], None]) -> None:
        if isinstance(unit.action, ApprovalAction):
            await self._finish(unit, approved, unit)
        else:
            begin(unit)

    async def _finish(self, unit: Unit, read: Callable[[Unit, Any], Any], found: Any) -> None:
        """A unit that waited has its result. read: gives the output or raises StepError."""
        try:
            output = read(unit, found)
        except StepError as error:
            await self._fail(unit, error)
        else:
            await self._complete(unit, output)

    # -- what can be begun --

    async def _begin_ready(self, begin: Callable[[Unit], None]) -> None:
        while self._frontier.ready and self._state.failure is None:
            unit = self._state.units[self._frontier.ready.popleft()]
            if reason := self._frontier.why_skipped(unit.key):
                await self._write(StepSkipped(unit.key, reason))
            elif await self._is_reused(unit):
                continue
            elif isinstance(unit.action, ConditionAction | MapAction | TimeAction | ApprovalAction):
                await self._begin_here(unit)
            else:
                begin(unit)
        for unit in list(self._state.active.values()):
            if unit.items is not None and self._state.failure is None:
                await self._feed(unit, cast(MapAction, unit.action), begin)

    async def _is_reused(self, unit: Unit) -> bool:
        """Completes a step with what one answered under the same key in an earlier execution; False when none did."""
        try:
            found = await self._reuse.find(unit, self._resolver(unit))
        except StepError as error:
            await self._fail(unit, error)
            return True
        if found is not None:
            await self._write(StepCompleted(unit.key, 0, found[0]))
        return found is not None

    async def _begin_here(self, unit: Unit) -> None:
        """What takes no time: conditions, and the beginning of waits and maps."""
        try:
            match unit.action:
                case ConditionAction(if_=condition):
                    is_true = holds(condition, self._resolver(unit))
                    await self._complete(unit, {"branch": "then" if is_true else "else"})
                case TimeAction() as action:
                    await self._write(StepWaiting(unit.key, "wait_time", "time", due_at(action, self._resolver(unit))))
                case MapAction():
                    items = self._list_of(unit)
                    await self._write(StepStarted(unit.key, "map", 1, items=len(items)))
                case ApprovalAction() as action:
                    await self._ask(unit, action)
                case _:
                    raise AssertionError(f"{unit.key} is no step that is done at once.")
        except StepError as error:
            await self._fail(unit, error)

    async def _ask(self, unit: Unit, action: ApprovalAction) -> None:
        resolver = self._resolver(unit)
        asked = asks(unit, resolver.text(action.message), resolver.value(action.data), action.expires_after_seconds)
        run, start_job = self._log.run, self._crew.start_job

        async def also(tx: Transaction) -> None:
            await approval_queries.insert(tx, run, asked[0])
            if start_job is not None:
                where = {"workspace_id": run.workspace_id, "project_id": run.project_id}
                for notice in notices_of(action, asked[0], run):
                    await start_job(tx, **where, kind=NOTIFY, input=notice)

        await self._write(*asked, also=also)

    def _list_of(self, unit: Unit) -> list[Any]:
        """What a map goes over: the same in every attempt, because it comes from the log."""
        found = self._lists.get(unit.step)
        if found is None:
            of = self._state.units[unit.step]
            value = self._resolver(of).value(cast(MapAction, of.action).over)
            if not isinstance(value, list):
                raise StepError(
                    f"`over` is {type(value).__name__}, not a list.", code="invalid_reference", is_final=True
                )
            found = self._lists[unit.step] = cast(list[Any], value)
            if len(found) > MOST_ITEMS:
                raise StepError(f"`over` has {len(found)} items; the most is {MOST_ITEMS}.", is_final=True)
        return found

    async def _feed(self, unit: Unit, action: MapAction, begin: Callable[[Unit], None]) -> None:
        """Begins as many items of a map as may be at work, and ends the map after the last."""
        while (item := self._frontier.next_item(unit, action)) is not None:
            if isinstance(item.action, ApprovalAction):
                await self._begin_here(item)
            else:
                begin(item)
        if not self._frontier.is_map_over(unit, action):
            return
        failed = self._frontier.failed_item(unit, action)
        if failed is not None and failed.error is not None:
            message = f"Item {failed.index} failed: {failed.error.message}"
            await self._fail(unit, StepError(message, code="item_failed", is_final=True))
        else:
            output = [item.output for item in unit.items or ()]
            await self._write(StepCompleted(unit.key, 1), also=self._reuse.kept(unit, self._resolver(unit), output))

    def _resolver(self, unit: Unit) -> Resolver:
        items = self._list_of(unit) if unit.part == "item" else None
        return Resolver(lambda reference: self._state.find(reference, unit, items))

    # -- failing and undoing --

    async def _wind_down(self, begin: Callable[[Unit], None]) -> None:
        """Nothing new begins; what is at work may finish, what waits is given up; then what has completed is undone."""
        state = self._state
        self._frontier.ready.clear()
        # Maps come last: they can be given up once their items are.
        for unit in sorted(state.active.values(), key=lambda unit: unit.items is not None):
            if unit.part == "compensation" or unit.key in self._tasks:
                continue
            if unit.waiting_for == "run":
                await self._stop_child(unit)
            elif unit.items is None or not self._frontier.has_open_items(unit):
                await self._write(StepSkipped(unit.key, _STOPPED), also=self._withdraw(unit))
        if self._tasks or state.active or state.failure is None:
            return
        if self._graph.steps[state.failure].on_error != "compensate":
            return
        for id in reversed(state.completed):
            undo = state.unit(id + UNDO)
            if undo is not None and not undo.is_settled and state.units[id].attempts:  # not one that was only reused
                begin(undo)
                return

    def _withdraw(self, unit: Unit) -> AlsoWrite | None:
        if unit.waiting_for != "approval":
            return None
        return lambda tx: approval_queries.withdraw(tx, self._log.run.id)

    async def _stop_child(self, unit: Unit) -> None:
        if unit.child_id is not None and unit.child_id not in self._stopped:
            self._stopped.add(unit.child_id)
            await self._crew.runs.cancel(self._acts.principal, unit.child_id)

    # -- one try of one unit --

    async def _perform(self, unit: Unit, *, is_inherited: bool) -> None:
        act: Act = self._acts.act(unit, self._write)
        async with self._places:
            try:
                did = await act(self._resolver(unit), is_inherited=is_inherited)
            except (DatabaseUnavailable, StorageFull):
                raise
            except StepError as error:
                await self._fail(unit, error)
            except GliaError as error:
                await self._fail(unit, StepError(error.message, code=error.code))
            else:
                if did is not None:
                    await self._note(unit, did)

    async def _note(self, unit: Unit, did: Did) -> None:
        if did.error is not None:
            await self._fail(unit, did.error, *did.before, spent=did.spent)
        else:
            await self._complete(unit, did.output, *did.before, spent=did.spent)

    async def _complete(self, unit: Unit, output: Any, *before: Payload, spent: Spent = NOTHING) -> None:
        if too_large := self._state.no_room_for(output):
            error = StepError(f"{too_large} Keep large results elsewhere and pass on where.", code="output_too_large")
            error.is_final = True
            await self._fail(unit, error, *before, spent=spent)
            return
        last: list[Payload] = [StepCompleted(unit.key, unit.attempts, output)]
        also = self._reuse.kept(unit, self._resolver(unit), output)
        if unit.part == "compensation":
            last.append(StepCompensated(unit.step))
            undone = self._state.units[unit.step]
            also = self._reuse.forgotten(undone, self._resolver(undone))
        await self._write(*before, *last, spent=spent, also=also)

    async def _fail(self, unit: Unit, error: StepError, *before: Payload, spent: Spent = NOTHING) -> None:
        """The try failed: another one comes if there is one left and it may be made, else the unit has failed."""
        retry: Retry = getattr(unit.action, "retry", ONE_TRY)
        said = RunError(error.code, error.message.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:4000])
        stops = self._state.failure is not None and unit.part != "compensation"
        if error.is_final or stops or not 0 < unit.attempts < retry.max_attempts:
            await self._write(*before, StepFailed(unit.key, unit.attempts, said), spent=spent)
            return
        pause = min(retry.max_delay_seconds, retry.delay_seconds * retry.factor ** (unit.attempts - 1))
        retry_at = clock.now() + timedelta(seconds=pause)
        await self._write(*before, StepRetried(unit.key, unit.attempts, said, retry_at), spent=spent)

    async def _write(self, *payloads: Payload, also: AlsoWrite | None = None, spent: Spent = NOTHING) -> None:
        """Stores events, and only then takes them in."""
        await self._log.append(*payloads, also=also, spent=spent)
        now: datetime = clock.now()
        for payload in payloads:
            self._state.apply(payload, now)
            if isinstance(payload, StepCompleted | StepFailed | StepSkipped):
                self._frontier.settled(cast(Unit, self._state.unit(payload.step)))
        self._changed.set()

    # -- the end --

    async def _end(self) -> None:
        state = self._state
        if state.failure is not None:
            raise self._failed(state.units[state.failure])
        output = self._output()
        size = size_of(output)
        if size is None or size > LARGEST_INPUT_BYTES:
            raise WorkflowFailed(
                f"What the workflow answers has more than {LARGEST_INPUT_BYTES} bytes; pick less with `output`."
            )
        message = AnswerMessage(str(new_id()), plain(output))
        await self._log.finish(WorkflowCompleted(output), RunCompleted(message), status=RunStatus.COMPLETED)

    def _output(self) -> Any:
        template = self._graph.definition.output
        if template is None:
            units = self._state.units
            return {id: units[id].output for id in self._graph.last if units[id].status == "completed"}
        resolver = Resolver(lambda reference: self._state.find(reference, None, None))
        return resolver.value(template)

    def _failed(self, unit: Unit) -> WorkflowFailed:
        why = "" if unit.error is None else unit.error.message
        left = [
            other.step
            for other in self._state.units.values()
            if other.part == "compensation" and other.status == "failed"
        ]
        more = f" What {', '.join(left)} did could not be undone." if left else ""
        code = "step_failed" if unit.error is None else unit.error.code
        return WorkflowFailed(f"The step {unit.key!r} failed: {why}{more}", step=unit.key, step_error=code)
