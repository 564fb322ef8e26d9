"""A sandbox that lives in this process: its lease, its way out, and what it has used."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from glia.identity.types import Principal
from glia.kit import clock
from glia.sandboxes.egress.proxy import EgressProxy
from glia.sandboxes.egress.types import Decision
from glia.sandboxes.interpreter import Interpreter
from glia.sandboxes.records import SandboxRecord
from glia.sandboxes.types import Sandbox, Stats

MOST_WAITING_DECISIONS = 1_000
_GIB = 1024**3


@dataclass
class Decisions:
    """Egress decisions on their way to the database. A sandbox that makes too many loses some, which is counted."""

    waiting: dict[UUID, Decision] = field(default_factory=dict[UUID, Decision])
    dropped: int = 0

    def note(self, decision: Decision) -> None:
        if decision.id not in self.waiting and len(self.waiting) >= MOST_WAITING_DECISIONS:
            self.dropped += 1
        else:
            self.waiting[decision.id] = decision

    def take(self) -> list[Decision]:
        found, self.waiting = list(self.waiting.values()), {}
        return found


@dataclass
class Spent:
    """What was used since it was last taken. Memory counts as between two looks it was at the first of them."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_gib_seconds: float = 0.0
    _looked_at: float = field(default_factory=clock.monotonic)
    _cpu_then: float = 0.0
    _memory_then: int = 0

    def look(self, stats: Stats) -> None:
        now = clock.monotonic()
        passed = now - self._looked_at
        self.wall_seconds += passed
        self.cpu_seconds += max(0.0, stats.cpu_seconds - self._cpu_then)
        self.memory_gib_seconds += passed * (self._memory_then + stats.memory_bytes) / 2 / _GIB
        self._looked_at, self._cpu_then, self._memory_then = now, stats.cpu_seconds, stats.memory_bytes

    def take(self) -> Spent:
        taken = Spent(self.wall_seconds, self.cpu_seconds, self.memory_gib_seconds)
        self.wall_seconds = self.cpu_seconds = self.memory_gib_seconds = 0.0
        return taken


@dataclass(eq=False)
class Live:
    """record: as it was when the sandbox was started here; its status and lease live in these fields instead.

    code: held while a piece of code runs, so that interpreters see one piece at a time.
    """

    record: SandboxRecord
    box: Sandbox
    egress: EgressProxy | None
    decisions: Decisions
    lease_seconds: int
    lease_until: datetime
    spent: Spent = field(default_factory=Spent)
    interpreters: dict[str, Interpreter] = field(default_factory=dict[str, Interpreter])
    code: asyncio.Lock = field(default_factory=asyncio.Lock)
    written_until: datetime | None = None
    uses: int = 0

    @property
    def id(self) -> UUID:
        return self.record.id

    def touch(self) -> None:
        self.lease_until = clock.now() + timedelta(seconds=self.lease_seconds)

    @property
    def is_over(self) -> bool:
        return self.uses == 0 and self.lease_until <= clock.now()

    @contextmanager
    def in_use(self) -> Generator[Live]:
        """The lease does not end meanwhile, and begins anew afterwards."""
        self.uses += 1
        self.touch()
        try:
            yield self
        finally:
            self.uses -= 1
            self.touch()


class Use(Protocol):
    """How the parts of the service get at a sandbox: see `Sandboxes.use`."""

    def __call__(
        self, principal: Principal, id: UUID, scope: str = "sandboxes:write"
    ) -> AbstractAsyncContextManager[Live]: ...
