"""Puts the native surface together: hot routes in front, everything else on FastAPI, the gate around both."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from glia import __version__
from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError, InvalidRequest, MethodNotAllowed, NotFound
from glia.surfaces.native import (
    agents,
    approvals,
    auth,
    budgets,
    credit,
    evaluation_import,
    evaluation_sets,
    evaluations,
    forks,
    hooks,
    hot,
    keys,
    knowledge,
    knowledge_upkeep,
    mcp_servers,
    memories,
    memory_blocks,
    memory_upkeep,
    runs,
    sandbox_files,
    sandbox_ports,
    sandboxes,
    sessions,
    tools,
    toolsets,
    triggers,
    usage,
    users,
    webhooks,
    workflows,
    workspaces,
)
from glia.surfaces.native.document import PUBLIC, docs_page, front_page, openapi
from glia.surfaces.native.sandbox_exec import SandboxStreams
from glia.surfaces.native.stream import Conversation
from glia.surfaces.native.upload import Uploads
from glia.surfaces.shared.asgi import App, Receive, Scope, Send
from glia.surfaces.shared.gate import Gate
from glia.surfaces.shared.idempotency import Idempotency
from glia.surfaces.shared.json_body import JsonBodies
from glia.surfaces.shared.routes import HotRoutes, Route
from glia.wiring import House

_PUBLIC = PUBLIC | {"/", "/openapi.json", "/docs", mcp_servers.CALLBACK}

_HOOKS = "/v1/hooks/"

_ROUTERS = (
    auth.router,
    workspaces.router,
    users.router,
    keys.router,
    agents.router,
    sessions.router,
    runs.router,
    approvals.router,
    forks.router,
    knowledge.router,
    knowledge_upkeep.router,
    memories.router,
    memory_blocks.router,
    memory_upkeep.router,
    sandboxes.router,
    sandbox_files.router,
    sandbox_ports.router,
    tools.router,
    triggers.router,
    toolsets.router,
    mcp_servers.router,
    workflows.router,
    evaluation_sets.router,
    evaluations.router,
    usage.router,
    budgets.router,
    credit.router,
    webhooks.router,
    hot.router,
)


def native_surface(house: House, more_paths: dict[str, Any] | None = None) -> App:
    """more_paths: of the OpenAPI document, for routes that another surface serves under the same address."""
    settings = house.settings
    answers = IdempotentAnswers(house.db, settings.secret_key)
    talk = Conversation(house.runs, answers, settings.strict_fields, house.traces)
    uploads = Uploads(house.knowledge, answers, house.spool, settings.limits.upload_bytes, settings.strict_fields)
    boxes = SandboxStreams(house.sandboxes, answers, settings.limits.upload_bytes, settings.strict_fields)
    rest = Idempotency(
        JsonBodies(Explained(native_api(house, more_paths or {})), is_strict=settings.strict_fields), answers
    )
    routes = HotRoutes(
        [
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
            Route("POST", "/v1/hooks/{hook}", hooks.HookDoor(house).receive),
        ],
        rest,
    )
    return Gate(
        routes,
        house.identity,
        house.rate_limits,
        surface="native",
        error_body=native_error,
        is_public=lambda path: path in _PUBLIC or path.startswith(_HOOKS),
    )


class _Api(FastAPI):
    """Without the framework's own layers of error pages: what goes wrong reaches the gate, which answers it."""

    def build_middleware_stack(self) -> Any:
        return AsyncExitStackMiddleware(self.router)


def native_api(house: House, more_paths: dict[str, Any]) -> FastAPI:
    api = _Api(title="Glia", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    api.router.redirect_slashes = False
    api.state.house = house
    for router in _ROUTERS:
        api.include_router(router)
    api.openapi = partial(openapi, api, more_paths)

    async def document() -> dict[str, Any]:
        return api.openapi()

    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.openapi()))

    async def front() -> HTMLResponse:
        return HTMLResponse(front_page())

    for path, endpoint in (("/openapi.json", document), ("/docs", docs), ("/", front)):
        api.add_api_route(path, endpoint, include_in_schema=False)
    return api


def native_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {code, message, field?, request_id}}`."""
    body: dict[str, object] = {"code": error.code, "message": error.message, "request_id": request_id}
    if error.field is not None:
        body["field"] = error.field
    if error.details:
        body["details"] = error.details
    return {"error": body}


class Explained:
    """Says what the framework refuses in our own errors."""

    def __init__(self, api: FastAPI) -> None:
        self._api = cast(App, api)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._api(scope, receive, send)
        except RequestValidationError as error:
            raise _invalid(error) from None
        except HTTPException as error:
            raise _refused(error, scope["method"], scope["path"]) from None


def _invalid(error: RequestValidationError) -> InvalidRequest:
    first: dict[str, Any] = error.errors()[0]
    where: tuple[str | int, ...] = first["loc"]
    field = ""
    for part in where[1:] if where and where[0] in {"body", "query", "path", "header"} else where:
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    if not field and first["type"] == "missing":
        return InvalidRequest("The body is missing; this route needs a JSON object.")
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    return InvalidRequest(f"`{field}`: {message}." if field else f"The body: {message}.", field=field or None)


def _refused(error: HTTPException, method: str, path: str) -> GliaError:
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow", "")
        return MethodNotAllowed(f"{method} is not possible on {path}; there is {allow}.", allow=allow)
    if error.status_code == 404:
        return NotFound(f"There is no route {method} {path}; /openapi.json lists them all.")
    return InvalidRequest(str(error.detail))
