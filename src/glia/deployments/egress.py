"""Whom programs may reach: a proxy for each replica that has a way out, which judges every host and writes down what it
decided. The proxies live in the node; while it is away, requests of programs wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from glia.deployments.node_queries import Assigned, NewLine
from glia.deployments.types import Outgoing, Running
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.sandboxes.egress.proxy import EgressProxy
from glia.sandboxes.egress.rules import USUAL_PORTS, AllowList, read_allow_list
from glia.sandboxes.egress.types import Decision

_DEBUG, _WARN = 0, 2
_MOST_LINES = 100
"""Of one replica and second."""

_MOST_SEEN = 1000
_TRIES, _AGAIN_SECONDS = 150, 0.2


class _Public(AllowList):
    """Every name; that it leads to no private address is what the outbound client makes sure of."""

    def why_refused(self, host: str, port: int) -> str | None:
        return None if port in USUAL_PORTS else f"port {port} is neither 80 nor 443"


@dataclass
class _Way:
    row: Assigned
    lines: list[NewLine] = field(default_factory=list[NewLine])
    left_out: int = 0
    seen: dict[UUID, str] = field(default_factory=dict[UUID, str])
    proxy: EgressProxy | None = None
    task: asyncio.Task[None] | None = None

    def note(self, decision: Decision) -> None:
        """A connection is told of when it is judged, and again when that turns out otherwise."""
        if self.seen.get(decision.id) == decision.verdict:
            return
        if len(self.seen) >= _MOST_SEEN:
            self.seen.clear()
        self.seen[decision.id] = decision.verdict
        if len(self.lines) >= _MOST_LINES:
            self.left_out += 1
            return
        place = decision.host if decision.port is None else f"{decision.host}:{decision.port}"
        said = f"network: {decision.method} {place} {decision.verdict}"
        text = f"{said}: {decision.reason}" if decision.reason else said
        level = _DEBUG if decision.verdict == "allowed" else _WARN
        self.lines.append(NewLine(decision.at, level, text[:1000]))

    def taken(self) -> list[NewLine]:
        found, self.lines = self.lines, []
        if self.left_out:
            text = f"network: {self.left_out} more connections were judged"
            found.append(NewLine(datetime.now(UTC), _WARN, text))
            self.left_out = 0
        return found


class WaysOut:
    def __init__(self, allow: frozenset[str] = frozenset()) -> None:
        """allow: the operator's exceptions, for hosts that a deployment names; `public` has none."""
        self._named = Outbound(OutboundPolicy(allow, refuses_own=True))
        self._public = Outbound(OutboundPolicy(refuses_own=True))
        self._ways: dict[UUID, _Way] = {}

    def open(self, row: Assigned, running: Running) -> None:
        """Returns at once; the program's first requests wait until its proxy is there."""
        if row.network == "none" or not isinstance(running, Outgoing):
            return
        way = self._ways[row.id] = _Way(row)
        is_public = row.network == "public"
        allow = _Public() if is_public else read_allow_list(row.network_hosts)
        way.proxy = EgressProxy(self._public if is_public else self._named, allow, note=way.note)
        way.task = asyncio.create_task(_taken_over(way.proxy, running), name=f"glia-way-out-{row.id}")

    async def close(self, replica_id: UUID) -> None:
        way = self._ways.pop(replica_id, None)
        if way is None:
            return
        if way.task is not None:
            way.task.cancel()
            await asyncio.gather(way.task, return_exceptions=True)
        if way.proxy is not None:
            await way.proxy.close()

    async def close_all(self) -> None:
        for id in list(self._ways):
            await self.close(id)
        await self._named.close()
        await self._public.close()

    def taken(self) -> Iterator[tuple[Assigned, list[NewLine]]]:
        """What was decided since the last call, by replica."""
        for way in list(self._ways.values()):
            if lines := way.taken():
                yield way.row, lines


async def _taken_over(proxy: EgressProxy, running: Outgoing) -> None:
    """The sandbox takes a moment to begin."""
    for _ in range(_TRIES):
        try:
            listener = await asyncio.to_thread(running.way_out)
        except OSError:
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        await proxy.take(listener)
        return
