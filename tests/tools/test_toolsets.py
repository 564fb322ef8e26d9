"""OpenAPI documents as toolsets: what is read, where each argument goes on the wire, what a second import changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.tools.conftest import Server, answer

from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound
from glia.kit.pages import Window
from glia.tools.errors import McpServerNameTaken, ToolNotFound, ToolsetNameTaken, ToolsetNotFound
from glia.tools.mcp.servers import McpServers
from glia.tools.openapi import Choice, parse_document, read_tools
from glia.tools.openapi_schema import MOST_NODES
from glia.tools.service import BUILT_IN, Secrets, Tools
from glia.tools.toolsets import Toolsets
from glia.tools.types import (
    CustomToolSpec,
    Effect,
    ImportOutcome,
    McpServerSpec,
    OpenApiImport,
    Permission,
    ToolContext,
    ToolResult,
)

SHOP = """
openapi: 3.1.0
info: {title: The shop, version: 2024-01-01}
servers: [{url: 'https://shop.example/v1'}]
paths:
  /orders:
    parameters: [{$ref: '#/components/parameters/Tenant'}]
    get:
      operationId: listOrders
      tags: [orders]
      parameters:
        - {name: status, in: query, schema: {type: array, items: {type: string}}}
        - {name: fields, in: query, explode: false, schema: {type: array, items: {type: string}}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: session id, in: cookie, schema: {type: string}}
    post:
      operationId: createOrder
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}
  /orders/{order-id}/lines/{id}:
    put:
      summary: Replace a line
      parameters:
        - {name: order-id, in: path, required: true, schema: {type: string}}
        - {name: id, in: path, required: true, schema: {type: integer}}
        - {name: id, in: query, schema: {type: string}}
        - {name: Authorization, in: header, schema: {type: string}}
      requestBody: {content: {application/x-www-form-urlencoded: {schema: {properties: {amount: {type: integer}}}}}}
    delete: {operationId: delete line!, parameters: [{name: order-id, in: path, schema: {type: string}}]}
  /files:
    post:
      operationId: upload
      requestBody: {required: true, content: {multipart/form-data: {schema: {type: object}}}}
  /elsewhere:
    get: {operationId: elsewhere, servers: [{url: 'https://attacker.example'}]}
components:
  parameters:
    Tenant: {name: X-Tenant, in: header, required: true, schema: {type: string}}
  schemas:
    Order:
      type: object
      required: [name, id]
      properties:
        id: {type: string, readOnly: true}
        name: {type: string, nullable: true}
        parent: {$ref: '#/components/schemas/Order'}
"""


def read(document: str | Mapping[str, Any], **choice: Any) -> dict[str, CustomToolSpec]:
    text = document if isinstance(document, str) else json.dumps(document)
    reading = read_tools(
        parse_document(text), "shop", Choice(**choice), base_url=None, source_url="https://shop.example/openapi.yaml"
    )
    return {tool.spec.name: tool.spec for tool in reading.tools}


def test_operations_become_tools_with_effects_by_their_method() -> None:
    tools = read(SHOP)

    assert {name: str(tool.effect) for name, tool in tools.items()} == {
        "shop__listOrders": "read",
        "shop__createOrder": "once",
        "shop__PUT_orders_order-id_lines_id": "idempotent",
        "shop__delete_line": "idempotent",
    }
    assert tools["shop__PUT_orders_order-id_lines_id"].description == "Replace a line"


def test_references_are_put_in_place_and_stop_where_they_repeat() -> None:
    order = read(SHOP)["shop__createOrder"].schema["properties"]["body"]  # type: ignore[index]

    assert "$ref" not in json.dumps(order)
    assert set(order["properties"]) == {"name", "parent"}
    assert order["required"] == ["name"]
    assert order["properties"]["name"]["type"] == ["string", "null"]
    assert order["properties"]["parent"] == {"description": "Of the same form as what it is in."}


def test_what_cannot_be_a_tool_is_named_with_the_reason() -> None:
    reading = read_tools(parse_document(SHOP), "shop", Choice(), base_url=None, source_url="https://shop.example/o")

    assert {skipped.operation: skipped.reason for skipped in reading.skipped} == {
        "POST /files": "Its body is multipart/form-data; JSON and form fields can be sent.",
        "GET /elsewhere": "It is served from https://attacker.example, another host than the other operations.",
    }


def test_operations_are_chosen_by_pattern_and_tag() -> None:
    assert set(read(SHOP, tags=("orders",))) == {"shop__listOrders"}
    assert set(read(SHOP, include=("GET *",), exclude=("elsewhere",))) == {"shop__listOrders"}
    assert read(SHOP, effects={"POST /orders": Effect.IDEMPOTENT})["shop__createOrder"].effect is Effect.IDEMPOTENT


def test_a_small_document_cannot_unfold_to_a_huge_one() -> None:
    schemas = {
        f"L{n}": {
            "type": "object",
            "properties": {f"p{i}": {"$ref": f"#/components/schemas/L{n + 1}"} for i in range(9)},
        }
        for n in range(9)
    } | {"L9": {"type": "string"}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/L0"}}}}
    document = {
        "openapi": "3.0.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"post": {"requestBody": body}}},
        "components": {"schemas": schemas},
    }
    reading = read_tools(parse_document(json.dumps(document)), "shop", Choice(), base_url=None, source_url=None)

    assert sum(len(json.dumps(tool.spec.schema)) for tool in reading.tools) < MOST_NODES * 60
    assert len(reading.tools) + len(reading.skipped) == 1


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("just words", "not an object"),
        ("{a: [", "neither JSON nor YAML"),
        ("!!python/object/apply:os.system ['true']", "neither JSON nor YAML"),
        ("paths: {}", "openapi: 3.x"),
        ('{"openapi": "3.0.0", "paths": {}}', "base_url"),
        ('{"openapi": "3.0.0", "servers": [{"url": "javascript:alert(1)"}]}', "http"),
    ],
)
def test_a_document_that_cannot_be_used_says_why(document: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        read_tools(parse_document(document), "shop", Choice(), base_url=None, source_url=None)


def test_references_outside_the_document_are_not_followed() -> None:
    parameters = [{"$ref": "http://169.254.169.254/x"}]
    document = {
        "openapi": "3.0.0",
        "servers": [{"url": "https://a.example"}],
        "paths": {"/x": {"get": {"parameters": parameters}}},
    }
    reading = read_tools(parse_document(json.dumps(document)), "shop", Choice(), base_url=None, source_url=None)

    assert "only references inside it" in reading.skipped[0].reason


def test_swagger_2_is_read_too() -> None:
    document = {
        "swagger": "2.0",
        "host": "a.example",
        "basePath": "/api",
        "schemes": ["http", "https"],
        "paths": {
            "/x": {
                "post": {
                    "operationId": "x",
                    "parameters": [
                        {"name": "b", "in": "body", "required": True, "schema": {"type": "object"}},
                        {"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}},
                    ],
                }
            }
        },
    }
    tool = read(document)["shop__x"]

    assert tool.url == "https://a.example/api/x"
    assert {key: (each.place, each.style) for key, each in tool.placements.items()} == {
        "b": ("body", "repeat"),
        "ids": ("query", "comma"),
    }


class Shop:
    def __init__(self, db: Database, outbound: Outbound, secrets: Secrets, server: Server) -> None:
        self.sets = Toolsets(db, outbound, secrets)
        self.tools = Tools(db, built_in=BUILT_IN, outbound=outbound, secrets=secrets, sources=(self.sets,))
        self.server = server

    async def importing(self, principal: Principal, *, dry_run: bool = False, **wish: Any) -> ImportOutcome:
        given = {"document": SHOP, "base_url": self.server.url, **wish}
        return await self.sets.import_openapi(principal, OpenApiImport("shop", **given), dry_run=dry_run)

    async def call(self, principal: Principal, name: str, **arguments: object) -> ToolResult:
        (tool,) = await self.tools.resolve(principal, (name,), has_knowledge=False)
        context = ToolContext(principal.workspace_id, principal.project_id, None, new_id(), new_id(), "key")
        return await tool.call(context, json.dumps(arguments))


@pytest.fixture
def shop(db: Database, outbound: Outbound, secrets: Secrets, server: Server) -> Shop:
    return Shop(db, outbound, secrets, server)


async def test_each_argument_reaches_its_place(shop: Shop, principal: Principal) -> None:
    await shop.importing(principal, headers={"Authorization": "Bearer s3cret"})

    await shop.call(
        principal,
        "shop__listOrders",
        **{
            "X-Tenant": "acme",
            "status": ["a b", "c&d"],
            "fields": ["x", "y"],
            "filter": {"k": "v"},
            "session_id": "é;",
        },
    )
    await shop.call(principal, "shop__createOrder", **{"X-Tenant": "acme", "body": {"name": None, "n": [1]}})
    await shop.call(
        principal,
        "shop__PUT_orders_order-id_lines_id",
        **{"order-id": "a/../b", "id": 7, "id_query": "?", "amount": 3},
    )
    listed, created, put = shop.server.requests

    assert listed.path == "/orders?status=a+b&status=c%26d&fields=x%2Cy&filter%5Bk%5D=v"
    assert (listed.method, listed.body) == ("GET", b"")
    assert listed.headers["x-tenant"] == "acme"
    assert listed.headers["cookie"] == "session id=%C3%A9%3B"
    assert listed.headers["authorization"] == "Bearer s3cret"
    assert (created.method, created.path, orjson.loads(created.body)) == ("POST", "/orders", {"name": None, "n": [1]})
    assert created.headers["idempotency-key"] == "key"
    assert (put.method, put.path, put.body) == ("PUT", "/orders/a%2F..%2Fb/lines/7?id=%3F", b"amount=3")
    assert put.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_header_argument_cannot_bring_a_second_header(shop: Shop, principal: Principal) -> None:
    await shop.importing(principal)

    with pytest.raises(InvalidRequest, match="line break"):
        await shop.call(principal, "shop__listOrders", **{"X-Tenant": "a\r\nX-Admin: yes"})
    assert shop.server.requests == []


async def test_a_dry_run_changes_nothing(shop: Shop, principal: Principal) -> None:
    outcome = await shop.importing(principal, dry_run=True)

    assert outcome.toolset is None
    assert len(outcome.created) == 5
    assert (await shop.tools.list(principal, Window())).items == []
    assert (await shop.sets.list(principal, Window())).items == []


async def test_a_second_import_renews_adds_and_removes(shop: Shop, principal: Principal) -> None:
    first = await shop.importing(principal, headers={"X-Key": "k"})
    before = {tool.name: tool for tool in (await shop.tools.list(principal, Window())).items}
    await shop.tools.update(principal, before["shop__createOrder"].id, {"permission": Permission.ASK})
    changed = SHOP.replace("operationId: createOrder", "operationId: makeOrder").replace(
        "  /files:", "  /new:\n    get: {}\n  /f:"
    )

    second = await shop.importing(principal, document=changed, exclude=("delete*",))
    after = {tool.name: tool for tool in (await shop.tools.list(principal, Window())).items}

    assert second.toolset is not None
    assert first.toolset is not None
    assert second.toolset.id == first.toolset.id
    assert set(second.created) == {"shop__GET_new"}
    assert second.removed == ("shop__delete_line",)
    assert after["shop__makeOrder"].id == before["shop__createOrder"].id
    assert after["shop__makeOrder"].permission is Permission.ASK
    assert after["shop__GET_new"].header_names == ("X-Key",)


async def test_kept_headers_do_not_follow_a_toolset_to_another_host(shop: Shop, principal: Principal) -> None:
    await shop.importing(principal, headers={"X-Key": "k"})

    with pytest.raises(InvalidRequest, match="headers"):
        await shop.importing(principal, base_url="https://other.example")


async def test_agents_may_name_a_whole_toolset(shop: Shop, principal: Principal, stranger: Principal) -> None:
    outcome = await shop.importing(principal)
    assert outcome.toolset is not None

    tools = await shop.tools.resolve(principal, ("shop__*", "shop__listOrders"), has_knowledge=False)

    assert [tool.name for tool in tools] == sorted(outcome.created)
    with pytest.raises(ToolNotFound):
        await shop.tools.resolve(stranger, ("shop__*",), has_knowledge=False)
    with pytest.raises(ToolsetNotFound):
        await shop.sets.delete(stranger, outcome.toolset.id)
    await shop.sets.delete(principal, outcome.toolset.id)
    assert (await shop.tools.list(principal, Window())).items == []


async def test_a_name_that_another_tool_has_gets_a_number(shop: Shop, principal: Principal) -> None:
    schema = {"type": "object", "properties": {}}
    await shop.tools.create(principal, CustomToolSpec("shop__listOrders", "Mine.", schema, "https://mine.example/"))

    outcome = await shop.importing(principal)

    assert "shop__listOrders_2" in outcome.created


async def test_a_toolset_and_an_mcp_server_never_share_a_name(
    shop: Shop, principal: Principal, db: Database, outbound: Outbound, secrets: Secrets
) -> None:
    servers = McpServers(db, outbound, secrets, {})
    await servers.create(principal, McpServerSpec("shop", "https://one.example/mcp", is_enabled=False))

    with pytest.raises(ToolsetNameTaken):
        await shop.importing(principal)
    await servers.create(principal, McpServerSpec("other", "https://one.example/mcp", is_enabled=False))
    await shop.sets.import_openapi(principal, OpenApiImport("third", document=SHOP), dry_run=False)
    with pytest.raises(McpServerNameTaken):
        await servers.create(principal, McpServerSpec("third", "https://one.example/mcp", is_enabled=False))


async def test_a_document_is_fetched_by_the_guarded_client(shop: Shop, principal: Principal) -> None:
    shop.server.answers = [answer(200, SHOP.encode(), "application/yaml")]
    outcome = await shop.importing(principal, document=None, url=f"{shop.server.url}/openapi.yaml")

    with pytest.raises(InvalidRequest, match="loopback"):
        await shop.importing(principal, document=None, url="http://127.0.0.1:1/openapi.yaml")
    assert len(outcome.created) == 5


async def test_placements_that_make_no_request_are_refused(shop: Shop, principal: Principal) -> None:
    from glia.tools.types import Placement

    schema = {"type": "object", "properties": {"a": {}, "b": {}}}
    spec = CustomToolSpec("t", "T.", schema, "https://a.example/{a}")
    for placements in (
        {"c": Placement("query", "c")},
        {"a": Placement("query", "a")},
        {"b": Placement("path", "b")},
        {"b": Placement("header", "Host")},
        {"b": Placement("header", "idempotency-key")},
    ):
        with pytest.raises(InvalidRequest, match=r"http\.parameters|'Host'|Idempotency"):
            await shop.tools.create(principal, replace(spec, placements=placements))
