"""How the engine of a process works: its part of the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineConfig:
    """poll_seconds: how often a worker looks for runs that nobody told it of."""

    most_at_once: int = 200
    largest_share: int = 100
    poll_seconds: float = 1.0
    drain_seconds: float = 10.0
