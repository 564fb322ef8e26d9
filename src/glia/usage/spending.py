"""Spending: hold the most that a call can take before it is made, and settle what it took afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog

from glia.kit.clock import monotonic
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError
from glia.kit.ids import new_id
from glia.usage import budget_queries as queries
from glia.usage import ledger_queries
from glia.usage.errors import BudgetExceeded, InsufficientCredit, PriceUnknown, refused
from glia.usage.types import Hold, Refusal, SpendingCall, UsageRecord

log = structlog.get_logger(__name__)

_REMEMBER_SECONDS = 5.0
_TRUSTED_SECONDS = 60.0
_MOST_REMEMBERED = 20_000


@dataclass(frozen=True)
class SpendingConfig:
    """default_output_tokens: how long an answer may become where a budget or credit limits a call that names no length.

    smallest_output_tokens: how short that may be made so that the call fits. hold_seconds: after this long without a
    word, what the gateway holds for a call is booked as spent in full.
    """

    default_output_tokens: int = 4096
    smallest_output_tokens: int = 256
    hold_seconds: float = 900.0

    def span_of(self, max_output: int | None) -> tuple[int, int]:
        """The longest and the shortest answer of a call that names no length. max_output: the model's own most."""
        most = self.default_output_tokens if max_output is None else min(self.default_output_tokens, max_output)
        return most, min(most, self.smallest_output_tokens)


class Spending:
    """One per process. A workspace that nothing limits costs no round trip, bar one look every few seconds."""

    def __init__(self, db: Database, config: SpendingConfig | None = None) -> None:
        self._db = db
        self.config = config or SpendingConfig()
        self._limited: dict[UUID, tuple[float, bool]] = {}
        self._looking: set[UUID] = set()
        self._changes = 0
        self._background: set[asyncio.Task[None]] = set()

    async def is_limited(self, workspace_id: UUID) -> bool:
        """Whether the workspace has any active budget, or credits. Told of changes, and looked at every five seconds.

        The look is made in the background as long as the last one is not older than a minute, so that a database that
        is away for a moment stops no call that nothing limits.
        """
        known = self._limited.get(workspace_id)
        age = None if known is None else monotonic() - known[0]
        if known is None or age is None or age > _TRUSTED_SECONDS:
            return await self._look(workspace_id)
        if age > _REMEMBER_SECONDS and workspace_id not in self._looking:
            self._looking.add(workspace_id)
            self._later(self._look_again(workspace_id))
        return known[1]

    def was_limited(self, workspace_id: UUID) -> bool:
        """What the last look has shown; False without one."""
        known = self._limited.get(workspace_id)
        return known is not None and known[1]

    async def _look(self, workspace_id: UUID) -> bool:
        before = self._changes
        async with self._db.transaction(workspace_id) as tx:
            limited = await queries.has_limits(tx, workspace_id)
        if before == self._changes:  # else it may have been read before what has changed meanwhile
            if len(self._limited) >= _MOST_REMEMBERED:
                self._limited.clear()
            self._limited[workspace_id] = (monotonic(), limited)
        return limited

    async def _look_again(self, workspace_id: UUID) -> None:
        try:
            await self._look(workspace_id)
        except (GliaError, psycopg.Error) as error:
            log.warning("could not look for limits", workspace=str(workspace_id), error=str(error).split("\n")[0])
        finally:
            self._looking.discard(workspace_id)

    def forget(self, workspace: str) -> None:
        """Drops what is remembered of a workspace (its id) or of all (`*`). For the process's listener."""
        self._changes += 1
        if workspace == "*":
            self._limited.clear()
        else:
            self._limited.pop(UUID(workspace), None)

    async def must_reserve(
        self, workspace_id: UUID, *, run_limit_micros: int | None = None, is_child: bool = False
    ) -> bool:
        """Whether `reserve` would ask the database; when not, there is no need to work out what the call can cost."""
        return run_limit_micros is not None or is_child or await self.is_limited(workspace_id)

    async def reserve(self, call: SpendingCall) -> Hold | None:
        """What is held for the call, or None when nothing limits it. In one round trip, all or nothing.

        Raises BudgetExceeded (BudgetBusy while only other calls stand in the way), InsufficientCredit, PriceUnknown.
        """
        if not await self.must_reserve(
            call.workspace_id, run_limit_micros=call.run_limit_micros, is_child=call.is_child
        ):
            return None
        hold_id = new_id()
        reserving = asyncio.ensure_future(self._reserve(hold_id, call))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            # The hold may be there all the same, for a call that nobody will make.
            self._later(self._give_back(reserving, call.workspace_id, hold_id))
            raise

    async def _reserve(self, hold_id: UUID, call: SpendingCall) -> Hold | None:
        found = await queries.reserve(self._db, hold_id, call, hold_seconds=self.config.hold_seconds)
        match found.outcome:
            case "free":
                return None
            case "held":
                return Hold(hold_id, found.held_micros or 0, found.output_tokens)
            case "budget":
                raise refused(_refusal(found))
            case "credit":
                raise InsufficientCredit(
                    balance_micros=found.limit_amount or 0,
                    held_micros=found.reserved or 0,
                    needed_micros=found.needed or 0,
                )
            case "price":
                raise PriceUnknown(call.model)

    async def settle(self, record: UsageRecord) -> None:
        """Stores the record of a call and replaces what was held for it, whole or not at all. Once is enough, twice
        changes nothing. Runs do the same in the transaction of their own event."""
        await queries.settle(self._db, record)

    async def release(self, workspace_id: UUID, hold: Hold) -> None:
        """Gives back what was held for a call that was never made."""
        await queries.release(self._db, workspace_id, hold.id)

    async def is_raised(self, tx: Transaction, refused: BudgetExceeded) -> bool:
        """Whether the budget that refused a call has been raised, paused or deleted since; held until the end of tx."""
        return not await queries.still_limits(tx, refused.budget_id, refused.unit, refused.limit)

    async def covers(self, tx: Transaction, workspace_id: UUID, needed_micros: int) -> bool:
        """Whether the balance covers an amount, or need not; held until the end of tx."""
        return not await ledger_queries.lacks(tx, workspace_id, needed_micros)

    async def _give_back(self, reserving: asyncio.Future[Hold | None], workspace_id: UUID, hold_id: UUID) -> None:
        await asyncio.wait((reserving,))
        if not reserving.cancelled() and reserving.exception() is not None:
            return
        try:
            await queries.release(self._db, workspace_id, hold_id)
        except (GliaError, psycopg.Error) as error:
            log.warning("a hold is not given back; it lapses", hold=str(hold_id), error=str(error).split("\n")[0])

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _refusal(found: queries.Reservation) -> Refusal:
    if found.budget_id is None or found.scope is None or found.unit is None:
        raise LookupError("A refusal names its budget.")
    return Refusal(
        budget_id=found.budget_id,
        scope=found.scope,
        unit=found.unit,
        limit_amount=found.limit_amount or 0,
        spent=found.spent or 0,
        reserved=found.reserved or 0,
        needed=found.needed or 0,
        period_end=found.period_end,
    )
