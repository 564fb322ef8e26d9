"""Sends what is due. One in every process; they share the work by claiming deliveries in the database."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from uuid import UUID

import psycopg
import structlog

from glia.kit import telemetry
from glia.kit.db import Database, Transaction
from glia.kit.errors import GliaError
from glia.kit.mail import MAILTO, Mail, MailConfig
from glia.kit.outbound import Outbound
from glia.webhooks import queries, sending_queries
from glia.webhooks.config import WebhookConfig
from glia.webhooks.mailing import mailed
from glia.webhooks.sealing import Secrets, address_of
from glia.webhooks.sending import Answer, body_for, outcome_of, send
from glia.webhooks.sending_queries import Claimed, Letter
from glia.webhooks.types import PING

log = structlog.get_logger(__name__)

CHANNEL = "glia_webhooks"

_IDLE_SECONDS = 30.0
"""Looks this often without being told; also how long others wait for what a killed process had announced."""

_SHORTEST_PAUSE_SECONDS = 0.05
_COUNT_SECONDS = 10.0
_TIDY_SECONDS = 600.0
_STOP_SECONDS = 5.0


class Dispatcher:
    def __init__(
        self, db: Database, outbound: Outbound, secrets: Secrets, config: WebhookConfig, mail: Mail | None = None
    ) -> None:
        self._db = db
        self._outbound = outbound
        self._secrets = secrets
        self._config = config
        self._mail = mail or Mail(MailConfig())
        self._wake = asyncio.Event()
        self._sending: dict[asyncio.Task[None], bool] = {}
        """What is on its way, and whether its endpoint was failing."""
        self._count_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._loop(), name="glia-webhooks")

    async def stop(self) -> None:
        """Takes nothing more and lets what is on its way arrive. What does not is sent again by another process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending, timeout=_STOP_SECONDS)
        for task in list(self._sending):
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def _loop(self) -> None:
        tidy_at = time.monotonic() + random.uniform(0, _TIDY_SECONDS)  # noqa: S311 - so that processes take turns
        while True:
            self._wake.clear()
            try:
                pause = await self.dispatch()
                if time.monotonic() >= tidy_at:
                    tidy_at = time.monotonic() + _TIDY_SECONDS
                    await self.tidy()
            except (GliaError, psycopg.Error) as error:
                log.warning("could not look for webhook deliveries", error=str(error).strip().split("\n")[0])
                pause = _IDLE_SECONDS / 10
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def dispatch(self) -> float:
        """Takes what is due and begins to send it. Returns how long to rest unless woken, in seconds."""
        room = self._config.most_at_once - len(self._sending)
        if room <= 0:
            return _IDLE_SECONDS  # a delivery that ends wakes us
        # Dead endpoints answer slowly or never: whatever they do, half of the places are for the others.
        failing_room = min(room, self._config.most_at_once // 2 - sum(self._sending.values()))
        async with self._db.across_workspaces() as tx:
            claimed = await sending_queries.claim(tx, self._config, room=room, is_failing=False)
            again: list[Claimed] = []
            failing_room = min(failing_room, room - len(claimed))
            if failing_room > 0:
                again = await sending_queries.claim(tx, self._config, room=failing_room, is_failing=True)
            next_in = await sending_queries.seconds_to_next(tx)
            await self._count(tx)
        for one, is_failing in [*((c, False) for c in claimed), *((c, True) for c in again)]:
            self._begin(one, is_failing)
        return _IDLE_SECONDS if next_in is None else min(_IDLE_SECONDS, max(_SHORTEST_PAUSE_SECONDS, next_in))

    async def _count(self, tx: Transaction) -> None:
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + _COUNT_SECONDS
            telemetry.webhooks_pending.set(await sending_queries.backlog(tx))

    def _begin(self, claimed: Claimed, is_failing: bool) -> None:
        task = asyncio.create_task(self.deliver(claimed), name=f"glia-webhook-{claimed.id}")
        self._sending[task] = is_failing
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._wake.set()
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("a bug interrupted a webhook delivery", task=task.get_name(), exc_info=bug)

    async def deliver(self, claimed: Claimed) -> None:
        """Sends one delivery and writes down what came of it. If that fails, its lease lapses and it is sent again."""
        try:
            await self._deliver(claimed)
        except (GliaError, psycopg.Error) as error:
            log.warning("a webhook delivery was interrupted", delivery=str(claimed.id), error=str(error))

    async def _deliver(self, claimed: Claimed) -> None:
        async with self._db.transaction(claimed.workspace_id) as tx:
            row = await queries.get(tx, claimed.endpoint_id)
            letter = await sending_queries.letter(tx, claimed.id)
        if row is None or letter is None:
            return  # deleted meanwhile
        if letter.data is None and letter.type != PING:
            answer = Answer(None, None, "The event is no longer in the log: its session was deleted.", 0)
            await self._note(claimed, answer, is_lost=True)
            return
        answer = await self._send(row, letter, claimed.id)
        await self._note(claimed, answer, row=row)

    async def _send(self, row: queries.WebhookRow, letter: Letter, id: UUID) -> Answer:
        try:
            address = address_of(row, self._secrets)
        except GliaError as error:  # sealed under another key
            return Answer(None, None, error.message, 0)
        if address.url.startswith(MAILTO):
            return await mailed(self._mail, address, letter)
        body = body_for(letter, address.style, address.event_names, id, address.fields)
        seconds = row.timeout_seconds or self._config.timeout_seconds
        return await send(self._outbound, address, id, letter.type, body, seconds)

    async def _note(
        self, claimed: Claimed, answer: Answer, *, is_lost: bool = False, row: queries.WebhookRow | None = None
    ) -> None:
        outcome = outcome_of(
            answer,
            claimed.tries,
            self._config,
            max_attempts=None if row is None else row.max_attempts,
            retry_seconds=None if row is None else row.retry_seconds,
        )
        if is_lost:
            outcome = replace(outcome, is_final=True)
        async with self._db.transaction(claimed.workspace_id) as tx:
            status = await sending_queries.note_attempt(tx, claimed, outcome)
            if is_lost or status is None:
                return
            if outcome.is_done:
                await sending_queries.note_success(tx, claimed.endpoint_id)
            else:
                await self._note_failure(tx, claimed, answer)
        telemetry.webhook_attempts.labels("ok" if outcome.is_done else "failed").inc()
        telemetry.webhook_seconds.observe(answer.latency_ms / 1000)

    async def _note_failure(self, tx: Transaction, claimed: Claimed, answer: Answer) -> None:
        days = self._config.disable_after_days
        since = await sending_queries.note_failure(tx, claimed.endpoint_id, disable_after_days=days)
        reason = None
        if answer.is_gone:
            reason = "It answered with HTTP 410, which means that it wants no more deliveries."
        elif since is not None:
            reason = f"Every delivery failed since {since:%Y-%m-%d %H:%M} UTC. The last time: {answer.error}"
        if reason is not None:
            await sending_queries.disable(tx, claimed.endpoint_id, reason)
            log.warning("a webhook endpoint was switched off", webhook=str(claimed.endpoint_id), status=answer.status)

    async def tidy(self) -> None:
        """Gives up what is too old to be sent and forgets what is too old to be shown."""
        async with self._db.across_workspaces() as tx:
            await sending_queries.give_up(tx)
            await sending_queries.prune(tx, self._config.keep_days)
