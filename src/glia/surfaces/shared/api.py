"""Puts a surface together: hot routes in front, everything else on FastAPI, the gate around both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from glia import __version__
from glia.identity.service import IdempotentAnswers
from glia.kit.errors import GliaError, InvalidRequest, MethodNotAllowed, NotFound
from glia.surfaces.shared.asgi import App, Receive, Scope, Send
from glia.surfaces.shared.document import Description, Json, completed, docs_page
from glia.surfaces.shared.gate import ErrorBody, Gate, Limits, status_of_error
from glia.surfaces.shared.idempotency import Idempotency
from glia.surfaces.shared.json_body import JsonBodies
from glia.surfaces.shared.routes import HotRoutes, Route
from glia.wiring import House


def surface_api(
    house: House, routers: Sequence[APIRouter], description: Description, *, more_paths: Json | None = None
) -> FastAPI:
    """The framework's part, which also serves /openapi.json and /docs.

    more_paths: of the OpenAPI document, for routes that are served elsewhere under the same address.
    """
    api = _Api(title=description.title, version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    api.router.redirect_slashes = False
    api.state.house = house
    for router in routers:
        api.include_router(router)

    def described() -> Json:
        if api.openapi_schema is None:
            api.openapi_schema = completed(api, description, more_paths or {})
        return api.openapi_schema

    async def document() -> Json:
        return described()

    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(described(), description))

    api.openapi = described
    for path, endpoint in (("/openapi.json", document), ("/docs", docs)):
        api.add_api_route(path, endpoint, include_in_schema=False)
    return api


def surface_app(
    house: House,
    *,
    name: str,
    api: FastAPI,
    error_body: ErrorBody,
    status_of: Callable[[GliaError], int] = status_of_error,
    hot: Sequence[Route] = (),
    is_public: Callable[[str], bool] = lambda _path: False,
    headers: Mapping[str, str] | None = None,
    takes_bound_keys: Callable[[str], bool] = lambda _path: False,
    is_strict: bool | None = None,
    limits: Limits | None = None,
    limit_headers: Callable[[dict[str, str]], dict[str, str]] = lambda headers: headers,
) -> App:
    """hot: routes answered before the framework sees them. is_public: paths that need no credential, beside the
    documents. error_body, status_of: how the surface tells failures. headers: on every answer. takes_bound_keys: paths
    at which a key that is bound to an agent may talk to it. is_strict: whether unknown fields are refused; None: as the
    server's settings say. limits, limit_headers: how requests are counted, and how what is left is told."""
    settings = house.settings
    answers = IdempotentAnswers(house.db, settings.secret_key)
    rest = Idempotency(
        JsonBodies(Explained(api), is_strict=settings.strict_fields if is_strict is None else is_strict), answers
    )
    return Gate(
        HotRoutes(hot, rest),
        house.identity,
        house.rate_limits,
        surface=name,
        error_body=error_body,
        status_of=status_of,
        is_public=lambda path: path in {"/openapi.json", "/docs"} or is_public(path),
        headers=headers,
        takes_bound_keys=takes_bound_keys,
        limits=limits,
        limit_headers=limit_headers,
    )


class _Api(FastAPI):
    """Without the framework's own layers of error pages: what goes wrong reaches the gate, which answers it."""

    def build_middleware_stack(self) -> Any:
        return AsyncExitStackMiddleware(self.router)


class Explained:
    """Says what the framework refuses in our own errors."""

    def __init__(self, api: FastAPI) -> None:
        self._api = cast(App, api)
        self._document = api.openapi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._api(scope, receive, send)
        except RequestValidationError as error:
            raise _invalid(error) from None
        except HTTPException as error:
            raise self._refused(error, scope["method"], scope["path"]) from None

    def _refused(self, error: HTTPException, method: str, path: str) -> GliaError:
        if error.status_code == 405:
            allow = ", ".join(_methods_of(self._document(), path)) or (error.headers or {}).get("Allow", "")
            return MethodNotAllowed(f"{method} is not possible on {path}; there is {allow}.", allow=allow)
        if error.status_code == 404:
            return NotFound(f"There is no route {method} {path}; /openapi.json lists them all.")
        return InvalidRequest(str(error.detail))


def _invalid(error: RequestValidationError) -> InvalidRequest:
    first: dict[str, Any] = error.errors()[0]
    where: tuple[str | int, ...] = first["loc"]
    field = ""
    for part in where[1:] if where and where[0] in {"body", "query", "path", "header"} else where:
        if isinstance(part, str) and "[" in part:
            continue  # names a member of a union, as `dict[str,any]`, which is no word of the client's
        field += f"[{part}]" if isinstance(part, int) else f".{part}" if field else str(part)
    if not field and first["type"] == "missing":
        return InvalidRequest("The body is missing; this route needs a JSON object.")
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    return InvalidRequest(f"`{field}`: {message}." if field else f"The body: {message}.", field=field or None)


def _methods_of(document: Json, path: str) -> list[str]:
    """What a path takes in all; the framework names only the methods of the first route that has it."""
    return sorted(
        method.upper()
        for template, methods in document["paths"].items()
        if re.fullmatch(re.sub(r"\\{\w+(:path)?\\}", "[^/]+", re.escape(template)), path)
        for method in methods
    )
