from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from tests.tools.conftest import Server

from glia.identity.secrets import Secrets as InstallationSecrets
from glia.identity.types import Principal
from glia.kit.db import Database
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.outbound import Outbound
from glia.kit.pages import Window, read_cursor
from glia.tools.builtin import BUILT_IN
from glia.tools.custom import check_spec
from glia.tools.errors import ToolNameTaken, ToolNotFound
from glia.tools.service import Secrets, Tools, web_fetch
from glia.tools.types import CustomToolSpec, Effect, Permission, ToolContext

SPEC = CustomToolSpec(
    name="weather",
    description="Tells the weather.",
    schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    url="https://weather.example/v1/{city}",
    method="GET",
    headers={"X-Key": "s3cret"},
    effect=Effect.READ,
)


@pytest.fixture
def tools(db: Database, outbound: Outbound, secrets: Secrets) -> Tools:
    search = replace(BUILT_IN[0], name="knowledge_search")
    return Tools(db, built_in=[*BUILT_IN, search, web_fetch(outbound)], outbound=outbound, secrets=secrets)


async def test_a_custom_tool_is_kept_without_showing_its_secrets(
    tools: Tools, principal: Principal, db: Database
) -> None:
    created = await tools.create(principal, SPEC)

    assert await tools.get(principal, created.id) == created
    assert created.header_names == ("X-Key",)
    assert "s3cret" not in repr(created)
    assert created.schema == SPEC.schema
    async with db.transaction(principal.workspace_id) as tx:
        kept = await tx.value("select tools::text || encode(sealed_headers, 'escape') from tools")
    assert "s3cret" not in kept


async def test_a_custom_tool_is_called_with_its_headers(
    db: Database, outbound: Outbound, principal: Principal, server: Server, context: ToolContext
) -> None:
    tools = Tools(db, built_in=BUILT_IN, outbound=outbound, secrets=InstallationSecrets(b"k" * 32))
    await tools.create(principal, replace(SPEC, url=f"{server.url}/{{city}}"))

    (tool,) = await tools.resolve(principal, ("weather",), has_knowledge=False)
    result = await tool.call(context, '{"city": "Rome"}')

    assert result.text == '{"ok":true}'
    assert server.requests[0].path == "/Rome"
    assert server.requests[0].headers["x-key"] == "s3cret"
    assert tool.effect is Effect.READ


async def test_another_workspace_sees_nothing(tools: Tools, principal: Principal, stranger: Principal) -> None:
    created = await tools.create(principal, SPEC)

    with pytest.raises(ToolNotFound):
        await tools.get(stranger, created.id)
    with pytest.raises(ToolNotFound):
        await tools.update(stranger, created.id, {"description": "Mine."})
    with pytest.raises(ToolNotFound):
        await tools.delete(stranger, created.id)
    with pytest.raises(ToolNotFound, match="weather"):
        await tools.resolve(stranger, ("weather",), has_knowledge=False)
    assert (await tools.list(stranger, Window())).items == []
    assert (await tools.create(stranger, SPEC)).name == "weather"
    assert (await tools.get(principal, created.id)).description == "Tells the weather."


async def test_a_name_is_given_once(tools: Tools, principal: Principal) -> None:
    await tools.create(principal, SPEC)
    other = await tools.create(principal, replace(SPEC, name="climate"))

    with pytest.raises(ToolNameTaken):
        await tools.create(principal, SPEC)
    with pytest.raises(ToolNameTaken):
        await tools.update(principal, other.id, {"name": "weather"})
    with pytest.raises(ToolNameTaken, match="built-in"):
        await tools.create(principal, replace(SPEC, name="calculator"))


async def test_a_change_keeps_the_headers_unless_they_are_given(
    tools: Tools, principal: Principal, server: Server, context: ToolContext
) -> None:
    created = await tools.create(principal, replace(SPEC, url=f"{server.url}/a/{{city}}"))

    changed = await tools.update(principal, created.id, {"url": f"{server.url}/b/{{city}}", "name": "climate"})
    (tool,) = await tools.resolve(principal, ("climate",), has_knowledge=False)
    await tool.call(context, '{"city": "Rome"}')

    assert changed.header_names == ("X-Key",)
    assert (server.requests[0].path, server.requests[0].headers["x-key"]) == ("/b/Rome", "s3cret")
    assert (await tools.update(principal, created.id, {"headers": {}})).header_names == ()


async def test_secrets_do_not_follow_a_tool_to_another_host(tools: Tools, principal: Principal) -> None:
    created = await tools.create(principal, SPEC)

    with pytest.raises(InvalidRequest) as error:
        await tools.update(principal, created.id, {"url": "https://thief.example/{city}"})
    assert error.value.field == "http.headers"

    moved = await tools.update(principal, created.id, {"url": "https://new.example/{city}", "headers": {"A": "b"}})
    assert moved.header_names == ("A",)


def nested(depth: int) -> dict[str, object]:
    return {"type": "object", "properties": {"x": nested(depth - 1)}} if depth else {"type": "string"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "1st"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "weather\n"}, "name"),
        ({"description": " "}, "description"),
        ({"schema": []}, "schema"),
        ({"schema": {"type": "string"}}, "schema.type"),
        ({"schema": {"type": "object", "properties": []}}, "schema.properties"),
        ({"schema": {"type": "object", "properties": {"a": {"type": "text"}}}}, "schema.properties.a.type"),
        ({"schema": {"type": "object", "properties": {"a": {}}, "required": ["b"]}}, "schema.required"),
        ({"schema": {"type": "object", "properties": {"a": {"enum": []}}}}, "schema.properties.a.enum"),
        ({"schema": {"type": "object", "$ref": "http://x/"}}, "schema.$ref"),
        ({"schema": {"type": "object", "description": "x" * 70_000}}, "schema"),
        ({"schema": {"type": "object", "description": "\0"}}, "schema"),
        ({"url": "ftp://example.com/{city}"}, "http.url"),
        ({"url": "https://{city}/"}, "http.url"),
        ({"url": "https://x.{city}.example/"}, "http.url"),
        ({"url": "https://user:pass@example.com/"}, "http.url"),
        ({"url": "https://example.com/{town}"}, "http.url"),
        ({"url": "https://example.com/{city"}, "http.url"),
        ({"method": "TRACE"}, "http.method"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "http.headers"),
        ({"headers": {"Host": "b"}}, "http.headers"),
        ({"headers": {"idempotency-key": "b"}}, "http.headers"),
        ({"headers": {"X-A": "b" * 20_000}}, "http.headers"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
    ],
)
def test_a_bad_spec_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        check_spec(replace(SPEC, **changes))
    assert error.value.field == field


async def test_what_is_refused_is_not_kept(tools: Tools, principal: Principal) -> None:
    with pytest.raises(InvalidRequest, match="levels deep"):
        await tools.create(principal, replace(SPEC, schema=nested(500)))
    assert (await tools.list(principal, Window())).items == []


async def test_without_names_a_run_gets_the_default_tools(tools: Tools, principal: Principal) -> None:
    plain = await tools.resolve(principal, None, has_knowledge=False)
    informed = await tools.resolve(principal, None, has_knowledge=True)

    assert [tool.name for tool in plain] == ["current_time", "calculator"]
    assert [tool.name for tool in informed] == ["knowledge_search", "current_time", "calculator"]


async def test_knowledge_search_comes_exactly_with_knowledge(tools: Tools, principal: Principal) -> None:
    with_it = await tools.resolve(principal, ("web_fetch",), has_knowledge=True)
    without = await tools.resolve(principal, ("knowledge_search", "web_fetch"), has_knowledge=False)

    assert [tool.name for tool in with_it] == ["knowledge_search", "web_fetch"]
    assert [tool.name for tool in without] == ["web_fetch"]
    assert await tools.resolve(principal, (), has_knowledge=False) == []


async def test_a_deleted_tool_is_named_when_it_is_missed(tools: Tools, principal: Principal) -> None:
    created = await tools.create(principal, SPEC)
    await tools.delete(principal, created.id)

    with pytest.raises(ToolNotFound, match="'weather'"):
        await tools.resolve(principal, ("calculator", "weather"), has_knowledge=False)


async def test_an_agents_tool_names_are_checked_with_near_matches(
    tools: Tools, principal: Principal, stranger: Principal, db: Database
) -> None:
    await tools.create(principal, SPEC)
    async with db.transaction(principal.workspace_id) as tx:
        await tools.check_names(principal, tx, None)
        await tools.check_names(principal, tx, ("calculator", "weather"))
        with pytest.raises(InvalidRequest, match="Did you mean 'weather'") as error:
            await tools.check_names(principal, tx, ("calculator", "wether"))
    assert error.value.field == "tools[1]"
    async with db.transaction(stranger.workspace_id) as tx:
        with pytest.raises(InvalidRequest) as error:
            await tools.check_names(stranger, tx, ("weather",))
    assert "'weather'?" not in error.value.message


async def test_a_list_is_paged_newest_first(tools: Tools, principal: Principal) -> None:
    for number in range(3):
        await tools.create(principal, replace(SPEC, name=f"tool_{number}"))
    first = await tools.list(principal, Window(limit=2))
    second = await tools.list(principal, Window(limit=2, after=read_cursor(first.next_cursor)))
    assert [tool.name for tool in first.items + second.items] == ["tool_2", "tool_1", "tool_0"]


async def test_a_key_without_the_scope_is_refused(tools: Tools, principal: Principal, unknown_id: UUID) -> None:
    reader = Principal(principal.workspace_id, principal.project_id, frozenset({"tools:read"}))
    with pytest.raises(Forbidden, match="tools:write"):
        await tools.create(reader, SPEC)
    with pytest.raises(ToolNotFound):
        await tools.get(reader, unknown_id)


async def test_a_tool_says_whether_a_person_is_asked_before_it_is_called(tools: Tools, principal: Principal) -> None:
    created = await tools.create(principal, replace(SPEC, permission=Permission.ASK))
    (asked,) = await tools.resolve(principal, ("weather",), has_knowledge=False)

    changed = await tools.update(principal, created.id, {"permission": Permission.NEVER})

    assert (created.permission, asked.permission, changed.permission) == ("ask", "ask", "never")
    assert BUILT_IN[0].permission == "always"
