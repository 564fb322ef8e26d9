"""From a reason to fire to a run, in two steps that a crash may come between.

Admitting writes the firing down, under the trigger's lock and with a key that exists once; starting makes the run, with
the firing's id as its dedupe key, and may be done by anyone, again and again, until it is marked as done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import msgspec
import orjson
import structlog

from glia.identity.types import Principal, system_principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError, NotFound, RateLimited, StorageFull, Unavailable
from glia.runs.errors import SessionBusy
from glia.runs.types import Accepted, Said
from glia.triggers import firing_queries as rows
from glia.triggers import queries
from glia.triggers.firing_queries import Draft, Happened, Open
from glia.triggers.types import Outcome, Overlap, Starter, StartWorkflow, Status, Trigger

log = structlog.get_logger(__name__)

JUDGE = "triggers.judge"
"""The kind of job that decides about a condition in plain words."""

LEASE_SECONDS = 15.0
KEPT_FIRINGS = 500
MOST_WAITING = 100
MOST_TRIES = 20
_FIRST_WAIT_SECONDS = 0.5
_PRUNE_EVERY = 50


@dataclass(frozen=True)
class Admission:
    """What is to be done about a firing that was written down. cancels: runs that make room for it."""

    firing_id: UUID
    outcome: Outcome
    message: str
    workflow_id: UUID | None = None
    reason: str | None = None
    cancels: tuple[UUID, ...] = ()


def decide(overlap: Overlap, open: Sequence[Open]) -> tuple[Outcome, str | None]:
    """open: what else of this trigger is not over, of those that come before."""
    if not open:
        return Outcome.STARTING, None
    match overlap:
        case Overlap.SKIP:
            return Outcome.SKIPPED, "The run of an earlier firing is not over."
        case Overlap.QUEUE:
            if sum(one.outcome is Outcome.WAITING for one in open) >= MOST_WAITING:
                return Outcome.SKIPPED, f"{MOST_WAITING} firings are waiting already."
            return Outcome.WAITING, None
        case Overlap.CANCEL_PREVIOUS:
            # What is being started has no run yet that could be cancelled.
            is_starting = any(one.outcome is Outcome.STARTING for one in open)
            return (Outcome.WAITING if is_starting else Outcome.STARTING), None
        case Overlap.PARALLEL:
            return Outcome.STARTING, None


class Firings:
    def __init__(self, db: Database, starter: Starter, start_workflow: StartWorkflow) -> None:
        self._db = db
        self._starter = starter
        self._start_workflow = start_workflow

    async def admit(
        self, tx: Transaction, trigger: Trigger, draft: Draft, *, refusal: str | None = None
    ) -> Admission | None:
        """Writes a firing down. The transaction holds the trigger. None when there is one with this key already.

        refusal: why it shall only be noted that there was a reason to fire.
        """
        open = await rows.open_firings(tx, trigger.id)
        if refusal:
            outcome, reason = Outcome.SKIPPED, refusal
        elif draft.problem:
            outcome, reason = Outcome.FAILED, draft.problem
        else:
            outcome, reason = decide(trigger.overlap, open)
        is_on_its_way = outcome in (Outcome.STARTING, Outcome.WAITING)
        if trigger.overlap is Overlap.CANCEL_PREVIOUS and is_on_its_way:
            await rows.skip_waiting(tx, trigger.id, "A later firing took its place.")
        retry = {Outcome.STARTING: LEASE_SECONDS, Outcome.WAITING: _FIRST_WAIT_SECONDS}.get(outcome)
        if not await rows.insert(tx, draft, outcome, reason=reason, retry_seconds=retry):
            return None
        if await rows.count_one(tx, trigger.id) % _PRUNE_EVERY == 0:
            await rows.prune(tx, trigger.id, keep=KEPT_FIRINGS)
        if outcome is Outcome.WAITING:
            await queries.tell(tx)
        if outcome is Outcome.FAILED:
            await self.pause_if_failing(tx, trigger)
        return Admission(draft.id, outcome, draft.message, draft.workflow_id, reason, _runs_of(open))

    async def have_judged(self, tx: Transaction, trigger: Trigger, event: Happened) -> None:
        """Begins the job that asks a model whether the trigger's condition holds for what happened."""
        await self._starter.start_job(
            tx,
            workspace_id=trigger.workspace_id,
            project_id=trigger.project_id,
            kind=JUDGE,
            input={"event": msgspec.to_builtins(event)},
        )

    async def pause_if_failing(self, tx: Transaction, trigger: Trigger) -> bool:
        """Whether the trigger has failed as often in a row as it may. The transaction holds it."""
        if trigger.max_failures is None or trigger.status is not Status.ACTIVE:
            return False
        if await rows.failures_in_a_row(tx, trigger.id, trigger.max_failures) < trigger.max_failures:
            return False
        reason = f"It failed {trigger.max_failures} times in a row; mend the cause, then resume it."
        await queries.set_status(tx, trigger.id, Status.PAUSED, next_at=None, reason=reason)
        log.warning("a trigger was paused", trigger=str(trigger.id), failures=trigger.max_failures)
        return True

    async def start(self, trigger: Trigger, admission: Admission) -> None:
        """Makes the run of a firing whose turn it is. What cannot be done now is left for later."""
        if admission.outcome is not Outcome.STARTING:
            return
        try:
            if trigger.overlap is Overlap.CANCEL_PREVIOUS:
                await self._cancel(trigger, admission.cancels)
            accepted = await self._begin(trigger, admission)
        except SessionBusy:
            await self._wait_for_session(trigger, admission)
        except (Unavailable, RateLimited, StorageFull) as error:
            log.warning("a firing could not be started yet", firing=str(admission.firing_id), code=error.code)
        except GliaError as error:
            await self._give_up(trigger, admission.firing_id, error.message)
        else:
            async with self._db.transaction(trigger.workspace_id) as tx:
                await rows.mark_started(tx, admission.firing_id, run_id=accepted.run_id, session_id=accepted.session_id)

    async def take_up(self, workspace_id: UUID, firing_id: UUID) -> bool:
        """Goes on with a firing that waits, or that somebody began and did not finish. False when others do."""
        async with self._db.transaction(workspace_id) as tx:
            trigger_id = await rows.trigger_of(tx, firing_id)
            trigger = None if trigger_id is None else await queries.lock(tx, trigger_id)
            pending = None if trigger is None else await rows.take(tx, firing_id, LEASE_SECONDS)
            if trigger is None or pending is None:
                return False
            if pending.tries > MOST_TRIES:
                await rows.settle(tx, firing_id, Outcome.FAILED, f"It could not be started in {MOST_TRIES} tries.")
                return True
            open = await rows.open_firings(tx, trigger.id, but=firing_id)
            outcome, reason = Outcome.STARTING, None
            if pending.outcome is Outcome.WAITING:
                before = [one for one in open if one.outcome is not Outcome.WAITING or one.id < firing_id]
                outcome, reason = decide(trigger.overlap, before)
            if outcome is Outcome.STARTING:
                await rows.begin(tx, firing_id, LEASE_SECONDS)
            elif outcome is Outcome.WAITING:
                await rows.put_off(tx, firing_id)
            else:
                await rows.settle(tx, firing_id, outcome, reason or "")
        admission = Admission(firing_id, outcome, pending.message, pending.workflow_id, reason, _runs_of(open))
        await self.start(trigger, admission)
        return True

    async def _begin(self, trigger: Trigger, admission: Admission) -> Accepted:
        principal = principal_of(trigger)
        key = f"{rows.KEY}{admission.firing_id}"
        if admission.workflow_id is not None:
            input = orjson.loads(admission.message)
            return await self._start_workflow(principal, admission.workflow_id, input, dedupe_key=key)
        if trigger.agent_id is None:
            raise NotFound("The trigger was changed to start a workflow before this firing had its turn.")
        said = [Said("user", admission.message)]
        if trigger.is_in_session:
            if trigger.session_id is None:
                raise NotFound("The trigger's session is gone; give it another, or none.")
            return await self._starter.accept(principal, trigger.session_id, said, is_background=True, dedupe_key=key)
        return await self._starter.start(
            principal,
            trigger.agent_id,
            said,
            is_background=True,
            title=trigger.name,
            metadata={"trigger_id": str(trigger.id), "firing_id": str(admission.firing_id)},
            dedupe_key=key,
            is_system=trigger.is_system,
        )

    async def _cancel(self, trigger: Trigger, runs: Sequence[UUID]) -> None:
        principal = principal_of(trigger)
        for run in runs:
            await self._starter.cancel(principal, run)

    async def _wait_for_session(self, trigger: Trigger, admission: Admission) -> None:
        """Somebody else's run works on the trigger's session."""
        async with self._db.transaction(trigger.workspace_id) as tx:
            if trigger.overlap is Overlap.SKIP:
                await rows.settle(tx, admission.firing_id, Outcome.SKIPPED, "Another run was working on the session.")
            else:
                await rows.put_off(tx, admission.firing_id)
                await queries.tell(tx)

    async def _give_up(self, trigger: Trigger, firing_id: UUID, reason: str) -> None:
        log.warning("a trigger could not start a run", trigger=str(trigger.id), firing=str(firing_id))
        async with self._db.transaction(trigger.workspace_id) as tx:
            held = await queries.lock(tx, trigger.id)
            await rows.settle(tx, firing_id, Outcome.FAILED, reason)
            if held is not None:
                await self.pause_if_failing(tx, held)


def principal_of(trigger: Trigger) -> Principal:
    """The server, on behalf of the key that made the trigger: what its runs cost counts against that key's budgets."""
    principal = system_principal(trigger.workspace_id, trigger.project_id)
    kind, _, id = trigger.created_by.partition(":")
    return replace(principal, key_id=UUID(id)) if kind == "key" else principal


def _runs_of(open: Sequence[Open]) -> tuple[UUID, ...]:
    return tuple(one.run_id for one in open if one.run_id is not None)
