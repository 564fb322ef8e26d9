"""Approvals, feedback, shared workspaces and budgets."""

from __future__ import annotations

from uuid import UUID

import pytest

from glia.usage.errors import BudgetExceeded
from glia.usage.types import CallBound, SpendingCall
from glia.wiring import House
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuronagent.place import Place


@pytest.fixture
def place(native: Client) -> Place:
    return Place(native)


def careful(place: Place) -> str:
    permissions = {"tools": {"calculator": "ask"}}
    return place.client.made("/v1/agents", {"name": "Careful", "permissions": permissions})["id"]


@pytest.mark.parametrize("name", ["approval-requests", "approvals"])
def test_a_call_waits_until_somebody_approves_it(place: Place, name: str) -> None:
    agent = careful(place)
    session = place.session(agent)
    run = place.say(session, "What is 17 * 23?")["run_id"]

    [asked] = place.get(f"/{name}?agent_id={agent}")
    approved = place.post(f"/{name}/{asked['id']}/approve", {"approved_by": "Ada"})

    assert (asked["status"], asked["session_id"]) == ("pending", session)
    assert asked["payload"]["tool"] == "calculator"
    assert (approved["status"], approved["approved_by"]) == ("approved", "Ada")
    assert approved["resolved_at"] is not None
    place.client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")
    assert place.post(f"/{name}/{asked['id']}/approve", {}, 409)["error"]["code"] == "conflict"
    assert place.get(f"/{name}") == []
    assert place.get(f"/{name}?status=approved")[0]["id"] == asked["id"]


def test_a_rejection_is_told_with_its_reason(place: Place) -> None:
    session = place.session(careful(place))
    place.say(session, "What is 17 * 23?")
    [asked] = place.get("/approvals?status=pending")

    rejected = place.post(f"/approvals/{asked['id']}/reject", {"rejected_by": "Bob", "reason": "No sums today."})

    assert (rejected["status"], rejected["rejection_reason"]) == ("rejected", "No sums today.")
    assert rejected["approved_by"] == "Bob"
    assert place.get(f"/approval-requests/{asked['id']}")["status"] == "rejected"
    place.get("/approvals?status=sleeping", 400)
    place.get("/approvals/00000000-0000-7000-8000-000000000000", 404)


def test_feedback_is_kept_listed_and_added_up(place: Place) -> None:
    agent = place.agent()
    session = place.session(agent)

    rated = place.post(f"/sessions/{session}/feedback", {"rating": 5}, 201)
    told = place.post(
        "/feedback", {"feedback_type": "negative", "agent_id": agent, "comment": "Slow", "rating": 2}, 201
    )

    assert (rated["feedback_type"], rated["session_id"], rated["agent_id"]) == ("positive", session, agent)
    assert isinstance(told["id"], int)
    assert [one["id"] for one in place.get(f"/feedback?agent_id={agent}")] == [told["id"], rated["id"]]
    assert len(place.get(f"/feedback?feedback_type=negative&agent_id={agent}")) == 1
    stats = place.get(f"/feedback/stats?agent_id={agent}")
    assert (stats["total"], stats["positive_count"], stats["average_rating"]) == (2, 1, 3.5)
    place.post("/feedback", {"comment": "?"}, 400)
    place.post("/feedback", {"feedback_type": "positive", "rating": 6}, 400)


def test_a_workspace_is_shared_and_its_log_can_be_read(place: Place) -> None:
    agent = place.agent()
    made = place.post("/workspaces", {"name": "Launch", "description": "Go"}, 201)
    path = f"/workspaces/{made['workspace_id']}"

    added = place.post(f"{path}/participants", {"agent_id": agent})
    place.post(f"{path}/participants", {"agent_id": agent, "role": "admin"})
    place.post(f"{path}/updates", {"content": "We begin.", "agent_id": agent}, 201)
    place.put(path, {"shared_context": {"stage": 2}})

    assert (made["status"], added["status"]) == ("created", "participant_added")
    shared = place.get(path)
    assert shared["workspace"]["shared_context"] == {"stage": 2}
    assert [one["role"] for one in shared["participants"] if one["agent_id"] == agent] == ["admin"]
    updates = place.get(f"{path}/updates")
    assert [one["update_type"] for one in updates] == ["state_change", "state_change", "message", "context_sync"]
    assert place.get(f"{path}/updates?after=3") == updates[3:]
    assert made["workspace_id"] in {one["id"] for one in place.get("/workspaces")}
    assert place.get(f"/collaborations?agent_id={agent}")[0]["name"] == "Launch"
    place.post(f"{path}/participants", {}, 400)
    given = place.post(f"/collaborations/{made['workspace_id']}/delegate", {"agent_id": agent, "task": "Greet"}, 202)
    place.client.until(f"/v1/runs/{given['run_id']}", lambda found: found["status"] == "completed")
    place.delete(path)
    place.get(path, 404)


def test_a_budget_is_live_and_holds(place: Place, server: Server) -> None:
    agent = place.agent()
    path = f"/agents/{agent}/budget"
    assert place.get(path) == {"agent_id": agent, "period_type": "monthly", "budget_set": False}

    first = place.post(path, {"budget_amount": 5, "period_type": "daily"}, 201)
    second = place.post(path, {"max_cost": 2.5, "period_type": "daily", "currency": "USD", "alert_threshold": 0.5}, 201)
    with server.admin() as admin:
        admin.execute("update budget_windows set spent_micros = 1500000 where budget_id = %s", (second["id"],))
    live = place.get(f"{path}?period_type=daily")

    assert first["id"] != second["id"]
    assert second["metadata"]["alert_threshold"] == 0.5
    assert (live["budget_set"], live["budget_amount"], live["total_cost"]) == (True, 2.5, 1.5)
    assert (live["remaining"], live["within_budget"]) == (1.0, True)
    assert place.put(f"{path}?period_type=daily", {"budget_amount": 1})["budget_amount"] == 1
    live = place.get(f"{path}?period_type=daily")
    assert (live["remaining"], live["within_budget"]) == (0, False)
    place.put(path, {"budget_amount": 1}, 404)
    place.post(path, {"budget_amount": -1}, 400)
    place.post(path, {"budget_amount": 1, "period_type": "hourly"}, 400)
    place.post(path, {"budget_amount": 1, "currency": "EUR"}, 400)
    assert [one["id"] for one in place.get("/budgets")] == [second["id"]]
    assert place.client.get(f"/v1/budgets/{second['id']}").json["limit_micros"] == 1_000_000


def test_a_budget_holds_before_a_call_is_made(place: Place, server: Server) -> None:
    agent, me = place.agent(), place.client.get("/v1/me").json
    place.post(f"/agents/{agent}/budget", {"budget_amount": 0.001, "period_type": "total"}, 201)

    async def ask(house: House, micros: int) -> None:
        bound = CallBound(10, micros, 0, 10, 10)
        where = {"workspace_id": UUID(me["workspace_id"]), "project_id": UUID(me["project_id"])}
        await house.spending.reserve(SpendingCall(**where, model="p/m", bound=bound, agent_id=UUID(agent)))

    server.do(lambda house: ask(house, 900))
    with pytest.raises(BudgetExceeded):
        server.do(lambda house: ask(house, 200))
    place.put(f"/agents/{agent}/budget?period_type=total", {"budget_amount": 1})
    server.do(lambda house: ask(house, 200))
