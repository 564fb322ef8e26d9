"""What runs containers on the fake's machines: sandboxes of this machine, so that programs really run, or scripts, for
tests that say themselves what a program does."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from glia.deployments.bubblewrap import BubblewrapFleet
from glia.deployments.types import Ended, Launch, Running, Used
from tests.deployments.kubernetes.applying import amount_of
from tests.deployments.kubernetes.store import Thing


class Process(Protocol):
    """What a container's program is. address: that `dialling.dial` takes."""

    address: str

    def ended(self) -> Ended | None: ...

    def output(self) -> list[tuple[float, bytes]]:
        """Since the last call."""
        ...

    def used(self) -> Used: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Runtime(Protocol):
    async def download(self, container: Thing, env: dict[str, str], folder: Path) -> tuple[int, str]:
        """Runs a container that ends by itself: its exit code and its output."""
        ...

    async def start(self, container: Thing, env: dict[str, str], folder: Path) -> Process: ...


@dataclass
class Sandboxed:
    """folder: the pod's volume `app`."""

    fleet: BubblewrapFleet

    async def download(self, container: Thing, env: dict[str, str], folder: Path) -> tuple[int, str]:
        """In the host's files, with the volume at its place, since the fake has no images."""
        binds = [each for name in ("/usr", "/etc") for each in ("--ro-bind", name, name)]
        links = [each for name in ("bin", "lib", "lib64") for each in ("--symlink", f"usr/{name}", f"/{name}")]
        command = [
            "bwrap", *binds, *links, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",
            "--bind", str(folder), "/app",
            "--die-with-parent", "--", *container["command"],
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, env={"PATH": os.environ["PATH"], **env}, stdout=-1, stderr=-2
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode(errors="replace")

    async def start(self, container: Thing, env: dict[str, str], folder: Path) -> Process:
        limits = container["resources"]["limits"]
        image = container["image"]
        template = "python" if image.startswith("python") else "nodejs" if image.startswith("node") else "shell"
        for place in (folder, *folder.rglob("*")):
            place.chmod(0o755)
        launch = Launch(
            uuid.uuid4(),
            str(folder),
            tuple(container["command"]),
            template,
            amount_of(limits["cpu"]),
            int(amount_of(limits["memory"])),
            int(env.get("PORT", "8080")),
            {name: value for name, value in env.items() if name not in ("PORT", "HOME")},
        )
        return _Sandbox(await asyncio.to_thread(self.fleet.start, launch))


class _Sandbox:
    def __init__(self, running: Running) -> None:
        self._running, self.address, self._place = running, running.address, (0, 0)
        self._ended: Ended | None = None
        self._rest: list[tuple[float, bytes]] = []

    def ended(self) -> Ended | None:
        if self._ended is None and (ended := self._running.ended()) is not None:
            self._rest = self._read()
            self._ended = ended
            self._running.forget()
        return self._ended

    def _read(self) -> list[tuple[float, bytes]]:
        found: list[tuple[float, bytes]] = []
        while True:
            pieces, self._place = self._running.output(self._place)
            if not pieces:
                return found
            found += pieces

    def output(self) -> list[tuple[float, bytes]]:
        if self._ended is not None:
            rest, self._rest = self._rest, []
            return rest
        return self._read()

    def used(self) -> Used:
        return self._running.usage() if self._ended is None else Used(0.0, 0, 0)

    def terminate(self) -> None:
        self._running.terminate()

    def kill(self) -> None:
        self._running.kill()


@dataclass
class Script:
    """A program that a test plays: it writes what the test says and ends when the test says so."""

    env: dict[str, str]
    address: str = ""
    said: list[tuple[float, bytes]] = field(default_factory=list)
    end: Ended | None = None
    ignores_sigterm: bool = False
    is_listening: bool = False

    def say(self, data: bytes) -> None:
        self.said.append((time.time(), data))

    def ended(self) -> Ended | None:
        return self.end

    def output(self) -> list[tuple[float, bytes]]:
        said, self.said = self.said, []
        return said

    def used(self) -> Used:
        return Used(1.0, 1024 * 1024, 1000)

    def terminate(self) -> None:
        if not self.ignores_sigterm:
            self.end = self.end or Ended(143)

    def kill(self) -> None:
        self.end = self.end or Ended(137)


@dataclass
class Scripted:
    """started: the programs, in the order of their starts. download_code: how downloads end."""

    started: list[Script] = field(default_factory=list)
    download_code: int = 0

    async def download(self, container: Thing, env: dict[str, str], folder: Path) -> tuple[int, str]:
        return self.download_code, "" if not self.download_code else "The program could not be downloaded."

    async def start(self, container: Thing, env: dict[str, str], folder: Path) -> Process:
        script = Script(env)
        self.started.append(script)
        return script


def volume() -> Path:
    path = Path(tempfile.mkdtemp(prefix="glia-pod-"))
    path.chmod(0o755)
    return path
