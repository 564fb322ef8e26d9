"""Carries what replicas write and use into the database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import structlog

from glia.deployments import node_queries
from glia.deployments.minder import Minder
from glia.deployments.node_queries import Assigned, NewLine, Sample
from glia.deployments.types import Running
from glia.kit.db import Database
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_UNENDED_SECONDS = 2.0
_ERROR = 3
_LEAST_SECONDS = 0.5
_MOST_AT_ONCE = 8


class Keeping:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._is_down_until = 0.0

    async def pump(self, minder: Minder) -> bool:
        """Keeps what has been written since the last call, up to a megabyte; whether there was anything. What the
        database did not take is tried again, before anything else is read."""
        if minder.pending is None:
            if minder.running is None:
                return False
            pieces, lines, place = _read(minder, minder.running)
            now = time.monotonic()
            if pieces:
                minder.fed_at = now
            elif minder.splitter.has_rest and now - minder.fed_at > _UNENDED_SECONDS:
                lines = minder.splitter.flush()
            if not pieces and not lines:
                return False
            minder.pending = lines, place
        return await self._keep(minder)

    async def _keep(self, minder: Minder) -> bool:
        lines, place = minder.pending or ([], minder.place)
        row = minder.row
        if time.monotonic() < self._is_down_until:
            return False
        try:
            async with self._db.transaction(row.workspace_id) as tx:
                await node_queries.keep_lines(tx, row.deployment_id, row.id, lines, place)
        except (GliaError, psycopg.OperationalError) as error:
            log.warning("output could not be kept; trying again", error=str(error))
            self._is_down_until = time.monotonic() + 1
            return False
        minder.place, minder.pending = place, None
        return True

    async def flush(self, minder: Minder, last_line: str) -> None:
        """All that it wrote until its end, and a line of ours if there is one."""
        while await self.pump(minder):
            pass
        ours = [_ours(last_line)] if last_line else []
        if minder.pending is None and (lines := [*minder.splitter.flush(), *ours]):
            minder.pending = lines, minder.place
            await self._keep(minder)

    async def say(self, minder: Minder, text: str) -> None:
        """A line of ours among those of the replica."""
        await self.add(minder.row, [_ours(text)], minder.place)

    async def add(self, row: Assigned, lines: Sequence[NewLine], place: tuple[int, int]) -> None:
        """Lines of ours; place: up to where its own were read. Nothing waits: without a database they are lost."""
        with suppress(GliaError, psycopg.OperationalError):
            async with self._db.transaction(row.workspace_id) as tx:
                await node_queries.keep_lines(tx, row.deployment_id, row.id, lines, place)

    async def sample(self, minders: Sequence[Minder]) -> None:
        """What they used since the last time; one transaction for each workspace."""
        by_workspace: dict[UUID, list[Sample]] = {}
        for minder in minders:
            if (sample := _sample_of(minder)) is not None:
                by_workspace.setdefault(minder.row.workspace_id, []).append(sample)
        for workspace_id, samples in by_workspace.items():
            async with self._db.transaction(workspace_id) as tx:
                await node_queries.keep_samples(tx, samples)


def _read(minder: Minder, running: Running) -> tuple[list[tuple[float, bytes]], list[NewLine], tuple[int, int]]:
    """A megabyte, or more of a line that does not end: nothing of that is to be kept. What was read, the lines in it,
    and the place behind it."""
    pieces, place = running.output(minder.place)
    lines = [line for at, data in pieces for line in minder.splitter.feed(at, data)]
    for _ in range(_MOST_AT_ONCE):
        if lines or not pieces:
            break
        more, place = running.output(place)
        lines = [line for at, data in more for line in minder.splitter.feed(at, data)]
        if not more:
            break
    return pieces, lines, place


def _sample_of(minder: Minder) -> Sample | None:
    """None for the first look at it."""
    measured, before = minder.measured(), minder.used
    minder.used = measured
    if measured is None or before is None or measured.at - before.at < _LEAST_SECONDS:
        return None
    seconds, used = measured.at - before.at, measured.used
    return Sample(
        minder.row.deployment_id,
        minder.row.id,
        cpu_percent=max(0.0, used.cpu_seconds - before.used.cpu_seconds) / seconds * 100,
        memory_mib=used.memory_bytes / (1024 * 1024),
        network_bytes_per_second=max(0, used.network_bytes - before.used.network_bytes) / seconds,
    )


def _ours(text: str) -> NewLine:
    return NewLine(datetime.now(UTC), _ERROR, text[:4000])
