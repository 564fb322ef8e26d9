"""The settings that begin with GLIA_FLEET__."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class KubernetesConfig:
    """cluster: what this cluster is called here; nodes that look after the same one say the same. kubeconfig: a file;
    without it the service account of the pod in which the node runs, then KUBECONFIG, then ~/.kube/config. context: of
    that file; its current one without. namespace: where everything is made; the context's own without.
    server_url: where pods reach this server, to download programs from; GLIA_PUBLIC_URL without.
    native_image, python_image, node_image: what programs run in. download_image: has sh, wget, sha256sum and tar.
    pull_secret: the name of a Secret with the credentials for those images. service_account: of the pods.
    runtime_class: such as `gvisor`. user: the number of the user that programs run as, never 0.
    network: `closed` holds programs to what their deployment says, `open` lets them reach everybody.
    start_seconds: the longest that a replica may take to become ready, images included. drain_seconds: how long a
    replica still serves after it was taken out of rotation, before SIGTERM. request_seconds: for each call of the
    cluster."""

    cluster: str = "default"
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    server_url: str | None = None
    native_image: str = "debian:13-slim"
    python_image: str = "python:3.13-slim"
    node_image: str = "node:24-slim"
    download_image: str = "busybox:1.37"
    pull_secret: str | None = None
    service_account: str | None = None
    runtime_class: str | None = None
    user: int = 65532
    network: Literal["closed", "open"] = "closed"
    start_seconds: float = 300.0
    drain_seconds: int = 3
    request_seconds: float = 15.0


@dataclass(frozen=True)
class FleetConfig:
    """node: `on` lets `glia serve` start a supervisor beside it as soon as there is a deployment; `off` leaves that to
    you (`glia node`). backend: `bubblewrap` runs programs in sandboxes of this machine, `kubernetes` in a cluster.
    region: of this machine's supervisor. binary_mib: the largest download, and all that an archive may unpack to.
    lease_seconds: how long a silent supervisor keeps its replicas. alone_seconds: how long one that does not reach the
    database keeps programs running; then it stops them and ends.
    health_seconds: between two looks at a healthy replica. start_seconds: the longest that a replica may take to
    become healthy. settle_seconds: after which a program that opens no port counts as healthy.
    stop_seconds: between SIGTERM and SIGKILL; also how long open connections are waited for before that.
    listen: HOST:PORT at which the supervisor carries connections of servers on other machines to its replicas; empty
    for nowhere. advertise: what those servers call that place, if not the same.
    sample_seconds: between two looks at what programs use, for figures and for bills.
    log_lines, log_days: what is kept of each deployment's output."""

    node: str = "on"
    backend: Literal["bubblewrap", "kubernetes"] = "bubblewrap"
    region: str = ""
    listen: str = ""
    advertise: str = ""
    binary_mib: int = 512
    lease_seconds: float = 10.0
    alone_seconds: float = 600.0
    health_seconds: float = 10.0
    start_seconds: float = 60.0
    settle_seconds: float = 5.0
    stop_seconds: float = 10.0
    sample_seconds: float = 15.0
    log_lines: int = 100_000
    log_days: int = 7
    kubernetes: KubernetesConfig = field(default_factory=KubernetesConfig)
