"""Sandboxes started ahead of need, all alike; whoever wants one of that kind need not wait for it to start."""

from __future__ import annotations

import asyncio
import uuid

import structlog

from glia.kit.errors import GliaError
from glia.sandboxes.types import Sandbox, SandboxBackend, SandboxId, SandboxSpec

log = structlog.get_logger(__name__)

_PAUSE_AFTER_FAILURE_SECONDS = 30.0


class WarmPool:
    def __init__(self, backend: SandboxBackend, size: int) -> None:
        """size: how many to keep ready; 0 for none."""
        self._backend = backend
        self._size = size
        self._spec: SandboxSpec | None = None
        self._ready: list[Sandbox] = []
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, spec: SandboxSpec) -> None:
        """spec: of the sandboxes to keep ready."""
        self._spec = spec
        if self._size:
            self._wanted.set()
            self._task = asyncio.create_task(self._fill(), name="glia-warm-sandboxes")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for box in self._ready:
            await self._drop(box)
        self._ready.clear()

    def take(self, spec: SandboxSpec) -> Sandbox | None:
        """One that lives, if this kind is kept ready."""
        if spec != self._spec:
            return None
        self._wanted.set()
        while self._ready:
            box = self._ready.pop()
            if box.is_alive:
                return box
        return None

    async def _fill(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while self._spec is not None and len(self._ready) < self._size:
                    id = SandboxId(f"warm-{uuid.uuid4().hex}")
                    self._ready.append(await self._backend.create(id, self._spec))
            except GliaError as error:
                log.warning("no sandbox can be kept ready", error=error.message)
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)

    async def _drop(self, box: Sandbox) -> None:
        await box.kill()
        await self._backend.remove_workspace(box.id)
