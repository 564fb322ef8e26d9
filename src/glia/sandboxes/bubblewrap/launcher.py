"""Starts bubblewrap the way that holds: cgroups and user first, everything else by bubblewrap, then the agent.

A shell joins the cgroups and gives up the user before anything else runs. That needs no code between fork and exec in
our own process, which has threads, and works alike for both versions of cgroups.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from glia.sandboxes.errors import SandboxUnavailable
from glia.sandboxes.types import SandboxSpec

INNER_ID = 1000
EGRESS_INSIDE = "/run/egress.sock"
_SHM_BYTES = 16 * 1024 * 1024
JOIN = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
_START_AGENT = "import sys; sys.path.insert(0, '/opt'); from agent.main import main; main()"
_ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PATH = "/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Interior:
    """What a template puts into a sandbox. binds: host place to place inside, all read-only. path: before the usual."""

    python: str
    agent: Path
    etc: Path
    meminfo: Path
    cmdline: Path
    binds: dict[Path, str] = field(default_factory=dict[Path, str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    folders: tuple[str, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class Outside:
    """How the host holds a sandbox. files: what /workspace shows; None for memory that goes with the sandbox.
    uid: None for our own user. join: files to write the process to. rlimits: further ones for the agent to set."""

    bwrap: str
    files: Path | None
    seccomp: Path
    uid: int | None
    join: tuple[Path, ...] = ()
    rlimits: dict[str, int] = field(default_factory=dict[str, int])
    forbids_nested: bool = True


@dataclass(frozen=True)
class Launched:
    """control: over it we hand connections to the agent. info: the pid of the namespace's first process, as JSON.
    errors: what bubblewrap complains about."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    info: int
    errors: int


def options(spec: SandboxSpec, interior: Interior, outside: Outside) -> list[str]:
    """What bubblewrap is told. Raises SandboxUnavailable for the root user."""
    if outside.uid == 0 or (outside.uid is None and os.geteuid() == 0):
        raise SandboxUnavailable(
            "A sandbox would run as the root user of this machine, whose files under /proc it could then write. "
            "Give it another user."
        )
    told = [*_isolation(outside), *_files(spec, interior, outside), *_environment(spec, interior)]
    return [*told, "--remount-ro", "/", "--chdir", "/workspace"]


def command(
    spec: SandboxSpec, interior: Interior, outside: Outside, *, args: int, seccomp: int, info: int, control: int
) -> list[str]:
    """The command line. The options come by a descriptor: what is written here can be read inside, in /proc/1."""
    before: list[str] = []
    if outside.join:
        before = ["/bin/sh", "-c", JOIN, "sh", str(len(outside.join)), *map(str, outside.join)]
    user: list[str] = []
    if outside.uid is not None:
        user = ["--reuid", str(outside.uid), "--regid", str(outside.uid), "--clear-groups"]
    drop = ["setpriv", *user, "--no-new-privs", "--"]
    wrap = [outside.bwrap, "--args", str(args), "--seccomp", str(seccomp), "--info-fd", str(info), "--"]
    egress = EGRESS_INSIDE if spec.egress_socket is not None else "-"
    agent = [interior.python, "-I", "-S", "-c", _START_AGENT, rlimits(spec, outside), egress, "fd", str(control)]
    return [*before, *drop, *wrap, *agent]


def _isolation(outside: Outside) -> list[str]:
    spaces = ["user", "ipc", "pid", "uts", "net", "cgroup-try"]
    nested = ["--disable-userns"] if outside.forbids_nested else []
    identity = ["--uid", str(INNER_ID), "--gid", str(INNER_ID), "--hostname", "sandbox"]
    manners = ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    return [*(f"--unshare-{space}" for space in spaces), *nested, *manners, *identity]


def _files(spec: SandboxSpec, interior: Interior, outside: Outside) -> list[str]:
    """The host's paths in /proc that tell of the machine are covered."""
    told = ["--ro-bind", "/usr", "/usr"]
    for name in _ROOT_FOLDERS:
        place = Path("/") / name
        if place.is_symlink():
            told += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            told += ["--ro-bind", str(place), str(place)]
    told += ["--ro-bind", str(interior.etc), "/etc", "--ro-bind", str(interior.agent), "/opt/agent"]
    for source, target in interior.binds.items():
        if not target.startswith("/tmp/"):  # noqa: S108
            told += ["--ro-bind", str(source), target]
    told += ["--proc", "/proc", "--ro-bind", str(interior.meminfo), "/proc/meminfo"]
    told += ["--ro-bind", str(interior.cmdline), "/proc/cmdline", "--dev", "/dev"]
    told += ["--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    told += ["--size", str(spec.limits.temp_bytes), "--tmpfs", "/tmp"]  # noqa: S108
    for folder in interior.folders:
        told += ["--dir", folder]
    for source, target in interior.binds.items():
        if target.startswith("/tmp/"):  # noqa: S108
            told += ["--ro-bind", str(source), target]
    if spec.egress_socket is not None:
        told += ["--bind", str(spec.egress_socket), EGRESS_INSIDE]
    if outside.files is None:
        return [*told, "--size", str(spec.limits.temp_bytes), "--tmpfs", "/workspace"]
    return [*told, "--bind", str(outside.files), "/workspace"]


def _environment(spec: SandboxSpec, interior: Interior) -> list[str]:
    env = {
        "PATH": f"{interior.path}:{_PATH}" if interior.path else _PATH,
        "HOME": "/workspace",
        "USER": "sandbox",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "XDG_CACHE_HOME": "/tmp/.cache",  # noqa: S108
        **interior.env,
    }
    if spec.egress_socket is not None:
        proxy = "http://127.0.0.1:3128"
        env |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), proxy)
        env |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    env |= spec.env
    told = ["--clearenv"]
    for name, value in env.items():
        told += ["--setenv", name, value]
    return told


def rlimits(spec: SandboxSpec, outside: Outside) -> str:
    """What a sandbox's first program sets for itself and all others.

    core=1: a limit of one byte stops core dumps, also those that the host pipes to a program, which 0 does not.
    """
    limits = {"core": 1, "nofile": spec.limits.open_files, "fsize": spec.limits.disk_bytes, **outside.rlimits}
    return ",".join(f"{name}={value}" for name, value in limits.items())


def launch(spec: SandboxSpec, interior: Interior, outside: Outside) -> Launched:
    """Must be called from the thread of the event loop: the kernel kills the sandbox when the *thread* that started
    it ends. Raises OSError, SandboxUnavailable."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    seccomp = os.open(outside.seccomp, os.O_RDONLY | os.O_CLOEXEC)
    info, info_out = os.pipe()
    errors, errors_out = os.pipe()
    args = os.memfd_create("args", os.MFD_CLOEXEC)
    numbers = {"args": args, "seccomp": seccomp, "info": info_out, "control": theirs.fileno()}
    is_started = False
    try:
        os.write(args, b"".join(os.fsencode(option) + b"\0" for option in options(spec, interior, outside)))
        os.lseek(args, 0, os.SEEK_SET)
        process = subprocess.Popen(
            command(spec, interior, outside, **numbers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors_out,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
            cwd="/",
            pass_fds=tuple(numbers.values()),
        )
        is_started = True
    finally:
        theirs.close()
        for fd in (args, seccomp, info_out, errors_out, *(() if is_started else (info, errors))):
            os.close(fd)
        if not is_started:
            ours.close()
    ours.setblocking(False)
    os.set_blocking(info, False)
    os.set_blocking(errors, False)
    return Launched(process, ours, info, errors)


def read_info(text: bytes) -> int:
    """Raises ValueError while it is not complete."""
    return int(json.loads(text)["child-pid"])
