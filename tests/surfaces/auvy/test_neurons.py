"""Neurons: names, configuration, versions, deletion, scope, brains."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.auvy.conftest import Auvy, in_brain, refusal
from tests.surfaces.conftest import Client, Server


def _key(client: Client, **body: Any) -> str:
    return client.made("/v1/keys", {"name": "Other", **body})["key"]


def test_names_become_slugs_that_a_brain_has_once(auvy: Auvy):
    other = auvy.made("/v1/brains", {"name": "Second"})["id"]

    first = auvy.neuron("My Neuron")
    again = auvy.post("/v1/neurons", {"name": "my  neuron!"})
    elsewhere = auvy.post("/v1/neurons", {"name": "My Neuron", "brain_id": other}, headers={"X-Brain-Id": other})

    assert (first["name"], first["slug"], first["display_name"]) == ("my-neuron", "my-neuron", "My Neuron")
    assert "my-neuron" in refusal(again, 409)
    assert elsewhere.status == 201
    assert auvy.get("/v1/neurons/my-neuron").json["id"] == first["id"]
    assert auvy.get("/v1/neurons/my-neuron", headers={"X-Brain-Id": other}).json["id"] == elsewhere.json["id"]


def test_brains_are_named_where_they_must_be(auvy: Auvy, auvy_stranger: Auvy):
    plain = Auvy(auvy.port, auvy.key)

    refusal(plain.get("/v1/neurons"), 400)
    refusal(plain.get("/v1/traces"), 400)
    refusal(plain.post("/v1/neurons", {"name": "Nowhere"}), 400)
    refusal(plain.get("/v1/neurons", headers={"X-Brain-Id": "mine"}), 400)
    refusal(plain.get("/v1/neurons", headers={"X-Brain-Id": str(auvy_stranger.brain)}), 404)
    refusal(auvy.post("/v1/neurons", {"name": "Both", "brain_id": auvy.made("/v1/brains", {"name": "B"})["id"]}), 400)
    assert plain.post("/v1/neurons", {"name": "Here", "brain_id": auvy.brain}).status == 201


def test_lists_are_arrays_with_a_total(auvy: Auvy):
    for name in ("Billing", "Sales", "Support"):
        auvy.neuron(name, is_active=name != "Sales")

    page = auvy.get("/v1/neurons?limit=2&sortBy=name&sortDirection=asc")
    rest = auvy.get("/v1/neurons?limit=2&offset=2&sortBy=name&sortDirection=asc")

    assert [neuron["name"] for neuron in page.json] == ["billing", "sales"]
    assert [neuron["name"] for neuron in rest.json] == ["support"]
    assert page.headers["x-total-count"] == "3"
    assert [neuron["name"] for neuron in auvy.get("/v1/neurons").json] == ["support", "sales", "billing"]
    assert [neuron["name"] for neuron in auvy.get("/v1/neurons?search=ILL").json] == ["billing"]
    assert [neuron["name"] for neuron in auvy.get("/v1/resources/neurons?is_active=false").json] == ["sales"]
    assert auvy.get("/v1/neurons?search=%25").json == []
    for query in ("limit=0", "limit=x", "offset=-1", "sortBy=size", "sortDirection=up", "is_active=maybe"):
        refusal(auvy.get(f"/v1/neurons?{query}"), 400)


def test_the_whole_configuration_is_kept_and_shown(auvy: Auvy):
    document = auvy.made("/v1/vault/documents", {"name": "a.md", "content": "Words.", "path": "/policies/eu"})
    helper = auvy.neuron("Helper")
    config = {
        "neuron_type": "agentic",
        "system_prompt": "## Purpose\nHelp.\n\n## Domain\nBilling.",
        "model": "openai/gpt-5",
        "temperature": 0.2,
        "max_tokens": 300,
        "resource_ids": [document["id"]],
        "vault_path": "/policies/eu",
        "sub_neuron_ids": [helper["id"]],
        "tools": ["calculator"],
    }

    made = auvy.neuron("Whole", neuron_config=config)
    changed = auvy.put(f"/v1/neurons/{made['id']}", {"neuron_config": {"vault_path": None, "temperature": 1}}).json

    assert made["neuron_config"] == config
    assert made["charter"] == {"sections": ["Purpose", "Domain"], "missing": ["Ownership", "Delegation"]}
    assert changed["neuron_config"] == {**config, "vault_path": None, "temperature": 1.0}
    assert changed["version"] == 2


def test_a_neuron_is_an_agent_everywhere(auvy: Auvy, client: Client):
    made = auvy.neuron("Shown", neuron_config={"system_prompt": "Be brief.", "max_tokens": 9})
    agent = client.made("/v1/agents", {"name": "Made elsewhere", "instructions": "Help."})

    shown = client.get(f"/v1/agents/{made['id']}").json
    neuron = auvy.get(f"/v1/neurons/{agent['id']}").json

    assert (shown["name"], shown["instructions"]) == ("Shown", "Be brief.")
    assert shown["settings"]["max_output_tokens"] == 9
    assert (neuron["name"], neuron["neuron_config"]["system_prompt"]) == ("made-elsewhere", "Help.")
    assert {row["id"] for row in auvy.get("/v1/neurons").json} == {made["id"], agent["id"]}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"engagement_resource_id": "x"}, "neuron_config.engagement_resource_id"),
        ({"temperature": 3}, "neuron_config.temperature"),
        ({"max_tokens": 0}, "neuron_config.max_tokens"),
        ({"neuron_type": "odd"}, "neuron_config.neuron_type"),
        ({"resource_ids": ["x"]}, "neuron_config.resource_ids[0]"),
        ({"resource_ids": ["00000000-0000-7000-8000-000000000000"]}, "neuron_config.resource_ids[0]"),
        ({"sub_neuron_ids": ["00000000-0000-7000-8000-000000000000"]}, "neuron_config.sub_neuron_ids"),
        ({"vault_path": "/a/../b"}, "neuron_config.vault_path"),
        ({"tools": ["no_such_tool"]}, "tools[0]"),
    ],
)
def test_what_a_neuron_cannot_have_is_refused(auvy: Auvy, config: dict[str, Any], field: str):
    answer = auvy.post("/v1/neurons", {"name": "Bad", "neuron_config": config})

    refusal(answer, 400)
    assert answer.json["field"] == field


def test_fields_that_nobody_knows_are_named(auvy: Auvy):
    answer = auvy.post("/v1/neurons", {"name": "Odd", "colour": "red", "neuron_config": {"mood": "good"}})

    assert answer.status == 201
    assert answer.headers["x-ignored-fields"] == "colour, neuron_config.mood"


def test_a_delegate_is_of_the_same_brain(auvy: Auvy):
    other = auvy.made("/v1/brains", {"name": "Other"})["id"]
    far = auvy.post("/v1/neurons", {"name": "Far"}, headers={"X-Brain-Id": other})

    refusal(auvy.post("/v1/neurons", {"name": "Boss", "neuron_config": {"sub_neuron_ids": [far.json["id"]]}}), 400)


def test_versions_are_kept_shown_and_promoted(auvy: Auvy):
    id = auvy.neuron("Versioned", description="first")["id"]
    auvy.put(f"/v1/neurons/{id}", {"description": "second", "is_active": False})

    first = auvy.get(f"/v1/neurons/{id}?version=1").json
    promoted = auvy.post(f"/v1/neurons/{id}/versions/1/promote").json
    again = auvy.post(f"/v1/resources/{id}/versions/2/promote").json
    summary = auvy.get(f"/v1/neurons/{id}/versions").json
    history = auvy.get(f"/v1/resources/neurons/{id}/history").json

    assert (first["description"], first["version"], first["head_version"], first["is_active"]) == ("first", 1, 2, True)
    assert first == auvy.get(f"/v1/neurons/{id}/versions/1").json | {"head_version": 2}
    assert (promoted["description"], promoted["version"], promoted["promoted_from"]) == ("first", 3, 1)
    assert (again["description"], again["version"], again["promoted_from"]) == ("second", 4, 2)
    assert (summary["head_version"], summary["total"]) == (4, 4)
    assert [(row["version"], row["is_head"], row["promoted_from"]) for row in history] == [
        (4, True, 2),
        (3, False, 1),
        (2, False, None),
        (1, False, None),
    ]
    assert auvy.get(f"/v1/resources/neurons/{id}/versions/2").json["description"] == "second"
    for wrong in ("0", "-1", "x", "1.5", ""):
        refusal(auvy.get(f"/v1/neurons/{id}?version={wrong}"), 400)
    refusal(auvy.get(f"/v1/neurons/{id}?version=5"), 404)
    refusal(auvy.get(f"/v1/neurons/{id}/versions/999999999999999"), 404)
    refusal(auvy.post(f"/v1/neurons/{id}/versions/9/promote"), 404)


def test_the_catalogue_deletes_softly_and_restores(auvy: Auvy, sums: dict[str, Any]):
    id = sums["id"]
    before = auvy.get(f"/v1/neurons/{id}").json

    assert auvy.delete(f"/v1/resources/neurons/{id}").status == 200
    refusal(auvy.get(f"/v1/neurons/{id}"), 404)
    refusal(auvy.get("/v1/neurons/reckoner"), 404)
    assert auvy.get("/v1/neurons").json == []
    squatter = auvy.neuron("Reckoner")
    refusal(auvy.post(f"/v1/resources/neurons/{id}/restore"), 409)
    auvy.delete(f"/v1/neurons/{squatter['id']}")
    restored = auvy.post(f"/v1/resources/neurons/{id}/restore")

    assert restored.status == 200
    assert {**restored.json, "updated_at": ""} == {**before, "updated_at": ""}
    assert [reflex["name"] for reflex in auvy.get(f"/v1/neurons/{id}/reflexes").json] == ["Sums"]
    refusal(auvy.get("/v1/resources/neurons/reckoner"), 404)


def test_the_vertical_route_removes_for_good(auvy: Auvy, sums: dict[str, Any]):
    job = auvy.invoke(sums["id"], "What is 2 + 2?")
    auvy.done(job["job_id"])
    auvy.made("/v1/receptors", {"name": "Door", "neuron_id": sums["id"]})

    removed = auvy.delete(f"/v1/neurons/{sums['id']}")

    assert removed.status == 200
    refusal(auvy.get(f"/v1/neurons/{sums['id']}"), 404)
    refusal(auvy.get(f"/v1/neurons/{sums['id']}?version=1"), 404)
    refusal(auvy.post(f"/v1/resources/neurons/{sums['id']}/restore"), 404)
    assert auvy.get("/v1/receptors").json == []
    assert auvy.post("/v1/search", {"query": "neurons/reck"}).json["results"] == []
    assert auvy.get(f"/v1/traces/{job['trace_id']}").json["message_count"] == 2


def test_sharing_takes_admins(auvy: Auvy, client: Client, server: Server):
    user = in_brain(server.port, _key(client, role="user"))
    neuron = auvy.neuron("Private")
    other = auvy.made("/v1/brains", {"name": "Other"})["id"]
    hidden = auvy.get(f"/v1/neurons/{neuron['id']}", headers={"X-Brain-Id": other})

    refusal(user.post("/v1/neurons", {"name": "Wide", "scope": "workspace"}), 403)
    refusal(user.put(f"/v1/neurons/{neuron['id']}", {"scope": "workspace"}), 403)
    refusal(auvy.put(f"/v1/neurons/{neuron['id']}", {"scope": "core"}), 403)  # not the installation's own workspace
    refusal(auvy.put(f"/v1/neurons/{neuron['id']}", {"scope": "galaxy"}), 400)
    refusal(hidden, 404)
    shared = auvy.put(f"/v1/neurons/{neuron['id']}", {"scope": "workspace"}).json

    assert shared["scope"] == "workspace"
    assert [row["id"] for row in auvy.get("/v1/neurons", headers={"X-Brain-Id": other}).json] == [neuron["id"]]
    assert auvy.get(f"/v1/neurons/{neuron['id']}", headers={"X-Brain-Id": other}).status == 200


def test_core_neurons_are_curated_where_the_installation_began(client: Client, server: Server):
    with server.admin() as admin:
        admin.execute(
            "update workspaces set created_at = '2000-01-01' where id = %s", [client.get("/v1/me").json["workspace_id"]]
        )
    try:
        admin_of_all = in_brain(server.port, client.key)
        user = in_brain(server.port, _key(client, role="user"))
        config = {"system_prompt": "A secret recipe."}
        made = admin_of_all.neuron("Template", scope="core", neuron_config=config)

        redacted = user.get(f"/v1/neurons/{made['id']}").json
        refusal(user.put(f"/v1/neurons/{made['id']}", {"description": "mine"}), 403)
        refusal(user.delete(f"/v1/neurons/{made['id']}"), 403)
        refusal(user.delete(f"/v1/resources/neurons/{made['id']}"), 403)

        assert made["neuron_config"]["system_prompt"] == "A secret recipe."
        assert (redacted["is_redacted"], redacted["neuron_config"]["system_prompt"]) == (True, "")
        assert admin_of_all.put(f"/v1/neurons/{made['id']}", {"description": "x"}).status == 200
    finally:
        with server.admin() as admin:
            admin.execute("update workspaces set created_at = now() where created_at < '2001-01-01'")


def test_reflexes_are_made_changed_added_and_taken_away(auvy: Auvy, client: Client):
    neuron = auvy.neuron()["id"]
    tools = [{"integration_id": "glia", "tools": ["calculator", "current_time"]}]
    reflex = auvy.made("/v1/reflexes", {"name": "My Reflex", "type": "effector", "tools": tools})
    path = f"/v1/neurons/{neuron}/reflexes"

    assert reflex["tools"] == tools
    assert auvy.post(path, {"reflex_id": reflex["id"]}).status == 201
    refusal(auvy.post(path, {"reflex_id": reflex["id"]}), 409)
    refusal(auvy.post(path, {"reflex_id": "00000000-0000-7000-8000-000000000000"}), 404)
    refusal(auvy.post(path, {}), 400)
    changed = auvy.put(f"/v1/reflexes/{reflex['id']}", {"name": "Renamed", "is_active": False}).json
    assert (changed["name"], changed["is_active"], changed["tools"]) == ("Renamed", False, tools)
    assert client.get(f"/v1/agents/{neuron}").json["toolset_ids"] == [reflex["id"]]
    assert auvy.delete(f"{path}/{reflex['id']}").status == 200
    refusal(auvy.delete(f"{path}/{reflex['id']}"), 404)
    refusal(auvy.post("/v1/reflexes", {"name": "Bad", "tools": [{"integration_id": "glia", "tools": ["nope"]}]}), 400)
    refusal(auvy.post("/v1/reflexes", {"name": "Bad", "tools": [{"integration_id": "glia"}]}), 400)
    assert auvy.delete(f"/v1/reflexes/{reflex['id']}").status == 200
    refusal(auvy.get(f"/v1/reflexes/{reflex['id']}"), 404)


def test_a_reflex_takes_all_tools_of_an_integration(auvy: Auvy, client: Client):
    document = {"openapi": "3.1.0", "servers": [{"url": "https://example.org"}], "paths": {"/x": {"get": {}}}}
    imported = client.post("/v1/toolsets/openapi", {"name": "shop", "document": document}).json["toolset"]

    reflex = auvy.made("/v1/reflexes", {"name": "Shopping", "tools": [{"integration_id": imported["id"]}]})

    shown = client.get(f"/v1/toolsets/{reflex['id']}").json
    assert shown["members"] == ["shop__*"]
    assert imported["id"] in [row["id"] for row in auvy.get("/v1/reflexes").json]


def test_errors_have_auvys_shape(auvy: Auvy):
    stranger = Auvy(auvy.port, "ak_live_" + "x" * 40)

    refusal(stranger.get("/v1/neurons"), 401)
    refusal(auvy.get("/v1/nothing"), 404)
    refusal(auvy.request("DELETE", "/v1/brains"), 405)
    refusal(auvy.request("POST", "/v1/neurons", raw=b"{", headers={"Content-Type": "application/json"}), 400)
    refusal(auvy.request("POST", "/v1/neurons", raw=b"a=1", headers={"Content-Type": "text/plain"}), 415)
    refusal(auvy.post("/v1/neurons", {}), 400)
    refusal(auvy.get("/v1/neurons/not-there"), 404)
    refusal(auvy.post("/v1/brains", {"name": ""}), 400)


def test_too_many_requests_say_when_to_go_on(client: Client, server: Server):
    slow = Auvy(server.port, _key(client, rate_per_minute=1))

    answers = [slow.get("/v1/brains") for _ in range(3)]

    refusal(answers[-1], 429)
    assert answers[-1].json["retryAfter"] == int(answers[-1].headers["retry-after"]) > 0


def test_a_key_of_auvys_look_opens_the_surface(client: Client, server: Server):
    made = client.made("/v1/keys", {"name": "Auvy", "surface": "auvy"})

    assert made["key"].startswith("ak_live_")
    assert Auvy(server.port, made["key"]).get("/v1/brains").status == 200


def test_names_in_any_script_are_two_neurons_and_two_brains(auvy: Auvy):
    first, second = auvy.neuron("日本語"), auvy.neuron("東京")
    brain, other = (auvy.made("/v1/brains", {"name": name}) for name in ("日本語", "東京"))

    assert first["slug"] != second["slug"]
    assert brain["slug"] != other["slug"]
    assert auvy.get(f"/v1/neurons/{first['slug']}").json["display_name"] == "日本語"
    refusal(auvy.post("/v1/neurons", {"name": "日本語"}), 409)


def test_reflexes_of_a_type_are_counted_and_paged(auvy: Auvy):
    for name, type in (("A", "sensory"), ("B", "effector"), ("C", "sensory")):
        auvy.made("/v1/reflexes", {"name": name, "type": type})

    page = auvy.get("/v1/reflexes?type=sensory&limit=1&offset=1")

    assert [reflex["name"] for reflex in page.json] == ["A"]
    assert page.headers["x-total-count"] == "2"


def test_another_brain_is_another_house(auvy: Auvy, sums: dict[str, Any]):
    elsewhere = {"X-Brain-Id": auvy.made("/v1/brains", {"name": "Other"})["id"]}
    document = auvy.made("/v1/vault/documents", {"name": "a.md", "content": "Words."})["id"]
    job = auvy.invoke(sums["id"], "What is 1 + 1?")["job_id"]
    auvy.done(job)
    auvy.delete(f"/v1/resources/neurons/{sums['id']}")

    refusal(auvy.post(f"/v1/resources/neurons/{sums['id']}/restore", headers=elsewhere), 404)
    refusal(auvy.get(f"/v1/vault/documents/{document}", headers=elsewhere), 404)
    refusal(auvy.patch(f"/v1/vault/documents/{document}", {"name": "b.md"}, headers=elsewhere), 404)
    refusal(auvy.request("DELETE", f"/v1/vault/documents/{document}", headers=elsewhere), 404)
    refusal(auvy.get(f"/v1/jobs/{job}", headers=elsewhere), 404)
    refusal(auvy.get(f"/v1/jobs/{job}/stream", headers=elsewhere), 404)
    refusal(auvy.get(f"/v1/jobs/{job}/stream", headers={"X-Brain-Id": "x"}), 400)
    assert auvy.post(f"/v1/resources/neurons/{sums['id']}/restore").status == 200
    assert auvy.get(f"/v1/vault/documents/{document}").json["name"] == "a.md"


def test_core_reflexes_are_curated_where_the_installation_began(auvy: Auvy):
    refusal(auvy.post("/v1/reflexes", {"name": "Mine", "scope": "core"}), 403)
    reflex = auvy.made("/v1/reflexes", {"name": "Mine", "scope": "workspace"})
    refusal(auvy.patch(f"/v1/reflexes/{reflex['id']}", {"scope": "core"}), 403)
