"""Web pages of other origins: what browsers ask before a request, and what they need to show its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from glia.front import MAKERS
from glia.kit.origins import AllowedOrigins
from glia.settings import Settings
from glia.surfaces.shared.cors import across_origins
from tests.surfaces.conftest import Answer, Server, start_server

PAGE = "https://app.example.com"
ELSEWHERE = "https://elsewhere.example.com"
PATHS = {
    "native": "/v1/agents",
    "openai": "/v1/models",
    "mcp": "/mcp",
    "neuronagent": "/neuronagent/api/v1/agents",
    "neura": "/neura/api/v1/agents",
    "neuralhub": "/neuralhub/api/v1/agents",
    "auvy": "/auvy/v1/neurons",
    "neuais": "/neuais/v1/agents",
}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from start_server(
        tmp_path_factory.mktemp("origins"), Settings(allowed_origins=f"{PAGE},http://localhost:3000")
    )


def _preflight(server: Server, path: str, origin: str) -> Answer:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,idempotency-key",
    }
    return server.client().request("OPTIONS", path, headers=asked)


def test_every_surface_is_looked_at() -> None:
    assert set(PATHS) | {"deployments", "programs"} == set(MAKERS)


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
def test_a_page_of_an_allowed_origin_may_call_every_surface(open_server: Server, path: str) -> None:
    asked = _preflight(open_server, path, PAGE)
    answered = open_server.client().get(path, headers={"Origin": PAGE})

    assert (asked.status, asked.body) == (204, b"")
    assert asked.headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert asked.headers["access-control-allow-headers"] == "authorization,idempotency-key"
    for answer in (asked, answered):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "origin" in answer.headers["vary"].lower()


@pytest.mark.parametrize("path", [path for name, path in PATHS.items() if name != "neuronagent"])
def test_a_page_of_another_origin_may_not(open_server: Server, path: str) -> None:
    """NeuronAgent has a setting of its own, which allows all of them unless it is in production."""
    answers = [_preflight(open_server, path, ELSEWHERE), open_server.client().get(path, headers={"Origin": ELSEWHERE})]

    for answer in answers:
        assert answer.status >= 400
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_nobody_is_allowed_while_nothing_is_set(server: Server) -> None:
    answers = [_preflight(server, "/v1/agents", PAGE), server.client().get("/v1/agents", headers={"Origin": PAGE})]

    for answer in answers:
        assert answer.status >= 400
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_page_can_read_what_is_left_of_its_limit(open_server: Server) -> None:
    client = open_server.client(open_server.workspace().api_key)

    answer = client.get("/neuais/v1/agents?nonsense=1", headers={"Origin": PAGE})

    assert answer.status == 200
    shown = set(answer.headers["access-control-expose-headers"].split(", "))
    assert shown >= {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"}
    assert "x-ignored-fields" in shown


async def _answered(allowed: str, *, origin: str | None) -> dict[bytes, bytes]:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        own = [(b"content-type", b"text/plain"), (b"access-control-allow-origin", b"https://its-own.example.com")]
        await send({"type": "http.response.start", "status": 200, "headers": own})

    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "headers": [(b"origin", origin.encode())] if origin else []}
    await across_origins(app, AllowedOrigins.from_setting(allowed))(scope, send, send)
    return dict(told[0]["headers"])


async def test_cookies_never_go_along_where_all_origins_are_allowed() -> None:
    everyone = await _answered("*", origin=ELSEWHERE)
    listed = await _answered(PAGE, origin=PAGE)

    assert everyone[b"access-control-allow-origin"] == b"*"
    assert b"access-control-allow-credentials" not in everyone
    assert listed[b"access-control-allow-credentials"] == b"true"


async def test_what_a_surface_says_itself_stays_for_origins_that_are_not_listed() -> None:
    assert (await _answered(PAGE, origin=PAGE))[b"access-control-allow-origin"] == PAGE.encode()
    for origin in (ELSEWHERE, None):
        told = await _answered(PAGE, origin=origin)
        assert told[b"access-control-allow-origin"] == b"https://its-own.example.com"
        assert told[b"vary"] == b"Origin"  # or a cache would hand this answer to a page that may read it
