"""Agents over Neura's wire."""

from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neura.conftest import Neura, refusal

EVERYTHING: dict[str, Any] = {
    "name": "Research Agent",
    "description": "Deep web research with citations",
    "model_id": "deepseek-ai/DeepSeek-V3.2",
    "use_web_search": False,
    "max_iterations": 15,
    "search_depth": 30,
    "system_prompt": "You are a thorough researcher. Always cite sources.",
    "visibility": "public",
    "category": "research",
    "tags": ["web", "deep"],
    "tool_description": "Ask it what is new.",
    "settings": {"temperature": 0.2, "max_tokens": 900, "tone": {"warm": True}},
    "pricing": {"per_call": 0.01},
}


def test_an_agent_keeps_every_parameter(neura: Neura):
    made = neura.made("/api/agents", EVERYTHING)

    assert {name: made[name] for name in EVERYTHING} == EVERYTHING
    assert made["kb_ids"] == []
    assert made["created_at"].endswith("Z")
    assert neura.get(f"/api/agents/{made['agent_id']}").json == made


def test_an_agent_of_a_name_alone_has_the_documented_defaults(neura: Neura):
    made = neura.made("/api/agents", {"name": "Plain"})

    assert {name: made[name] for name in ("model_id", "use_web_search", "max_iterations", "search_depth")} == {
        "model_id": "deepseek-ai/DeepSeek-V3.2",
        "use_web_search": True,
        "max_iterations": 10,
        "search_depth": 15,
    }
    assert (made["visibility"], made["tags"], made["settings"], made["description"]) == ("private", [], {}, "")


def test_a_change_leaves_the_rest_as_it_was(neura: Neura):
    made = neura.made("/api/agents", EVERYTHING)

    changed = neura.put(f"/api/agents/{made['agent_id']}", {"max_iterations": 3, "tags": ["new"]})

    assert changed.status == 200
    assert changed.json == made | {"max_iterations": 3, "tags": ["new"], "updated_at": changed.json["updated_at"]}
    assert neura.put(f"/api/agents/{made['agent_id']}", {}).json == changed.json


def test_an_agent_made_here_is_there_natively_and_the_other_way_round(neura: Neura, client: Client):
    made = neura.made("/api/agents", EVERYTHING)
    native = client.get(f"/v1/agents/{made['agent_id']}").json

    assert native["instructions"] == EVERYTHING["system_prompt"]
    assert native["limits"]["max_iterations"] == 15
    assert native["settings"]["temperature"] == 0.2
    assert native["settings"]["max_output_tokens"] == 900

    client.patch(f"/v1/agents/{made['agent_id']}", {"instructions": "Be brief.", "settings": {"temperature": 0.9}})
    shown = neura.get(f"/api/agents/{made['agent_id']}").json
    assert (shown["system_prompt"], shown["settings"]["temperature"]) == ("Be brief.", 0.9)
    other = client.made("/v1/agents", {"name": "Native"})
    listed = neura.get("/api/agents").json
    assert [agent["agent_id"] for agent in listed["agents"]] == [other["id"], made["agent_id"]]
    assert listed["total"] == 2


def test_knowledge_bases_are_attached(neura: Neura, client: Client, stranger: Client):
    base = client.made("/v1/knowledge-bases", {"name": "Base"})["id"]
    theirs = stranger.made("/v1/knowledge-bases", {"name": "Base"})["id"]

    made = neura.made("/api/agents", {"name": "Reader", "kb_ids": [base]})

    assert made["kb_ids"] == [base]
    assert neura.post("/api/agents", {"name": "Thief", "kb_ids": [theirs]}).status == 400


def test_deleting_an_agent_answers_success(neura: Neura, agent_id: str):
    deleted = neura.delete(f"/api/agents/{agent_id}")

    assert (deleted.status, deleted.json) == (200, {"success": True})
    assert neura.get(f"/api/agents/{agent_id}").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 5},
        {"name": "x", "max_iterations": 0},
        {"name": "x", "max_iterations": "10"},
        {"name": "x", "visibility": "secret"},
        {"name": "x", "kb_ids": ["no id"]},
        {"name": "x", "search_depth": 31},
        {"name": "x", "settings": {"temperature": 9}},
        {"name": "x", "settings": []},
    ],
)
def test_what_an_agent_cannot_be_is_a_400(neura: Neura, body: dict[str, Any]):
    answer = neura.post("/api/agents", body)

    assert answer.status == 400
    assert refusal(answer)["error"]


def test_unknown_fields_are_named(neura: Neura):
    made = neura.post("/api/agents", {"name": "x", "colour": "blue"})

    assert made.status == 201
    assert made.headers["x-ignored-fields"] == "colour"
