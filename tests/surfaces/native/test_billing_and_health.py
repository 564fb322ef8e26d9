"""Bills, plans, prices and the health of services over the wire."""

from __future__ import annotations

from tests.surfaces.conftest import Client, Server

SERVICES = ["auth", "iam", "kms", "billing", "compute", "storage", "database", "ai-network"]


def test_every_service_is_really_tried(client: Client) -> None:
    found = client.get("/v1/health/services").json["data"]

    assert [one["name"] for one in found] == SERVICES
    for one in found:
        assert one["checks"]
        for check in one["checks"]:
            assert check["latency_ms"] >= 0
    by_name = {one["name"]: one for one in found}
    for name in ("auth", "iam", "kms", "storage", "database", "ai-network"):
        assert by_name[name]["status"] == "healthy", by_name[name]
    assert client.get("/v1/health/services/kms").json["name"] == "kms"
    assert client.get("/v1/health/services/none").status == 404


def test_a_new_workspace_has_used_nothing(client: Client) -> None:
    usage = client.get("/v1/billing/usage").json

    assert usage["total_micros"] == 0
    assert usage["parts"] == []
    assert client.get("/v1/billing/invoices").json == {"data": [], "has_more": False, "next_cursor": None}
    assert client.get("/v1/billing/usage?period=never").error["field"] == "period"


def test_prices_and_plans_are_the_operators(server: Server, client: Client) -> None:
    me = client.get("/v1/me").json["workspace_id"]

    assert client.get("/v1/billing/prices").json["core_hour"] == "0.05"
    for method, path, body in (
        ("PATCH", "/v1/billing/prices", {"core_hour": "0"}),
        ("PUT", f"/v1/workspaces/{me}/plan", {"plan": "pro"}),
    ):
        answer = client.request(method, path, body)
        assert answer.status in (200, 403), answer.body
    assert client.request("PATCH", "/v1/billing/prices", {"core_hour": "much"}).error["field"] == "core_hour"
