"""Routers of what agents work on and with: workflows, files, verification and the like."""

from __future__ import annotations

from glia.surfaces.neuronagent import (
    evaluations,
    event_streams,
    executions,
    files,
    runs,
    snapshots,
    unavailable,
    verifications,
    workflows,
)

ROUTERS = (
    evaluations.router,
    executions.router,
    workflows.router,
    files.router,
    event_streams.router,
    snapshots.router,
    runs.router,
    verifications.router,
    unavailable.router,
)
