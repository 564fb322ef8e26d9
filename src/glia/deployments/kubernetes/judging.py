"""What is told of deployments and replicas from what the cluster says. Pure rules, and the same words and limits as for
sandboxes (`planning.py`); that Kubernetes itself adds and removes replicas is the only difference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from glia.deployments import planning
from glia.deployments.kubernetes.making import Trouble
from glia.deployments.kubernetes.pods import Pod
from glia.deployments.kubernetes.queries import Row
from glia.deployments.node_queries import ReplicaRow, Wish
from glia.deployments.planning import Plan
from glia.kit.clock import now

_STABLE_SECONDS = 10.0


@dataclass
class History:
    """base: failures that count no more, because the replica was well for a while after them."""

    base: int
    ready_since: float | None = None
    was_ready: bool = False

    def failures(self, pod: Pod) -> int:
        total = pod.starts + pod.failing
        if not pod.is_ready:
            if self.ready_since is not None and time.monotonic() - self.ready_since > _STABLE_SECONDS:
                self.base = max(self.base, total - 1)
            self.ready_since = None
        elif self.ready_since is None:
            self.ready_since = time.monotonic()
        elif time.monotonic() - self.ready_since > _STABLE_SECONDS:
            self.base = total
        self.was_ready = self.was_ready or pod.is_ready
        return max(0, total - self.base)


def history_of(pod: Pod, row: Row | None) -> History:
    """Of a pod that this process has not seen before. row: what an earlier one told."""
    if row is None:
        return History(0)
    since = pod.starts - row.restarts
    known = row.failures + max(0, since)
    return History(max(0, pod.starts + pod.failing - known), was_ready=row.is_ready)


def row_of(pod: Pod, wish: Wish, history: History, problem: str) -> Row:
    """problem: what the gate of a pod that Kubernetes does not ask says."""
    state, reason = pod.state, pod.reason
    if state == "starting" and pod.is_up:
        reason = problem or reason
        if history.was_ready:
            state = "unhealthy"
    return Row(
        pod.id,
        wish.workspace_id,
        wish.id,
        pod.version_id,
        pod.generation,
        state,
        pod.is_ready,
        not pod.is_leaving and not pod.is_over,
        reason,
        history.failures(pod),
        pod.starts,
        pod.address,
        (0, 0),
        pod.started_at,
        pod.failure,
    )


def row_of_trouble(wish: Wish, trouble: Trouble) -> Row:
    """A replica that cannot even be asked for."""
    id = uuid5(wish.id, f"{wish.version_id}/{wish.generation}")
    state, reason = "failed" if trouble.is_final else "backoff", trouble.reason[:1000]
    return Row(
        id, wish.workspace_id, wish.id, wish.version_id, wish.generation, state, False, True, reason,
        trouble.failures, 0, "", (0, 0), None, reason,
    )  # fmt: skip


def seen(row: Row, node_id: UUID, age_seconds: float) -> ReplicaRow:
    """As the plan sees it."""
    return ReplicaRow(
        row.id, row.workspace_id, row.deployment_id, row.version_id, row.generation, node_id, row.is_wanted, row.state,
        row.is_ready, row.reason, row.failures, True, True, age_seconds,
    )  # fmt: skip


def age_of(pod: Pod) -> float:
    return (now() - pod.created_at).total_seconds()


def counts(wish: Wish, row: ReplicaRow) -> bool:
    """Not what is left of a change that was undone: Kubernetes takes it away, in a while."""
    is_new = row.generation == wish.generation and row.version_id == wish.version_id
    return is_new or row.generation < wish.generation


def judge(wish: Wish, rows: Sequence[ReplicaRow], *, problem: str, given_up: str, start_seconds: float) -> Plan:
    """problem: why nothing can run. given_up: why Kubernetes no longer waits for what is wanted."""
    rows = [row for row in rows if row.is_wanted and counts(wish, row)]
    plan = planning.plan_for(wish, rows, problem=problem, start_seconds=start_seconds)
    if plan.status != "deploying" or not given_up or plan.generation != wish.generation:
        return plan
    new = [row for row in rows if row.generation == wish.generation and not row.is_ready]
    why = next((row.reason for row in new if row.reason), given_up).rstrip(".")
    if wish.region and "Unschedulable" in why:
        why = f"no machine of the region {wish.region!r} takes it: {why}"
    return replace(plan, status="error", reason=f"It is not ready within {start_seconds:g} s: {why}.")
