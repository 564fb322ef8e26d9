"""Puts NeuronAgent's surface together: messages and sockets in front, everything else on FastAPI."""

from __future__ import annotations

import os

from glia.surfaces.neuronagent import agents, system
from glia.surfaces.neuronagent.config import read_config
from glia.surfaces.neuronagent.doorway import HEADERS, Doorway
from glia.surfaces.neuronagent.words import ERROR_SCHEMA, neuronagent_error
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App, Receive, Scope, Send
from glia.surfaces.shared.document import Description
from glia.wiring import House

DESCRIPTION = Description(
    title="Glia, the NeuronAgent surface",
    text="NeuronAgent's API on Glia. Base URL: `/neuronagent/api/v1`, or `/api/v1` on a port of its own.",
    error=ERROR_SCHEMA,
    public=system.PUBLIC,
)

ROUTERS = (
    system.router,
    agents.router,
)


def neuronagent_surface(house: House) -> App:
    config = read_config(os.environ)
    api = surface_api(house, ROUTERS, DESCRIPTION)
    app = surface_app(
        house,
        name="neuronagent",
        api=api,
        error_body=neuronagent_error,
        is_public=lambda path: path in system.PUBLIC,
        headers=HEADERS,
    )
    return Doorway(app, _no_sockets, config)


async def _no_sockets(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1013})
