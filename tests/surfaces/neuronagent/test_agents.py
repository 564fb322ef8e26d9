"""Agents: what their fields do, and everything that is done with an agent as a whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neuronagent.conftest import Neuron, refused

SEED = {
    "name": "research_agent",
    "description": "Agent for research tasks",
    "system_prompt": "You are a helpful research assistant.",
    "model_name": "gpt-4",
    "memory_table": "research_memory",
    "enabled_tools": ["sql", "http", "browser"],
    "config": {"temperature": 0.7, "max_tokens": 2000},
}


def test_the_seeds_agent_comes_back_as_it_was_given(client: Neuron) -> None:
    made = client.made("/agents", SEED)

    assert {name: made[name] for name in SEED} == SEED
    assert set(made) == {*SEED, "id", "created_at", "updated_at"}
    assert made["created_at"].endswith("Z")
    assert client.get(f"/agents/{made['id']}").json == made
    assert client.get("/agents?search=RESEARCH").json == [made]
    assert client.get("/agents?search=nothing").json == []


def test_it_is_an_agent_on_every_surface(client: Neuron, native: Client) -> None:
    made = client.made("/agents", SEED)

    agent = native.get(f"/v1/agents/{made['id']}").json

    assert agent["instructions"] == SEED["system_prompt"]
    assert agent["settings"]["temperature"] == 0.7
    assert agent["settings"]["max_output_tokens"] == 2000
    native.patch(f"/v1/agents/{made['id']}", {"settings": {"temperature": 0.1}, "instructions": "Changed."})
    seen = client.get(f"/agents/{made['id']}").json
    assert seen["config"] == {"temperature": 0.1, "max_tokens": 2000}
    assert seen["system_prompt"] == "Changed."


def test_an_agent_of_another_surface_can_be_sent_back_unchanged(client: Neuron, native: Client) -> None:
    made = native.made("/v1/agents", {"name": "Made elsewhere, with blanks"})
    seen = client.get(f"/agents/{made['id']}").json

    answer = client.put(f"/agents/{made['id']}", seen)

    assert answer.status == 200
    assert answer.json == seen
    assert "x-ignored-fields" not in answer.headers
    assert native.get(f"/v1/agents/{made['id']}").json["version"] == 1


def test_a_put_changes_what_is_given(client: Neuron) -> None:
    made = client.made("/agents", SEED)

    changed = client.put(f"/agents/{made['id']}", {"description": None, "enabled_tools": [], "config": {}}).json

    assert changed["description"] is None
    assert changed["enabled_tools"] == []
    assert changed["config"] == {}
    assert changed["system_prompt"] == SEED["system_prompt"]
    assert changed["memory_table"] == SEED["memory_table"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "with blanks"},
        {"name": "x" * 101},
        {"name": None},
        {"system_prompt": ""},
        {"system_prompt": "x" * 50_001},
        {"system_prompt": None},
        {"description": "x" * 1001},
        {"memory_table": "1abc"},
        {"memory_table": "a-b"},
        {"enabled_tools": ["x"] * 51},
        {"enabled_tools": [""]},
        {"enabled_tools": "sql"},
        {"config": {"text": "x" * 10_300}},
        {"config": {"temperature": "hot"}},
        {"config": {"temperature": 3}},
        {"config": {"max_tokens": 0}},
        {"model_name": ""},
    ],
)
def test_an_agent_that_cannot_be_is_refused(client: Neuron, wrong: dict[str, Any]) -> None:
    error = refused(client.post("/agents", {**SEED, **wrong}), 400)

    assert error["code"] == "bad_request"


def test_names_are_taken_once(client: Neuron) -> None:
    first = client.made("/agents", SEED)

    assert refused(client.post("/agents", SEED), 409)["code"] == "conflict"
    other = client.agent("other")
    refused(client.put(f"/agents/{other['id']}", {"name": SEED["name"]}), 409)
    client.delete(f"/agents/{first['id']}")
    client.made("/agents", SEED)


def test_a_profile_fills_in_what_is_left_out(client: Neuron) -> None:
    made = client.made("/agents", {"name": "r", "profile": "research", "config": {"temperature": 0}})

    assert "research" in made["system_prompt"]
    assert "web_search" in made["enabled_tools"]
    assert made["config"]["temperature"] == 0


def test_a_model_that_nobody_has_leaves_the_answer_to_the_default(client: Neuron) -> None:
    agent = client.made("/agents", {**SEED, "model_name": "gpt/none-such", "enabled_tools": ["calculator"]})

    assert "42" in client.say(client.session(agent), "What is 6*7?")["content"]


def test_a_tool_is_used_once_it_is_there(client: Neuron) -> None:
    agent = client.agent("later", enabled_tools=["shout"])
    session = client.session(agent)
    assert client.say(session, "Shout hello")["tool_calls"] == []
    client.made(
        "/tools",
        {
            "name": "shout",
            "description": "Calculates: shouts a text.",
            "handler_type": "code",
            "arg_schema": {"type": "object", "properties": {}},
            "handler_config": {"code": "print('HELLO')"},
        },
    )

    tools = client.get("/tools?search=shout").json

    assert [tool["name"] for tool in tools] == ["shout"]
    assert client.get(f"/agents/{agent['id']}").json["enabled_tools"] == ["shout"]


def test_a_clone_is_a_new_agent_under_a_free_name(client: Neuron) -> None:
    made = client.made("/agents", SEED)

    first = client.post(f"/agents/{made['id']}/clone")
    second = client.post(f"/agents/{made['id']}/clone").json

    assert first.status == 201
    assert first.json["id"] != made["id"]
    assert first.json["name"] == "research_agent_clone"
    assert second["name"] == "research_agent_clone_2"
    same = ("description", "system_prompt", "model_name", "memory_table", "enabled_tools", "config")
    assert {name: second[name] for name in same} == {name: made[name] for name in same}


def test_a_deleted_agent_takes_along_all_that_is_its_own(client: Neuron) -> None:
    agent = client.agent()
    own = f"/agents/{agent['id']}"
    session = client.session(agent)
    memory = client.made("/memories", {"agent_id": agent["id"], "content": "The pier closes at dusk.", "tier": "lpm"})
    plan = client.post(f"{own}/plan", {"task": "Close the pier"}).json["id"]
    judged = client.post(f"{own}/reflect", {"response": "Closed."}).json["id"]
    client.made(f"{own}/budget", {"budget_amount": 1, "period_type": "daily"})

    assert client.delete(own).status == 204

    refused(client.get(own), 404)
    refused(client.delete(own), 404)
    for gone in (
        f"/sessions/{session}",
        f"/memories/{memory['id']}",
        f"/memory/{memory['chunk_id']}",
        f"/plans/{plan}",
        f"/reflections/{judged}",
    ):
        refused(client.get(gone), 404)
    assert client.get("/budgets").json == []


def test_copies_made_at_the_same_time_get_names_of_their_own(client: Neuron) -> None:
    agent = client.agent("sheep")

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: client.made(f"/agents/{agent['id']}/clone", None), range(6)))

    assert {each["name"] for each in made} == {"sheep_clone", *(f"sheep_clone_{number}" for number in range(2, 7))}


def test_a_profile_of_the_clients_own_is_passed_over(client: Neuron) -> None:
    answer = client.post("/agents", {**SEED, "profile": "pirate"})

    assert answer.status == 201
    assert answer.headers["x-ignored-fields"] == "profile"
    assert answer.json["system_prompt"] == SEED["system_prompt"]


def test_a_budget_in_the_config_is_the_agents_budget(client: Neuron) -> None:
    budget = {"max_cost": 2.5, "currency": "USD", "alerts": [{"threshold": 0.8, "action": "warn", "channels": []}]}
    agent = client.agent(config={"budget": budget})
    own = f"/agents/{agent['id']}"

    assert agent["config"]["budget"] == budget
    assert client.get(f"{own}/budget").json["budget_amount"] == 2.5
    assert client.put(own, {"config": {"budget": {"max_cost": 4, "period_type": "monthly"}}}).status == 200
    assert client.get(f"{own}/budget").json["budget_amount"] == 4
    client.put(f"{own}/budget", {"budget_amount": 9})
    client.put(own, client.get(own).json)
    assert client.get(f"{own}/budget").json["budget_amount"] == 9
    for wrong in (5, {"max_cost": -1}, {"max_cost": "x"}, {"max_cost": 1, "period_type": "hourly"}):
        refused(client.post("/agents", {**SEED, "config": {"budget": wrong}}), 400)


def test_blueprints_make_agents(client: Neuron) -> None:
    blueprints = client.get("/blueprints").json
    assert {each["id"] for each in blueprints} == {
        "postgres-performance",
        "knowledge-rag",
        "compliance-auditor",
        "data-analyst",
    }

    made = client.made("/agents/from-blueprint", {"blueprint_id": "data-analyst", "name": "mine"})

    blueprint = next(each for each in blueprints if each["id"] == "data-analyst")
    assert made["system_prompt"] == blueprint["system_prompt"]
    assert made["enabled_tools"] == blueprint["enabled_tools"]
    refused(client.post("/agents/from-blueprint", {"blueprint_id": "none", "name": "x"}), 400)


def test_a_plan_is_made_and_kept(client: Neuron, native: Client) -> None:
    agent = client.agent(enabled_tools=["calculator"])

    made = client.post(f"/agents/{agent['id']}/plan", {"goal": "Add the numbers and then write a report"}).json

    assert made["steps"] == len(made["plan"]) > 0
    assert {"action", "tool", "payload", "dependencies", "can_parallel", "retry_strategy"} <= set(made["plan"][0])
    assert made["plan"][0]["retry_strategy"] in {"retry", "skip", "abort"}
    assert native.get(f"/v1/plans/{made['id']}").json["task"].startswith("Add the numbers")
    refused(client.post(f"/agents/{agent['id']}/plan", {}), 400)
    refused(client.post(f"/agents/{agent['id']}/plan", {"task": "x" * 10_001}), 400)


def test_an_empty_answer_is_judged_as_nothing(client: Neuron) -> None:
    agent = client.agent()

    judged = client.post(f"/agents/{agent['id']}/reflect", {"user_message": "hi", "response": ""}).json

    scores = ("quality_score", "accuracy", "completeness", "clarity", "relevance")
    assert [judged[name] for name in scores] == [0, 0, 0, 0, 0]
    assert judged["issues"]
    session = client.session(agent)
    message = client.say(session, "Hello")
    again = client.post(f"/sessions/{session}/reflect", {"message_id": message["id"]})
    assert again.status == 200
    assert 0 <= again.json["quality_score"] <= 1
    assert [each["id"] for each in client.get(f"/sessions/{session}/reflections").json] == [again.json["id"]]


def test_a_task_is_given_to_another_agent(client: Neuron) -> None:
    giver, target = client.agent("giver"), client.agent("target", enabled_tools=["calculator"])
    path = f"/agents/{giver['id']}/delegate"

    done = client.post(path, {"to_agent_id": target["id"], "task": "What is 6*7?"}).json

    assert "42" in done["result"]
    assert client.get(f"/sessions/{done['session_id']}").json["agent_id"] == target["id"]
    again = client.post(
        path, {"target_agent_id": target["id"], "task": "And 2+2?", "session_id": done["session_id"]}
    ).json
    assert again["session_id"] == done["session_id"]
    other = client.session(giver)
    moved = client.post(path, {"to_agent_id": target["id"], "task": "2+2?", "session_id": other}).json
    assert moved["session_id"] != other
    refused(client.post(path, {"to_agent_id": giver["id"], "task": "x"}), 400)
    refused(client.post(path, {"to_agent_id": target["id"], "task": " "}), 400)
    refused(client.post(path, {"to_agent_id": "01900000-0000-7000-8000-000000000000", "task": "x"}), 404)


def test_a_task_finds_the_agent_that_is_good_at_it(client: Neuron) -> None:
    giver, target = client.agent("giver"), client.agent("target", enabled_tools=["calculator"])
    path = f"/agents/{target['id']}/specialization"
    made = client.made(path, {"specialization_type": "analysis", "capabilities": ["sums"]})

    done = client.post(f"/agents/{giver['id']}/delegate", {"specialization_type": "analysis", "task": "6*7?"}).json

    assert done["agent_id"] == target["id"]
    assert client.get(path).json == made
    changed = client.put(path, {"config": {"depth": 2}}).json
    assert changed["capabilities"] == ["sums"]
    assert changed["config"] == {"depth": 2}
    assert [each["agent_id"] for each in client.get("/specializations?specialization_type=analysis").json] == [
        target["id"]
    ]
    assert client.get("/specializations?specialization_type=coding").json == []
    wrong = refused(client.post(path, {"specialization_type": "cooking"}), 400)
    assert "coding" in wrong["details"]["valid_types"]
    assert client.delete(path).status == 204
    refused(client.get(path), 404)


def test_relationships_let_one_agent_ask_the_other(client: Neuron, native: Client) -> None:
    boss, helper = client.agent("boss"), client.agent("assistant")
    path = f"/agents/{boss['id']}/relationships"

    made = client.made(path, {"to_agent_id": helper["id"], "relationship_type": "delegates_to", "metadata": {"a": 1}})

    assert made["from_agent_id"] == boss["id"]
    assert client.get(f"/agents/{helper['id']}/relationships").json == [made]
    assert native.get(f"/v1/agents/{boss['id']}").json["subagents"] == [helper["id"]]
    refused(client.post(path, {"to_agent_id": boss["id"], "relationship_type": "supervises"}), 400)
    refused(client.post(path, {"to_agent_id": helper["id"], "relationship_type": "likes"}), 400)
    assert client.delete(f"{path}/{made['id']}").status == 204
    assert native.get(f"/v1/agents/{boss['id']}").json["subagents"] == []
    refused(client.delete(f"{path}/{made['id']}"), 404)


def test_a_sub_agent_is_one_that_may_be_asked(client: Neuron, native: Client) -> None:
    boss = client.agent("boss")

    made = client.made(f"/agents/{boss['id']}/sub-agents", {"name": "below", "system_prompt": "Help."})

    assert native.get(f"/v1/agents/{boss['id']}").json["subagents"] == [made["id"]]
    refused(client.post(f"/agents/{boss['id']}/sub-agents", {"name": "below", "system_prompt": "Help."}), 409)


def test_a_version_takes_effect_when_it_is_activated(client: Neuron) -> None:
    agent = client.made("/agents", SEED)
    path = f"/agents/{agent['id']}/versions"
    body = {"version_number": 1, "system_prompt": "You are the first.", "model_name": "m1", "config": {"top_p": 0.5}}

    made = client.made(path, body)

    assert made["is_active"] is False
    assert client.get(f"/agents/{agent['id']}").json["system_prompt"] == SEED["system_prompt"]
    refused(client.post(path, body), 409)
    assert client.put(f"{path}/1/activate").json["is_active"] is True
    now = client.get(f"/agents/{agent['id']}").json
    assert (now["system_prompt"], now["model_name"], now["config"]) == ("You are the first.", "m1", {"top_p": 0.5})
    assert now["name"] == SEED["name"]
    client.put(f"/agents/{agent['id']}", {"system_prompt": "You are changed."})
    versions = client.get(path).json
    assert [each["version_number"] for each in versions] == sorted(
        (each["version_number"] for each in versions), reverse=True
    )
    assert [each["is_active"] for each in versions].count(True) == 1
    assert client.post(f"{path}/1/rollback").json["is_active"] is True
    assert client.get(f"/agents/{agent['id']}").json["system_prompt"] == "You are the first."
    changed = next(each["version_number"] for each in versions if each["system_prompt"] == "You are changed.")
    compared = client.get(f"{path}/1/compare/{changed}").json
    assert {"field": "system_prompt", "from_value": "You are the first.", "to_value": "You are changed."} in compared[
        "differences"
    ]
    refused(client.get(f"{path}/99"), 404)
    refused(client.get(f"{path}/x"), 400)
    refused(client.post(path, {**body, "version_number": 0}), 400)


def test_metrics_and_costs_tell_of_what_was_done(client: Neuron) -> None:
    agent = client.agent()
    session = client.session(agent)
    client.say(session, "Hello")

    metrics = client.get(f"/agents/{agent['id']}/metrics").json
    costs = client.get(f"/agents/{agent['id']}/costs").json

    assert (metrics["session_count"], metrics["message_count"]) == (1, 2)
    assert metrics["avg_tokens_per_message"] > 0
    assert costs["request_count"] == 1
    assert costs["total_tokens"] > 0
    assert costs["total_cost"] == 0
    assert client.get(f"/sessions/{session}/costs").json["request_count"] == 1
    later = client.get(
        f"/agents/{agent['id']}/costs?start_date=2099-01-01T00:00:00Z&end_date=2099-02-01T00:00:00%2B00:00"
    )
    assert later.json["request_count"] == 0
    refused(client.get(f"/agents/{agent['id']}/costs?start_date=yesterday"), 400)


def test_a_batch_fails_item_by_item(client: Neuron) -> None:
    items = [{"name": "one", "system_prompt": "x"}, {"name": "one", "system_prompt": "x"}, {"name": "two"}, {"name": 3}]

    bare = client.post("/agents/batch", items).json
    wrapped = client.post("/batch/agents", {"agents": [{"name": "three", "system_prompt": "x"}]}).json

    assert (bare["total"], bare["success"], bare["failed"]) == (4, 1, 3)
    assert [result["success"] for result in bare["results"]] == [True, False, False, False]
    assert bare["results"][0]["data"]["name"] == "one"
    ids = [bare["results"][0]["data"]["id"], wrapped["results"][0]["data"]["id"], "nonsense"]
    gone = client.post("/agents/batch/delete", {"agent_ids": ids}).json
    assert [result["success"] for result in gone["results"]] == [True, True, False]
    refused(client.post("/agents/batch", []), 400)
    refused(client.post("/agents/batch/delete", {}), 400)


def test_config_sets_the_agents_memory_and_knowledge(client: Neuron, native: Client) -> None:
    config = {"auto_memory_enabled": True, "cross_session_memory_enabled": True, "knowledge_table": "handbook"}

    agent = client.agent("knowing", config=config)

    assert agent["config"] == config
    settings = native.get(f"/v1/agents/{agent['id']}/memory/settings").json
    assert (settings["is_learning"], settings["shares_sessions"]) == (True, True)
    bases = native.get("/v1/knowledge-bases").json["data"]
    assert native.get(f"/v1/agents/{agent['id']}").json["knowledge_base_ids"] == [
        base["id"] for base in bases if base["name"] == "handbook"
    ]
