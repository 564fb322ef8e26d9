"""/api/agent/deployed-models: models that were trained here and can be used by name."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from glia.surfaces.shared.bodies import Out, TheHouse, ThePrincipal, Time, WatchedRoute

router = APIRouter(prefix="/api/agent", tags=["models"], route_class=WatchedRoute)


class DeployedModelOut(Out):
    model_id: str
    training_job_id: UUID
    base_model: str
    provider: str
    dataset_name: str | None
    completed_at: Time | None


class DeployedModelsOut(Out):
    deployed_models: list[DeployedModelOut]
    total: int


@router.get("/deployed-models")
async def list_deployed(house: TheHouse, principal: ThePrincipal) -> DeployedModelsOut:
    """List models that were trained on this server. It trains none yet, so there are none."""
    principal.require("models:read")
    return DeployedModelsOut(deployed_models=[], total=0)
