"""Which process this is, as other processes see it, and whether such a process still lives."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

from glia.kit.ids import new_id
from glia.sandboxes.records import Host

SILENT_SECONDS = 20.0
"""A process of another machine that said nothing for so long is taken for dead."""


def this_host(folder: Path) -> Host:
    """folder: where sandboxes' files lie. Processes that share it are on one machine, as far as sandboxes go."""
    return Host(
        id=new_id(),
        name=f"{socket.gethostname()}:{os.getpid()}",
        machine=_machine(folder),
        namespace=_namespace(),
        pid=os.getpid(),
        process_started=_started(os.getpid()) or 0,
    )


def is_alive(host: Host, me: Host) -> bool:
    """Known at once for a process beside this one; by its silence for any other."""
    if host.id == me.id:
        return True
    if host.namespace and host.namespace == me.namespace:
        return _started(host.pid) == host.process_started
    return host.seconds_silent < SILENT_SECONDS


def _machine(folder: Path) -> str:
    mark = folder / "machine"
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    try:
        with mark.open("x") as made:
            made.write(uuid.uuid4().hex)
    except FileExistsError:
        pass
    # Another process may have made the file and not written it yet; then the folder itself tells machines apart.
    return mark.read_text().strip() or f"{folder.stat().st_dev}:{folder.stat().st_ino}"


def _namespace() -> str:
    """Empty where the system does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When the process began, in clock ticks since the machine started; None when there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])
