"""Carries what a pod's program writes into the database, each line once.

The API gives each line its time. The time of the last line that was kept, and how many had that very time, are stored
with the lines in one transaction; whoever connects again asks for lines since then and skips those. The program of a
pod that was started again goes on in another file; the one before can still be read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime

import psycopg
import structlog

from glia.deployments import node_queries
from glia.deployments.kubernetes.api import Cluster
from glia.deployments.kubernetes.errors import ClusterRefused, ObjectMissing
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.kubernetes.queries import Row
from glia.deployments.kubernetes.wishes import CONTAINER
from glia.deployments.lines import Splitter, level_of
from glia.deployments.node_queries import NewLine
from glia.kit.db import Database
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_NANOS = 1_000_000_000
_BATCH_LINES = 2000
_BATCH_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
_END_SECONDS = 2.0
_ERROR = 3


class Place:
    """Where reading stands: the time of the last line in nanoseconds since 1970, and how many lines had it."""

    def __init__(self, at: int, count: int) -> None:
        self.at, self.count = at, count
        self._left = 0

    def begin(self) -> str | None:
        """A new connection begins, with lines since this moment, of which the API takes whole seconds."""
        self._left = self.count
        return datetime.fromtimestamp(self.at // _NANOS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if self.at else None

    def is_new(self, at: int) -> bool:
        """Whether a line of that moment has not been read before."""
        if at < self.at:
            return False
        if at == self.at:
            if self._left:
                self._left -= 1
                return False
            self.count += 1
            return True
        self.at, self.count, self._left = at, 1, 0
        return True


def parse(line: NewLine) -> tuple[int, NewLine | None]:
    """The time in nanoseconds and the line without it; None for an empty one. 0 without a time: that is the cluster
    saying something in the middle, not the program."""
    head, _, text = line.message.partition(" ")
    at = nanoseconds(head)
    if not at or not text:
        return at, None
    return at, NewLine(datetime.fromtimestamp(at / _NANOS, UTC), level_of(text), text)


def nanoseconds(text: str) -> int:
    """Since 1970, of RFC 3339 with up to nine digits behind the second; 0 for anything else."""
    whole, dot, rest = text.partition(".")
    digits = rest.rstrip("Z")
    if len(whole) < 19 or (dot and (not digits.isdigit() or not rest.endswith("Z"))):
        return _with_offset(text)
    try:
        seconds = int(datetime.fromisoformat(whole[:19] + "+00:00").timestamp())
    except ValueError:
        return 0
    if not dot and not text.endswith("Z"):
        return _with_offset(text)
    return seconds * _NANOS + int(digits[:9].ljust(9, "0") or 0)


def _with_offset(text: str) -> int:
    """As some runtimes write it: `+02:00` at the end."""
    whole, sign, offset = text[:19], text[-6:-5], text[-5:]
    if len(text) < 25 or sign not in "+-" or offset[2:3] != ":":
        return 0
    try:
        seconds = int(datetime.fromisoformat(whole + text[-6:]).timestamp())
    except ValueError:
        return 0
    digits = text[20:-6] if text[19:20] == "." else ""
    return seconds * _NANOS + (int(digits[:9].ljust(9, "0")) if digits.isdigit() else 0)


class Follower:
    """One pod's output, from its first start until the pod is gone."""

    def __init__(self, db: Database, cluster: Cluster, pod: Pod, row: Row, may_act: Callable[[], bool]) -> None:
        """may_act: whether the cluster is still ours to look after."""
        self._db, self._cluster, self._row, self._may_act = db, cluster, row, may_act
        self.pod = pod
        self._place = Place(*row.log_place)
        self._splitter = Splitter()
        self._pending: list[NewLine] = []
        self._kept_at = time.monotonic()
        self._done_starts, self._told_starts = -1, row.restarts + (row.state == "backoff") - 1
        self._woken = asyncio.Event()
        self.is_gone = False
        self.task = asyncio.create_task(self._follow(), name=f"glia-pod-{pod.id}")

    def tell(self, pod: Pod | None) -> None:
        """What the pod says now; None when it is gone."""
        if pod is None:
            self.is_gone = True
            self._woken.set()
        elif pod != self.pod:
            self.pod = pod
            self._woken.set()

    async def _follow(self) -> None:
        while True:
            pod = self.pod
            if self.is_gone and (not pod.has_output or self._done_starts >= pod.starts):
                return
            if pod.has_output and self._done_starts < pod.starts:
                try:
                    await self._read(pod)
                    continue
                except ObjectMissing:
                    if self.is_gone or pod.is_leaving:
                        return
                except GliaError as error:
                    if self.is_gone:
                        return
                    log.info("output is read again", pod=pod.name, reason=error.message)
            await self._wait()

    async def _wait(self) -> None:
        self._woken.clear()
        try:
            async with asyncio.timeout(_AGAIN_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _read(self, pod: Pod) -> None:
        """All that its program writes until it ends. First what the run before the last start still had to say."""
        if self._done_starts < pod.starts - 1 and pod.starts:
            try:
                await self._stream(pod, is_previous=True)
            except (ObjectMissing, ClusterRefused):
                log.info("the output before the last start is gone", pod=pod.name)
            self._done_starts = pod.starts - 1
            await self._say_end(pod.starts - 1)
        if not (pod.is_up or pod.failing or pod.is_over):
            return
        await self._stream(pod, is_previous=False)
        if not self.pod.is_up or self.pod.starts > pod.starts or self.is_gone:
            self._done_starts = max(self._done_starts, pod.starts)
            await self._say_end(pod.starts)

    async def _told_of_end(self, pod: Pod) -> None:
        """Its output usually ends a moment before the pod says so; whoever asked again meanwhile would get that of the
        next start."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                while self.pod.is_up and self.pod.starts == pod.starts and not self.is_gone:
                    self._woken.clear()
                    await self._woken.wait()

    async def _say_end(self, starts: int) -> None:
        """A line of ours behind those of a program that ended and is started again, once."""
        pod = self.pod
        if pod.is_leaving or self.is_gone or starts <= self._told_starts or not pod.failure:
            return
        self._told_starts = starts
        text = f"This replica ended, and is started again: {pod.failure.rstrip('.')}."
        self._pending.append(NewLine(datetime.now(UTC), _ERROR, text))
        await self._keep()

    async def _stream(self, pod: Pod, *, is_previous: bool) -> None:
        since = self._place.begin()
        self._splitter = Splitter()
        pieces = self._cluster.log(pod.name, CONTAINER, since=since, is_previous=is_previous)
        try:
            async with aclosing(pieces):
                waiting: asyncio.Task[bytes] | None = None
                try:
                    while True:
                        waiting = waiting or asyncio.ensure_future(anext(pieces, b""))
                        done, _ = await asyncio.wait({waiting}, timeout=_BATCH_SECONDS if self._pending else None)
                        if not done:
                            await self._keep()
                            continue
                        piece, waiting = waiting.result(), None
                        if not piece:
                            break
                        self._take(self._splitter.feed(time.time(), piece))
                        if len(self._pending) >= _BATCH_LINES or time.monotonic() - self._kept_at > _BATCH_SECONDS:
                            await self._keep()
                finally:
                    if waiting is not None:
                        waiting.cancel()
                        await asyncio.gather(waiting, return_exceptions=True)
            if not is_previous:
                await self._told_of_end(pod)
            if not self.pod.is_up or self.pod.starts > pod.starts or is_previous or self.is_gone:
                self._take(self._splitter.flush())
        finally:
            await self._keep()

    def _take(self, lines: Sequence[NewLine]) -> None:
        for line in lines:
            at, said = parse(line)
            if at and self._place.is_new(at) and said is not None:
                self._pending.append(said)

    async def _keep(self) -> None:
        """Until the database has taken it; meanwhile nothing more is read."""
        while self._pending:
            self._kept_at = time.monotonic()
            if not self._may_act():
                raise GliaError("Another node looks after the cluster.")
            lines, place = self._pending, (self._place.at, self._place.count)
            try:
                async with self._db.transaction(self._row.workspace_id) as tx:
                    await node_queries.keep_lines(tx, self._row.deployment_id, self._row.id, lines, place)
            except (GliaError, psycopg.OperationalError) as error:
                log.warning("output could not be kept; trying again", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            self._pending = []
