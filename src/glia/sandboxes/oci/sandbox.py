"""One sandbox that is a container."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from glia.sandboxes import asking
from glia.sandboxes.bubblewrap.cgroups import count_after, find
from glia.sandboxes.bubblewrap.workspaces import Workspace
from glia.sandboxes.errors import SandboxGone, SandboxPaused, WorkspaceFull
from glia.sandboxes.oci.engine import Engine, EngineFailed, is_missing
from glia.sandboxes.served import Served
from glia.sandboxes.types import Command, Frame, SandboxId, SandboxSpec, Stats
from glia.sandboxes.wire import Ends, hand_over


class OciSandbox(Served):
    def __init__(
        self, id: SandboxId, spec: SandboxSpec, *, engine: Engine, container: str, control: socket.socket,
        workspace: Workspace, oom_counter: Path | None, on_end: Callable[[SandboxId], None],
    ) -> None:  # fmt: skip
        super().__init__(id, spec)
        self._engine, self._container, self._control = engine, container, control
        self._workspace, self._oom_counter, self._on_end = workspace, oom_counter, on_end
        self._is_paused = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        return self._ending is None

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    async def exec(self, command: Command) -> AsyncGenerator[Frame]:
        await self.check_quota()
        async with aclosing(asking.run(self.dial, command, self._oom_kills)) as frames:
            async for frame in frames:
                yield frame

    def _oom_kills(self) -> int:
        return 0 if self._oom_counter is None else count_after(self._oom_counter, "oom_kill")

    async def check_quota(self) -> None:
        """An engine limits no folder, so it is looked at before each command."""
        self._require_alive()
        used = await asyncio.to_thread(self._workspace.used_bytes)
        if used > self._spec.limits.disk_bytes:
            raise WorkspaceFull(
                f"The workspace holds {used} bytes; {self._spec.limits.disk_bytes} are allowed. Remove files first."
            )

    async def stats(self) -> Stats:
        self._require_alive()
        found = await self._engine_call("GET", "/stats", query={"stream": "false", "one-shot": "true"})
        memory = found.get("memory_stats", {})
        detail = memory.get("stats", {})
        cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
        return Stats(
            cpu_seconds=found.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0) / 1e9,
            memory_bytes=max(0, memory.get("usage", 0) - cache),
            pids=found.get("pids_stats", {}).get("current", 0),
            disk_bytes=await asyncio.to_thread(self._workspace.used_bytes),
        )

    async def pause(self) -> None:
        self._require_alive()
        if not self._is_paused:
            await self._engine_call("POST", "/pause")
            self._is_paused = True

    async def resume(self) -> None:
        self._require_alive()
        if self._is_paused:
            await self._engine_call("POST", "/unpause")
            self._is_paused = False

    async def _engine_call(self, method: str, what: str, query: dict[str, str] | None = None) -> Any:
        try:
            return await self._engine.call(method, f"/containers/{self._container}{what}", query=query)
        except EngineFailed as error:
            if error.answer_status in (404, 409):
                raise SandboxGone(f"The sandbox {self._id!r} has ended.") from None
            raise

    async def kill(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._bury(), name=f"glia-sandbox-end-{self._id}")
        await asyncio.shield(self._ending)

    async def _bury(self) -> None:
        await remove_container(self._engine, self._container)
        self._control.close()
        await asyncio.to_thread(clear, self._workspace, self._spec.keeps_workspace)
        self._on_end(self._id)

    async def dial(self) -> Ends:
        self._require_alive()
        if self._is_paused:
            raise SandboxPaused(f"The sandbox {self._id!r} is paused; resume it first.")
        return await hand_over(self._control)

    def _require_alive(self) -> None:
        if self._ending is not None:
            raise SandboxGone(f"The sandbox {self._id!r} has ended.")


def oom_counter(pid: int) -> Path | None:
    """The file in which the kernel counts a container's processes that it killed for want of memory. An engine tells
    of them only once the container has ended. None where the engine is on another machine, or hides it."""
    with suppress(OSError):
        own, mounts = Path(f"/proc/{pid}/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
        found = find(own, mounts, needs_writing=False)
        places = [found.v1[name] / "memory.oom_control" for name in ("memory",) if name in found.v1]
        places += [found.unified / "memory.events"] if found.unified is not None else []
        return next((place for place in places if place.exists()), None)
    return None


async def remove_container(engine: Engine, container: str) -> None:
    """Returns when no process of it lives. None there is no error."""
    for attempt in range(5):
        try:
            await engine.call("DELETE", f"/containers/{container}", query={"force": "1", "v": "1"}, seconds=60)
        except EngineFailed as error:
            if is_missing(error):
                return
            if error.answer_status != 409 or attempt == 4:  # 409: a removal is in progress
                raise
            await asyncio.sleep(0.2)
        else:
            return


def clear(workspace: Workspace, is_kept: bool) -> None:
    with suppress(OSError):
        (workspace.folder / "agent.sock").unlink(missing_ok=True)
        workspace.close(is_kept=is_kept)
    if not is_kept:
        shutil.rmtree(workspace.folder, ignore_errors=True)
