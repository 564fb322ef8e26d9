"""/v1/workers: who executes runs, and how much waits for them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from glia.surfaces.native.words import ListOf
from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/v1/workers", tags=["runs"], route_class=WatchedRoute)


class WorkerOut(Out):
    """name: machine and process; null without the scope `identity:read`. running: this workspace's runs that it has."""

    id: UUID
    name: str | None
    version: str
    is_alive: bool
    running: int
    started_at: Time


class QueueOut(Out):
    """This workspace's runs that are not over. waiting_seconds: how long the oldest queued run has been due.

    scheduled: queued for a later moment. suspended: waiting for a person, a budget, a time or another run; for_budget
    and for_approval are parts of them.
    """

    queued: int
    scheduled: int
    running: int
    suspended: int
    for_budget: int
    for_approval: int
    oldest_run_id: UUID | None
    waiting_seconds: float


class WorkersOut(ListOf[WorkerOut]):
    queue: QueueOut


@router.get("")
async def list_workers(house: TheHouse, principal: ThePrincipal) -> WorkersOut:
    """The processes that execute runs, the oldest first, and what waits for them."""
    workers = await house.workers.list(principal)
    queue = await house.workers.queue(principal)
    return WorkersOut(data=[WorkerOut.of(worker) for worker in workers], queue=QueueOut.of(queue))
