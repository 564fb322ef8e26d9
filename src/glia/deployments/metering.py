"""Counts what replicas use, for bills: in memory as it happens, and in the database a few times a minute.

What has been counted and not yet written is lost when the node is killed: at most one interval. What is written again,
because nobody knows whether the first time succeeded, adds nothing: each replica's row says up to when it was counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import structlog

from glia.deployments import checks, metering_queries
from glia.deployments.metering_queries import Counted
from glia.deployments.node_queries import Assigned
from glia.deployments.types import Used
from glia.kit.db import Database
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_MOST_OWED = 100_000
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Stretch:
    """A time for which one replica ran, and what it used in it."""

    row: Assigned
    since: datetime
    until: datetime
    cpu_seconds: float
    network_bytes: int


@dataclass(frozen=True)
class Mark:
    """Where counting goes on. at: of the monotonic clock, which nobody sets back."""

    at: float
    used: Used


def begun() -> Mark:
    """For a replica that starts now."""
    return Mark(time.monotonic(), Used(0.0, 0, 0))


def found_again(used: Used) -> Mark:
    """For one that ran while no node looked: that is nobody's to pay."""
    return Mark(time.monotonic(), used)


def stretch_of(row: Assigned, before: Mark, now: Mark) -> Stretch:
    until = datetime.now(UTC)
    return Stretch(
        row,
        until - timedelta(seconds=now.at - before.at),
        until,
        max(0.0, now.used.cpu_seconds - before.used.cpu_seconds),
        max(0, now.used.network_bytes - before.used.network_bytes),
    )


class Metering:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._owed: list[Stretch] = []

    @property
    def is_behind(self) -> bool:
        """Whether the database has not taken what was noted."""
        return bool(self._owed)

    @property
    def owing(self) -> set[UUID]:
        """Replicas of which something noted has not been written."""
        return {stretch.row.id for stretch in self._owed}

    def note(self, stretch: Stretch) -> None:
        if len(self._owed) >= _MOST_OWED:
            log.error("use of a replica is not counted, because too much waits for the database")
            return
        self._owed.append(stretch)

    async def settle(self) -> None:
        """Writes what was noted. When it cannot, it is tried again the next time."""
        owed = list(self._owed)
        if not owed:
            return
        try:
            async with self._db.across_workspaces() as tx:
                known = await metering_queries.counted_until(tx, {stretch.row.id for stretch in owed})
                lost = await metering_queries.still_there(
                    tx, {stretch.row.deployment_id for stretch in owed if stretch.row.id not in known}
                )
                counted, until = _counted(owed, known, lost)
                await metering_queries.note_until(tx, until)
                await metering_queries.add(tx, counted)
        except (GliaError, psycopg.OperationalError) as error:
            log.warning("use could not be counted; trying again", error=str(error))
            return
        except psycopg.IntegrityError as error:  # a workspace that was deleted pays nothing
            log.warning("use was not counted", error=str(error))
        del self._owed[: len(owed)]


def _counted(
    owed: Sequence[Stretch], known: dict[UUID, datetime | None], lost: set[UUID]
) -> tuple[list[Counted], dict[UUID, datetime]]:
    """What to add, one for each deployment and hour, and up to when each replica is counted then.

    known: replicas by id, with what was counted before. lost: deployments that exist while a replica of theirs is not
    known any more: it was given to another node, and what ran here of it meanwhile is not theirs to pay.
    """
    sums: dict[tuple[UUID, datetime], Counted] = {}
    until: dict[UUID, datetime] = {}
    for stretch in owed:
        row = stretch.row
        if row.id not in known and row.deployment_id in lost:
            continue
        before = until.get(row.id) or known.get(row.id)
        for part in by_hour(stretch, stretch.since if before is None else max(before, stretch.since)):
            key = part.deployment_id, part.hour
            sums[key] = part if key not in sums else sums[key].plus(part)
        if row.id in known and (before is None or stretch.until > before):
            until[row.id] = stretch.until
    return sorted(sums.values(), key=lambda one: (one.deployment_id, one.hour)), until


def by_hour(stretch: Stretch, since: datetime) -> list[Counted]:
    """The part of the stretch from `since` on, cut at whole hours, with each part's share."""
    row, parts = stretch.row, list[Counted]()
    whole = (stretch.until - stretch.since).total_seconds()
    cpus, memory = checks.cpus_of(row.cpu), checks.memory_of(row.memory)
    while since < stretch.until:
        hour = since.replace(minute=0, second=0, microsecond=0)
        until = min(hour + _HOUR, stretch.until)
        begin, end = (since - stretch.since).total_seconds(), (until - stretch.since).total_seconds()
        part = Counted(
            row.workspace_id,
            row.project_id,
            row.deployment_id,
            row.name,
            hour,
            replica_seconds=end - begin,
            cpu_core_seconds=(end - begin) * cpus,
            cpu_seconds=stretch.cpu_seconds * (end - begin) / whole,
            memory_byte_seconds=_share(whole * memory, begin, end, whole),
            network_bytes=_share(stretch.network_bytes, begin, end, whole),
        )
        parts.append(part)
        since = until
    return parts


def _share(total: float, begin: float, end: float, whole: float) -> int:
    """Of a total over `whole` seconds; the shares of all its parts add up to it."""
    return round(total * end / whole) - round(total * begin / whole)
