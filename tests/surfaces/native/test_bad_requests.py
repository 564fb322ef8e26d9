"""Whatever comes in, the answer is an error of this surface that names what is wrong. Nothing is ever a 500."""

from __future__ import annotations

import http.client
import json

import pytest

from tests.surfaces.conftest import Answer, Client

UNKNOWN = "019a0000-0000-7000-8000-000000000000"


def raw(client: Client, path: str, body: bytes, media_type: str | None = "application/json") -> Answer:
    return client.request("POST", path, raw=body, headers={"Content-Type": media_type} if media_type else {})


def test_an_unknown_route_is_404(client):
    answer = client.get("/v1/planets")

    assert answer.status == 404
    assert answer.error["code"] == "not_found"
    assert answer.headers["x-request-id"] == answer.error["request_id"]


@pytest.mark.parametrize("path", ["/v1/agents/", "//v1/agents", "/v2", "/v1/agents/%00", "/v1/agents/a%00b/versions"])
def test_odd_paths_are_404(client, path):
    assert client.get(path).error["code"].endswith("not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/agents"),
        ("DELETE", "/v1/agents"),
        ("POST", "/v1/me"),
        ("PUT", "/v1/sessions/x/messages"),
        ("POST", "/v1/sessions/x/events/stream"),
        ("PATCH", "/v1/knowledge-bases/x/documents"),
        ("OPTIONS", "/v1/agents"),
    ],
)
def test_a_method_that_a_route_lacks_is_405(client, method, path):
    answer = client.request(method, path)

    assert answer.status == 405
    assert answer.error["code"] == "method_not_allowed"
    assert answer.headers["allow"]


def test_a_405_names_every_method_of_the_path(client):
    answer = client.request("PUT", "/v1/agents")

    assert answer.headers["allow"] == "GET, POST"


def test_no_credential_is_401(server):
    answer = server.client().get("/v1/agents")

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.error["code"] == "unauthorized"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer glia_wrong"},
        {"Authorization": "Bearer a.b.c"},
        {"X-API-Key": "\xff\xfe"},
    ],
)
def test_odd_credentials_are_401(server, headers):
    assert server.client().get("/v1/agents", headers=headers).error["code"] in {"unauthorized", "wrong_credentials"}


def test_a_key_may_come_as_x_api_key(server, credentials):
    assert server.client().get("/v1/agents", headers={"X-API-Key": credentials.api_key}).status == 200


BROKEN = {
    "not JSON": b"{",
    "half": b'{"name": "x"',
    "a list": b"[]",
    "null": b"null",
    "a string": b'"name"',
    "invalid UTF-8": b'{"name": "\xff"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "not a number": b'{"name": NaN}',
    "infinite": b'{"name": "x", "limits": {"timeout_seconds": 1e999}}',
    "too deep": b'{"name": "x", "metadata": ' + b'{"a":' * 200 + b"1" + b"}" * 201,
    "far too deep": b'{"name": "x", "metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a NUL": b'{"name": "a\\u0000b"}',
    "a NUL inside": b'{"name": "x", "metadata": {"a": ["b", {"c": "\\u0000"}]}}',
    "a NUL in a name": b'{"name": "x", "metadata": {"a\\u0000": 1}}',
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("route", ["/v1/agents", "messages"])
def test_a_body_that_is_no_good_json_is_400(client, agent, open_session, body, route):
    path = f"{open_session(agent)}/messages" if route == "messages" else route

    assert raw(client, path, body).error["code"] == "invalid_request"


def test_a_nul_is_named_by_its_place(client):
    error = raw(client, "/v1/agents", BROKEN["a NUL inside"]).error

    assert error["field"] == "metadata.a[1].c"
    assert "NUL" in error["message"]


def test_an_escaped_backslash_before_u0000_is_no_nul(client):
    assert raw(client, "/v1/memories", b'{"content": "\\\\u0000"}').json["content"] == "\\u0000"


def test_a_missing_body_is_named(client):
    answer = client.post("/v1/agents")

    assert answer.status == 400
    assert "body" in answer.error["message"]


def test_a_body_of_another_kind_is_415(client, agent, open_session):
    for path in ("/v1/agents", f"{open_session(agent)}/messages"):
        answer = raw(client, path, b"name=x", "application/x-www-form-urlencoded")

        assert answer.status == 415
        assert "application/json" in answer.error["message"]


@pytest.mark.parametrize("media_type", [None, "application/json; charset=utf-8", "application/merge-patch+json"])
def test_json_goes_by_many_names(client, media_type):
    assert raw(client, "/v1/agents", b'{"name": "x"}', media_type).status == 201


def test_a_body_over_ten_megabytes_is_413(client, agent, open_session):
    body = json.dumps({"name": "x", "content": "y" * (10 * 1024 * 1024)}).encode()

    for path in ("/v1/agents", f"{open_session(agent)}/messages"):
        assert raw(client, path, body).error["code"] == "too_large"


def test_a_chunked_body_over_ten_megabytes_is_413(client):
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
    pieces = iter([b"x" * (1024 * 1024)] * 11)
    connection.request("POST", "/v1/agents", pieces, {"Authorization": f"Bearer {client.key}"}, encode_chunked=True)
    response = connection.getresponse()

    assert response.status == 413
    assert json.loads(response.read())["error"]["code"] == "too_large"
    connection.close()


WRONG = [
    ("/v1/agents", {}, "name"),
    ("/v1/agents", {"name": None}, "name"),
    ("/v1/agents", {"name": 5}, "name"),
    ("/v1/agents", {"name": ""}, "name"),
    ("/v1/agents", {"name": "x" * 201}, "name"),
    ("/v1/agents", {"name": "x", "slug": "Not A Slug"}, "slug"),
    ("/v1/agents", {"name": "x", "tools": "calculator"}, "tools"),
    ("/v1/agents", {"name": "x", "tools": [1]}, "tools[0]"),
    ("/v1/agents", {"name": "x", "tools": ["calculator", "nothing"]}, "tools[1]"),
    ("/v1/agents", {"name": "x", "knowledge_base_ids": ["x"]}, "knowledge_base_ids[0]"),
    ("/v1/agents", {"name": "x", "knowledge_base_ids": [UNKNOWN]}, "knowledge_base_ids"),
    ("/v1/agents", {"name": "x", "limits": {"max_iterations": "9"}}, "limits.max_iterations"),
    ("/v1/agents", {"name": "x", "limits": {"max_iterations": True}}, "limits.max_iterations"),
    ("/v1/agents", {"name": "x", "limits": {"max_iterations": 0}}, "limits.max_iterations"),
    ("/v1/agents", {"name": "x", "limits": {"max_tokens": 10**30}}, "limits.max_tokens"),
    ("/v1/agents", {"name": "x", "limits": []}, "limits"),
    ("/v1/agents", {"name": "x", "metadata": "x"}, "metadata"),
    ("/v1/sessions", {}, "agent_id"),
    ("/v1/sessions", {"agent_id": 1}, "agent_id"),
    ("/v1/keys", {"name": "x", "scopes": ["?"]}, "scopes"),
    ("/v1/keys", {"name": "x", "role": "king"}, "role"),
    ("/v1/keys", {"name": "x", "expires_at": "tomorrow"}, "expires_at"),
    ("/v1/keys", {"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
    ("/v1/keys", {"name": "x", "surface": "moon"}, "surface"),
    ("/v1/users", {"email": "x", "password": "correct horse"}, "email"),
    ("/v1/users", {"email": "a@b.example", "password": ""}, "password"),
    ("/v1/knowledge-bases", {"name": " "}, "name"),
    ("/v1/knowledge-bases", {"name": "x", "text_config": "klingon"}, "text_config"),
    ("/v1/knowledge-bases", {"name": "x", "dense_weight": -1}, "dense_weight"),
    ("/v1/memories", {"content": ""}, "content"),
    ("/v1/memories/search", {"query": "x", "limit": 0}, "limit"),
    ("/v1/memories/search", {"query": "x", "limit": "3"}, "limit"),
    ("/v1/tools", {"name": "x", "description": "x", "schema": {"type": "object"}}, "http"),
    ("/v1/tools", {"name": "x", "description": "x", "schema": [], "http": {"url": "https://a.example"}}, "schema"),
    ("/v1/auth/login", {"email": "x"}, "password"),
]


@pytest.mark.parametrize(("path", "body", "field"), WRONG, ids=[f"{path} {field}" for path, _, field in WRONG])
def test_a_wrong_field_is_named(client, path, body, field):
    answer = client.post(path, body)

    assert answer.status == 400, answer.body
    assert answer.error["field"] == field


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "content"),
        ({"content": 1}, "content"),
        ({"content": "  "}, "content"),
        ({"content": "x" * 400_001}, "content"),
        ({"content": "x", "stream": "yes"}, "stream"),
        ({"content": "x", "stream": True, "background": True}, "background"),
    ],
)
def test_a_wrong_message_is_named(client, agent, open_session, body, field):
    answer = client.post(f"{open_session(agent)}/messages", body)

    assert answer.status == 400, answer.body
    assert answer.error.get("field", "content") == field


def test_null_is_the_same_as_nothing_when_making(client, agent, open_session):
    made = client.made(
        "/v1/agents", {"name": "x", "metadata": None, "limits": {"max_iterations": None}, "tools": None, "slug": None}
    )
    answer = client.post(f"{open_session(agent)}/messages", {"content": "Hello", "stream": None})

    assert made["metadata"] == {}
    assert made["limits"]["max_iterations"] == 20
    assert answer.status == 200


def test_null_in_a_change_is_refused_where_a_field_cannot_be_empty(client, agent):
    answer = client.patch(f"/v1/agents/{agent['id']}", {"name": None})

    assert answer.status == 400
    assert answer.error["field"] == "name"


QUERIES = [
    "limit=0",
    "limit=1001",
    "limit=x",
    "limit=1.5",
    "limit=",
    "limit=1_0",
    "limit=%D9%A3",
    "cursor=?",
    "cursor=abc",
]
LISTS = ["agents", "sessions", "runs", "knowledge-bases", "memories", "tools", "keys", "users", "projects", "audit-log"]


@pytest.mark.parametrize("query", [*QUERIES, "limit=99999999999999999999", "limit=-1", "cursor=%00", "cursor=%FF"])
def test_a_bad_page_is_400(client, query):
    for path in (*LISTS, "usage/records", "approvals"):
        answer = client.get(f"/v1/{path}?{query}")

        assert answer.status == 400, (path, query, answer.body)
        assert answer.error["code"] == "invalid_request"


@pytest.mark.parametrize("query", ["after=x", "after=-1", "after=99999999999999999999", "limit=0", "limit=x"])
def test_a_bad_place_in_the_log_is_400(client, agent, open_session, query):
    path = open_session(agent)

    assert client.get(f"{path}/events?{query}").status == 400
    if query.startswith("after"):
        assert client.get(f"{path}/events/stream?{query}").error["field"] == "after"


@pytest.mark.parametrize(
    "query",
    [
        "since=x",
        "since=2031-05-01",
        "until=0001-01-01T00:00:00Z",
        "until=9999-12-31T23:59:59-12:00",
        "since=2031-05-01T00:00:00Z&until=2030-05-01T00:00:00Z",
        "group_by=moon",
    ],
)
def test_a_bad_span_is_400(client, query):
    assert client.get(f"/v1/usage?{query}").error["code"] == "invalid_request"


def test_an_unknown_status_is_400(client):
    assert client.get("/v1/runs?status=sleeping").error["field"] == "status"


def test_unknown_query_parameters_are_ignored(client):
    assert client.get("/v1/agents?colour=blue").status == 200


@pytest.mark.parametrize("id", ["x", "0", UNKNOWN, "%F0%9F%98%80", "..", "a" * 3000])
def test_an_id_that_is_none_is_404(client, id):
    for path in ("agents", "sessions", "runs", "knowledge-bases", "memories", "tools", "keys", "users", "projects"):
        answer = client.get(f"/v1/{path}/{id}")

        assert answer.status == 404, (path, id, answer.body)
        assert answer.error["code"].endswith("not_found")


@pytest.mark.parametrize("version", ["0", "-1", "x", "2", "99999999999999999999", "1.0"])
def test_a_version_that_is_none_is_404(client, agent, version):
    assert client.get(f"/v1/agents/{agent['id']}/versions/{version}").status == 404


def test_fields_that_nothing_reads_are_named(client, agent, open_session):
    made = client.post("/v1/agents", {"name": "x", "colour": "blue", "limits": {"max_iterations": 3, "foo": 1}})
    sent = client.post(f"{open_session(agent)}/messages", {"content": "Hello", "tone": "kind"})

    assert made.status == 201
    assert made.headers["x-ignored-fields"] == "colour, limits.foo"
    assert sent.headers["x-ignored-fields"] == "tone"
    assert "x-ignored-fields" not in client.post("/v1/agents", {"name": "y", "metadata": {"foo": 1}}).headers


def test_fields_that_nothing_reads_are_refused_when_strict(strict_server):
    client = strict_server.client(strict_server.workspace().api_key)

    made = client.post("/v1/agents", {"name": "x", "limits": {"foo": 1}})
    agent = client.made("/v1/agents", {"name": "x", "metadata": {"foo": 1}})
    session = client.made("/v1/sessions", {"agent_id": agent["id"]})
    sent = client.post(f"/v1/sessions/{session['id']}/messages", {"content": "Hello", "tone": "kind"})

    assert made.status == 400
    assert made.error["field"] == "limits.foo"
    assert sent.error["field"] == "tone"
    assert [found["id"] for found in client.get("/v1/agents").json["data"]] == [agent["id"]]


def test_json_comes_even_when_a_stream_is_asked_for(client):
    answer = client.get("/v1/agents", headers={"Accept": "text/event-stream"})

    assert answer.headers["content-type"] == "application/json"


def test_a_model_that_is_not_there_fails_the_run_with_a_reason(client, open_session):
    agent = client.made("/v1/agents", {"name": "Lost", "model": "nowhere/model"})

    answer = client.post(f"{open_session(agent)}/messages", {"content": "Hello"})

    assert answer.status == 404
    assert answer.error["code"].endswith("not_found")
    assert "nowhere" in answer.error["message"]


def test_the_document_and_its_page_need_no_key(server):
    anyone = server.client()

    page = anyone.get("/docs")

    assert anyone.get("/openapi.json").json["openapi"] == "3.1.0"
    assert "POST /v1/agents" in page.body.decode()
    assert b"<script" not in page.body
    assert b"src=" not in page.body
    assert b"/docs" in anyone.get("/").body
