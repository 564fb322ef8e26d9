from __future__ import annotations

import time

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neuronagent.place import Place


@pytest.fixture
def place(native: Client) -> Place:
    return Place(native)


def test_a_plan_is_listed_changed_and_carried_out(place: Place) -> None:
    agent = place.client.made("/v1/agents", {"name": "Planner", "tools": ["calculator"]})["id"]
    plan = place.post("/plans", {"agent_id": agent, "task_description": "Calculate 6 * 7, then say it."}, 201)

    assert plan["status"] == "created"
    assert plan["steps"][0]["tool"] == "calculator"
    assert plan["steps"][1]["dependencies"] == [0]
    assert [one["id"] for one in place.get(f"/plans?agent_id={agent}")] == [plan["id"]]
    assert place.post(f"/plans/{plan['id']}/execute", None, 202)["status"] == "executing"
    deadline = time.monotonic() + 60
    while (done := place.get(f"/plans/{plan['id']}"))["status"] == "executing":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert done["status"] == "completed"
    assert done["completed_at"] is not None
    assert done["result"]["answer"]
    judged = place.post(f"/plans/{plan['id']}/reflect")
    assert judged["agent_response"] == done["result"]["answer"]
    assert judged["message_id"] is not None


def test_terminal_states_of_a_plan_set_when_it_ended(place: Place) -> None:
    step = {"action": "Mix", "retry_strategy": "skip"}
    body = {"agent_id": place.agent(), "task": "Bake", "steps": [step, {"action": "Heat", "dependencies": [0]}]}
    plan = place.post("/plans", body, 201)

    done = place.put(f"/plans/{plan['id']}", {"status": "failed", "result": {"why": "no flour"}})

    assert plan["steps"][0]["retry_strategy"] == "skip"
    assert (done["status"], done["result"]) == ("failed", {"why": "no flour"})
    assert done["completed_at"] is not None
    place.put(f"/plans/{plan['id']}", {"status": "sleeping"}, 400)
    place.post("/plans", {**body, "steps": [{"action": "x", "dependencies": [7]}]}, 400)
    place.delete(f"/plans/{plan['id']}")
    place.get(f"/plans/{plan['id']}", 404)
    place.get("/plans/x", 400)


def test_reflections_have_whole_numbers_and_scores(place: Place) -> None:
    agent = place.agent()
    for answer in ("Paris is the capital of France.", ""):
        place.client.made(
            "/v1/reflections", {"agent_id": agent, "task": "What is the capital of France?", "answer": answer}
        )

    empty, good = place.get(f"/reflections?agent_id={agent}")

    assert empty["id"] > good["id"]
    assert good["quality_score"] > empty["quality_score"] == 0
    assert place.get(f"/reflections/{good['id']}") == good
    assert good["was_retried"] is False
    place.get("/reflections/999999999", 404)
    place.get("/reflections/x", 400)


def test_an_agent_whose_model_nobody_has_plans_all_the_same(place: Place) -> None:
    agent = place.agent(model_name="glia/nobody-has-this")

    plan = place.post(f"/agents/{agent}/plan", {"task": "Greet Ada, then Bob."})

    assert len(plan["plan"]) == plan["steps"] == 2
    assert [one["task_description"] for one in place.get(f"/plans?agent_id={agent}")] == ["Greet Ada, then Bob."]
