"""What this server does not do yet: helpers for SQL, the gateway `claw`, and the administration's own pages. 501."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.requests import Request

from glia.kit.errors import GliaError
from glia.surfaces.neuronagent.auth import TheAdmin, TheUser
from glia.surfaces.shared.bodies import WatchedRoute

router = APIRouter(tags=["not available"], route_class=WatchedRoute)

_POSTS = (
    "/api/v1/llm/sql/generate",
    "/api/v1/llm/sql/explain",
    "/api/v1/llm/sql/optimize",
    "/api/v1/llm/sql/debug",
    "/api/v1/llm/sql/translate",
    "/api/v1/neuronsql/generate",
    "/api/v1/neuronsql/optimize",
    "/api/v1/neuronsql/validate",
    "/api/v1/neuronsql/plpgsql",
    "/claw/v1/tools/list",
    "/claw/v1/tools/run",
)
_GETS = ("/api/v1/llm/sql/models", "/claw/v1/health")
_ADMINS = ("/api/v1/admin/config", "/api/v1/admin/diagnostics")


class NotAvailable(GliaError):
    code, status = "not_implemented", 501


async def for_users(request: Request, principal: TheUser) -> None:
    """Not available on this server."""
    raise _refused(request)


async def for_admins(request: Request, principal: TheAdmin) -> None:
    """Not available on this server; `glia doctor` tells an operator more."""
    raise _refused(request)


def _refused(request: Request) -> NotAvailable:
    return NotAvailable(f"{request.method} {request.url.path} is not available on this server.")


for _path in _POSTS:
    router.add_api_route(_path, for_users, methods=["POST"], status_code=501)
for _path in _GETS:
    router.add_api_route(_path, for_users, methods=["GET"], status_code=501)
for _path in _ADMINS:
    router.add_api_route(_path, for_admins, methods=["GET"], status_code=501)
