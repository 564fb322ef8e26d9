"""Routers of what agents work on and with: workflows, files, verification and the like."""

from __future__ import annotations

from glia.surfaces.neuronagent import evaluations, executions, files, unavailable, verifications, workflows

ROUTERS = (
    evaluations.router,
    executions.router,
    workflows.router,
    files.router,
    verifications.router,
    unavailable.router,
)
