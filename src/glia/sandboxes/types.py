"""A sandbox, what it may use, and what a backend that makes sandboxes has to offer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NewType, Protocol

SandboxId = NewType("SandboxId", str)
"""Chosen by who creates it: 1 to 64 of `a-z 0-9 -`. Names the workspace on disk too."""

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one sandbox may use, all its processes together.

    cpus: cores, fractions allowed. memory_bytes: processes, /tmp and /dev/shm together. disk_bytes: /workspace.
    temp_bytes: /tmp, taken from the memory. pids: processes and threads. open_files: per process.
    """

    cpus: float = 1.0
    memory_bytes: int = 512 * MIB
    disk_bytes: int = 512 * MIB
    temp_bytes: int = 64 * MIB
    pids: int = 128
    open_files: int = 1024


@dataclass(frozen=True)
class SandboxSpec:
    """How a sandbox is made.

    template: `python`, `python-data`, `nodejs` or `shell`. env: variables for every command; never secrets, since the
    code inside reads them. egress_socket: a unix socket of the host, used by this sandbox alone, to which each TCP
    connection to 127.0.0.1:3128 inside is spliced (HTTP_PROXY and HTTPS_PROXY then point there); None is no network
    at all. Any user must be able to pass through its folder (mode 0711); as root, the backend gives the socket itself
    to the sandbox's user. labels: kept for whoever lists processes or containers. keeps_workspace: /workspace outlives
    the sandbox, and the server, until `SandboxBackend.remove_workspace`.
    """

    template: str = "python"
    limits: Limits = field(default_factory=Limits)
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    egress_socket: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    keeps_workspace: bool = False


@dataclass(frozen=True)
class Size:
    """Of a terminal, in characters; each between 1 and 65535."""

    columns: int = 80
    rows: int = 24


@dataclass(frozen=True)
class Command:
    """One program to run inside.

    argv: the program and its arguments, looked up in PATH; no shell. cwd: absolute, or below /workspace.
    env: added to the sandbox's variables. stdin: bytes, or chunks as they come; nothing by default.
    timeout_seconds: after it the command and all its descendants are killed. output_bytes: how much of stdout and
    stderr together is passed on; the rest is dropped and `Exited.truncated` says so, while the command goes on.
    size: with it the program has a terminal, all its output comes as Stdout, and among the chunks of stdin may be
    other sizes, to which the terminal is changed.
    """

    argv: tuple[str, ...]
    cwd: str = "/workspace"
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    stdin: bytes | AsyncIterable[bytes | Size] = b""
    timeout_seconds: float = 60.0
    output_bytes: int = 10 * MIB
    size: Size | None = None


@dataclass(frozen=True)
class Started:
    """pid: of the command, as the sandbox counts; for `Sandbox.signal`."""

    pid: int


@dataclass(frozen=True)
class Stdout:
    """Bytes as they came: a chunk may end within a character."""

    data: bytes


@dataclass(frozen=True)
class Stderr:
    data: bytes


@dataclass(frozen=True)
class Exited:
    """The last frame. Exactly one of code and signal is set.

    oom: a process of the sandbox was killed for want of memory while the command ran. timed_out: killed by its own
    timeout. truncated: output was dropped. cpu_seconds: of the command and the children it waited for.
    """

    code: int | None
    signal: int | None
    oom: bool = False
    timed_out: bool = False
    truncated: bool = False
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


Frame = Started | Stdout | Stderr | Exited

FileKind = Literal["file", "directory", "symlink", "other"]


@dataclass(frozen=True)
class FileInfo:
    """An entry of the file system inside, not followed when it is a link. path: absolute. modified_at: seconds since
    1970. mode: permission bits."""

    path: str
    kind: FileKind
    size_bytes: int
    modified_at: float
    mode: int
    target: str | None = None


@dataclass(frozen=True)
class Stats:
    """What a sandbox uses now. cpu_seconds: since it was made, all processes. memory_bytes: without the page cache
    that would be given back. disk_bytes: /workspace."""

    cpu_seconds: float
    memory_bytes: int
    pids: int
    disk_bytes: int


LimitHold = Literal["enforced", "soft", "none"]
"""enforced: by the kernel, for the whole sandbox. soft: per process, or by looking from time to time."""


@dataclass(frozen=True)
class Probe:
    """Whether a backend works here, found out by really starting a sandbox.

    reason, fix: whole sentences; empty when it works and nothing is missing. A backend that works may still have a
    reason and a fix, when a limit is weaker than it could be. limits: for `cpu`, `memory`, `pids`, `disk`, `pause`.
    """

    is_available: bool
    reason: str = ""
    fix: str = ""
    limits: Mapping[str, LimitHold] = field(default_factory=dict[str, LimitHold])
    details: tuple[str, ...] = ()

    @property
    def is_degraded(self) -> bool:
        return any(hold != "enforced" for hold in self.limits.values())


@dataclass(frozen=True)
class TemplateState:
    """missing: why the template cannot be used and how to get it; empty when it is ready."""

    name: str
    description: str
    is_ready: bool
    missing: str = ""


@dataclass(frozen=True)
class Swept:
    """What earlier servers had left behind. killed: sandboxes that still ran. removed: workspaces deleted."""

    killed: tuple[SandboxId, ...] = ()
    removed: tuple[SandboxId, ...] = ()


class ByteStream(Protocol):
    """A connection to a port inside, both ways."""

    async def read(self, most: int = 65536) -> bytes:
        """At least one byte; none at the end. No timeout of its own: who reads decides how long to wait."""
        ...

    async def write(self, data: bytes) -> None:
        """Waits while the other side does not read. Raises SandboxStreamClosed."""
        ...

    async def write_eof(self) -> None: ...

    async def close(self) -> None: ...


class Sandbox(Protocol):
    """One running sandbox. Every method raises SandboxGone once it is dead, and all but `stats`, `resume` and `kill`
    raise SandboxPaused while it is paused. Paths are absolute or relative to /workspace, and are resolved inside, by
    a process of the sandbox: no link leads out of it. All of it may be called at once from many tasks of the event
    loop that created the sandbox."""

    @property
    def id(self) -> SandboxId: ...

    @property
    def spec(self) -> SandboxSpec: ...

    @property
    def is_alive(self) -> bool:
        """Whether its processes live, as far as is known without asking."""
        ...

    @property
    def is_paused(self) -> bool: ...

    def exec(self, command: Command) -> AsyncGenerator[Frame, None]:
        """The frames of a command: Started, then output as it comes, then Exited. Closing it early (`aclosing`)
        kills the command with its descendants. A background child that keeps stdout open does not hold it up.
        Raises CommandNotFound, WorkspaceFull (over a soft quota), AgentFailed."""
        ...

    async def signal(self, pid: int, signal: int) -> None:
        """To a command of `exec` and its whole session of processes. Raises ProcessNotFound."""
        ...

    async def put(self, path: str, data: bytes | AsyncIterable[bytes], *, mode: int = 0o644) -> int:
        """Writes a file, making its folders, and replaces what was there as one step; the bytes written.
        Raises WorkspaceFull, NotAFile, PathRefused."""
        ...

    def get(self, path: str, *, offset: int = 0, limit: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes of a regular file, in chunks. Raises FileMissing, NotAFile."""
        ...

    async def list(self, path: str = ".", *, depth: int = 1, limit: int = 1000) -> list[FileInfo]:
        """What lies in a folder, by name; depth 2 and more goes into sub-folders, links are not followed.
        Raises FileMissing, NotADirectory, and TooManyFiles when there are more than `limit`."""
        ...

    async def stat(self, path: str) -> FileInfo:
        """Raises FileMissing."""
        ...

    async def make_directory(self, path: str) -> None:
        """With its parents; it may be there already. Raises NotADirectory."""
        ...

    async def move(self, source: str, target: str) -> None:
        """Also renames; replaces a file. Raises FileMissing, FileTaken (the target is a folder with content)."""
        ...

    async def remove(self, path: str) -> None:
        """A file, a link, or a folder with everything in it. Raises FileMissing."""
        ...

    def tar_out(self, path: str = ".") -> AsyncGenerator[bytes, None]:
        """An uncompressed tar of a folder (names relative to it), or of one file. Only files, folders and links."""
        ...

    async def tar_in(self, chunks: AsyncIterable[bytes], path: str = ".") -> int:
        """Unpacks an uncompressed tar into a folder; the number of members. Refuses (TarRefused) absolute names, `..`,
        links that lead out of the folder, and devices; members before the refused one are there already."""
        ...

    async def connect(self, port: int) -> ByteStream:
        """To 127.0.0.1:port inside. Raises PortClosed."""
        ...

    async def stats(self) -> Stats: ...

    async def pause(self) -> None:
        """Stops all its processes where they are; memory stays. Twice is no error."""
        ...

    async def resume(self) -> None: ...

    async def snapshot(self, target: Path, *, most_bytes: int | None = None) -> int:
        """Writes /workspace as a tar to a file of the host, as one step; its size. Raises SnapshotTooLarge."""
        ...

    async def restore(self, source: Path) -> None:
        """Replaces all of /workspace by a tar that `snapshot` wrote. Raises TarRefused, WorkspaceFull."""
        ...

    async def kill(self) -> None:
        """Returns when no process of the sandbox lives. Removes the workspace unless the spec keeps it. Twice, while
        paused, or during an exec is no error."""
        ...


class SandboxBackend(Protocol):
    """A way to make sandboxes."""

    @property
    def name(self) -> str: ...

    async def probe(self) -> Probe:
        """Really starts a sandbox and looks, which takes up to some seconds. A good answer is remembered as long as
        this object lives, a bad one for some seconds, so asking often is cheap."""
        ...

    async def templates(self) -> tuple[TemplateState, ...]: ...

    async def create(self, id: SandboxId, spec: SandboxSpec) -> Sandbox:
        """Starts a sandbox and returns once it answers. A workspace of this id that was kept is used again, with its
        files. Raises SandboxUnavailable (the probe's reason and fix), TemplateMissing, SandboxIdTaken (one of this id
        lives), SandboxStartFailed. Cancelling it leaves nothing behind."""
        ...

    async def adopt(self, id: SandboxId) -> Sandbox | None:
        """A sandbox that outlived the server that made it, or None: `create` it again over its workspace."""
        ...

    async def has_workspace(self, id: SandboxId) -> bool:
        """Whether files of this id are kept on this machine."""
        ...

    async def remove_workspace(self, id: SandboxId) -> None:
        """Deletes the kept files of a sandbox that does not live. None there is no error. Raises SandboxIdTaken."""
        ...

    async def sweep(self, keep: Collection[SandboxId] | None = None) -> Swept:
        """Kills what dead servers left running and clears up after it. Sandboxes of servers that live are not
        touched. Workspaces that were not to be kept are deleted; with `keep`, also the kept ones of no living server
        that it does not name. Call it at start."""
        ...

    async def close(self) -> None:
        """Kills all sandboxes of this server, at once."""
        ...
