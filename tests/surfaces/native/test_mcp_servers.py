"""/v1/mcp-servers and /v1/toolsets on the wire: secrets stay inside, refusals name the field, the callback is safe."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client, Server

SERVER = {"name": "tickets", "url": "http://127.0.0.1:9/mcp", "headers": {"X-Key": "s3cret"}, "is_enabled": False}
DOCUMENT = {"openapi": "3.1.0", "servers": [{"url": "https://a.example"}], "paths": {"/x": {"get": {}}}}


def test_headers_go_in_and_only_their_names_come_out(client: Client) -> None:
    created = client.post("/v1/mcp-servers", SERVER)
    id = created.json["id"]
    shown = [client.get(path).body for path in ("/v1/mcp-servers", f"/v1/mcp-servers/{id}")]
    toolset = client.post("/v1/toolsets/openapi", {"name": "a", "document": DOCUMENT, "headers": {"X-Key": "s3cret"}})
    shown += [client.get(path).body for path in ("/v1/toolsets", "/v1/tools")]

    assert (created.status, created.json["header_names"]) == (201, ["X-Key"])
    assert (toolset.status, toolset.json["toolset"]["header_names"]) == (200, ["X-Key"])
    assert all(b"s3cret" not in body for body in (created.body, toolset.body, *shown))


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/mcp-servers", SERVER | {"url": "file:///etc/passwd"}, "url"),
        ("/v1/mcp-servers", SERVER | {"command": "sh"}, "command"),
        ("/v1/mcp-servers", SERVER | {"permission": "maybe"}, "permission"),
        ("/v1/mcp-servers", SERVER | {"permissions": {"x": "maybe"}}, "permissions.x"),
        ("/v1/toolsets/openapi", {"name": "a"}, "document"),
        ("/v1/toolsets/openapi", {"name": "a__b", "document": DOCUMENT}, "name"),
        ("/v1/toolsets/openapi", {"name": "a", "url": "http://127.0.0.1/x"}, "url"),
    ],
)
def test_refusals_name_the_field(
    strict_server: Server, strict_client: Client, path: str, body: dict[str, Any], field: str
) -> None:
    answer = strict_client.post(path, body)

    assert answer.status == 400
    assert answer.error["field"] == field


def test_a_program_cannot_be_started_from_a_body(client: Client) -> None:
    answer = client.post("/v1/mcp-servers", {"name": "x", "command": "touch", "args": ["/tmp/x"], "type": "stdio"})

    assert answer.status == 400
    assert answer.error["field"] == "url"


def test_the_callback_needs_no_key_and_believes_nobody(server: Server) -> None:
    answer = server.client().get("/v1/mcp-servers/callback?state=%3Cscript%3E&code=1&error=%3Cscript%3E")

    assert answer.status == 400
    assert "not a sign-in that was begun here" in answer.body.decode()
    assert b"<script>" not in answer.body
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert server.client().get("/v1/mcp-servers").status == 401


@pytest.fixture
def strict_client(strict_server: Server) -> Client:
    return strict_server.client(strict_server.workspace().api_key)
