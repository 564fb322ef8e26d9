"""Tools: built-in ones, own ones of each making, versions, use, and what happens to one that fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neuronagent.conftest import Neuron, refused

DOUBLE = {
    "name": "double",
    "description": "Doubles a number.",
    "handler_type": "code",
    "arg_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    "handler_config": {"code": "print(args['n'] * 2)", "language": "python"},
}


def test_a_tool_comes_back_as_it_was_made(client: Neuron) -> None:
    made = client.made("/tools", DOUBLE)

    assert {name: made[name] for name in DOUBLE} == DOUBLE
    assert made["id"] == made["name"]
    assert made["schema"] == made["arg_schema"]
    assert made["enabled"] is True
    assert made["result_schema"] is None
    assert client.get("/tools/double").json == made
    refused(client.post("/tools", DOUBLE), 409)
    refused(client.post("/tools", {**DOUBLE, "name": "calculator"}), 409)


def test_other_names_of_the_fields_mean_the_same(client: Neuron) -> None:
    made = client.made(
        "/tools",
        {
            "name": "weather",
            "description": "Weather.",
            "tool_type": "http",
            "config": {"url": "https://example.com/{city}", "method": "GET", "headers": {"X-Key": "secret"}},
            "schema": {"properties": {"city": {"type": "string"}}},
        },
    )

    assert made["handler_type"] == "http"
    assert made["handler_config"]["headers"] == {"X-Key": "***"}
    assert made["arg_schema"] == {"type": "object", "properties": {"city": {"type": "string"}}}
    assert b"secret" not in client.get("/tools").body


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "with blank"},
        {"description": ""},
        {"handler_type": "bogus"},
        {"handler_type": None},
        {"arg_schema": {"type": "array"}},
        {"arg_schema": []},
        {"handler_config": {"url": "ftp://example.com"}, "handler_type": "http"},
        {"handler_config": {"url": "https://e.com", "headers": "x"}, "handler_type": "http"},
        {"handler_config": {"text": "x" * 70_000}},
    ],
)
def test_a_tool_that_cannot_be_is_refused(client: Neuron, wrong: dict[str, Any]) -> None:
    refused(client.post("/tools", {**DOUBLE, **wrong}), 400)


def test_tools_are_found_by_name_and_handler(client: Neuron) -> None:
    client.made("/tools", DOUBLE)

    names = [tool["name"] for tool in client.get("/tools?limit=1000").json]

    assert names == sorted(names)
    assert {"calculator", "double"} <= set(names)
    assert [tool["name"] for tool in client.get("/tools?search=DOUBLES").json] == ["double"]
    assert all(tool["handler_type"] == "web_search" for tool in client.get("/tools?handler_type=web_search").json)
    client.put("/tools/double", {"enabled": False})
    assert [tool["name"] for tool in client.get("/tools?enabled=false").json] == ["double"]
    assert "double" not in [tool["name"] for tool in client.get("/tools?limit=1000").json]


def test_a_program_runs_with_its_arguments(client: Neuron) -> None:
    client.made("/tools", DOUBLE)

    done = client.post("/tools/double/execute", {"n": 21}).json

    assert done["success"] is True
    assert done["result"] == "42"
    wrong = client.post("/tools/double/execute", {"n": "x"}).json
    assert wrong["success"] is False
    assert "`n` must be of type integer" in wrong["error"]


def test_a_tool_of_ones_own_is_called_by_an_agent(client: Neuron) -> None:
    sums = {**DOUBLE, "name": "sums", "description": "Calculates an expression.", "handler_type": "custom"}
    made = {**sums, "handler_config": {"code": "print(eval(args['expression']))"}}
    made["arg_schema"] = {
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "Arithmetic such as (2 + 3) * 4"}},
        "required": ["expression"],
    }
    client.made("/tools", made)
    agent = client.agent("summing", enabled_tools=["sums"])

    answer = client.say(client.session(agent), 'Use the tool sums with the expression "6*7"')

    assert [call["name"] for call in answer["tool_calls"]] == ["sums"]
    assert answer["tool_results"][0]["content"] == "42"
    used = client.get("/tools/sums/analytics").json
    assert (used["total_calls"], used["success_calls"]) == (1, 1)
    assert used["avg_execution_time_ms"] > 0


def test_a_disabled_tool_is_not_there_for_agents(client: Neuron) -> None:
    client.made("/tools", DOUBLE)
    client.put("/tools/double", {"enabled": False})
    agent = client.agent("without", enabled_tools=["double"])

    assert client.say(client.session(agent), "Use the tool double with n 4")["tool_calls"] == []
    refused(client.post("/tools/double/execute", {"n": 1}), 400)


def test_a_handler_is_a_built_in_tool_with_arguments_set_for_good(client: Neuron) -> None:
    client.made(
        "/tools",
        {"name": "remember", "description": "Finds facts.", "handler_type": "memory", "handler_config": {"limit": 1}},
    )

    shown = client.get("/tools/remember").json
    done = client.post("/tools/remember/execute", {"query": "anything"}).json

    assert "query" in shown["arg_schema"]["properties"]
    assert "result" in done


@pytest.mark.parametrize("handler", ["ml", "queue", "mcp", "multimodal"])
def test_a_handler_that_is_not_here_is_refused_with_a_way_out(client: Neuron, handler: str) -> None:
    tool = {"name": "train", "description": "Trains.", "handler_type": handler}

    error = refused(client.post("/tools", tool), 400)

    assert handler in error["message"]
    assert error["details"]["field"] == "handler_type"
    refused(client.get("/tools/train"), 404)


@pytest.mark.parametrize("handler", ["retrieval", "rag", "vector", "hybrid_search", "reranking"])
def test_a_tool_searches_the_table_it_was_made_for(client: Neuron, handler: str) -> None:
    text = "The lighthouse of Cordouan was finished in 1611."
    assert client.post("/rag/ingest", {"document_text": text, "table_name": "towers"}).status == 200
    config = {"knowledge_table": "towers", "top_k": 1}
    client.made("/tools", {"name": "seek", "description": "S.", "handler_type": handler, "handler_config": config})

    done = client.post("/tools/seek/execute", {"query": "When was the lighthouse finished?"}).json

    assert done["success"] is True
    assert "1611" in done["result"]


def test_a_default_version_is_at_work(client: Neuron) -> None:
    client.made("/tools", DOUBLE)
    first = client.made("/tools/double/versions", {"version": 1, "schema": {}, "code": "print('one')"})
    client.made("/tools/double/versions", {"version": "2.0", "schema": {}, "code": "print('two')", "is_default": True})

    assert first["version"] == "1"
    assert client.post("/tools/double/execute", {"n": 1}).json["result"] == "two"
    assert [(each["version"], each["is_default"]) for each in client.get("/tools/double/versions").json] == [
        ("2.0", True),
        ("1", False),
    ]
    assert client.get("/tools/double").json["handler_config"]["code"] == "print('two')"
    refused(client.post("/tools/double/versions", {"version": 1}), 409)
    assert client.post("/tools/double/versions/2.0/deprecate").json == {"status": "deprecated"}
    assert client.get("/tools/double/versions/2.0").json["deprecated"] is True
    assert client.post("/tools/double/execute", {"n": 1}).json["result"] == "one"
    refused(client.get("/tools/double/versions/9"), 404)
    refused(client.post("/tools/double/versions/9/deprecate"), 404)


def test_a_tool_that_keeps_failing_is_left_alone(client: Neuron) -> None:
    client.made(
        "/tools",
        {
            "name": "home",
            "description": "Calls home.",
            "handler_type": "http",
            "handler_config": {"url": "http://127.0.0.1/"},
        },
    )
    errors = [client.post("/tools/home/execute", {}).json["error"] for _ in range(6)]

    assert all("loopback" in error for error in errors[:5])
    assert "left alone" in errors[5]


def test_built_in_tools_stay_as_they_are(client: Neuron) -> None:
    refused(client.put("/tools/calculator", {"description": "x"}), 409)
    refused(client.delete("/tools/calculator"), 409)
    refused(client.post("/tools/calculator/versions", {"version": 1}), 409)
    assert client.get("/tools/calculator/versions").json == []
    assert client.post("/tools/calculator/execute", {"expression": "6*7"}).json["success"] is True
    assert client.get("/tools/calculator/analytics").json["total_calls"] == 1


def test_tools_of_the_native_surface_are_here_too(client: Neuron, native: Client) -> None:
    native.made(
        "/v1/tools",
        {
            "name": "lookup",
            "description": "Looks up.",
            "schema": {"type": "object", "properties": {}},
            "http": {"url": "https://example.com"},
        },
    )

    shown = client.get("/tools/lookup").json
    changed = client.put("/tools/lookup", {"enabled": False, "description": "Looks things up."}).json

    assert (shown["handler_type"], shown["handler_config"]["url"]) == ("http", "https://example.com")
    assert (changed["enabled"], changed["description"]) == (False, "Looks things up.")
    assert client.delete("/tools/lookup").status == 204
    refused(client.get("/tools/lookup"), 404)


def test_several_tools_are_deleted_at_once(client: Neuron) -> None:
    client.made("/tools", DOUBLE)

    gone = client.post("/tools/batch/delete", {"names": ["double", "none"]}).json

    assert [result["success"] for result in gone["results"]] == [True, False]
    assert client.post("/batch/tools/delete", {"names": ["double"]}).json["failed"] == 1
    refused(client.delete("/tools/double"), 404)
