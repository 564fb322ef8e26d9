"""Puts the native surface together: hot routes in front, everything else on FastAPI, the gate around both."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.requests import Request as HttpRequest
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from glia import __version__
from glia.kit.errors import GliaError, InvalidRequest, MethodNotAllowed, NotFound
from glia.surfaces.native import agents, stream
from glia.surfaces.shared.asgi import App
from glia.surfaces.shared.gate import Gate
from glia.surfaces.shared.routes import HotRoutes, Route
from glia.wiring import House

_PUBLIC = frozenset({"/openapi.json", "/docs", "/v1/auth/login", "/v1/auth/refresh"})


def native_surface(house: House) -> App:
    api = native_api(house)
    strict = house.settings.strict_fields
    hot = HotRoutes(
        [
            Route(
                "POST", "/v1/sessions/{session}/messages", partial(stream.send_message, house.runs, is_strict=strict)
            ),
            Route("GET", "/v1/sessions/{session}/events/stream", partial(stream.follow_session, house.runs)),
        ],
        cast(App, api),
    )
    return Gate(
        hot,
        house.identity,
        house.rate_limits,
        surface="native",
        error_body=native_error,
        is_public=lambda path: path in _PUBLIC,
    )


def native_api(house: House) -> FastAPI:
    api = FastAPI(title="Glia", version=__version__, openapi_url="/openapi.json", docs_url="/docs", redoc_url=None)
    api.state.house = house
    for router in (agents.router,):
        api.include_router(router)
    api.add_exception_handler(GliaError, _glia_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(HTTPException, _http_error)
    return api


def native_error(error: GliaError, request_id: str) -> dict[str, object]:
    """`{error: {code, message, field?, request_id}}`."""
    body: dict[str, object] = {"code": error.code, "message": error.message, "request_id": request_id}
    if error.field is not None:
        body["field"] = error.field
    if error.details:
        body["details"] = error.details
    return {"error": body}


async def _glia_error(request: HttpRequest, error: Exception) -> Response:
    raise error  # the gate answers, so that every error of this surface is shaped in one place


async def _validation_error(request: HttpRequest, error: Exception) -> Response:
    first = cast(RequestValidationError, error).errors()[0]
    place = [str(part) for part in first["loc"] if part not in {"body", "query", "path"}]
    field = ".".join(place) or None
    if first["type"] == "json_invalid":
        raise InvalidRequest(f"The body is not valid JSON: {first.get('ctx', {}).get('error', first['msg'])}.")
    name = f"`{field}`" if field else "The body"
    raise InvalidRequest(f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}.", field=field)


async def _http_error(request: HttpRequest, error: Exception) -> Response:
    status = cast(HTTPException, error).status_code
    path = request.scope["path"]
    if status == 405:
        raise MethodNotAllowed(f"{request.method} is not possible on {path}.")
    if status == 404:
        raise NotFound(f"There is no route {request.method} {path}; /openapi.json lists them all.")
    raise InvalidRequest(str(cast(Any, error).detail))
