"""/v1/budgets, /v1/credits and what they do to runs, over the wire."""

from __future__ import annotations

import pytest

from tests.surfaces.conftest import Client


def limited(client: Client, **spec: object) -> tuple[str, str]:
    """A session that may make one call, and the budget that says so."""
    agent = client.made("/v1/agents", {"name": "Clerk", "tools": ["calculator"], **spec})["id"]
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    return session, client.made("/v1/budgets", {"scope": "session", "subject_id": session, "limit_calls": 1})["id"]


def test_a_budget_is_made_shown_changed_and_deleted(client: Client):
    made = client.made(
        "/v1/budgets",
        {
            "scope": "workspace",
            "period": "month",
            "limit_micros": 500,
            "warn_at_percent": [50, 90],
            "metadata": {"a": 1},
        },
    )
    path = f"/v1/budgets/{made['id']}"

    assert made["subject_id"] == client.get("/v1/me").json["workspace_id"]
    assert made["state"]["window_start"].endswith("-01T00:00:00.000000Z")
    assert (made["state"]["remaining_micros"], made["state"]["remaining_calls"]) == (500, None)
    changed = client.patch(path, {"limit_micros": None, "limit_calls": 5, "ends_at": "2040-01-01T00:00:00Z"}).json
    assert (changed["limit_micros"], changed["limit_calls"], changed["period"]) == (None, 5, "month")
    assert changed["ends_at"] == "2040-01-01T00:00:00.000000Z"
    assert client.get(path).json == changed
    assert [budget["id"] for budget in client.get("/v1/budgets?scope=workspace").json["data"]] == [made["id"]]
    assert client.get("/v1/budgets?scope=agent").json["data"] == []
    assert client.delete(path).status == 204
    assert client.get(path).error["code"] == "budget_not_found"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "workspace"}, "limit_micros"),
        ({"scope": "planet", "limit_calls": 1}, "scope"),
        ({"scope": "agent", "limit_calls": 1}, "subject_id"),
        ({"scope": "agent", "subject_id": "clerk", "limit_calls": 1}, "subject_id"),
        ({"scope": "workspace", "limit_calls": -1}, "limit_calls"),
        ({"scope": "workspace", "limit_micros": 2**60}, "limit_micros"),
        ({"scope": "workspace", "limit_calls": 1, "period": "decade"}, "period"),
        ({"scope": "workspace", "limit_calls": 1, "warn_at_percent": [101]}, "warn_at_percent"),
        ({"scope": "workspace", "limit_calls": 1, "starts_at": "soon"}, "starts_at"),
    ],
)
def test_what_is_wrong_with_a_budget_is_named(client: Client, body: dict[str, object], field: str):
    answer = client.post("/v1/budgets", body)

    assert answer.status == 400
    assert answer.error["field"].startswith(field)


def test_a_run_without_room_waits_and_goes_on_when_the_budget_is_raised(client: Client):
    session, budget = limited(client)

    answer = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"})
    run = answer.json["run_id"]
    assert (answer.status, answer.json["status"], answer.json["waiting_for"]) == (202, "waiting", ["budget"])
    events = client.get(f"/v1/runs/{run}/events").json["data"]
    (exceeded,) = [event["data"] for event in events if event["type"] == "budget.exceeded"]
    assert (exceeded["budget_id"], exceeded["unit"], exceeded["limit"], exceeded["spent"]) == (budget, "calls", 1, 1)
    client.patch(f"/v1/budgets/{budget}", {"limit_calls": 5})
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")

    types = [event["type"] for event in client.get(f"/v1/runs/{run}/events").json["data"]]
    assert (types.count("tool.called"), types.count("model.responded")) == (1, 2)
    assert "391" in client.get(f"/v1/sessions/{session}/messages").json["data"][-1]["content"]


def test_a_run_goes_on_when_its_budget_is_deleted_and_looks_again_when_it_is_asked_to(client: Client):
    session, budget = limited(client)
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"}).json["run_id"]

    assert client.post(f"/v1/runs/{run}/resume", {}).status == 200
    client.until(f"/v1/budgets/{budget}", lambda found: found["state"]["refused_calls"] == 2)
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "waiting")
    client.delete(f"/v1/budgets/{budget}")

    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")


def test_raising_a_runs_own_limit_needs_the_right_and_a_limit(client: Client):
    session, _ = limited(client)
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"}).json["run_id"]
    key = client.made("/v1/keys", {"name": "User", "role": "user"})["key"]

    assert client.post(f"/v1/runs/{run}/resume", {"max_cost_micros": 5}).status == 409
    assert Client(client.port, key).post(f"/v1/runs/{run}/resume", {"max_cost_micros": 5}).status == 403
    assert Client(client.port, key).post(f"/v1/runs/{run}/resume").status == 200


def test_credits_are_granted_adjusted_and_stated(client: Client):
    assert client.get("/v1/credits").json["is_enabled"] is False
    grant = client.made("/v1/credits/grants", {"amount_micros": 700, "note": "Paid"})
    client.made("/v1/credits/adjustments", {"amount_micros": -50})

    assert grant["kind"] == "grant"
    assert sum(entry["amount_micros"] for entry in grant["entries"]) == 0
    assert client.request("PUT", "/v1/credits", {"is_enabled": True}).json["balance_micros"] == 650
    statement = client.get("/v1/credits/transactions?limit=1").json
    assert (statement["data"][0]["kind"], statement["has_more"]) == ("adjustment", True)
    rest = client.get(f"/v1/credits/transactions?cursor={statement['next_cursor']}").json
    assert [(item["id"], item["note"]) for item in rest["data"]] == [(grant["id"], "Paid")]
    assert client.post("/v1/credits/adjustments", {"amount_micros": -651}).error["field"] == "amount_micros"
    assert client.post("/v1/credits/grants", {"amount_micros": 0}).error["field"] == "amount_micros"
    assert client.post("/v1/credits/grants", {"amount_micros": 1.5}).status == 400


def test_a_grant_that_is_sent_twice_is_given_once(client: Client):
    for _ in range(2):
        client.post("/v1/credits/grants", {"amount_micros": 700}, headers={"Idempotency-Key": "payment-1"})

    assert client.get("/v1/credits").json["balance_micros"] == 700


def test_who_is_limited_reads_limits_and_sets_none(client: Client):
    _, budget = limited(client)
    user = Client(client.port, client.made("/v1/keys", {"name": "User", "role": "user"})["key"])

    assert user.get(f"/v1/budgets/{budget}").status == 200
    assert user.get("/v1/credits").status == 200
    assert user.patch(f"/v1/budgets/{budget}", {"limit_calls": 9}).status == 403
    assert user.delete(f"/v1/budgets/{budget}").status == 403
    assert user.post("/v1/budgets", {"scope": "workspace", "limit_calls": 1}).status == 403
    assert user.post("/v1/credits/grants", {"amount_micros": 1}).status == 403
    assert user.post("/v1/keys", {"name": "More", "scopes": ["credits:write"]}).status == 403


def test_usage_has_a_total_beside_its_groups(client: Client):
    agent = client.made("/v1/agents", {"name": "Clerk"})["id"]
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    client.post(f"/v1/sessions/{session}/messages", {"content": "Hello"})

    found = client.get("/v1/usage?group_by=project").json

    assert [row["group"] for row in found["data"]] == [client.get("/v1/me").json["project_id"]]
    assert found["total"]["calls"] == found["data"][0]["calls"] == 1


def test_a_session_that_is_deleted_takes_its_waiting_run_along(client: Client):
    agent = client.made("/v1/agents", {"name": "Asker", "permissions": {"tools": {"calculator": "ask"}}})["id"]
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"}).json["run_id"]
    [approval] = client.get(f"/v1/approvals?run_id={run}").json["data"]

    assert client.delete(f"/v1/sessions/{session}").status == 204

    assert client.get(f"/v1/runs/{run}").json["status"] == "cancelled"
    assert client.get(f"/v1/approvals/{approval['id']}").json["status"] == "cancelled"
