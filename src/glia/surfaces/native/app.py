"""Puts the native surface together: hot routes in front, everything else on FastAPI, the gate around both."""

from __future__ import annotations

from fastapi.responses import HTMLResponse

from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError
from glia.surfaces.native import (
    agent_files,
    agent_teams,
    agents,
    approvals,
    auth,
    billing,
    budgets,
    collaboration,
    consoles,
    credit,
    deployment_logs,
    deployments,
    evaluation_import,
    evaluation_sets,
    evaluations,
    feedback,
    figures,
    forks,
    health,
    hooks,
    hot,
    inference_tools,
    instructions,
    jobs,
    keys,
    knowledge,
    knowledge_upkeep,
    mcp_servers,
    memories,
    memory_blocks,
    memory_upkeep,
    messages,
    pictures,
    plans,
    providers,
    runs,
    sandbox_files,
    sandbox_ports,
    sandbox_terminals,
    sandboxes,
    search,
    sessions,
    statistics,
    storage,
    tasks,
    tool_recipes,
    tools,
    toolsets,
    triggers,
    usage,
    users,
    verification,
    webhooks,
    workers,
    workflows,
    workspaces,
)
from glia.surfaces.native.document import DESCRIPTION, front_page
from glia.surfaces.native.sandbox_exec import SandboxStreams
from glia.surfaces.native.stream import Conversation
from glia.surfaces.native.terminal_socket import TerminalDoor
from glia.surfaces.native.upload import Uploads
from glia.surfaces.shared.api import surface_api, surface_app
from glia.surfaces.shared.asgi import App
from glia.surfaces.shared.document import Json
from glia.surfaces.shared.objects import LINKED, SignedDoor, Transfers, storage_routes
from glia.surfaces.shared.routes import Route
from glia.wiring import House

_PUBLIC = DESCRIPTION.public | {"/", mcp_servers.CALLBACK}

_HOOKS = ("/v1/hooks/", "/v1/shared/")

_ROUTERS = (
    auth.router,
    workspaces.router,
    users.router,
    keys.router,
    agents.router,
    agent_teams.router,
    agent_files.router,
    sessions.router,
    messages.router,
    runs.router,
    workers.router,
    approvals.router,
    plans.router,
    feedback.router,
    figures.router,
    tasks.router,
    collaboration.router,
    forks.router,
    knowledge.router,
    knowledge_upkeep.router,
    memories.router,
    memory_blocks.router,
    memory_upkeep.router,
    sandboxes.router,
    sandbox_files.router,
    sandbox_ports.router,
    sandbox_terminals.router,
    storage.router,
    tools.router,
    tool_recipes.router,
    triggers.router,
    triggers.shared,
    toolsets.router,
    inference_tools.router,
    instructions.router,
    statistics.router,
    consoles.router,
    mcp_servers.router,
    workflows.router,
    evaluation_sets.router,
    evaluations.router,
    verification.router,
    jobs.router,
    deployments.router,
    deployment_logs.router,
    deployments.usage_router,
    search.router,
    pictures.router,
    providers.router,
    usage.router,
    budgets.router,
    credit.router,
    billing.router,
    health.router,
    webhooks.router,
    hot.router,
)


def native_surface(house: House, more_paths: Json | None = None) -> App:
    """more_paths: of the OpenAPI document, for routes that another surface serves under the same address."""
    settings = house.settings
    answers = IdempotentAnswers(house.db, settings.secret_key)
    talk = Conversation(house.runs, answers, settings.strict_fields, house.traces)
    uploads = Uploads(house.knowledge, answers, house.spool, settings.limits.upload_bytes, settings.strict_fields)
    boxes = SandboxStreams(house.sandboxes, answers, settings.limits.upload_bytes, settings.strict_fields)
    transfers = Transfers(house.objects, answers, house.spool, storage.object_json, settings.strict_fields)
    api = surface_api(house, _ROUTERS, DESCRIPTION, more_paths=more_paths)
    api.add_api_route("/", front, include_in_schema=False)
    app = surface_app(
        house,
        name="native",
        api=api,
        error_body=native_error,
        is_public=lambda path: path in _PUBLIC or path.startswith((*_HOOKS, LINKED)),
        hot=[
            Route("POST", "/v1/sessions/{session}/messages", talk.send_message),
            Route("GET", "/v1/sessions/{session}/events/stream", talk.follow_session),
            Route("POST", "/v1/knowledge-bases/{knowledge_base}/documents", uploads.upload),
            Route("POST", "/v1/sandboxes/{sandbox}/exec", boxes.exec),
            Route("PUT", "/v1/sandboxes/{sandbox}/files/content", boxes.put_file),
            Route("PUT", "/v1/sandboxes/{sandbox}/files/tar", boxes.put_tar),
            Route(
                "POST",
                "/v1/evaluation-sets/{evaluation_set}/import",
                evaluation_import.CaseImport(house, answers).receive,
            ),
            Route(
                "GET",
                "/v1/deployments/{deployment}/logs/stream",
                deployment_logs.LogStream(house.deployments).follow,
            ),
            Route("POST", "/v1/hooks/{hook}", hooks.HookDoor(house).receive),
            *storage_routes(transfers),
        ],
    )
    return TerminalDoor(house, SignedDoor(app), native_error)


async def front() -> HTMLResponse:
    return HTMLResponse(front_page())


def native_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {code, message, field?, request_id}}`."""
    body: dict[str, object] = {"code": error.code, "message": error.message, "request_id": request_id}
    if error.field is not None:
        body["field"] = error.field
    if error.details:
        body["details"] = error.details
    return {"error": body}
