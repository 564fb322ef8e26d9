"""Keys and what they may do; browsers that sign in."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

import pytest

from glia.identity.types import Credentials
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuralhub.conftest import PREFIX, Hub, refusal

# One route for each scope, and what it answers to who has the scope.
ROUTES: list[tuple[str, str, str, Any, int]] = [
    ("run:read", "GET", "/v1/run", None, 200),
    ("run:read", "GET", "/v1/run/00000000-0000-7000-8000-000000000000", None, 404),
    ("run:read", "GET", "/v1/run/00000000-0000-7000-8000-000000000000/events", None, 404),
    ("run:write", "POST", "/v1/run", {"input": "2+2?"}, 202),
    ("run:write", "POST", "/v1/run", {"type": "tool", "target": "calculator", "input": "2+2"}, 202),
    ("run:write", "POST", "/v1/run", {"type": "workflow", "target": "x", "input": {}}, 404),
    ("run:write", "POST", "/v1/run/00000000-0000-7000-8000-000000000000/cancel", {}, 404),
    ("agents:read", "GET", "/v1/agents", None, 200),
    ("agents:read", "GET", "/v1/agents/agent_default", None, 200),
    ("agents:write", "POST", "/v1/agents", {"name": "Made"}, 201),
    ("agents:write", "PATCH", "/v1/agents/nobody", {}, 404),
    ("agents:write", "DELETE", "/v1/agents/nobody", None, 404),
    ("agents:read", "GET", "/v1/workflows", None, 200),
    ("agents:read", "GET", "/v1/workflows/none", None, 404),
    (
        "agents:write",
        "POST",
        "/v1/workflows",
        {"name": "W", "steps": [{"id": "a", "kind": "tool", "tool": "current_time"}]},
        201,
    ),
    ("agents:write", "DELETE", "/v1/workflows/none", None, 404),
    ("memories:read", "GET", "/v1/memory", None, 200),
    ("memories:read", "GET", "/v1/memory/search?q=x", None, 200),
    ("memories:read", "GET", "/v1/memory/mem_x", None, 404),
    ("memories:write", "POST", "/v1/memory", {"content": "x"}, 201),
    ("memories:write", "DELETE", "/v1/memory/mem_x", None, 404),
    ("storage:read", "GET", "/v1/storage/list", None, 200),
    ("storage:write", "POST", "/v1/storage/upload", {}, 201),
    ("storage:write", "DELETE", "/v1/storage/delete?pathname=none", None, 404),
    ("chat:write", "POST", "/v1/chat/completions", {"model": "glia/embedded", "messages": []}, 400),
    ("resources:read", "GET", "/v1/resources", None, 200),
    ("resources:read", "GET", "/v1/resources/sbx-x", None, 404),
    ("resources:read", "GET", "/v1/resources/sbx-x/files", None, 404),
    ("resources:read", "GET", "/v1/resources/sbx-x/files/a", None, 404),
    ("resources:write", "POST", "/v1/resources/sbx-x/exec", {"cmd": "true"}, 404),
    ("resources:write", "POST", "/v1/resources/sbx-x/extend", {}, 404),
    ("resources:write", "PUT", "/v1/resources/sbx-x/files/a", {}, 404),
    ("resources:write", "DELETE", "/v1/resources/sbx-x", None, 404),
    ("keys:read", "GET", "/v1/keys", None, 200),
    ("keys:write", "POST", "/v1/keys", {"name": "k", "scopes": ["keys:write"]}, 201),
    ("keys:write", "DELETE", "/v1/keys/x", None, 404),
    ("tools:read", "GET", "/v1/mcp/manifest", None, 200),
]


def test_each_route_needs_its_scope_and_no_other(hub: Hub) -> None:
    scopes = sorted({scope for scope, *_ in ROUTES})
    having = {scope: hub.limited(scope) for scope in scopes}
    lacking = {scope: hub.limited(*(each for each in scopes if each != scope)) for scope in scopes}

    for scope, method, path, body, status in ROUTES:
        answer = having[scope].request(method, path, body)
        assert answer.status == status, (scope, method, path, answer.body)
        error = refusal(lacking[scope].request(method, path, body), 403)
        assert f"`{scope}`" in error["message"], (method, path, error)


def test_every_route_needs_a_key(anybody: Hub) -> None:
    for _, method, path, body, _ in ROUTES:
        for client in (anybody, Hub(anybody.port, "nh_" + "x" * 40), Hub(anybody.port, "nonsense")):
            answer = client.request(method, path, body)
            refusal(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_gives_no_more_than_it_has(hub: Hub) -> None:
    maker = hub.limited("keys:write", "chat:write")

    made = maker.post("/v1/keys", {"name": "child", "scopes": ["chat:write"]})
    everything = maker.post("/v1/keys", {"name": "child"})

    assert made.json["scopes"] == ["chat:write"]
    assert everything.json["scopes"] == ["chat:write", "keys:write"]
    error = refusal(maker.post("/v1/keys", {"name": "child", "scopes": ["run:write"]}), 403)
    assert "`run:write`" in error["message"]
    refusal(maker.post("/v1/keys", {"name": "child", "scopes": ["*"]}), 403)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "k", "scopes": ["fly"]}, {"name": "k", "scopes": []}, {"name": 5}]
)
def test_what_is_no_key_is_refused(hub: Hub, body: dict[str, Any]) -> None:
    refusal(hub.post("/v1/keys", body), 400)


def test_a_revoked_key_opens_nothing_and_is_not_listed(hub: Hub, other: Hub) -> None:
    made = hub.made("/v1/keys", {"name": "short", "scopes": ["chat:write"]})

    refusal(other.delete(f"/v1/keys/{made['id']}"), 404)
    assert Hub(hub.port, made["key"]).get("/v1/models").status == 200
    assert hub.delete(f"/v1/keys/{made['id']}").status == 204

    refusal(Hub(hub.port, made["key"]).get("/v1/models"), 401)
    assert made["id"] not in [key["id"] for key in hub.get("/v1/keys").json["keys"]]
    for id in ("0", "-1", "x", "9" * 30):
        refusal(hub.delete(f"/v1/keys/{id}"), 404)


def test_a_key_works_on_the_native_api_within_its_scopes(hub: Hub, client: Client) -> None:
    limited = hub.limited("agents:read")
    native = Client(client.port, limited.key)

    assert native.get("/v1/agents").status == 200
    assert native.get("/v1/runs").status == 403
    read_only = client.made("/v1/keys", {"name": "r", "role": "read-only"})
    assert Hub(hub.port, read_only["key"]).get("/v1/agents").status == 200
    assert "`run:write`" in refusal(Hub(hub.port, read_only["key"]).post("/v1/run", {"input": "x"}), 403)["message"]


def test_a_key_made_elsewhere_with_neuralhubs_words_has_them_here(hub: Hub, client: Client) -> None:
    body = {"name": "n", "surface": "neuralhub", "scopes": ["run:write", "run:read", "memories:read", "agents:read"]}
    made = Hub(hub.port, client.made("/v1/keys", body)["key"])

    assert made.post("/v1/run", {"input": "What is 2+3?", "async": False}).json["state"] == "SUCCESS"
    tool = {"type": "tool", "target": "calculator", "input": "2+3", "async": False}
    assert made.post("/v1/run", tool).json["state"] == "SUCCESS"
    assert made.get("/v1/memory").status == made.get("/v1/agents").status == 200
    refusal(made.post("/v1/memory", {"content": "x"}), 403)
    refusal(made.get("/v1/storage/list"), 403)


class Browser:
    """Keeps cookies."""

    def __init__(self, port: int) -> None:
        self.hub = Hub(port)
        self.cookies: dict[str, str] = {}
        self.attributes: dict[str, Any] = {}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        return self.hub.request(method, path, body, headers=sent)

    def sign_in(self, credentials: Credentials) -> Any:
        import http.client
        import json

        connection = http.client.HTTPConnection("127.0.0.1", self.hub.port, timeout=10)
        body = json.dumps({"email": credentials.email, "password": credentials.password})
        connection.request("POST", f"{PREFIX}/v1/auth/login", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        for header in response.msg.get_all("set-cookie") or []:
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
                self.attributes[name] = morsel
        return response.status, json.loads(response.read())


def test_a_browser_signs_in_with_a_cookie(server: Server, credentials: Credentials) -> None:
    browser = Browser(server.port)

    status, said = browser.sign_in(credentials)

    assert status == 200
    assert said["email"] == credentials.email
    session = browser.attributes["neuralhub_session"]
    assert (session["httponly"], session["samesite"], session["path"]) == (True, "lax", PREFIX)
    assert not browser.attributes["neuralhub_csrf"]["httponly"]
    assert browser.cookies["neuralhub_csrf"] == said["csrf_token"]
    assert browser.request("GET", "/v1/agents").status == 200
    assert browser.request("GET", "/v1/auth/me").json["email"] == credentials.email


def test_a_cookie_changes_nothing_without_the_csrf_token(server: Server, credentials: Credentials) -> None:
    browser = Browser(server.port)
    _, said = browser.sign_in(credentials)
    body = {"content": "remember"}

    refusal(browser.request("POST", "/v1/memory", body), 403)
    refusal(browser.request("POST", "/v1/memory", body, **{"X-CSRF-Token": "wrong"}), 403)
    assert browser.request("POST", "/v1/memory", body, **{"X-CSRF-Token": said["csrf_token"]}).status == 201
    refusal(browser.request("DELETE", "/v1/agents/agent_default"), 403)
    # A key needs none: no other site can make a browser send it.
    assert browser.request("POST", "/v1/memory", body, Authorization=f"Bearer {credentials.api_key}").status == 201


def test_a_session_is_renewed_and_ended(server: Server, credentials: Credentials) -> None:
    browser = Browser(server.port)
    _, said = browser.sign_in(credentials)
    token = {"X-CSRF-Token": said["csrf_token"]}

    refusal(browser.request("POST", "/v1/auth/refresh"), 403)
    renewed = browser.request("POST", "/v1/auth/refresh", **token)
    assert renewed.status == 200
    assert renewed.json["csrf_token"] != said["csrf_token"]
    assert browser.request("POST", "/v1/auth/logout", **token).status == 204
    refusal(browser.request("POST", "/v1/auth/refresh", **token), 401)


def test_a_wrong_password_or_a_forged_cookie_opens_nothing(server: Server, credentials: Credentials) -> None:
    browser = Browser(server.port)
    login = browser.hub.post("/v1/auth/login", {"email": credentials.email, "password": "wrong"})
    browser.cookies["neuralhub_session"] = "a.b.c"

    refusal(login, 401)
    refusal(browser.request("GET", "/v1/agents"), 401)
    refusal(browser.hub.post("/v1/auth/refresh"), 401)
