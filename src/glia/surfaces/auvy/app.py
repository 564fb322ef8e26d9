"""Puts Auvy's surface together."""

from __future__ import annotations

from glia.surfaces.auvy import (
    brains,
    catalogue,
    interventions,
    invoke,
    jobs,
    neurons,
    pathways,
    public,
    receptors,
    reflexes,
    search,
    traces,
    vault,
)
from glia.surfaces.auvy.document import DESCRIPTION, streams
from glia.surfaces.auvy.stream import JobStreams
from glia.surfaces.auvy.words import auvy_error
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App
from glia.surfaces.shared.routes import Route
from glia.wiring import House

_ROUTERS = (
    neurons.router,
    invoke.router,
    reflexes.router,
    catalogue.router,
    brains.router,
    jobs.router,
    traces.router,
    receptors.router,
    public.router,
    interventions.router,
    pathways.router,
    search.router,
    vault.router,
)


def auvy_surface(house: House) -> App:
    return surface_app(
        house,
        name="auvy",
        api=surface_api(house, _ROUTERS, DESCRIPTION, more_paths=streams()),
        error_body=auvy_error,
        hot=[
            Route("GET", "/v1/jobs/{job_id}/stream", JobStreams(house).follow),
            Route("GET", "/v1/public/receptors/{token}/jobs/{job_id}/stream", public.SharedStreams(house).follow),
        ],
        is_public=lambda path: path.startswith(public.PREFIX),
    )
