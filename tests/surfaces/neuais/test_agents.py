"""Agents over the wire: making, changing, starting and stopping, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from glia.identity.types import Role
from glia.kit.ids import new_id
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuais.conftest import PROGRAM, Neuais, refusal


def test_an_agent_is_a_deployment_on_every_surface(neuais: Neuais, client: Client):
    made = neuais.agent(
        config={"cpu": "0.5", "memory": "128Mi", "replicas": 3, "region": "us-west-2", "port": 9000, "x": {"y": 1}},
        environment={"LOG_LEVEL": "info"},
    )

    deployment = client.get("/v1/deployments/my-agent").json
    assert made["id"] == f"agt_{deployment['id']}"
    assert made["status"] == "deploying"
    assert made["replicas"] == 3
    assert made["region"] == "us-west-2"
    assert made["endpoints"] == [f"http://127.0.0.1:{neuais.port}{deployment['endpoint'].rstrip('/')}"]
    assert made["environment_names"] == ["LOG_LEVEL"]
    assert made["config"] == {
        "cpu": "0.5",
        "memory": "128Mi",
        "replicas": 3,
        "region": "us-west-2",
        "command": [],
        "port": 9000,
        "health_path": None,
        "x": {"y": 1},
    }
    assert made["created_at"].endswith("Z")
    assert neuais.get(f"/v1/agents/{made['id']}").json == made
    assert neuais.get(f"/v1/agents/{deployment['id']}").json == made
    assert neuais.get(f"/v1/agents/{made['id']}?fields=id,status").json == {"id": made["id"], "status": "deploying"}


def test_a_change_leaves_the_rest(neuais: Neuais):
    made = neuais.agent(config={"cpu": "0.5", "kept": 1}, environment={"A": "1"})
    path = f"/v1/agents/{made['id']}"

    scaled = neuais.put(path, {"config": {"replicas": 5}}).json
    rolled = neuais.put(path, {"binary_url": "https://example.org/v2.py", "config": {"more": 2}}).json
    nothing = neuais.put(path, {"name": "my-agent"}).json

    assert (scaled["replicas"], scaled["version"], scaled["config"]["cpu"]) == (5, 1, "0.5")
    assert (rolled["version"], rolled["binary_url"]) == (2, "https://example.org/v2.py")
    assert (rolled["config"]["kept"], rolled["config"]["more"], rolled["environment_names"]) == (1, 2, ["A"])
    assert {**nothing, "updated_at": ""} == {**rolled, "updated_at": ""}


def test_what_is_shown_can_be_sent_back(neuais: Neuais):
    made = neuais.agent(config={"health_path": "/ready", "region": "eu", "command": ["a"]})
    path = f"/v1/agents/{made['id']}"

    same = neuais.put(path, made)
    eased = neuais.put(path, {"config": {"health_path": None}}).json

    changed = {"version": 2, "updated_at": same.json["updated_at"]}  # naming the address downloads from it again
    assert same.json == {**made, **changed}
    assert "name" not in same.headers["x-ignored-fields"].split(", ")
    assert (made["config"]["health_path"], eased["config"]["health_path"]) == ("/ready", None)


def test_start_stop_restart_and_scale_may_be_repeated(neuais: Neuais):
    path = f"/v1/agents/{neuais.agent()['id']}"

    states = [neuais.post(f"{path}/{act}").json["status"] for act in ("stop", "stop", "start", "start", "restart")]
    scaled = [neuais.post(f"{path}/scale", {"replicas": 0}).json["replicas"] for _ in range(2)]

    assert states == ["stopped", "stopped", "deploying", "deploying", "deploying"]
    assert scaled == [0, 0]


def test_a_deleted_agent_is_gone(neuais: Neuais):
    path = f"/v1/agents/{neuais.agent()['id']}"

    answer = neuais.delete(path)

    assert (answer.status, answer.json) == (200, {"message": "Agent deleted successfully"})
    for gone in (neuais.get(path), neuais.delete(path), neuais.post(f"{path}/start"), neuais.get(f"{path}/logs")):
        refusal(gone, 404)
    refusal(neuais.get("/v1/agents/agt_1a2b3c4d"), 404)
    refusal(neuais.get(f"/v1/agents/agt_{new_id()}"), 404)


def test_a_name_is_given_once(neuais: Neuais, neuais_stranger: Neuais):
    neuais.agent("taken")

    error = refusal(neuais.post("/v1/agents", {"name": "taken", **PROGRAM}), 409)

    assert error["details"]["field"] == "name"
    assert neuais_stranger.agent("taken")["name"] == "taken"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cpu", "fast"),
        ("cpu", "-1"),
        ("cpu", "0"),
        ("cpu", "1000"),
        ("cpu", 1),
        ("memory", "1"),
        ("memory", "1Kb"),
        ("memory", "-1Gi"),
        ("memory", "1Ki"),
        ("replicas", -1),
        ("replicas", 1001),
        ("replicas", "3"),
        ("replicas", True),
        ("region", "no spaces"),
        ("port", 0),
        ("port", 70_000),
        ("health_path", "health"),
        ("command", "run"),
        ("command", ["a"] * 101),
    ],
)
def test_a_bad_config_value_is_named_with_its_reason(neuais: Neuais, field: str, value: Any):
    agent = f"/v1/agents/{neuais.agent()['id']}"

    made = refusal(neuais.post("/v1/agents", {"name": "other", **PROGRAM, "config": {field: value}}), 400)
    changed = refusal(neuais.put(agent, {"config": {field: value}}), 400)

    assert made["details"] == changed["details"]
    assert made["details"]["field"].partition("[")[0] == field
    assert "eployment" not in made["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "No Spaces"),
        ("name", ""),
        ("name", None),
        ("runtime", "cobol"),
        ("binary_url", "ftp://example.org/x"),
        ("binary_url", "storage://"),
        ("sha256", "abc"),
        ("environment", {"PORT": "1"}),
        ("environment", {"1A": "1"}),
        ("environment", ["A=1"]),
        ("config", "small"),
    ],
)
def test_a_bad_field_is_named_with_its_reason(neuais: Neuais, field: str, value: Any):
    error = refusal(neuais.post("/v1/agents", {"name": "other", **PROGRAM, field: value}), 400)

    assert error["details"]["field"] == field
    assert error["details"]["reason"]


@pytest.mark.parametrize("body", [{}, {"name": "x"}, {"name": "x", "runtime": "go"}])
def test_what_is_missing_is_named(neuais: Neuais, body: dict[str, Any]):
    assert refusal(neuais.post("/v1/agents", body), 400)["details"]["reason"] == "field required"


def test_fields_without_effect_are_named(neuais: Neuais):
    answer = neuais.post("/v1/agents?colour=red", {"name": "other", **PROGRAM, "size": 3, "config": {"speed": 4}})

    assert answer.status == 201
    assert answer.headers["x-ignored-fields"] == "colour, size, config.speed"


def test_a_name_stays(neuais: Neuais):
    path = f"/v1/agents/{neuais.agent()['id']}"

    error = refusal(neuais.put(path, {"name": "other"}), 400)

    assert error["details"] == {"field": "name", "reason": "cannot be changed"}


def test_lists_are_filtered_sorted_and_cut(neuais: Neuais):
    for name, replicas, region in (("b", 2, "eu"), ("a", 1, "eu"), ("c", 3, "us")):
        neuais.agent(name, config={"replicas": replicas, "region": region})
    neuais.post(f"/v1/agents/{neuais.get('/v1/agents').json['agents'][0]['id']}/stop")

    def listed(query: str) -> list[str]:
        return [agent["name"] for agent in neuais.get(f"/v1/agents?{query}").json["agents"]]

    assert listed("") == ["c", "a", "b"]
    assert listed("sort=name") == ["a", "b", "c"]
    assert listed("sort=replicas:desc") == ["c", "b", "a"]
    assert listed("sort=region:desc,name:asc") == ["c", "a", "b"]
    assert listed("sort=created_at:asc") == ["b", "a", "c"]
    assert listed("status=stopped") == ["c"]
    assert listed("status=deploying&region=eu&sort=name") == ["a", "b"]
    assert listed("region=nowhere") == []
    assert neuais.get("/v1/agents?sort=name&limit=1&offset=1&fields=name").json == {
        "agents": [{"name": "b"}],
        "total": 3,
        "limit": 1,
        "offset": 1,
        "has_more": True,
    }
    assert neuais.get("/v1/agents?offset=3").json["has_more"] is False


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("status=flying", "status"),
        ("sort=colour", "sort"),
        ("sort=name:up", "sort"),
        ("sort=", "sort"),
        ("sort=config", "sort"),
        ("fields=id,colour", "fields"),
        ("fields=", "fields"),
        ("fields=id&fields=name", "fields"),
        ("status=running&status=stopped", "status"),
    ],
)
def test_a_bad_parameter_is_named(neuais: Neuais, query: str, field: str):
    neuais.agent()
    assert refusal(neuais.get(f"/v1/agents?{query}"), 400)["details"]["field"] == field


def test_an_empty_list_refuses_unknown_fields_too(neuais: Neuais):
    for query in ("fields=colour", "sort=colour", "status=flying"):
        refusal(neuais.get(f"/v1/agents?{query}"), 400)
    assert neuais.get("/v1/agents").json == {"agents": [], "total": 0, "limit": 100, "offset": 0, "has_more": False}


def test_a_viewer_may_only_look(neuais: Neuais, server: Server):
    path = f"/v1/agents/{neuais.agent()['id']}"
    key = neuais.made_natively("/v1/keys", {"name": "looks", "role": Role.READ_ONLY.value})["key"]
    viewer = Neuais(server.port, key)

    assert viewer.get("/v1/agents").json["total"] == 1
    assert viewer.get(f"{path}/logs").status == viewer.get(f"{path}/metrics").status == 200
    refusal(viewer.post("/v1/agents", {"name": "other", **PROGRAM}), 403)
    refusal(viewer.put(path, {"config": {"replicas": 2}}), 403)
    refusal(viewer.delete(path), 403)
    for act in ("start", "stop", "restart"):
        refusal(viewer.post(f"{path}/{act}"), 403)
    refusal(viewer.post(f"{path}/scale", {"replicas": 2}), 403)


def test_failures_before_any_route_have_the_same_shape(neuais: Neuais, server: Server):
    refusal(Neuais(server.port).get("/v1/agents"), 401)
    refusal(Neuais(server.port, "wrong").get("/v1/agents"), 401)
    refusal(neuais.get("/v1/nothing"), 404)
    refusal(neuais.request("PATCH", "/v1/agents"), 404)
    refusal(neuais.request("POST", "/v1/agents", raw=b"{", headers={"Content-Type": "application/json"}), 400)
    refusal(neuais.request("POST", "/v1/agents", raw=b"[]", headers={"Content-Type": "application/json"}), 400)
    refusal(neuais.request("POST", "/v1/agents", raw=b"x", headers={"Content-Type": "text/plain"}), 400)
    refusal(neuais.get("/v1/ws"), 400)


def test_the_same_idempotency_key_makes_one_agent(neuais: Neuais):
    headers = {"Idempotency-Key": "once"}

    first = neuais.post("/v1/agents", {"name": "one", **PROGRAM}, headers=headers)
    second = neuais.post("/v1/agents", {"name": "one", **PROGRAM}, headers=headers)

    assert first.json == second.json
    assert neuais.get("/v1/agents").json["total"] == 1
