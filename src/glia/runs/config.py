"""How the engine of a process works: its part of the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineConfig:
    """most_at_once: runs that one process executes. largest_share: runs of one workspace, in all processes together.

    poll_seconds: how often a worker looks for runs that nobody told it of. drain_seconds: how long a process that
    stops waits for its runs. full_disk_seconds: how long a run rests when the database's disk is full.
    """

    most_at_once: int = 200
    largest_share: int = 100
    poll_seconds: float = 1.0
    drain_seconds: float = 10.0
    full_disk_seconds: float = 5.0
