"""What is in the cluster, kept up to date by watching it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import aclosing

import structlog

from glia.deployments.kubernetes.api import Cluster
from glia.deployments.kubernetes.errors import VersionGone
from glia.deployments.kubernetes.things import Thing
from glia.kit.errors import GliaError

log = structlog.get_logger(__name__)

_LONGEST_PAUSE_SECONDS = 15.0
_FAITHFUL_SECONDS = 600.0
"""After so long everything is listed again, should a change ever have been missed."""


class Watched:
    """All objects of one kind with certain labels, by name. changed: called after each change."""

    def __init__(self, cluster: Cluster, plural: str, labels: str, changed: Callable[[], None]) -> None:
        self._cluster, self._plural, self._labels, self._changed = cluster, plural, labels, changed
        self.things: dict[str, Thing] = {}
        self.is_known = False
        self.problem = ""

    async def run(self) -> None:
        """Until cancelled. Without the cluster, what was known stays, and `problem` says why."""
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._follow(version)
            except VersionGone:
                continue
            except GliaError as error:
                failures += 1
                if error.message != self.problem:
                    log.warning("the cluster cannot be watched", kind=self._plural, problem=error.message)
                self.problem = error.message
                self._changed()
                await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, 0.25 * 2**failures) * random.uniform(0.7, 1))  # noqa: S311

    async def _list(self) -> str:
        things, version = await self._cluster.list(self._plural, self._labels)
        self.things = {thing["metadata"]["name"]: thing for thing in things}
        self.is_known, self.problem = True, ""
        self._changed()
        return version

    async def _follow(self, version: str) -> None:
        since = time.monotonic()
        async with aclosing(self._cluster.watch(self._plural, self._labels, version)) as events:
            async for kind, thing in events:
                if kind == "DELETED":
                    self.things.pop(thing["metadata"]["name"], None)
                elif kind in ("ADDED", "MODIFIED"):
                    self.things[thing["metadata"]["name"]] = thing
                self._changed()
                if time.monotonic() - since > _FAITHFUL_SECONDS:
                    return
