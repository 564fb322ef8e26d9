"""The settings that begin with GLIA_FLEET__."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FleetConfig:
    """node: `on` lets `glia serve` start a supervisor beside it as soon as there is a deployment; `off` leaves that to
    you (`glia node`). region: of this machine's supervisor. binary_mib: the largest download, and all that an archive
    may unpack to. lease_seconds: how long a silent supervisor keeps its replicas. alone_seconds: how long one that
    does not reach the database keeps programs running; then it stops them and ends.
    health_seconds: between two looks at a healthy replica. start_seconds: the longest that a replica may take to
    become healthy. settle_seconds: after which a program that opens no port counts as healthy.
    stop_seconds: between SIGTERM and SIGKILL; also how long open connections are waited for before that.
    sample_seconds: between two looks at what programs use, for figures and for bills.
    log_lines, log_days: what is kept of each deployment's output."""

    node: str = "on"
    region: str = ""
    binary_mib: int = 512
    lease_seconds: float = 10.0
    alone_seconds: float = 600.0
    health_seconds: float = 10.0
    start_seconds: float = 60.0
    settle_seconds: float = 3.0
    stop_seconds: float = 10.0
    sample_seconds: float = 15.0
    log_lines: int = 100_000
    log_days: int = 7
