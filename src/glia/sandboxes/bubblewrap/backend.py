"""Makes sandboxes with bubblewrap: as root one user id for each, otherwise with what an ordinary user may do."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glia.kit.errors import GliaError, InvalidRequest
from glia.sandboxes import asking
from glia.sandboxes.bubblewrap import processes
from glia.sandboxes.bubblewrap.cgroups import OWN_PROCESSES, CgroupFailed, Group
from glia.sandboxes.bubblewrap.holding import Holding
from glia.sandboxes.bubblewrap.launcher import Interior, Launched, Outside, launch, read_info
from glia.sandboxes.bubblewrap.probing import Found, examine, judged, usable_uids
from glia.sandboxes.bubblewrap.processes import Handle
from glia.sandboxes.bubblewrap.sandbox import BubblewrapSandbox
from glia.sandboxes.bubblewrap.sweeping import remove_workspace, sweep
from glia.sandboxes.bubblewrap.templates import Templates
from glia.sandboxes.bubblewrap.uids import Uids
from glia.sandboxes.bubblewrap.workspaces import Record, Workspaces
from glia.sandboxes.errors import SandboxIdTaken, SandboxStartFailed, SandboxUnavailable
from glia.sandboxes.types import MIB, Probe, Sandbox, SandboxId, SandboxSpec, Swept, TemplateState

_START_SECONDS = 30.0
_REMEMBER_FAILURE_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_STARTS_AT_ONCE = 8


@dataclass(frozen=True)
class Places:
    """state: workspaces and records; any user must be able to pass through it when we are root. templates: what the
    sandboxes read. uids: one folder for all servers of the machine."""

    state: Path
    templates: Path
    uids: Path


class BubblewrapBackend:
    name = "bubblewrap"

    def __init__(self, places: Places, *, is_root: bool | None = None) -> None:
        """is_root: for tests; by default what this process is."""
        self._places = places
        self._is_root = os.geteuid() == 0 if is_root is None else is_root
        self._workspaces = Workspaces(places.state)
        self._templates = Templates(places.templates)
        self._living: dict[SandboxId, BubblewrapSandbox] = {}
        self._found: Found | None = None
        self._probe: Probe | None = None
        self._probed_at = 0.0
        self._probing = asyncio.Lock()
        self._starting = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._busy: set[asyncio.Future[Any]] = set()
        self._looking: asyncio.Task[None] | None = None

    # --- What works here ----------------------------------------------------------------------------------------------

    async def probe(self) -> Probe:
        async with self._probing:
            is_stale = time.monotonic() - self._probed_at > _REMEMBER_FAILURE_SECONDS
            if self._probe is None or (not self._probe.is_available and is_stale):
                self._probe = await self._try_out()
                self._probed_at = time.monotonic()
            return self._probe

    async def _try_out(self) -> Probe:
        """Examines the machine, then starts a sandbox; if that fails, again with less, and says which limit is weak."""
        found = await asyncio.to_thread(examine, self._places.state, self._templates, is_root=self._is_root)
        if found.problem is not None:
            return found.problem
        failure: GliaError | None = None
        for attempt in found.attempts():
            self._found = attempt
            try:
                trial = await self._start_whole(SandboxId(f"probe-{secrets.token_hex(6)}"), SandboxSpec("shell"))
                await trial.kill()
            except (GliaError, OSError) as error:
                failure = error if isinstance(error, GliaError) else SandboxStartFailed(f"{error}.")
                continue
            return judged(attempt)
        self._found = None
        return judged(found, failure)

    async def templates(self) -> tuple[TemplateState, ...]:
        return await asyncio.to_thread(self._templates.states)

    # --- Lives --------------------------------------------------------------------------------------------------------

    async def create(self, id: SandboxId, spec: SandboxSpec) -> Sandbox:
        _check(spec)
        probe = await self.probe()
        if not probe.is_available:
            raise SandboxUnavailable(f"{probe.reason} {probe.fix}".strip())
        return await self._start(id, spec)

    async def adopt(self, id: SandboxId) -> Sandbox | None:
        """Ours die with their server, so there is one only if it is ours."""
        return self._living.get(id)

    async def _start(self, id: SandboxId, spec: SandboxSpec) -> BubblewrapSandbox:
        """A start is not broken off: whoever is cancelled meanwhile waits for it, and it is killed."""
        if id in self._living:
            raise SandboxIdTaken(f"A sandbox {id!r} is there already.")
        starting = asyncio.ensure_future(self._start_whole(id, spec))
        self._busy.add(starting)
        starting.add_done_callback(self._busy.discard)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            undoing = asyncio.ensure_future(_undo(starting))
            self._busy.add(undoing)
            undoing.add_done_callback(self._busy.discard)
            await asyncio.shield(undoing)
            raise

    async def _start_whole(self, id: SandboxId, spec: SandboxSpec) -> BubblewrapSandbox:
        found = self._found
        if found is None:
            raise SandboxUnavailable("Nobody has looked yet whether sandboxes work on this machine.")
        async with self._starting:
            interior = await asyncio.to_thread(self._templates.interior, spec.template, spec.limits.memory_bytes)
            holding = await asyncio.to_thread(self._prepare, id, spec, found)
            launched, init = await self._launch(found, id, spec, interior=interior, holding=holding)
            sandbox = BubblewrapSandbox(id, spec, holding, launched=launched, init=init, on_end=self._forget)
            self._living[id] = sandbox
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await asking.ping(sandbox.dial)
            except (GliaError, TimeoutError) as error:
                said = _said(launched.errors)
                await sandbox.kill()
                raise SandboxStartFailed(f"The sandbox {id!r} did not start: {said or error}") from error
            finally:
                os.close(launched.errors)
            self._look_after(holding)
            return sandbox

    def _forget(self, id: SandboxId) -> None:
        self._living.pop(id, None)

    def _prepare(self, id: SandboxId, spec: SandboxSpec, found: Found) -> Holding:
        """Takes what the host lends, in a thread. Raises SandboxIdTaken, SandboxStartFailed."""
        holding = Holding(self._workspaces.take(id))
        holding = replace(holding, is_kept=spec.keeps_workspace or holding.workspace.is_kept)
        is_ready = False
        try:
            if spec.keeps_workspace:
                holding.workspace.keep()
            if found.uids is not None:
                uids = Uids(self._places.uids, found.uids)
                holding = replace(holding, uids=uids, uid=uids.take(holding.workspace.folder))
            blanks = self._places.state / "blanks" if found.has_disk_images else None
            holding.workspace.open(disk_bytes=spec.limits.disk_bytes, uid=holding.user, blanks=blanks)
            # The name is never used again: one that is still frozen would hang who joins it.
            group = Group(found.hierarchies, f"glia-sandbox-{id}-{secrets.token_hex(4)}")
            if group.directories:
                holding = replace(holding, group=group)
                holding.workspace.note(Record(0, 0, [str(directory) for directory in group.directories]))
                group.create(spec.limits)
            if spec.egress_socket is not None and holding.user is not None:
                os.chown(spec.egress_socket, holding.user, holding.user)
            is_ready = True
        except (OSError, CgroupFailed) as error:
            raise SandboxStartFailed(f"The sandbox {id!r} could not be prepared: {error}") from error
        finally:
            if not is_ready:
                holding.give_back()
        return holding

    async def _launch(
        self, found: Found, id: SandboxId, spec: SandboxSpec, *, interior: Interior, holding: Holding
    ) -> tuple[Launched, Handle]:
        """Until the namespaces are there. When that fails, nothing is left, and the holding is given back."""
        launched: Launched | None = None
        try:
            launched = launch(spec, interior, _outside(found, spec, holding))
            init = await _first_process(launched)
            start = processes.stat(init.pid)
            groups = holding.group.directories if holding.group is not None else []
            record = Record(init.pid, start.start_time if start else 0, [str(directory) for directory in groups])
            await asyncio.to_thread(holding.workspace.note, record)
            started = launched, init
        except (OSError, ValueError, TimeoutError) as error:
            said = _said(launched.errors) if launched is not None else ""
            await asyncio.to_thread(_abort, launched, holding)
            raise SandboxStartFailed(f"The sandbox {id!r} did not start: {said or error}") from error
        finally:
            if launched is not None:
                os.close(launched.info)
        return started

    # --- Limits that nobody but us holds ------------------------------------------------------------------------------

    def _look_after(self, holding: Holding) -> None:
        """Starts to look from time to time, where a limit is soft."""
        is_soft = not holding.is_quota_hard or holding.group is None or not holding.group.limits("memory")
        if is_soft and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look(), name="glia-sandbox-limits")

    async def _look(self) -> None:
        while self._living:
            for sandbox in list(self._living.values()):
                await sandbox.enforce()
            await asyncio.sleep(_LOOK_SECONDS)

    # --- What is kept and what is left --------------------------------------------------------------------------------

    async def has_workspace(self, id: SandboxId) -> bool:
        return await asyncio.to_thread(self._workspaces.exists, id)

    async def remove_workspace(self, id: SandboxId) -> None:
        if id in self._living:
            raise SandboxIdTaken(f"The sandbox {id!r} lives; kill it first.")
        await asyncio.to_thread(remove_workspace, self._workspaces, id)

    async def sweep(self, keep: Collection[SandboxId] | None = None) -> Swept:
        uids = await asyncio.to_thread(usable_uids, is_root=self._is_root)
        lent = Uids(self._places.uids, uids) if uids is not None else None
        return await asyncio.to_thread(sweep, self._workspaces, lent, None if keep is None else set(keep))

    async def close(self) -> None:
        while self._busy or self._living:
            if self._busy:
                await asyncio.wait(set(self._busy))
            await asyncio.gather(*(sandbox.kill() for sandbox in list(self._living.values())))
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking


def _check(spec: SandboxSpec) -> None:
    """Raises InvalidRequest."""
    limits = spec.limits
    smallest = (
        ("cpus", limits.cpus, 0.01),
        ("memory_bytes", limits.memory_bytes, 32 * MIB),
        ("disk_bytes", limits.disk_bytes, 4 * MIB),
        ("temp_bytes", limits.temp_bytes, MIB),
        ("pids", limits.pids, 4),
        ("open_files", limits.open_files, 16),
    )
    for name, value, least in smallest:
        if not least <= value < 2**50:
            raise InvalidRequest(f"`{name}` is {value}; the least is {least}.", field=name)
    for name, value in spec.env.items():
        if not name or "=" in name or "\0" in name + value:
            raise InvalidRequest(f"`env` has {name!r}, which is no name of a variable, or a zero byte.", field="env")


def _outside(found: Found, spec: SandboxSpec, holding: Holding) -> Outside:
    """What no control group limits, each process's limits do. Not RLIMIT_AS: Node.js reserves far more than it uses."""
    group = holding.group
    rlimits: dict[str, int] = {}
    if group is None or not group.limits("memory"):
        rlimits["data"] = spec.limits.memory_bytes
    if group is None or not group.limits("pids"):
        rlimits["nproc"] = spec.limits.pids + OWN_PROCESSES
    return Outside(
        bwrap=found.bwrap,
        files=holding.workspace.files,
        seccomp=found.seccomp,
        uid=holding.user,
        join=tuple(group.join_files) if group is not None else (),
        rlimits=rlimits,
        forbids_nested=found.forbids_nested,
    )


async def _undo(starting: asyncio.Future[BubblewrapSandbox]) -> None:
    with suppress(GliaError, OSError):
        await (await starting).kill()


async def _first_process(launched: Launched) -> Handle:
    """The first process of the new pid namespace. Raises OSError, ValueError, TimeoutError."""
    text = b""
    outer = launched.process.pid
    async with asyncio.timeout(_START_SECONDS):
        while chunk := await _read(launched.info):
            text += chunk
            with suppress(ValueError):
                init = Handle(read_info(text))
                found = processes.stat(init.pid)
                if found is None or found.parent != outer:
                    init.close()
                    raise OSError("it ended at once")
                return init
    raise OSError("bubblewrap ended")


async def _read(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(fd)
    return os.read(fd, 4096)


def _said(errors: int) -> str:
    """What bubblewrap complained about, of the little that is of use."""
    with suppress(OSError):
        return os.read(errors, 2000).decode("utf-8", "replace").strip()
    return ""


def _abort(launched: Launched | None, holding: Holding) -> None:
    if launched is not None:
        os.close(launched.errors)
        launched.process.kill()
        launched.control.close()
        if holding.group is not None:
            holding.group.kill()
        launched.process.wait(timeout=_START_SECONDS)
    holding.give_back()
