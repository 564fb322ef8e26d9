"""Clears up after servers that died: their sandboxes' processes, groups, mounts and files. Blocking."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from glia.sandboxes.bubblewrap import processes
from glia.sandboxes.bubblewrap.cgroups import Group
from glia.sandboxes.bubblewrap.processes import Handle
from glia.sandboxes.bubblewrap.uids import Uids
from glia.sandboxes.bubblewrap.workspaces import Record, Workspace, Workspaces
from glia.sandboxes.errors import SandboxIdTaken
from glia.sandboxes.types import SandboxId, Swept

_END_SECONDS = 10.0


def sweep(workspaces: Workspaces, uids: Uids | None, keep: set[SandboxId] | None) -> Swept:
    """Whoever holds the lock of a sandbox's folder lives; all others are dealt with."""
    killed: list[SandboxId] = []
    removed: list[SandboxId] = []
    for id in workspaces.ids():
        try:
            workspace = workspaces.take(id)
        except SandboxIdTaken:
            continue
        if _end(workspace.record()):
            killed.append(id)
        is_kept = workspace.is_kept and (keep is None or id in keep)
        if not is_kept:
            removed.append(id)
        _close(workspace, uids, is_kept=is_kept)
    if uids is not None:
        _end_strays(uids)
    return Swept(tuple(killed), tuple(removed))


def remove_workspace(workspaces: Workspaces, id: SandboxId) -> None:
    """Raises SandboxIdTaken."""
    if workspaces.exists(id):
        workspace = workspaces.take(id)
        _end(workspace.record())
        workspace.close(is_kept=False)


def _close(workspace: Workspace, uids: Uids | None, *, is_kept: bool) -> None:
    number = workspace.uid
    with suppress(OSError):
        workspace.close(is_kept=is_kept)
        if uids is not None and number is not None and not is_kept:
            uids.forget(number)


def _end(record: Record | None) -> bool:
    """Whether there was something to kill. A frozen tree is thawed, or its death would wait for ever."""
    if record is None:
        return False
    group = Group.at(record.cgroups)
    had_processes = any(path.exists() and path.read_text().strip() for path in group.join_files)
    group.kill()
    found = processes.stat(record.pid) if record.pid else None
    if found is not None and found.start_time == record.start_time:
        had_processes = True
        with suppress(OSError):
            handle = Handle(record.pid)
            handle.send(signal.SIGKILL)
            _wait(handle)
            handle.close()
    group.remove(patience_seconds=_END_SECONDS)
    return had_processes


def _wait(handle: Handle) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while not handle.is_dead() and time.monotonic() < deadline:
        time.sleep(0.005)


def _end_strays(uids: Uids) -> None:
    """Processes of user ids that a server had given out and no server holds any more."""
    owners = processes.owned_by(uids.numbers)
    abandoned = uids.abandoned() if owners else set[int]()
    for pid, uid in owners.items():
        if uid in abandoned:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
