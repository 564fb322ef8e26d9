"""Traces: sends each run that ended to the operator's OpenTelemetry collector, once it is in the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import psycopg
import structlog

from glia import __version__
from glia.identity.types import Principal
from glia.kit import telemetry
from glia.kit.db import Database
from glia.kit.errors import GliaError
from glia.kit.outbound import Outbound, Timeouts
from glia.traces import otlp_json, otlp_protobuf, queries
from glia.traces.config import TraceConfig
from glia.traces.queries import Pending
from glia.traces.spans import Naming, spans_of
from glia.traces.types import Span, read_traceparent

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_RUNS_AT_ONCE = 20
_EVENTS_OF_A_RUN = 20_000
_SPANS_AT_ONCE = 500
_LARGEST_ANSWER_BYTES = 65_536
_WANT_SECONDS = 3600.0
_RENEW_SECONDS = 300.0
_KEEP_SECONDS = 3600.0
_LARGEST_OUTBOX = 50_000
_LONGEST_PAUSE_SECONDS = 60.0
_LEASE_MARGIN_SECONDS = 20.0
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class ExportFailed(GliaError):
    """may_pass: whether the same traces may be taken later."""

    def __init__(self, message: str, *, may_pass: bool) -> None:
        super().__init__(message)
        self.may_pass = may_pass


Trace = tuple[Pending, list[Span]]


class Traces:
    """Runs that end are put into an outbox in the transaction that ends them; this takes them from there.

    So a trace survives the crash of any process, and is sent at least once within the hour for which it is kept. Ids
    are made from the run's, so that a trace that is sent twice says the same thing twice.
    """

    def __init__(self, db: Database, outbound: Outbound, config: TraceConfig) -> None:
        self._db = db
        self._outbound = outbound
        self._config = config
        self._naming = Naming(has_content=config.has_content, is_latest=config.is_latest)
        self._resource = {"service.version": __version__, **config.resource}
        self._form = otlp_json if config.protocol == "http/json" else otlp_protobuf
        self._is_failing = False
        self._renew_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Runs that end from now on, in any process, are traced."""
        await self._tidy()
        self._task = asyncio.create_task(self._loop(), name="glia-traces")

    async def stop(self) -> None:
        """Sends what is there and can be sent in a moment; the rest waits for another process, or for this one."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def adopt(self, principal: Principal, run_id: UUID, traceparent: str | None) -> None:
        """Makes the run part of its caller's trace. traceparent: the W3C header; one that is broken is ignored."""
        if traceparent is not None and read_traceparent(traceparent) is not None:
            async with self._db.transaction(principal.workspace_id) as tx:
                await queries.keep_parent(tx, run_id, principal.workspace_id, traceparent.strip())

    async def _loop(self) -> None:
        while True:
            count = 0
            try:
                if time.monotonic() >= self._renew_at:
                    await self._tidy()
                count = await self.export()
            except (GliaError, psycopg.Error) as error:
                log.warning("could not look for traces to send", error=str(error).strip().split("\n")[0])
            if count < _RUNS_AT_ONCE:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _tidy(self) -> None:
        self._renew_at = time.monotonic() + _RENEW_SECONDS
        async with self._db.across_workspaces() as tx:
            await queries.want_traces(tx, _WANT_SECONDS)
            lost = await queries.forget_old(tx, keep_seconds=_KEEP_SECONDS, largest=_LARGEST_OUTBOX)
        if lost:
            telemetry.traces.labels("dropped").inc(lost)
            log.warning("traces were dropped, because the collector did not take them within an hour", traces=lost)

    async def export(self) -> int:
        """Sends a few traces that are due. Returns how many."""
        lease = self._config.timeout_seconds * 2 + _LEASE_MARGIN_SECONDS
        async with self._db.across_workspaces() as tx:
            pending = await queries.claim(tx, limit=_RUNS_AT_ONCE, lease_seconds=lease)
        traces = [(one, await self._spans(one)) for one in pending]
        sent = 0
        for batch in _batches(traces):
            sent += await self._export(batch)
        return sent

    async def _export(self, batch: Sequence[Trace]) -> int:
        runs = [pending.run_id for pending, _ in batch]
        try:
            await self._send([span for _, spans in batch for span in spans])
        except ExportFailed as failure:
            if failure.may_pass or len(batch) == 1:
                await self._failed([pending for pending, _ in batch], failure)
                return 0
            return sum([await self._export([one]) for one in batch])  # what the collector minds may be in one alone
        async with self._db.across_workspaces() as tx:
            await queries.sent(tx, runs)
        telemetry.traces.labels("sent").inc(len(runs))
        if self._is_failing:
            self._is_failing = False
            log.info("traces are sent again")
        return len(runs)

    async def _spans(self, pending: Pending) -> list[Span]:
        async with self._db.transaction(pending.workspace_id) as tx:
            run = await queries.run(tx, pending.run_id)
            if run is None:
                return []
            events = await queries.events(tx, pending.run_id, limit=_EVENTS_OF_A_RUN)
        try:
            return spans_of(run, events, self._naming)
        except ValueError as error:  # an event that another version of Glia wrote in another shape
            log.warning("a run's events cannot be read as a trace", run=str(run.id), error=str(error)[:300])
            return []

    async def _send(self, spans: Sequence[Span]) -> None:
        if not spans:
            return
        seconds = self._config.timeout_seconds
        try:
            answer = await self._outbound.request(
                "POST",
                self._config.url,
                headers={**self._config.headers, "Content-Type": self._form.CONTENT_TYPE},
                body=self._form.encode(self._resource, spans),
                timeouts=Timeouts(min(5.0, seconds), seconds, seconds),
                largest_body_bytes=_LARGEST_ANSWER_BYTES,
                trusted=True,  # the operator named this very address
            )
        except GliaError as error:
            raise ExportFailed(error.message, may_pass=True) from error
        if answer.status // 100 != 2:
            message = f"The collector answered with HTTP {answer.status}."
            raise ExportFailed(message, may_pass=answer.status in _PASSING)

    async def _failed(self, pending: Sequence[Pending], failure: ExportFailed) -> None:
        """Says so once, until a trace arrives again."""
        runs = [one.run_id for one in pending]
        async with self._db.across_workspaces() as tx:
            if failure.may_pass:
                tries = min(one.attempts for one in pending)
                await queries.postpone(tx, runs, min(_LONGEST_PAUSE_SECONDS, 2.0 ** min(tries - 1, 6)))
            else:
                await queries.sent(tx, runs)
                telemetry.traces.labels("dropped").inc(len(runs))
        if not self._is_failing:
            self._is_failing = True
            log.warning("traces cannot be sent", error=failure.message, is_kept=failure.may_pass)


def _batches(traces: Sequence[Trace]) -> list[list[Trace]]:
    """Groups of a few hundred spans, so that no request grows beyond what collectors take."""
    batches: list[list[Trace]] = []
    size = 0
    for trace in traces:
        if not batches or size + len(trace[1]) > _SPANS_AT_ONCE:
            batches.append([])
            size = 0
        batches[-1].append(trace)
        size += len(trace[1])
    return batches
