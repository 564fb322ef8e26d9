"""One sandbox made by bubblewrap, from its start to the end of its last process."""

from __future__ import annotations

import asyncio
import signal as signals
import subprocess
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from glia.sandboxes import asking
from glia.sandboxes.bubblewrap.cgroups import CgroupFailed, Group, Usage
from glia.sandboxes.bubblewrap.holding import Holding
from glia.sandboxes.bubblewrap.launcher import Launched
from glia.sandboxes.bubblewrap.processes import Handle, tree
from glia.sandboxes.errors import AgentFailed, SandboxGone, SandboxPaused, WorkspaceFull
from glia.sandboxes.served import Served
from glia.sandboxes.types import Command, Exited, Frame, SandboxId, SandboxSpec, Stats
from glia.sandboxes.wire import Ends, hand_over

_END_SECONDS = 20.0


class BubblewrapSandbox(Served):
    def __init__(
        self,
        id: SandboxId,
        spec: SandboxSpec,
        holding: Holding,
        *,
        launched: Launched,
        init: Handle,
        on_end: Callable[[SandboxId], None],
    ) -> None:
        """init: the first process of its pid namespace, with whose end every process in there has ended."""
        super().__init__(id, spec)
        self._holding = holding
        self._launched, self._init, self._on_end = launched, init, on_end
        self._is_paused = False
        self._ending: asyncio.Task[None] | None = None
        self._seen_disk_bytes = 0
        self._finished_cpu_seconds, self._memory_kills, self._quota_kills = 0.0, 0, 0
        self._outer = Handle(launched.process.pid)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(init.fd, self._died)

    @property
    def is_alive(self) -> bool:
        return self._ending is None

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    # --- Commands -----------------------------------------------------------------------------------------------------

    async def exec(self, command: Command) -> AsyncGenerator[Frame]:
        await self.check_quota()
        before = self._quota_kills
        async with aclosing(asking.run(self.dial, command, self._oom_kills)) as frames:
            async for frame in frames:
                if isinstance(frame, Exited):
                    self._finished_cpu_seconds += frame.cpu_seconds
                    if frame.signal is not None and self._quota_kills > before:
                        raise WorkspaceFull("The command was killed: it wrote more than the workspace may hold.")
                yield frame

    # --- Figures ------------------------------------------------------------------------------------------------------

    async def stats(self) -> Stats:
        self._require_alive()
        found = await asyncio.to_thread(self._usage)
        self._require_alive()
        disk = await asyncio.to_thread(self._disk_bytes)
        return Stats(found.cpu_seconds or 0.0, found.memory_bytes or 0, found.pids or 0, disk)

    def _usage(self) -> Usage:
        """From the cgroups; what they do not count, from the processes that live."""
        found = self._holding.group.usage() if self._holding.group is not None else Usage(None, None, None)
        if found.cpu_seconds is None or found.memory_bytes is None or found.pids is None:
            living = tree(self._init.pid).values()
            counted = sum(process.cpu_seconds for process in living) + self._finished_cpu_seconds
            cpu = found.cpu_seconds if found.cpu_seconds is not None else counted
            memory = sum(process.memory_bytes for process in living)
            memory = found.memory_bytes if found.memory_bytes is not None else memory
            found = Usage(cpu, memory, len(living) if found.pids is None else found.pids)
        return found

    def _disk_bytes(self) -> int:
        workspace = self._holding.workspace
        with suppress(OSError):
            return workspace.mounted_bytes() if self._holding.is_quota_hard else workspace.used_bytes()
        return 0

    def _oom_kills(self) -> int:
        group = self._holding.group
        return self._memory_kills + (group.oom_kills() if group is not None else 0)

    # --- Limits that the kernel does not hold here --------------------------------------------------------------------

    async def check_quota(self) -> None:
        if self._holding.is_quota_hard:
            return
        used = await asyncio.to_thread(self._disk_bytes)
        if used > self._spec.limits.disk_bytes:
            raise WorkspaceFull(
                f"The workspace holds {used} bytes; {self._spec.limits.disk_bytes} are allowed. Remove files first."
            )

    async def enforce(self) -> None:
        """Looks once, and kills all commands when they use more than they may. For limits that are soft here."""
        if self._ending is not None or self._is_paused:
            return
        limits = self._spec.limits
        group = self._holding.group
        disk = 0 if self._holding.is_quota_hard else await asyncio.to_thread(self._disk_bytes)
        is_over_disk = disk > max(limits.disk_bytes, self._seen_disk_bytes)  # not again while it is being cleared
        self._seen_disk_bytes = disk
        is_over_memory = False
        if group is None or group.usage().memory_bytes is None:
            is_over_memory = ((await asyncio.to_thread(self._usage)).memory_bytes or 0) > limits.memory_bytes
        self._memory_kills += is_over_memory
        self._quota_kills += is_over_disk
        if is_over_disk or is_over_memory:
            with suppress(SandboxGone, AgentFailed):
                await asking.stop_all(self.dial, signals.SIGKILL)

    # --- Life ---------------------------------------------------------------------------------------------------------

    async def pause(self) -> None:
        self._require_alive()
        if self._is_paused:
            return
        if self._holding.group is not None and self._holding.group.can_freeze:
            await self._freeze(self._holding.group, is_frozen=True)
        else:
            await asking.stop_all(self.dial, signals.SIGSTOP)
        self._is_paused = True

    async def resume(self) -> None:
        self._require_alive()
        if not self._is_paused:
            return
        if self._holding.group is not None and self._holding.group.can_freeze:
            await self._freeze(self._holding.group, is_frozen=False)
            self._is_paused = False
        else:
            self._is_paused = False
            await asking.stop_all(self.dial, signals.SIGCONT)

    async def _freeze(self, group: Group, *, is_frozen: bool) -> None:
        try:
            await asyncio.to_thread(group.freeze, is_frozen=is_frozen)
        except (OSError, CgroupFailed) as error:
            self._require_alive()
            raise AgentFailed(f"The sandbox could not be {'paused' if is_frozen else 'resumed'}: {error}.") from error

    async def kill(self) -> None:
        await asyncio.shield(self._ending or self._end())

    def _died(self) -> None:
        if self._ending is None:
            self._end()

    def _end(self) -> asyncio.Task[None]:
        self._loop.remove_reader(self._init.fd)
        self._ending = self._loop.create_task(self._bury(), name=f"glia-sandbox-end-{self._id}")
        return self._ending

    async def _bury(self) -> None:
        """Kills what lives, waits for it, and gives back what the host had lent. With the first process of the
        namespace all others die; the one outside then buries it and ends by itself."""
        group, outer = self._holding.group, self._launched.process
        self._init.send(signals.SIGKILL)
        if self._is_paused and group is not None and group.can_freeze:
            with suppress(OSError, CgroupFailed):
                await asyncio.to_thread(group.freeze, is_frozen=False)
        is_dead = await self._init.ended(_END_SECONDS) and await self._outer.ended(_END_SECONDS)
        self._launched.control.close()
        if not is_dead and group is not None:
            await asyncio.to_thread(group.kill)
        outer.kill()
        await asyncio.to_thread(self._give_back)
        for handle in (self._init, self._outer):
            handle.close()
        self._on_end(self._id)

    def _give_back(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._launched.process.wait(timeout=_END_SECONDS)
        self._holding.give_back()

    def _require_alive(self) -> None:
        if self._ending is not None:
            raise SandboxGone(f"The sandbox {self._id!r} has ended.")

    # --- Connections --------------------------------------------------------------------------------------------------

    async def dial(self) -> Ends:
        self._require_alive()
        if self._is_paused:
            raise SandboxPaused(f"The sandbox {self._id!r} is paused; resume it first.")
        return await hand_over(self._launched.control)
