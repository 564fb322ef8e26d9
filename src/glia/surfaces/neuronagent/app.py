"""Puts NeuronAgent's surface together: messages and sockets in front, everything else on FastAPI."""

from __future__ import annotations

import os

from glia.identity.service import IdempotentAnswers
from glia.surfaces.neuronagent import (
    agent_acts,
    agent_versions,
    agents,
    alerts,
    analytics,
    approvals,
    batches,
    budgets,
    feedback,
    hot,
    memory,
    memory_tiers,
    messages,
    plans,
    relations,
    resources,
    sessions,
    spaces,
    system,
    tasks,
    tools,
    webhooks,
)
from glia.surfaces.neuronagent.config import read_config
from glia.surfaces.neuronagent.doorway import HEADERS, Doorway
from glia.surfaces.neuronagent.sending import Sending
from glia.surfaces.neuronagent.sockets import Sockets
from glia.surfaces.neuronagent.words import ERROR_SCHEMA, neuronagent_error
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App
from glia.surfaces.shared.document import Description
from glia.surfaces.shared.routes import Route
from glia.wiring import House

DESCRIPTION = Description(
    title="Glia, the NeuronAgent surface",
    text="NeuronAgent's API on Glia. Base URL: `/neuronagent/api/v1`, or `/api/v1` on a port of its own.",
    error=ERROR_SCHEMA,
    public=system.PUBLIC,
)

ROUTERS = (
    system.router,
    batches.router,
    agents.router,
    agent_acts.router,
    agent_versions.router,
    relations.router,
    tools.router,
    sessions.router,
    messages.router,
    hot.router,
    hot.sockets,
    memory.router,
    memory_tiers.router,
    plans.router,
    budgets.router,
    approvals.router,
    feedback.router,
    spaces.router,
    webhooks.router,
    tasks.router,
    alerts.router,
    analytics.router,
    *resources.ROUTERS,
)


def neuronagent_surface(house: House) -> App:
    config = read_config(os.environ)
    is_strict = house.settings.strict_fields or config.rejects_unknown_fields
    sending = Sending(house, IdempotentAnswers(house.db, house.settings.secret_key), is_strict)
    api = surface_api(house, ROUTERS, DESCRIPTION)
    app = surface_app(
        house,
        name="neuronagent",
        api=api,
        error_body=neuronagent_error,
        hot=[Route("POST", "/api/v1/sessions/{session_id}/messages", sending.send_message)],
        is_public=lambda path: path in system.PUBLIC,
        headers=HEADERS,
        is_strict=is_strict,
    )
    return Doorway(batches.Arrays(app), Sockets(house, sending, config), config)
