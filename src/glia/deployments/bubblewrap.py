"""Runs programs in sandboxes that outlive the supervisor: each has a small process beside it (`shim.py`)."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import msgspec

from glia.deployments import dialling
from glia.deployments.checks import PROXY_PORT
from glia.deployments.types import MIB, Ended, Launch, Running, Used
from glia.kit.errors import GliaError
from glia.sandboxes.bubblewrap import processes
from glia.sandboxes.bubblewrap.backend import Places
from glia.sandboxes.bubblewrap.cgroups import OWN_PROCESSES, CgroupFailed, Group, Hierarchies
from glia.sandboxes.bubblewrap.launcher import JOIN, Interior, Outside, options, rlimits
from glia.sandboxes.bubblewrap.probing import Found, examine, judged
from glia.sandboxes.bubblewrap.processes import Handle
from glia.sandboxes.bubblewrap.templates import Templates
from glia.sandboxes.bubblewrap.uids import Uids
from glia.sandboxes.errors import SandboxStartFailed, SandboxUnavailable
from glia.sandboxes.types import Limits, SandboxSpec

PROGRAM_AT = "/app"
UNREAD_BYTES = 32 * MIB
_READ_BYTES = MIB
_PIECE_BYTES = 65536
_RECORD = struct.Struct("<dI")
_SHIM = Path(__file__).with_name("shim.py")
_INSIDE = Path(__file__).with_name("inside.py")
_PIDS = 512
_TRIAL_SECONDS = 15.0
_MOST_RINGS = 256
_WAY_OUT = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), f"http://127.0.0.1:{PROXY_PORT}"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
}
_AFTER_END_SECONDS = (0.002, 0.01, 0.03, 0.1)


@dataclass(frozen=True)
class Beginning:
    """What is written down of a replica, so that a later supervisor can take it over. shim: its pid and start time."""

    shim: tuple[int, int]
    group: str
    unified: str | None
    is_v2: bool
    v1: dict[str, str]
    uid: int | None
    port: int

    def groups(self) -> Group | None:
        if not self.group:
            return None
        unified = None if self.unified is None else Path(self.unified)
        return Group(Hierarchies(unified, self.is_v2, {name: Path(at) for name, at in self.v1.items()}), self.group)


class BubblewrapFleet:
    """The default FleetBackend."""

    def __init__(self, places: Places) -> None:
        self._folder = places.state / "replicas"
        self._bell = places.state / "bell"
        self._places = places
        self._templates = Templates(places.templates)
        self._is_root = os.geteuid() == 0
        self._found: Found | None = None

    async def probe(self) -> tuple[str, Mapping[str, str]]:
        found = await asyncio.to_thread(examine, self._places.state, self._templates, is_root=self._is_root)
        if found.problem is not None:
            return f"{found.problem.reason} {found.problem.fix}".strip(), {}
        said = ""
        for attempt in found.attempts():
            self._found = attempt
            said = await asyncio.to_thread(self._try_out)
            if not said:
                return "", {name: str(hold) for name, hold in judged(attempt).limits.items() if name != "disk"}
        verdict = judged(found, SandboxStartFailed(said))
        return f"{verdict.reason} {verdict.fix}".strip(), {}

    def _try_out(self) -> str:
        """What went wrong with a trial; empty when nothing did."""
        id = UUID(bytes=secrets.token_bytes(16))
        launch = Launch(id, "/usr", ("/usr/bin/true",), "shell", 1.0, 64 * MIB, 8080, {})
        try:
            running = self.start(launch)
        except (GliaError, OSError) as error:
            return str(error)
        deadline = time.monotonic() + _TRIAL_SECONDS
        while (ended := running.ended()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        pieces, _ = running.output((0, 0))
        running.kill()
        running.forget()
        if ended is not None and ended.code == 0:
            return ""
        return b"".join(data for _, data in pieces).decode("utf-8", "replace")[:500] or "It did not end in time."

    def start(self, launch: Launch) -> Running:
        found = self._found
        if found is None:
            raise SandboxUnavailable("Nobody has looked yet whether programs can run on this machine.")
        memory = launch.memory_bytes
        limits = Limits(launch.cpus, memory, temp_bytes=min(256 * MIB, memory // 2), pids=_PIDS, open_files=8192)
        env = {**(_WAY_OUT if launch.has_way_out else {}), **launch.environment, "PORT": str(launch.port)}
        spec = SandboxSpec(launch.template, limits, env)
        interior = self._templates.interior(launch.template, memory)
        interior = replace(interior, binds={**interior.binds, Path(launch.folder): PROGRAM_AT})
        folder = self._folder / launch.replica_id.hex
        (folder / "output").mkdir(mode=0o700, parents=True)
        is_started = False
        beginning, lock = self._begin(found, folder, launch, limits)
        try:
            shim = _spawn(found, folder, self._bell, launch, spec, interior, beginning, lock)
            beginning = replace(beginning, shim=shim)
            _note(folder, beginning)
            is_started = True
        except (OSError, ValueError) as error:
            raise SandboxStartFailed(f"The program could not be started: {error}.") from error
        finally:
            if lock is not None:
                os.close(lock)
            running = BubblewrapReplica(folder, beginning, self._places.uids, found.uids)
            if not is_started:
                running.forget()
        return running

    def _begin(self, found: Found, folder: Path, launch: Launch, limits: Limits) -> tuple[Beginning, int | None]:
        """Takes a user and a group from the host. Raises SandboxStartFailed."""
        here = found.hierarchies
        uid, lock = None, None
        # Never a name that was used before: one that is still frozen would hang who joins it.
        name = f"glia-replica-{launch.replica_id.hex}-{secrets.token_hex(4)}"
        group = Group(here, name)
        try:
            if found.uids is not None:
                taken = Uids(self._places.uids, found.uids).take(folder)
                uid, lock = taken.number, taken.lock
            beginning = Beginning(
                (0, 0),
                name if group.directories else "",
                None if here.unified is None else str(here.unified),
                here.is_v2,
                {key: str(at) for key, at in here.v1.items()},
                uid,
                launch.port,
            )
            _note(folder, beginning)
            if group.directories:
                group.create(limits)
        except (OSError, CgroupFailed, GliaError) as error:
            if lock is not None:
                os.close(lock)
            shutil.rmtree(folder, ignore_errors=True)
            raise SandboxStartFailed(f"The program could not be prepared for: {error}") from error
        return beginning, lock

    def told(self, changed: Callable[[UUID], None]) -> Callable[[], None]:
        """What stands beside a replica rings when it has written, and when it has ended."""
        loop = asyncio.get_running_loop()
        bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        bell.setblocking(False)
        self._bell.unlink(missing_ok=True)
        with dialling.short_path(str(self._bell)) as path:
            bell.bind(path)

        def heard() -> None:
            for _ in range(_MOST_RINGS):
                try:
                    note = bell.recv(64).decode("ascii", "replace")
                except OSError:
                    return
                with suppress(ValueError):
                    id = UUID(note.removesuffix("!"))
                    changed(id)
                    for pause in _AFTER_END_SECONDS if note.endswith("!") else ():  # it still has to end itself
                        loop.call_later(pause, changed, id)

        def stop() -> None:
            loop.remove_reader(bell.fileno())
            bell.close()

        loop.add_reader(bell.fileno(), heard)
        return stop

    def adopt(self) -> Mapping[UUID, Running]:
        """What was killed while it was being started is cleared away."""
        adopted: dict[UUID, Running] = {}
        folders = list(self._folder.iterdir()) if self._folder.is_dir() else []
        uids = self._found.uids if self._found is not None else None
        for folder in folders:
            try:
                beginning = msgspec.json.decode((folder / "beginning").read_bytes(), type=Beginning)
                adopted[UUID(folder.name)] = BubblewrapReplica(folder, beginning, self._places.uids, uids)
            except (OSError, ValueError):
                shutil.rmtree(folder, ignore_errors=True)
        return adopted


class BubblewrapReplica:
    def __init__(self, folder: Path, beginning: Beginning, uid_folder: Path, uids: range | None) -> None:
        self._folder, self._beginning = folder, beginning
        self._uid_folder, self._uids = uid_folder, uids
        self._group = beginning.groups()
        self._shim = _handle(beginning)
        self._segment: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        return str(self._folder / "dial")

    def ended(self) -> Ended | None:
        if self._shim is not None and not self._shim.is_dead():
            return None
        if self._shim is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._shim.pid, os.WNOHANG)
        code: int | None = None
        with suppress(OSError, ValueError):
            code = int(json.loads((self._folder / "ended").read_bytes()))
        return Ended(code, was_oom=self._group is not None and self._group.oom_kills() > 0)

    def _init(self) -> int:
        """The first process inside, as the host counts; 0 when it is not known."""
        with suppress(OSError, ValueError):
            return int((self._folder / "init").read_bytes())
        return 0

    def usage(self) -> Used:
        found = self._group.usage() if self._group is not None else None
        cpu, memory = (None, None) if found is None else (found.cpu_seconds, found.memory_bytes)
        init = self._init()
        if cpu is None or memory is None:
            living = processes.tree(init).values() if init else ()
            cpu = sum(process.cpu_seconds for process in living) if cpu is None else cpu
            memory = sum(process.memory_bytes for process in living) if memory is None else memory
        return Used(cpu, memory, _network_bytes(init))

    def connections(self) -> int:
        """Established, in the replica's own network, with its port on the near side."""
        init, wanted = self._init(), f":{self._beginning.port:04X}"
        count = 0
        for name in ("tcp", "tcp6"):
            with suppress(OSError):
                for line in Path(f"/proc/{init}/net/{name}").read_text().splitlines()[1:]:
                    fields = line.split()
                    count += fields[1].endswith(wanted) and fields[3] == "01"
        return count

    def way_out(self) -> socket.socket:
        return dialling.way_out(self.address)

    def terminate(self) -> None:
        try:
            dialling.terminate(self.address)
        except OSError:
            self.kill()

    def kill(self) -> None:
        if self._group is not None:
            self._group.kill()
        if self._shim is not None:
            self._shim.send(signal.SIGKILL)

    def forget(self) -> None:
        self._close_segment()
        if self._group is not None:
            self._group.kill()
            self._group.remove()
        if self._beginning.uid is not None and self._uids is not None:
            Uids(self._uid_folder, self._uids).forget(self._beginning.uid)
        if self._shim is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._shim.pid, 0 if self._shim.is_dead() else os.WNOHANG)
            self._shim.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- Output -------------------------------------------------------------------------------------------------------

    def output(self, place: tuple[int, int]) -> tuple[list[tuple[float, bytes]], tuple[int, int]]:
        """Files before that place have been read for good, and are removed."""
        number, offset = place
        if self._open_segment(number) < 0:  # the place is that of an earlier start
            kept = [int(entry.name) for entry in (self._folder / "output").glob("[0-9]*")]
            number, offset = min(kept, default=0), 0
        pieces: list[tuple[float, bytes]] = []
        size = 0
        while size < _READ_BYTES:
            file = self._open_segment(number)
            head = os.pread(file, _RECORD.size, offset) if file >= 0 else b""
            if len(head) == _RECORD.size:
                at, length = _RECORD.unpack(head)
                data = os.pread(file, min(length, _PIECE_BYTES), offset + _RECORD.size)
                if len(data) == length:
                    pieces.append((at, data))
                    size += length
                    offset += _RECORD.size + length
                    continue
            if not (self._folder / "output" / str(number + 1)).exists():
                break
            number, offset = number + 1, 0
        return pieces, (number, offset)

    def _open_segment(self, number: int) -> int:
        if self._segment is not None and self._segment[0] == number:
            return self._segment[1]
        self._close_segment()
        path = self._folder / "output" / str(number)
        for earlier in range(max(0, number - 64), number - 1):  # the one before may not have been kept yet
            path.with_name(str(earlier)).unlink(missing_ok=True)
        try:
            self._segment = number, os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        return self._segment[1]

    def _close_segment(self) -> None:
        if self._segment is not None:
            os.close(self._segment[1])
            self._segment = None


def _spawn(
    found: Found,
    folder: Path,
    bell: Path,
    launch: Launch,
    spec: SandboxSpec,
    interior: Interior,
    beginning: Beginning,
    lock: int | None,
) -> tuple[int, int]:
    """Starts the process beside the replica, which starts bubblewrap. Its pid and start time. Raises OSError."""
    group = beginning.groups()
    extra: dict[str, int] = {}
    if group is None or not group.limits("memory"):
        extra["data"] = spec.limits.memory_bytes
    if group is None or not group.limits("pids"):
        extra["nproc"] = spec.limits.pids + OWN_PROCESSES
    join = tuple(group.join_files) if group is not None else ()
    outside = Outside(found.bwrap, None, found.seccomp, beginning.uid, join, extra, found.forbids_nested)
    told = options(spec, interior, outside)
    told[-1] = PROGRAM_AT  # where it starts; /workspace is where it may write
    args = os.memfd_create("args", os.MFD_CLOEXEC)
    seccomp = os.open(outside.seccomp, os.O_RDONLY | os.O_CLOEXEC)
    info, info_in = os.pipe()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.write(args, b"".join(os.fsencode(option) + b"\0" for option in told))
        os.lseek(args, 0, os.SEEK_SET)
        with dialling.short_path(str(folder / "dial")) as path:
            listener.bind(path)
        listener.listen(128)
        user = ["--reuid", str(outside.uid), "--regid", str(outside.uid), "--clear-groups"] if outside.uid else []
        argv = [
            "/bin/sh", "-c", JOIN, "sh", str(len(join)), *map(str, join),
            "setpriv", *user, "--no-new-privs", "--",
            outside.bwrap, "--args", str(args), "--seccomp", str(seccomp), "--info-fd", str(info_in), "--",
            interior.python, "-I", "-S", "-c", _INSIDE.read_text(), rlimits(spec, outside), str(launch.port),
            str(PROXY_PORT if launch.has_way_out else 0), str(listener.fileno()), *launch.argv,
        ]  # fmt: skip
        passed = [args, seccomp, info_in, listener.fileno()]
        command = [sys.executable, "-I", "-S", str(_SHIM), str(folder), str(UNREAD_BYTES), str(bell), str(info)]
        shim = subprocess.Popen(
            [*command, ",".join(map(str, passed)), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            pass_fds=(info, *passed, *(() if lock is None else (lock,))),
            start_new_session=True,
        )
        shim.returncode = 0  # it is waited for by its number, since whoever started it may be gone by then
    finally:
        listener.close()
        for fd in (args, seccomp, info, info_in):
            os.close(fd)
    stat = processes.stat(shim.pid)
    return shim.pid, stat.start_time if stat is not None else 0


def _note(folder: Path, beginning: Beginning) -> None:
    beside = folder / "beginning.new"
    beside.write_text(json.dumps(beginning.__dict__))
    beside.rename(folder / "beginning")


def _handle(beginning: Beginning) -> Handle | None:
    """None when the process beside it is gone, also when its number has been given to another."""
    pid, start_time = beginning.shim
    stat = processes.stat(pid) if pid else None
    if stat is None or stat.start_time != start_time:
        return None
    with suppress(OSError):
        return Handle(pid)
    return None


def _network_bytes(init: int) -> int:
    """Through the only device there is; what goes out of one end comes in at the other, so one count is enough."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{init}/net/dev").read_text().splitlines():
            name, _, fields = line.partition(":")
            if name.strip() == "lo":
                return int(fields.split()[0])
    return 0
