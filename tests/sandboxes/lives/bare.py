"""A backend without walls: plain processes of this machine in a folder each. For tests of what lies above a backend.

`/workspace` in the words of a command becomes the folder, so that programs that name it find it.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal as signals
import socket
import sys
import tarfile
import time
from collections.abc import AsyncGenerator, AsyncIterable, Collection
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

from glia.sandboxes import asking
from glia.sandboxes.errors import (
    CommandNotFound,
    FileMissing,
    NotAFile,
    PathRefused,
    PortClosed,
    ProcessNotFound,
    SandboxGone,
    SandboxIdTaken,
    SandboxPaused,
    SnapshotTooLarge,
    TooManyFiles,
)
from glia.sandboxes.splice import Pair
from glia.sandboxes.types import (
    ByteStream,
    Command,
    Exited,
    FileInfo,
    Frame,
    Probe,
    Sandbox,
    SandboxId,
    SandboxSpec,
    Started,
    Stats,
    Stderr,
    Stdout,
    Swept,
    TemplateState,
)
from glia.sandboxes.wire import Ends, hand_over


class BareBox:
    def __init__(self, backend: BareBackend, id: SandboxId, spec: SandboxSpec, folder: Path) -> None:
        self._backend = backend
        self.id = id
        self.spec = spec
        self.folder = folder
        self.is_alive = True
        self.is_paused = False
        self.processes: dict[int, asyncio.subprocess.Process] = {}
        self._agent: tuple[asyncio.subprocess.Process, socket.socket] | None = None
        self._talks: list[Ends] = []

    def _check(self) -> None:
        if not self.is_alive:
            raise SandboxGone("The sandbox is dead.")
        if self.is_paused:
            raise SandboxPaused("The sandbox is paused.")

    def _at(self, path: str) -> Path:
        inner = path.removeprefix("/workspace").lstrip("/") if path.startswith("/workspace") else path
        if path.startswith("/") and not path.startswith("/workspace"):
            raise FileMissing(f"There is no {path!r}.")
        at = Path(os.path.normpath(self.folder / inner))
        if self.folder not in (at, *at.parents):
            raise PathRefused(f"{path!r} leads out.")
        return at

    async def _on_terminal(self, command: Command) -> AsyncGenerator[Frame, None]:
        """By the agent of real sandboxes, which runs here as any other program."""
        here = replace(command, cwd=str(self._at(command.cwd)), env={"PATH": os.environ["PATH"], **command.env})
        async with aclosing(asking.run(self._dial, here, lambda: 0)) as frames:
            async for frame in frames:
                yield frame

    async def _dial(self) -> Ends:
        self._check()
        if self._agent is None:
            ours, theirs = socket.socketpair()
            argv = (sys.executable, "-m", "glia.sandboxes.agent.main", "nofile=1024", "-", "fd", str(theirs.fileno()))
            fds = (theirs.fileno(),)
            process = await asyncio.create_subprocess_exec(
                *argv, pass_fds=fds, env=os.environ, preexec_fn=_default_signals
            )
            theirs.close()
            self._agent = process, ours
        ends = await hand_over(self._agent[1])
        self._talks.append(ends)
        return ends

    async def _end_agent(self) -> None:
        if self._agent is not None:
            process, control = self._agent
            for _, writer in self._talks:
                writer.close()
            control.close()
            await process.wait()

    async def exec(self, command: Command) -> AsyncGenerator[Frame, None]:
        self._check()
        if command.size is not None:
            async with aclosing(self._on_terminal(command)) as frames:
                async for frame in frames:
                    yield frame
            return
        here = str(self.folder)
        argv = [word.replace("/workspace", here) for word in command.argv]
        env = {name: value.replace("/workspace", here) for name, value in command.env.items()}
        started = time.monotonic()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=self._at(command.cwd),
                env={"PATH": os.environ["PATH"], **env},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_default_signals,
            )
        except FileNotFoundError:
            raise CommandNotFound(f"There is no program {command.argv[0]!r}.") from None
        self.processes[process.pid] = process
        frames: asyncio.Queue[Frame | None] = asyncio.Queue(16)
        tasks = [
            asyncio.create_task(self._pump(process.stdout, Stdout, frames)),
            asyncio.create_task(self._pump(process.stderr, Stderr, frames)),
            asyncio.create_task(self._feed(process, command.stdin)),
        ]
        left, cut, late = command.output_bytes, False, False
        try:
            yield Started(process.pid)
            waiting = asyncio.ensure_future(process.wait())
            deadline = started + command.timeout_seconds
            open_pumps = 2
            while open_pumps:
                getting = asyncio.ensure_future(frames.get())
                done, _ = await asyncio.wait({getting}, timeout=min(max(0.0, deadline - time.monotonic()), 0.2))
                if not done:
                    getting.cancel()
                    if time.monotonic() >= deadline:
                        late = True
                        break
                    if waiting.done():
                        break
                    continue
                frame = getting.result()
                if frame is None:
                    open_pumps -= 1
                    continue
                kept = frame.data[: max(0, left)]
                cut |= len(kept) < len(frame.data)
                left -= len(kept)
                if kept:
                    yield type(frame)(kept)
            if late:
                self._kill(process)
            code = await waiting
            yield Exited(
                code if code >= 0 else None,
                -code if code < 0 else None,
                timed_out=late,
                truncated=cut,
                wall_seconds=time.monotonic() - started,
            )
        finally:
            for task in tasks:
                task.cancel()
            if process.returncode is None:
                self._kill(process)
                await process.wait()
            self.processes.pop(process.pid, None)

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signals.SIGKILL)

    async def _pump(self, stream: asyncio.StreamReader, kind: type, frames: asyncio.Queue[Frame | None]) -> None:
        while data := await stream.read(65536):
            await frames.put(kind(data))
        await frames.put(None)

    async def _feed(self, process: asyncio.subprocess.Process, stdin: bytes | AsyncIterable[bytes]) -> None:
        with suppress(ConnectionError):
            if isinstance(stdin, bytes):
                process.stdin.write(stdin)
            else:
                async for chunk in stdin:
                    process.stdin.write(chunk)
                    await process.stdin.drain()
            process.stdin.close()

    async def signal(self, pid: int, signal: int) -> None:
        self._check()
        if pid not in self.processes:
            raise ProcessNotFound(f"There is no command {pid}.")
        os.killpg(pid, signal)

    async def put(self, path: str, data: bytes | AsyncIterable[bytes], *, mode: int = 0o644) -> int:
        self._check()
        at = self._at(path)
        at.parent.mkdir(parents=True, exist_ok=True)
        content = data if isinstance(data, bytes) else b"".join([chunk async for chunk in data])
        at.write_bytes(content)
        at.chmod(mode)
        return len(content)

    async def get(self, path: str, *, offset: int = 0, limit: int | None = None) -> AsyncGenerator[bytes, None]:
        self._check()
        await self.stat(path)
        at = self._at(path)
        if not at.is_file():
            raise NotAFile(f"{path!r} is not a file.")
        content = at.read_bytes()[offset:][:limit]
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    async def list(self, path: str = ".", *, depth: int = 1, limit: int = 1000) -> list[FileInfo]:
        self._check()
        at = self._at(path)
        if not at.exists():
            raise FileMissing(f"There is no {path!r}.")
        found = [each for each in sorted(at.rglob("*")) if len(each.relative_to(at).parts) <= depth]
        if len(found) > limit:
            raise TooManyFiles("There are too many.")
        return [self._info(each) for each in found]

    def _info(self, at: Path) -> FileInfo:
        stat = at.lstat()
        kind = "symlink" if at.is_symlink() else "directory" if at.is_dir() else "file" if at.is_file() else "other"
        shown = "/workspace" + str(at).removeprefix(str(self.folder))
        target = str(at.readlink()) if kind == "symlink" else None
        return FileInfo(shown, kind, stat.st_size, stat.st_mtime, stat.st_mode & 0o777, target)

    async def stat(self, path: str) -> FileInfo:
        self._check()
        at = self._at(path)
        if not at.is_symlink() and not at.exists():
            raise FileMissing(f"There is no {path!r}.")
        return self._info(at)

    async def make_directory(self, path: str) -> None:
        self._check()
        self._at(path).mkdir(parents=True, exist_ok=True)

    async def move(self, source: str, target: str) -> None:
        await self.stat(source)
        self._at(source).rename(self._at(target))

    async def remove(self, path: str) -> None:
        found = await self.stat(path)
        shutil.rmtree(self._at(path)) if found.kind == "directory" else self._at(path).unlink()

    async def tar_out(self, path: str = ".") -> AsyncGenerator[bytes, None]:
        self._check()
        yield self._tar(self._at(path))

    def _tar(self, at: Path) -> bytes:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            for each in sorted(at.rglob("*")):
                tar.add(each, str(each.relative_to(at)), recursive=False)
        return raw.getvalue()

    async def tar_in(self, chunks: AsyncIterable[bytes], path: str = ".") -> int:
        self._check()
        content = b"".join([chunk async for chunk in chunks])
        at = self._at(path)
        at.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            members = tar.getmembers()
            tar.extractall(at, filter="data")
        return len(members)

    async def connect(self, port: int) -> ByteStream:
        self._check()
        try:
            return Pair(*await asyncio.open_connection("127.0.0.1", port))
        except OSError:
            raise PortClosed(f"Nothing listens at port {port}.") from None

    async def stats(self) -> Stats:
        if not self.is_alive:
            raise SandboxGone("The sandbox is dead.")
        return Stats(0.5, 64 * 1024 * 1024, len(self.processes), 0)

    async def pause(self) -> None:
        self.is_paused = True

    async def resume(self) -> None:
        self.is_paused = False

    async def snapshot(self, target: Path, *, most_bytes: int | None = None) -> int:
        self._check()
        content = self._tar(self.folder)
        if most_bytes is not None and len(content) > most_bytes:
            raise SnapshotTooLarge(f"The workspace has more than {most_bytes} bytes.")
        target.write_bytes(content)
        return len(content)

    async def restore(self, source: Path) -> None:
        self._check()
        for each in self.folder.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        with tarfile.open(source) as tar:
            tar.extractall(self.folder, filter="data")

    async def kill(self) -> None:
        self.is_alive = False
        self._backend.living.pop(self.id, None)
        await self._end_agent()
        for process in list(self.processes.values()):
            self._kill(process)
            await process.wait()
        if not self.spec.keeps_workspace:
            shutil.rmtree(self.folder, ignore_errors=True)


class BareBackend:
    name = "bare"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.living: dict[SandboxId, BareBox] = {}
        self.created = 0
        self.probed = Probe(True, limits={"memory": "none"})

    async def probe(self) -> Probe:
        return self.probed

    async def templates(self) -> tuple[TemplateState, ...]:
        return (TemplateState("python", "Python", True), TemplateState("python-data", "Data", False, "Not built."))

    async def create(self, id: SandboxId, spec: SandboxSpec) -> Sandbox:
        if id in self.living:
            raise SandboxIdTaken(f"{id} lives.")
        (self.folder / id).mkdir(parents=True, exist_ok=True)
        self.created += 1
        box = self.living[id] = BareBox(self, id, spec, self.folder / id)
        return box

    async def adopt(self, id: SandboxId) -> Sandbox | None:
        return self.living.get(id)

    async def has_workspace(self, id: SandboxId) -> bool:
        return (self.folder / id).is_dir()

    async def remove_workspace(self, id: SandboxId) -> None:
        shutil.rmtree(self.folder / id, ignore_errors=True)

    async def sweep(self, keep: Collection[SandboxId] | None = None) -> Swept:
        removed: list[SandboxId] = []
        for each in self.folder.iterdir() if self.folder.is_dir() else ():
            if keep is not None and each.name not in keep and each.name not in self.living:
                shutil.rmtree(each)
                removed.append(SandboxId(each.name))
        return Swept((), tuple(removed))

    async def close(self) -> None:
        for box in list(self.living.values()):
            await box.kill()


def _default_signals() -> None:
    """Whoever starts the tests in the background makes all below them deaf to an interrupt."""
    signals.signal(signals.SIGINT, signals.SIG_DFL)
