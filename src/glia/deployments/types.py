"""A deployment: a user's program, how it is run, what runs of it, and what a place for such programs has to offer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol, runtime_checkable
from uuid import UUID

DeploymentId = NewType("DeploymentId", UUID)

MIB = 1024 * 1024
LEVELS = ("debug", "info", "warn", "error")


class DeploymentStatus(StrEnum):
    DEPLOYING = "deploying"
    RUNNING = "running"
    STOPPED = "stopped"
    ERROR = "error"


@dataclass(frozen=True)
class Program:
    """What is run. runtime: `rust`, `go` and `native` are an executable; `python` and `node` a script, or a zip or
    tar.gz with one. binary_url: http(s), or `storage://<pathname>`. sha256: what the download must be; None for
    whatever it is. command: arguments for the program; for an archive the first is its entry point.
    network: whom it may reach: `none`, `hosts` for those of network_hosts, or `public` for whatever is on the internet.
    port: where it may listen, given to it as PORT. health_path: what is asked whether it is well; with
    `must_listen` it is only well once it answers there. cpu, memory: as the user wrote them, `0.5` and `512Mi`."""

    runtime: str
    binary_url: str
    sha256: str | None = None
    cpu: str = "1.0"
    memory: str = "512Mi"
    command: tuple[str, ...] = ()
    port: int = 8080
    health_path: str = "/health"
    must_listen: bool = False
    network: str = "none"
    network_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeploymentSpec:
    """What a new deployment is made of. region: only nodes of this region run it; empty for any."""

    name: str
    program: Program
    replicas: int = 1
    region: str = ""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    metadata: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Replica:
    """One copy. state: pending, starting, running, unhealthy, backoff, failed or stopping. is_ready: gets requests.
    last_failure: why it ended, or could not be started, the last time; also once it runs again."""

    id: UUID
    state: str
    is_ready: bool
    reason: str
    restarts: int
    node: str
    version: int
    created_at: datetime
    started_at: datetime | None
    last_failure: str = ""


@dataclass(frozen=True)
class Deployment:
    """A deployment as it is. reason: why it is not as it was wanted; empty when all is well.

    version: counts the changes of the program. route: what its address is made of. environment_names: the values
    are never shown. digest: sha256 of what was downloaded; None until then.
    """

    id: DeploymentId
    workspace_id: UUID
    name: str
    route: str
    status: DeploymentStatus
    reason: str
    replicas: int
    ready_replicas: int
    region: str
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    cpu: str
    memory: str
    command: tuple[str, ...]
    port: int
    health_path: str
    must_listen: bool
    network: str
    network_hosts: tuple[str, ...]
    environment_names: tuple[str, ...]
    version: int
    metadata: dict[str, object]
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def endpoint(self) -> str:
        """Its address on this server, without the host."""
        return f"/deployments/{self.route}/"


@dataclass(frozen=True)
class Version:
    """What the program was once. number: grows with each change. is_current: it is what should run now."""

    number: int
    is_current: bool
    runtime: str
    binary_url: str
    sha256: str | None
    digest: str | None
    size_bytes: int | None
    cpu: str
    memory: str
    command: tuple[str, ...]
    port: int
    health_path: str
    environment_names: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True)
class LogLine:
    """id: grows within a deployment, for `after`. level: one of LEVELS."""

    id: int
    at: datetime
    level: str
    message: str
    replica_id: UUID


@dataclass(frozen=True)
class DeploymentLine(LogLine):
    """A line, and whose it is."""

    deployment_id: UUID


@dataclass(frozen=True)
class Sample:
    """What a replica used at a moment: percent of a core, MiB, and bytes a second."""

    deployment_id: UUID
    replica_id: UUID
    at: datetime
    cpu_percent: float
    memory_mib: float
    network_bytes_per_second: float


@dataclass(frozen=True)
class Point:
    """value: percent of a core, MiB, or bytes a second. replica_id: None for all replicas together."""

    at: datetime
    value: float
    replica_id: UUID | None = None


@dataclass(frozen=True)
class Usage:
    """What a deployment used in the hour that begins at `hour`; also of one that was deleted since.

    replica_seconds: for which replicas ran, added up. cpu_core_seconds, memory_byte_seconds: reserved meanwhile.
    cpu_seconds: really used. storage_byte_seconds: what its programs took on disk. network_bytes: both ways.
    """

    deployment_id: UUID
    name: str
    hour: datetime
    replica_seconds: float
    cpu_core_seconds: float
    cpu_seconds: float
    memory_byte_seconds: int
    storage_byte_seconds: int
    network_bytes: int


@dataclass(frozen=True)
class Launch:
    """What a backend needs to start one copy. folder: the program's files on this machine, read only.
    has_way_out: the program may reach others through a proxy at its port 3128."""

    replica_id: UUID
    folder: str
    argv: tuple[str, ...]
    template: str
    cpus: float
    memory_bytes: int
    port: int
    environment: Mapping[str, str]
    has_way_out: bool = False


@dataclass(frozen=True)
class Ended:
    """How a program ended. code: its exit status; 128 and more for a signal; None when nobody knows."""

    code: int | None
    was_oom: bool = False

    def __str__(self) -> str:
        if self.was_oom:
            return "it used more memory than it may, and was killed"
        if self.code is None:
            return "it was killed"
        if self.code > 128:
            return f"it was killed by signal {self.code - 128}"
        return f"it ended with exit status {self.code}"


@dataclass(frozen=True)
class Used:
    """Since the start: cpu_seconds and network_bytes (in and out). memory_bytes: now."""

    cpu_seconds: float
    memory_bytes: int
    network_bytes: int


class Running(Protocol):
    """One copy that a backend has started, or found again. Blocking calls are quick."""

    @property
    def address(self) -> str:
        """What `dialling.dial` takes, from any process of this machine."""
        ...

    def ended(self) -> Ended | None:
        """None while it lives."""
        ...

    def usage(self) -> Used: ...

    def connections(self) -> int:
        """Open connections to its port."""
        ...

    def terminate(self) -> None:
        """Asks it to end, by SIGTERM."""
        ...

    def kill(self) -> None:
        """Ends all its processes; does not wait."""
        ...

    def forget(self) -> None:
        """After its end: gives back all that it had, also its unread output."""
        ...

    def output(self, place: tuple[int, int]) -> tuple[list[tuple[float, bytes]], tuple[int, int]]:
        """What it wrote after that place, in pieces with their times (seconds since 1970), and the next place.
        The place of an earlier start means the beginning."""
        ...


class FleetBackend(Protocol):
    """A way to run programs that outlive the process that started them."""

    async def probe(self) -> tuple[str, Mapping[str, str]]:
        """Why nothing can run here, empty when it can; and how far each limit is held."""
        ...

    def start(self, launch: Launch) -> Running:
        """Raises GliaError with the reason. Blocking; call it in a thread."""
        ...

    def adopt(self) -> Mapping[UUID, Running]:
        """Whatever an earlier supervisor of this place left, dead or alive, by replica."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A FleetBackend that says when a replica has written or ended. Others are asked several times a second."""

    def told(self, changed: Callable[[UUID], None]) -> Callable[[], None]:
        """Calls `changed` on the running event loop from now on, until the function that it gives is called."""
        ...


@runtime_checkable
class Outgoing(Protocol):
    """A Running that hands out its proxy's listening socket, for whoever judges whom it may reach."""

    def way_out(self) -> socket.socket:
        """Blocking, for a second at most. Raises OSError: it is not there yet, or not any more."""
        ...
