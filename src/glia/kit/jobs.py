"""How a slice has long work done durably without knowing the engine that does it.

The slice starts a job inside the transaction that makes it necessary, and registers a function for its kind. The
engine runs that function, again after a crash, until it returns; so it must skip what is already done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from glia.kit.db import Transaction


class JobContext(Protocol):
    """What a running job may use. `input` is what it was started with."""

    workspace_id: UUID
    project_id: UUID
    run_id: UUID
    attempt: int
    input: dict[str, object]

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction in the job's workspace that only its present holder can make.

        Raises Fenced at its start when another worker has taken the job over, so a late write never lands.
        """
        ...

    async def progress(self, phase: str, done: int, total: int) -> None:
        """Adds a `job.progress` event. Call it at most a few times a second."""
        ...


Job = Callable[[JobContext], Awaitable[None]]
"""Returns when the work is done. A GliaError fails the run with that error; Fenced must pass through."""


class StartJob(Protocol):
    async def __call__(
        self, tx: Transaction, *, workspace_id: UUID, project_id: UUID, kind: str, input: dict[str, object]
    ) -> UUID:
        """Queues a job in this transaction and returns its run id; it begins once the transaction is committed."""
        ...
