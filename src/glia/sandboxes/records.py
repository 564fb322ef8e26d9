"""What is stored about sandboxes, and what their makers may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol
from uuid import UUID

from glia.sandboxes.types import Limits, Size

OnTimeout = Literal["kill", "pause"]
Language = Literal["python", "javascript", "shell"]
LANGUAGES: tuple[Language, ...] = ("python", "javascript", "shell")


class SandboxStatus(StrEnum):
    """SLEEPING: its files are kept, no process lives; the next use starts it again. STOPPED is for ever."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    SLEEPING = "sleeping"
    STOPPED = "stopped"


@dataclass(frozen=True)
class SecretSpec:
    """A header that the egress proxy sets on requests to some hosts. Inside, only a placeholder is seen.

    name: also the environment variable that holds the placeholder. template: what is sent, `{value}` replaced.
    scheme: how the proxy calls the host; the program inside asks by `http://`.
    """

    name: str
    hosts: tuple[str, ...]
    value: str = field(repr=False)
    header: str = "Authorization"
    template: str = "Bearer {value}"
    scheme: Literal["https", "http"] = "https"


@dataclass(frozen=True)
class SecretShown:
    """A secret without its value."""

    name: str
    hosts: tuple[str, ...]
    header: str
    scheme: Literal["https", "http"]

    @property
    def placeholder(self) -> str:
        return f"glia-secret-{self.name}"


@dataclass(frozen=True)
class NewSandbox:
    """What a sandbox is asked to be. template: empty for the server's usual one. lease_seconds: 0 for the usual."""

    name: str = ""
    template: str = ""
    limits: Limits = field(default_factory=Limits)
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    allow_hosts: tuple[str, ...] = ()
    secrets: tuple[SecretSpec, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    lease_seconds: int = 0
    on_timeout: OnTimeout = "kill"
    snapshot_id: UUID | None = None


@dataclass(frozen=True)
class SandboxRecord:
    """A sandbox as it is stored. lease_until: it ends, or is paused, unless it is used before."""

    id: UUID
    workspace_id: UUID
    project_id: UUID
    session_id: UUID | None
    name: str
    template: str
    status: SandboxStatus
    reason: str
    limits: Limits
    env: dict[str, str]
    allow_hosts: tuple[str, ...]
    secrets: tuple[SecretShown, ...]
    metadata: dict[str, object]
    backend: str
    backend_id: str
    host_id: UUID | None
    host_name: str
    machine: str
    lease_seconds: int
    lease_until: datetime
    on_timeout: OnTimeout
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    sealed_secrets: bytes | None = field(default=None, repr=False)

    @property
    def inner_env(self) -> dict[str, str]:
        """The variables of every command inside: what was asked for, and a placeholder for each secret."""
        return {**self.env, **{secret.name: secret.placeholder for secret in self.secrets}}


@dataclass(frozen=True)
class Host:
    """A server process that holds sandboxes, and how to tell from outside whether it lives."""

    id: UUID
    name: str
    machine: str
    namespace: str
    pid: int
    process_started: int
    seconds_silent: float = 0.0


@dataclass(frozen=True)
class WayOut:
    """What passed a sandbox's egress proxy. dropped: decisions that were too many to be noted."""

    sent_bytes: int = 0
    received_bytes: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class EgressEntry:
    id: UUID
    at: datetime
    method: str
    host: str
    port: int | None
    verdict: Literal["allowed", "denied", "failed"]
    reason: str
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True)
class Snapshot:
    """A workspace as it was. size_bytes: of the compressed file."""

    id: UUID
    session_id: UUID | None
    sandbox_id: UUID | None
    name: str
    file_id: UUID
    content_sha256: str
    size_bytes: int
    created_at: datetime


class Owner(Protocol):
    """Whose something is."""

    @property
    def workspace_id(self) -> UUID: ...

    @property
    def project_id(self) -> UUID: ...


@dataclass(frozen=True)
class Artifact:
    """A file that code of a session made. path: where it lay, below /workspace."""

    id: UUID
    session_id: UUID
    run_id: UUID | None
    path: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    file_id: UUID
    created_at: datetime


@dataclass(frozen=True)
class SandboxUsage:
    """What sandboxes used together. group: the day, sandbox or session; None for the total.

    memory_gib_seconds: memory in use, in GiB, times the seconds it was in use.
    """

    group: str | None
    sandboxes: int
    wall_seconds: float
    cpu_seconds: float
    memory_gib_seconds: float


@dataclass(frozen=True)
class CodeRun:
    """What running a piece of code gave. value: of its last expression, where the language has one.

    status: `ok`, `error` (it raised, or ended with a code), `timeout`, or `died` (the interpreter is gone).
    is_fresh: no variables of earlier runs were there. truncated: output was dropped.
    """

    language: Language
    status: Literal["ok", "error", "timeout", "died"]
    stdout: str = ""
    stderr: str = ""
    value: str = ""
    error: str = ""
    exit_code: int | None = None
    is_oom: bool = False
    is_truncated: bool = False
    is_fresh: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Console:
    """Any: JSON as it was given. details: status, template, cost and the like."""

    id: UUID
    session_id: UUID
    terminal_lines: list[Any]
    files: list[Any]
    artifacts: list[Any]
    details: dict[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Ran:
    """What one piece of code has added. seconds: how long it ran."""

    lines: Sequence[Mapping[str, object]]
    files: Sequence[Mapping[str, object]]
    artifacts: Sequence[Mapping[str, object]]
    status: str
    template: str
    seconds: float


@dataclass(frozen=True)
class NewTerminal:
    """command: a line for the shell; a shell to type at when empty. env: added to the sandbox's variables."""

    command: str = ""
    cwd: str = "/workspace"
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    size: Size = field(default_factory=Size)


@dataclass(frozen=True)
class TerminalRecord:
    """code, signal: how its program ended, if it did by itself. reason: why it ended otherwise. readers: connections
    that show it now. begin, end: the output that is kept, in bytes since its start."""

    id: UUID
    sandbox_id: UUID
    status: Literal["running", "ended"]
    command: str
    size: Size
    pid: int
    readers: int
    begin: int
    end: int
    created_by: str
    created_at: datetime
    ended_at: datetime | None
    code: int | None
    signal: int | None
    reason: str
