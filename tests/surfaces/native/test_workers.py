"""/v1/workers: who executes runs, and how much waits."""

from __future__ import annotations

from tests.surfaces.conftest import Client, Server


def test_workers_and_the_queue_are_told_of_ones_own_runs_only(client: Client, stranger: Client):
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = client.made("/v1/sessions", {"agent_id": "careful"})["id"]
    client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"})

    mine, theirs = client.get("/v1/workers").json, stranger.get("/v1/workers").json

    assert [worker["is_alive"] for worker in mine["data"]] == [True]
    assert ":" in mine["data"][0]["name"]
    assert (mine["queue"]["suspended"], mine["queue"]["for_approval"], mine["queue"]["for_budget"]) == (1, 1, 0)
    assert (mine["queue"]["queued"], mine["queue"]["oldest_run_id"], mine["queue"]["waiting_seconds"]) == (0, None, 0)
    assert theirs["queue"]["suspended"] == 0
    # What a number counts is what the list shows.
    assert len(client.get("/v1/runs?waiting_for=approval").json["data"]) == 1
    assert client.get("/v1/runs?waiting_for=budget").json["data"] == []
    assert client.get(f"/v1/runs?worker_id={mine['data'][0]['id']}").json["data"] == []
    assert stranger.get("/v1/runs?waiting_for=approval").json["data"] == []
    assert client.get("/v1/runs?waiting_for=rain").status == 400


def test_the_age_of_the_queue_is_that_of_its_oldest_run(client: Client, server: Server):
    client.made("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = client.made("/v1/sessions", {"agent_id": "careful"})["id"]
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"}).json["run_id"]
    with server.admin() as admin:
        # Nobody can take it: no worker speaks an engine that old.
        admin.execute(
            "update runs set status = 'queued', engine_abi = -1, run_after = now() - interval '90 seconds'"
            " where id = %s",
            [run],
        )

    queue = client.get("/v1/workers").json["queue"]

    assert (queue["queued"], queue["oldest_run_id"]) == (1, run)
    assert [each["id"] for each in client.get("/v1/runs?is_scheduled=false").json["data"]] == [run]
    assert client.get("/v1/runs?is_scheduled=true").json["data"] == []
    assert 90 <= queue["waiting_seconds"] < 600


def test_who_may_not_see_people_sees_no_machine(client: Client, server: Server):
    key = client.made("/v1/keys", {"name": "Reader", "scopes": ["runs:read"]})["key"]
    other = client.made("/v1/keys", {"name": "Files", "scopes": ["files:read"]})["key"]

    assert [worker["name"] for worker in server.client(key).get("/v1/workers").json["data"]] == [None]
    assert server.client(other).get("/v1/workers").status == 403
