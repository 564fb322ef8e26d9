"""The settings that begin with GLIA_SANDBOX__."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SandboxConfig:
    """backend: `bubblewrap`, `oci` or `off`. state_dir: where the files lie; empty for the backend's own choice.
    oci_socket, oci_runtime: of the container engine, for `oci`; an empty runtime is the engine's own.
    template: of the sandbox that runs agents' code; empty takes `python-data` when it is built, else `python`.

    allow_hosts: what agents' code may reach, as `api.example.org,*.example.net`; empty for no network.
    most_per_workspace, most_at_once: sandboxes that live, of a workspace and in this process.
    lease_seconds: how long a sandbox that nobody uses lives, unless its maker says otherwise.
    warm: sandboxes started ahead of need. cpus, memory_mib, disk_mib: the most that one sandbox may be given.
    snapshot_mib: the largest workspace that is kept after a run. artifact_mib: the largest file shown as an artifact.
    preview_host, preview_port: where ports inside sandboxes are shown; port 0 takes any free one.
    preview_url: how browsers reach that place, when it is not `http://preview_host:preview_port`.
    terminal_idle_seconds: how long a terminal that is on somebody's screen goes on when nobody types in it.
    terminal_keep_seconds: how long it goes on for who may come back, once nobody looks at it any more.
    preview_domain: a domain whose sub-domains all lead there; each preview then has an origin of its own.
    """

    backend: str = "bubblewrap"
    state_dir: str = ""
    oci_socket: str = "/var/run/docker.sock"
    oci_runtime: str = ""
    template: str = ""
    allow_hosts: str = ""
    most_per_workspace: int = 20
    most_at_once: int = 100
    lease_seconds: int = 600
    warm: int = 0
    cpus: float = 4.0
    memory_mib: int = 4096
    disk_mib: int = 4096
    snapshot_mib: int = 64
    artifact_mib: int = 10
    preview_host: str = "127.0.0.1"
    preview_port: int = 0
    preview_url: str = ""
    preview_domain: str = ""
    terminal_idle_seconds: int = 1800
    terminal_keep_seconds: int = 300

    @property
    def hosts(self) -> tuple[str, ...]:
        """`allow_hosts`, one by one."""
        return tuple(host.strip() for host in self.allow_hosts.split(",") if host.strip())
