"""Routers of what agents work on and with: workflows, files, verification and the like."""

from __future__ import annotations

from glia.surfaces.neuronagent import (
    compliance,
    evaluations,
    event_streams,
    executions,
    files,
    market,
    rag,
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
    rag.router,
    market.router,
    compliance.router,
    verifications.router,
    unavailable.router,
)
