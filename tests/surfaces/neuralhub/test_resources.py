"""Agents, workflows, memory, compute, discovery: beyond the examples."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.mcp.conftest import Connects, connects, mcp_port  # noqa: F401 - fixtures
from tests.surfaces.neuralhub.conftest import Hub, refusal


def test_an_agent_is_the_same_on_both_apis(hub: Hub, client: Client) -> None:
    here = hub.made(
        "/v1/agents",
        {"name": "Here", "system_prompt": "Be brief.", "tools": ["calculator"], "metadata": {"team": "a"}},
    )
    there = client.made("/v1/agents", {"name": "There", "instructions": "Be long.", "model": "glia/embedded"})

    native = client.get(f"/v1/agents/{here['id']}").json
    shown = hub.get(f"/v1/agents/{there['id']}").json

    assert (native["name"], native["instructions"], native["tools"]) == ("Here", "Be brief.", ["calculator"])
    assert native["metadata"] == {"neuralhub": {"team": "a"}}
    assert (shown["name"], shown["system_prompt"], shown["model_id"]) == ("There", "Be long.", "glia/embedded")
    assert {"Here", "There"} <= {agent["name"] for agent in hub.get("/v1/agents").json}
    assert hub.get("/v1/agents/here").json["id"] == here["id"]


def test_an_agent_is_changed_and_deleted(hub: Hub) -> None:
    made = hub.made("/v1/agents", {"name": "Draft", "model_id": "glia/embedded", "metadata": {"a": 1}})
    path = f"/v1/agents/{made['id']}"

    changed = hub.patch(path, {"name": "Final", "model_id": None, "tools": ["calculator"]}).json
    same = hub.patch(path, {}).json

    assert (changed["name"], changed["model_id"], changed["tools"], changed["version"]) == (
        "Final",
        None,
        ["calculator"],
        2,
    )
    assert changed["metadata"] == {"a": 1}
    assert same["version"] == 2
    assert hub.delete(path).status == 204
    refusal(hub.get(path), 404)
    refusal(hub.delete(path), 404)


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x", "tools": ["no_such_tool"]}, {"name": 5}, {"name": "x", "tools": "all"}]
)
def test_what_is_no_agent_is_refused(hub: Hub, body: dict[str, Any]) -> None:
    refusal(hub.post("/v1/agents", body), 400)


def test_agents_come_in_pages(hub: Hub) -> None:
    for number in range(3):
        hub.made("/v1/agents", {"name": f"Agent {number}"})

    first = hub.get("/v1/agents?limit=2")
    second = hub.get(f"/v1/agents?limit=2&cursor={first.headers['x-next-cursor']}")

    assert len(first.json) == len(second.json) == 2
    assert "x-next-cursor" not in second.headers
    refusal(hub.get("/v1/agents?limit=x"), 400)
    refusal(hub.get("/v1/agents?cursor=x"), 400)


def test_a_workflow_is_made_changed_and_deleted(hub: Hub, client: Client) -> None:
    steps = [{"id": "now", "kind": "tool", "tool": "current_time"}]
    made = hub.made("/v1/workflows", {"name": "Clock", "steps": steps, "metadata": {"a": 1}})

    assert client.get("/v1/workflows/clock").json["id"] == made["id"]
    assert [each["slug"] for each in hub.get("/v1/workflows").json] == ["clock"]
    changed = hub.patch("/v1/workflows/clock", {"description": "Tells the time.", "output": "{{steps.now.output}}"})
    assert (changed.json["version"], changed.json["steps"]) == (2, made["steps"])
    refusal(hub.post("/v1/workflows", {"name": "Clock", "steps": steps, "slug": "clock"}), 409)
    assert (
        "nowhere"
        in refusal(hub.post("/v1/workflows", {"name": "X", "steps": [{**steps[0], "depends_on": ["nowhere"]}]}), 400)[
            "message"
        ]
    )
    refusal(hub.post("/v1/workflows", {"name": "X"}), 400)
    assert hub.delete("/v1/workflows/clock").status == 204
    refusal(hub.get("/v1/workflows/clock"), 404)


def test_memories_are_searched_by_either_word_and_threshold(hub: Hub) -> None:
    hub.made("/v1/memory", {"content": "The invoice system runs on PostgreSQL."})
    hub.made("/v1/memory", {"content": "Ada likes green tea in the morning."})

    by_q = hub.get("/v1/memory/search?q=Which+database+do+invoices+use").json
    by_query = hub.get("/v1/memory/search?query=Which+database+do+invoices+use").json
    one = hub.get("/v1/memory/search?q=tea&limit=1").json

    assert by_q == by_query
    assert by_q[0]["content"].startswith("The invoice")
    similarities = [found["similarity"] for found in by_q]
    assert similarities == sorted(similarities, reverse=True)
    assert all(0 <= similarity <= 1 for similarity in similarities)
    least = by_q[0]["similarity"]
    assert hub.get(f"/v1/memory/search?q=Which+database+do+invoices+use&threshold={least}").json == by_q[:1]
    assert hub.get("/v1/memory/search?q=tea&threshold=1").json == []
    assert len(one) == 1
    for query in ("", "q=", "q=x&limit=0", "q=x&limit=y", "q=x&threshold=2", "q=x&threshold=much"):
        refusal(hub.get(f"/v1/memory/search?{query}"), 400)


def test_memories_belong_to_agents_or_to_all(hub: Hub, client: Client, other: Hub) -> None:
    mine = hub.made("/v1/agents", {"name": "Mine"})
    common = hub.made("/v1/memory", {"content": "The office is in Lisbon."})["id"]
    own = hub.made("/v1/memory", {"content": "The office has a cat.", "agent_id": mine["id"]})["id"]

    def found(query: str) -> set[str]:
        return {each["id"] for each in hub.get(f"/v1/memory/search?q=office{query}").json}

    assert found("") == {common, own}
    assert found("&agent_id=mine") == {common, own}
    assert found("&agent_id=agent_default") == {common}
    assert [each["id"] for each in hub.get("/v1/memory?agent_id=mine").json["memories"]] == [own]
    assert client.get(f"/v1/memories/{own.removeprefix('mem_')}").json["agent_id"] == mine["id"]
    assert hub.get(f"/v1/memory/{own.removeprefix('mem_')}").json["id"] == own
    assert other.get("/v1/memory/search?q=office").json == []
    refusal(other.get(f"/v1/memory/{own}"), 404)
    refusal(other.delete(f"/v1/memory/{own}"), 404)
    assert hub.delete(f"/v1/memory/{own}").status == 204
    refusal(hub.delete(f"/v1/memory/{own}"), 404)
    refusal(hub.post("/v1/memory", {"content": "x", "agent_id": "nobody"}), 404)
    refusal(hub.post("/v1/memory", {"content": "   "}), 400)
    refusal(hub.post("/v1/memory", {}), 400)


def test_memories_are_listed_in_pages(hub: Hub) -> None:
    for number in range(3):
        hub.made("/v1/memory", {"content": f"Fact number {number}.", "metadata": {"n": number}})

    first = hub.get("/v1/memory?limit=2").json
    second = hub.get(f"/v1/memory?limit=2&cursor={first['cursor']}").json

    assert [each["metadata"] for each in first["memories"] + second["memories"]] == [{"n": 2}, {"n": 1}, {"n": 0}]
    assert (first["hasMore"], second["hasMore"]) == (True, False)


@pytest.fixture
def box(hub: Hub) -> str:
    return hub.made("/v1/resources", {"template": "python"})["id"]


def test_commands_and_code_run_in_a_resource(hub: Hub, box: str) -> None:
    path = f"/v1/resources/{box}/exec"

    failed = hub.post(path, {"cmd": "echo out; echo err >&2; exit 3"}).json
    first = hub.post(path, {"code": "x = 20\nx + 1"}).json
    second = hub.post(path, {"code": "x + 2"}).json
    raised = hub.post(path, {"code": "1/0"}).json
    slow = hub.post(path, {"cmd": "sleep 20", "timeout": 0.3}).json

    assert (failed["stdout"], failed["stderr"], failed["exit_code"]) == ("out\n", "err\n", 3)
    assert (first["result"], second["result"], second["exit_code"]) == ("21", "22", 0)
    assert "ZeroDivisionError" in raised["error"]
    assert raised["exit_code"] == 1
    assert slow["timed_out"]
    for body in (
        {},
        {"cmd": "a", "code": "b"},
        {"cmd": "a", "timeout": -1},
        {"cmd": 5},
        {"cmd": "a", "language": "perl"},
    ):
        refusal(hub.post(path, body), 400)


def test_a_command_is_streamed(hub: Hub, box: str) -> None:
    body = {"cmd": "echo one; while [ ! -e heard ]; do sleep 0.05; done; echo two", "stream": True}
    items: list[tuple[str, Any]] = []
    with hub.stream("POST", f"/v1/resources/{box}/exec", body) as stream:
        for item in stream.items():
            items.append((item["event"], item["data"]))
            if len(items) == 2:
                hub.request("PUT", f"/v1/resources/{box}/files/heard", raw=b"")

    assert [name for name, _ in items] == ["start", "stdout", "stdout", "exit"]
    assert [data["data"] for name, data in items if name == "stdout"] == ["one\n", "two\n"]
    assert items[-1][1]["code"] == 0
    with hub.stream("POST", f"/v1/resources/{box}/exec", {"code": "print(6*7)", "stream": True}) as stream:
        said = "".join(item["data"]["data"] for item in stream.items() if item["event"] == "stdout")
    assert said == "42\n"


def test_files_go_in_and_out_of_a_resource(hub: Hub, box: str) -> None:
    content = bytes(range(256)) * 100
    path = f"/v1/resources/{box}/files/data/in.bin"

    written = hub.request("PUT", path, raw=content)
    read = hub.get(path)

    assert (written.status, written.json) == (200, {"path": "data/in.bin", "size": len(content)})
    assert (read.status, read.body) == (200, content)
    assert read.headers["content-disposition"].startswith("attachment;")
    listed = hub.get(f"/v1/resources/{box}/files?path=data").json["files"]
    assert [(each["path"], each["kind"], each["size"]) for each in listed] == [
        (listed[0]["path"], "file", len(content))
    ]
    assert hub.post(f"/v1/resources/{box}/exec", {"cmd": "wc -c < data/in.bin"}).json["stdout"].strip() == "25600"
    refusal(hub.get(f"/v1/resources/{box}/files/data"), 400)
    refusal(hub.get(f"/v1/resources/{box}/files/none"), 404)


def test_a_resource_lives_as_long_as_it_is_told(hub: Hub, client: Client) -> None:
    made = hub.made("/v1/resources", {"template": "shell", "timeout": 120, "port": 3000, "env": {"A": "b"}})

    extended = hub.post(f"/v1/resources/{made['id']}/extend", {"seconds": 3000}).json

    assert (made["port"], made["env"], made["status"]) == (3000, {"A": "b"}, "running")
    assert extended["expires_at"] > made["expires_at"]
    native = client.get(f"/v1/sandboxes/{made['id'].removeprefix('sbx-')}").json
    assert native["lease_seconds"] == 3000
    assert hub.get(f"/v1/resources/{made['id'].removeprefix('sbx-')}").json["id"] == made["id"]
    before = hub.get(f"/v1/resources/{made['id']}").json["expires_at"]
    assert hub.get("/v1/resources").json[0]["expires_at"] == before  # looking extends nothing
    for body in ({"template": "vax"}, {"template": "python", "env": {"1": "x"}}, {"timeout": -1}, {"port": 0}):
        refusal(hub.post("/v1/resources", body), 400)
    refusal(hub.post(f"/v1/resources/{made['id']}/extend", {"seconds": 0}), 400)


def test_a_sandbox_that_expired_is_no_resource(hub: Hub) -> None:
    made = hub.made("/v1/resources", {"template": "shell", "timeout": 1})

    hub.until("/v1/resources", lambda found: found == [], seconds=60)

    refusal(hub.post(f"/v1/resources/{made['id']}/exec", {"cmd": "true"}), 404)


def test_another_workspace_sees_none_of_it(hub: Hub, other: Hub, box: str) -> None:
    assert other.get("/v1/resources").json == []
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/exec", {"cmd": "true"}),
        ("POST", "/extend", {}),
        ("GET", "/files", None),
        ("GET", "/files/a", None),
        ("PUT", "/files/a", {}),
    ):
        refusal(other.request(method, f"/v1/resources/{box}{path}", body), 404)
    assert hub.get(f"/v1/resources/{box}").json["status"] == "running"


async def test_the_manifest_is_what_mcp_lists(hub: Hub, client: Client, connects: Connects) -> None:  # noqa: F811
    client.made("/v1/agents", {"name": "Support", "description": "Answers customers."})
    client.made(
        "/v1/tools",
        {
            "name": "order",
            "description": "Orders a thing.",
            "schema": {"type": "object", "properties": {"thing": {"type": "string"}}, "required": ["thing"]},
            "http": {"method": "POST", "url": "http://127.0.0.1:9/order"},
        },
    )
    manifest = hub.get("/v1/mcp/manifest").json
    for mode in ("2026-07-28", "legacy"):
        async with connects(mode) as mcp:
            listed = [tool.model_dump(by_alias=True, exclude_none=True) for tool in (await mcp.list_tools()).tools]

        shown = [{name: value for name, value in tool.items() if value is not None} for tool in manifest["tools"]]
        assert {tool["name"] for tool in shown} >= {"ask_support", "order", "calculator", "search_knowledge"}
        assert [{name: tool[name] for name in offered} for tool, offered in zip(listed, shown, strict=True)] == shown
    assert manifest["protocolVersions"] == ["2026-07-28", "2025-11-25"]
    assert manifest["endpoint"]["url"] == f"http://127.0.0.1:{hub.port}/mcp"


async def test_a_tool_of_the_manifest_is_called_at_its_endpoint(hub: Hub) -> None:
    import httpx2
    from mcp import Client as McpClient
    from mcp.client.streamable_http import streamable_http_client

    url = hub.get("/v1/mcp/manifest").json["endpoint"]["url"]
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {hub.key}"}, timeout=20) as http,
        McpClient(streamable_http_client(url, http_client=http)) as mcp,
    ):
        called: Any = await mcp.call_tool("calculator", {"expression": "6*7"})

    assert called.content[0].text == "6*7 = 42"


def test_a_key_finds_only_what_it_may_call(hub: Hub) -> None:
    names = [tool["name"] for tool in hub.limited("tools:read").get("/v1/mcp/manifest").json["tools"]]

    assert names == []
    more = [tool["name"] for tool in hub.limited("tools:read", "run:write").get("/v1/mcp/manifest").json["tools"]]
    assert "calculator" in more


def test_llms_txt_tells_only_what_there_is(anybody: Hub, hub: Hub) -> None:
    hub.made("/v1/agents", {"name": "Secret project"})
    text = anybody.get("/llms.txt").body.decode()

    document = anybody.get("/openapi.json").json
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"- {method.upper()} {path}" in text
    assert "- calculator:" in text
    assert "- glia/embedded" in text
    assert "Secret project" not in text


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/run/a/b", "/api/storage/nothing", "/mcp"])
def test_routes_that_are_not_there_are_404(hub: Hub, path: str) -> None:
    refusal(hub.get(path), 404)


def test_methods_and_bodies_that_do_not_fit(hub: Hub) -> None:
    refusal(hub.delete("/v1/models"), 404)
    refusal(hub.request("POST", "/v1/run", raw=b"{"), 400)
    refusal(hub.request("POST", "/v1/run", raw=b"[]"), 400)
    refusal(hub.request("POST", "/v1/run", raw=b"input=x", headers={"Content-Type": "text/plain"}), 400)
    refusal(hub.request("POST", "/v1/memory", raw=b'{"content": "' + b"x" * 11_000_000 + b'"}'), 400)


def test_the_surface_describes_itself(anybody: Hub) -> None:
    document = anybody.get("/openapi.json").json
    page = anybody.get("/docs")

    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "NeuralHub"
    assert (page.status, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    allowed = {"200", "201", "202", "204", "206", "304", "400", "401", "403", "404", "409", "429", "500"}
    for methods in document["paths"].values():
        for operation in methods.values():
            assert set(operation["responses"]) <= allowed
