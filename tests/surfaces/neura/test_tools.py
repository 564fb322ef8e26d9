"""Inference tools and agents as tools, with a provider on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from glia.inference.types import InferenceProvider
from tests.inference.provider import DEEPINFRA_MODELS, PNG, FakeProvider, data_url, fake_provider
from tests.surfaces.conftest import Server
from tests.surfaces.neura.conftest import Neura, refusal

FLUX = "black-forest-labs/FLUX-1-schnell"


@pytest.fixture(scope="module")
def provider(server: Server) -> Iterator[FakeProvider]:
    """DeepInfra, as the server believes."""
    stack = AsyncExitStack()

    async def start(house: Any) -> FakeProvider:
        fake = await stack.enter_async_context(fake_provider())
        fake.answers["GET /models/list"] = (200, DEEPINFRA_MODELS)
        fake.answers[f"POST /v1/inference/{FLUX}"] = (200, {"images": [data_url(PNG)]})
        house.inference_tools._providers["deepinfra"] = InferenceProvider("deepinfra", "deepinfra", fake.url, "key")
        return fake

    async def end(house: Any) -> None:
        del house.inference_tools._providers["deepinfra"]
        await stack.aclose()

    yield server.do(start)
    server.do(end)


@pytest.fixture
def synced(neura: Neura, provider: FakeProvider) -> Neura:
    assert neura.post("/api/tools/sync").status == 200
    return neura


def test_inference_tools_are_listed_by_family_as_the_example_shows(neura: Neura, provider: FakeProvider) -> None:
    found = neura.get("/api/tools/inference?sync=true").json

    (flux,) = found["categories"]["flux"]
    assert flux == {
        "tool_id": flux["tool_id"],
        "name": FLUX,
        "display_name": "FLUX 1 Schnell",
        "description": "Fast high-quality image generation",
        "provider": "black-forest-labs",
        "model_id": FLUX,
        "tool_type": "image",
        "cost_per_call": 0.0005,
        "output_price": None,
        "cost_unit": "per_call",
        "max_duration_seconds": 300,
        "logo_url": "https://images.example/flux.png",
    }
    assert {"deepseek", "llama", "stability"} < set(found["categories"])
    assert found["total"] == sum(len(tools) for tools in found["categories"].values())
    asked = len(provider.asked)
    assert neura.get("/api/tools/inference?sync=false").json == found
    assert len(provider.asked) == asked
    assert neura.get("/api/tools/inference?sync=perhaps").status == 400


def test_a_sync_tells_what_it_found(synced: Neura) -> None:
    found = synced.post("/api/tools/sync").json

    assert found["success"] is True
    assert (found["added"], found["removed"], found["failed_providers"]) == (0, 0, {})
    assert found["total"] == found["synced"] == 7


def test_agents_are_listed_as_tools_with_what_they_are_good_for(neura: Neura) -> None:
    made = neura.made(
        "/api/agents", {"name": "Taxes", "description": "d", "tool_description": "Knows invoices.", "category": "money"}
    )

    (found,) = neura.get("/api/tools/agents").json["agents"]

    assert found["agent_id"] == made["agent_id"]
    assert (found["name"], found["tool_description"], found["category"]) == ("Taxes", "Knows invoices.", "money")


def test_the_switches_and_selections_work_and_stay(synced: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/tools"
    other = synced.made("/api/agents", {"name": "Other"})["agent_id"]
    nothing = {
        "agent_id": agent_id,
        "enable_agent_tools": False,
        "enable_inference_tools": False,
        "auto_select_tools": False,
        "selected_agent_ids": [],
        "selected_inference_tools": [],
    }
    assert synced.get(path).json == nothing
    example = {"enable_inference_tools": True, "enable_agent_tools": True, "auto_select_tools": True}
    assert synced.put(path, example).json == nothing | example
    selected = {"selected_agent_ids": [other], "selected_inference_tools": [FLUX]}
    assert synced.put(path, selected).json == nothing | example | selected
    assert synced.put(path, {"enable_inference_tools": False}).json["enable_inference_tools"] is False
    assert synced.get(path).json["selected_inference_tools"] == [FLUX]
    assert synced.put(path, {"enable_inference_tools": True}).json == nothing | example | selected
    assert synced.put(path, {"selected_inference_tools": []}).json["enable_inference_tools"] is False
    assert synced.put(path, {}).status == 200


def test_what_is_selected_must_be_there(synced: Neura, agent_id: str) -> None:
    path = f"/api/agents/{agent_id}/tools"
    unknown = "0190f0c1-0000-7000-8000-000000000001"

    for body, field in (
        ({"selected_agent_ids": [unknown]}, "selected_agent_ids[0]"),
        ({"selected_agent_ids": ["x"]}, "selected_agent_ids[0]"),
        ({"selected_agent_ids": [agent_id]}, "selected_agent_ids"),
        ({"selected_inference_tools": ["no/such"]}, "selected_inference_tools"),
        ({"enable_agent_tools": "maybe"}, "enable_agent_tools"),
    ):
        answer = synced.put(path, body)
        assert answer.status == 400, answer.body
        assert refusal(answer)["detail"] == f"Field: {field}"
    assert synced.put(f"/api/agents/{unknown}/tools", {"enable_agent_tools": True}).status == 404
    assert synced.get(f"/api/agents/{unknown}/tools").status == 404


def test_an_image_is_made_in_a_chat_and_costs(synced: Neura, agent_id: str, provider: FakeProvider) -> None:
    synced.put(f"/api/agents/{agent_id}/tools", {"selected_inference_tools": [FLUX]})
    tool = "inference__black_forest_labs_FLUX_1_schnell"

    answer = synced.post(f"/api/agents/{agent_id}/chat", {"query": f'Call {tool} with prompt "a fox"'}).json

    assert [call["tool"] for call in answer["tool_calls"]] == [tool]
    assert answer["costs"]["inference_cost"] == 0.0005
    assert answer["costs"]["total_cost"] == 0.0005
    assert provider.asked[-1].body["prompt"]


def test_a_request_may_want_other_tools_than_the_agent_has(synced: Neura, agent_id: str) -> None:
    tool = "inference__black_forest_labs_FLUX_1_schnell"
    query = {"query": f'Call {tool} with prompt "a fox"'}

    without = synced.post(f"/api/agents/{agent_id}/chat", query).json
    wanted = {"enable_inference_tools": True, "selected_inference_tools": [FLUX]}
    with_it = synced.post(f"/api/agents/{agent_id}/chat", query | wanted).json
    unknown = synced.post(f"/api/agents/{agent_id}/chat", query | {"selected_inference_tools": ["no/such"]})

    assert without["tool_calls"] == []
    assert [call["tool"] for call in with_it["tool_calls"]] == [tool]
    assert unknown.status == 400
    assert synced.get(f"/api/agents/{agent_id}/tools").json["enable_inference_tools"] is False


def test_another_agent_is_asked_for_one_request(synced: Neura, agent_id: str) -> None:
    helper = synced.made("/api/agents", {"name": "Zebra expert", "use_web_search": False})["agent_id"]
    query = {"query": 'Call delegate_zebra-expert with task "Say hello"', "enable_agent_tools": True}

    answer = synced.post(f"/api/agents/{agent_id}/chat", query | {"selected_agent_ids": [helper]}).json

    assert [call["tool"] for call in answer["tool_calls"]] == ["delegate_zebra-expert"]
    assert answer["costs"]["sub_agent_cost"] == 0.0
