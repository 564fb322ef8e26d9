"""What the facts about sandboxes are told with. No test framework, so that any Python of any user can run it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from glia.sandboxes.types import MIB, Command, Exited, Limits, Sandbox, SandboxBackend, SandboxId, SandboxSpec, Stdout

Fact = Callable[["Rig"], Awaitable[None]]

SMALL = Limits(cpus=1.0, memory_bytes=128 * MIB, disk_bytes=16 * MIB, temp_bytes=8 * MIB, pids=32)

_NUMBERS = {
    "x86_64": {
        "mount": 165, "umount2": 166, "pivot_root": 155, "unshare": 272, "setns": 308, "clone": 56, "clone3": 435,
        "ptrace": 101, "process_vm_readv": 310, "pidfd_getfd": 438, "pidfd_open": 434, "keyctl": 250, "bpf": 321,
        "io_uring_setup": 425, "userfaultfd": 323, "perf_event_open": 298, "open_by_handle_at": 304, "chroot": 161,
    },
    "aarch64": {
        "mount": 40, "umount2": 39, "pivot_root": 41, "unshare": 97, "setns": 268, "clone": 220, "clone3": 435,
        "ptrace": 117, "process_vm_readv": 270, "pidfd_getfd": 438, "pidfd_open": 434, "keyctl": 219, "bpf": 280,
        "io_uring_setup": 425, "userfaultfd": 282, "perf_event_open": 241, "open_by_handle_at": 265, "chroot": 51,
    },
}  # fmt: skip

# An attempt that fails says with which errno; any other mistake of a probe ends it, and its fact.
PRELUDE = f"""
import ctypes, errno, json, os, signal, socket, sys, time
NUMBERS = {_NUMBERS.get(platform.machine(), {})!r}
libc = ctypes.CDLL(None, use_errno=True)
def attempt(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
def call(name, *arguments):
    ctypes.set_errno(0)
    long = [a if not isinstance(a, int) else ctypes.c_long(a) for a in arguments]
    return "ok" if libc.syscall(ctypes.c_long(NUMBERS[name]), *long) != -1 else errno.errorcode[ctypes.get_errno()]
def in_child(function):
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write, str(function()).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    return os.read(read, 100).decode()
def say(value):
    print(json.dumps(value), flush=True)
"""


def outer_python() -> str:
    """A Python outside that runs the probes as positive controls."""
    return "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


@dataclass
class Answer:
    """What a command said and how it ended."""

    out: bytes
    err: bytes
    exit: Exited

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace")


@dataclass
class Rig:
    """A backend under test, and the world around it. folder: of the host, that a probe must not reach."""

    backend: SandboxBackend
    folder: Path
    places: tuple[Path, Path, Path]
    is_hard: bool
    """Whether the kernel holds memory, disk and CPU limits; else they are soft."""
    numbers: count[int] = field(default_factory=count)

    @property
    def state(self) -> Path:
        return self.places[0]

    def new_id(self) -> SandboxId:
        return SandboxId(f"t-{os.getpid()}-{next(self.numbers)}")

    @asynccontextmanager
    async def sandbox(self, spec: SandboxSpec | None = None, id: SandboxId | None = None):
        made = await self.backend.create(id or self.new_id(), spec or SandboxSpec(limits=SMALL))
        try:
            yield made
        finally:
            await made.kill()

    async def ask(self, sandbox: Sandbox, script: str, *, timeout_seconds: float = 60, data: bytes = b"") -> Any:
        """What a probe says inside, as JSON. A probe that breaks is no proof of anything, so it fails."""
        command = Command(("python", "-c", PRELUDE + script), timeout_seconds=timeout_seconds, stdin=data)
        answer = await run(sandbox, command)
        assert answer.exit.code == 0, (answer.exit, answer.err.decode("utf-8", "replace")[-2000:])
        return json.loads(answer.out)

    async def ask_outside(self, script: str, **options: Any) -> Any:
        """The same probe without a sandbox."""
        command = [outer_python(), "-c", PRELUDE + script]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=60, **options)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return json.loads(done.stdout)


async def run(sandbox: Sandbox, command: Command) -> Answer:
    out, err, end = b"", b"", None
    async with aclosing(sandbox.exec(command)) as frames:
        async for frame in frames:
            if isinstance(frame, Exited):
                end = frame
            elif hasattr(frame, "data"):
                out, err = (out + frame.data, err) if isinstance(frame, Stdout) else (out, err + frame.data)
    assert end is not None
    return Answer(out, err, end)


async def sh(sandbox: Sandbox, script: str, **options: Any) -> Answer:
    return await run(sandbox, Command(("sh", "-c", script), **options))


async def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
