"""What is to be done about a deployment, from what is wanted and what is there. Pure rules.

A change replaces replica by replica: one new one is added, and when it is ready an old one goes. A new one that fails
three times, whose program is refused, or that is not ready in time after its download, undoes the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from glia.deployments.node_queries import NodeRow, ReplicaRow, Wish

LOOP_FAILURES = 5
"""After so many failures in a row a deployment is said to be in error."""

DOWNLOAD_SECONDS = 900.0
"""The longest that the download of a program may take."""

_UNDO_FAILURES = 3
_UNDONE = "The last change was undone"


@dataclass(frozen=True)
class Plan:
    """add: how many, of the deployment's generation. retire: to be stopped. drop: whose node is gone."""

    status: str
    reason: str
    add: int = 0
    retire: tuple[UUID, ...] = ()
    drop: tuple[UUID, ...] = ()
    version_id: UUID | None = None
    generation: int = 0
    good_version_id: UUID | None = None
    good_generation: int | None = None


def plan_for(wish: Wish, rows: Sequence[ReplicaRow], *, problem: str, start_seconds: float) -> Plan:
    """problem: why no node can run it; empty when one can."""
    has_nodes = not problem
    drop = tuple(row.id for row in rows if not row.is_held and has_nodes)
    living = [row for row in rows if row.is_wanted and row.id not in drop]
    if not wish.is_wanted:
        retire = tuple(row.id for row in living)
        return _plan(wish, "stopped", "", retire=retire, drop=drop)
    new = [row for row in living if row.generation == wish.generation]
    old = [row for row in living if row.generation != wish.generation]
    if old and wish.good_version_id is not None and wish.good_generation != wish.generation:
        why = _why_undo(new, start_seconds)
        if why:
            return _undo(wish, new, why, drop, is_served=any(row.is_ready for row in old))
    ready = [row for row in new if row.is_ready]
    if old:
        return _roll(wish, new, old, drop, problem)
    surplus = len(new) - wish.replicas
    retire = tuple(row.id for row in _least_wanted(new)[:surplus]) if surplus > 0 else ()
    add = -surplus if surplus < 0 and has_nodes else 0
    status, reason = _judged(wish, new, problem)
    is_good = len(ready) >= wish.replicas and wish.replicas > 0
    good = (wish.version_id, wish.generation) if is_good else (wish.good_version_id, wish.good_generation)
    return _plan(wish, status, reason, add=add, retire=retire, drop=drop, good=good)


def _plan(
    wish: Wish,
    status: str,
    reason: str,
    *,
    add: int = 0,
    retire: tuple[UUID, ...] = (),
    drop: tuple[UUID, ...] = (),
    target: tuple[UUID, int] | None = None,
    good: tuple[UUID | None, int | None] | None = None,
) -> Plan:
    version, generation = target or (wish.version_id, wish.generation)
    good_version, good_generation = good or (wish.good_version_id, wish.good_generation)
    return Plan(status, reason, add, retire, drop, version, generation, good_version, good_generation)


def _why_undo(new: Sequence[ReplicaRow], start_seconds: float) -> str:
    for row in new:
        if row.state == "failed" or row.failures >= _UNDO_FAILURES:
            return row.reason
        longest = start_seconds if row.has_begun else start_seconds + DOWNLOAD_SECONDS
        if not row.is_ready and row.age_seconds > longest:
            return row.reason or f"it was not ready within {start_seconds:g} s"
    return ""


def _undo(wish: Wish, new: Sequence[ReplicaRow], why: str, drop: tuple[UUID, ...], *, is_served: bool) -> Plan:
    target = (wish.good_version_id or wish.version_id, wish.good_generation or wish.generation)
    reason = f"{_UNDONE}, and what ran before it runs on: {why.rstrip('.')}."
    status = "running" if is_served else "deploying"
    return _plan(wish, status, reason, retire=tuple(row.id for row in new), drop=drop, target=target)


def _roll(
    wish: Wish, new: Sequence[ReplicaRow], old: Sequence[ReplicaRow], drop: tuple[UUID, ...], problem: str
) -> Plan:
    """One more than wanted at most. Old ones that do not serve go when a new one does: until then they may be what is
    gone back to."""
    ready = sum(row.is_ready for row in new)
    serving = sum(row.is_ready for row in old)
    retire = [row.id for row in old if not row.is_ready and ready]
    surplus = ready + serving - wish.replicas
    retire += [row.id for row in old if row.is_ready][: max(0, surplus)]
    is_waiting = ready < len(new)
    missing = wish.replicas - len(new)
    add = 0
    if missing > 0 and not problem:
        add = missing if not serving else int(not is_waiting)
    return _plan(wish, "deploying", problem, add=add, retire=tuple(retire), drop=drop)


def _least_wanted(rows: Sequence[ReplicaRow]) -> list[ReplicaRow]:
    """Those that do not serve first, then the youngest."""
    return sorted(rows, key=lambda row: (row.is_ready, row.age_seconds))


def _judged(wish: Wish, rows: Sequence[ReplicaRow], problem: str) -> tuple[str, str]:
    """status and reason. What ran stays `running` while a replica is replaced."""
    if problem and wish.replicas and not any(row.is_held for row in rows):
        return "error", problem
    broken = next((row for row in rows if row.state == "failed" or row.failures >= LOOP_FAILURES), None)
    if broken is not None:
        again = "" if broken.state == "failed" else f" {broken.failures} times in a row"
        return "error", f"A replica fails{again}: {broken.reason.rstrip('.')}."
    ready = sum(row.is_ready for row in rows)
    kept = wish.reason if wish.reason.startswith(_UNDONE) else ""
    if ready >= wish.replicas:
        return "running", kept if wish.status == "deploying" else wish.reason if wish.status == "running" else ""
    unhealthy = next((row for row in rows if row.state == "unhealthy"), None)
    if unhealthy is not None and not ready:
        return "error", f"No replica is healthy: {unhealthy.reason.rstrip('.')}."
    if wish.status == "running" and (ready or wish.good_generation == wish.generation):
        return "running", wish.reason
    return ("error", wish.reason) if wish.status == "error" else ("deploying", kept)


def places_for(count: int, nodes: Sequence[NodeRow], taken: Mapping[UUID, int], region: str) -> list[UUID]:
    """A node for each new replica: the one with the fewest of this deployment, then with the fewest of all."""
    fit = {node.id: (taken.get(node.id, 0), node.replicas) for node in nodes if fits(node, region)}
    chosen: list[UUID] = []
    for _ in range(count if fit else 0):
        best = min(fit, key=lambda node_id: fit[node_id])
        chosen.append(best)
        fit[best] = (fit[best][0] + 1, fit[best][1] + 1)
    return chosen


def problem_of(nodes: Sequence[NodeRow], region: str) -> str:
    """Why none of them can run programs for that region; empty when one can."""
    if any(fits(node, region) for node in nodes):
        return ""
    said = next((node.problem for node in nodes if region in ("", node.region) and node.problem), "")
    where = f" in the region {region!r}" if region else ""
    return said or f"There is no node{where} that can run programs; start one with `glia node`."


def fits(node: NodeRow, region: str) -> bool:
    return not node.problem and region in ("", node.region)
