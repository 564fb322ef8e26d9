"""Memory on the native wire: blocks, upkeep, recall and learning, through a running server."""

from __future__ import annotations

from glia.kit.ids import new_id


def told(client, agent, text, **metadata):
    session = client.made("/v1/sessions", {"agent_id": agent["id"], "metadata": metadata})
    answer = client.post(f"/v1/sessions/{session['id']}/messages", {"content": text})
    assert answer.status == 200, answer.body
    return session


def test_a_block_stands_in_the_prompt_and_goes_back(client, agent):
    block = client.made("/v1/memory-blocks", {"label": "human", "content": "Ada.", "agent_id": agent["slug"]})
    path = f"/v1/memory-blocks/{block['id']}"

    assert client.patch(path, {"content": "Ada, a pilot."}).error["field"] == "version"
    changed = client.patch(path, {"content": "Ada, a pilot.", "version": 1}).json
    assert changed["version"] == 2
    late = client.patch(path, {"content": "Bob.", "version": 1})
    assert (late.status, late.error["code"]) == (409, "version_conflict")
    assert client.post(f"{path}/undo").json["content"] == "Ada."
    assert client.post(f"{path}/undo").error["code"] == "nothing_to_undo"
    assert [one["content"] for one in client.get(f"{path}/versions").json["data"]] == ["Ada.", "Ada, a pilot.", "Ada."]
    assert client.post("/v1/memory-blocks", {"label": "human", "agent_id": agent["id"]}).status == 409

    shared = client.made("/v1/memory-blocks", {"label": "project", "content": "Ship it."})
    pinned = client.request("PUT", f"/v1/memory-blocks/{shared['id']}/agents/{agent['slug']}")
    assert pinned.json["pinned_to"] == [agent["id"]]
    seen = client.get(f"/v1/memory-blocks?agent_id={agent['slug']}").json["data"]
    assert {one["label"] for one in seen} == {"human", "project"}
    assert told(client, agent, "What is 2 + 2?")
    unpinned = client.delete(f"/v1/memory-blocks/{shared['id']}/agents/{agent['id']}")
    assert unpinned.json["pinned_to"] == []
    assert client.delete(path).status == 204
    assert client.get(path).error["code"] == "memory_block_not_found"


def test_a_memory_has_versions_feedback_and_conflicts(client, agent):
    old = client.made("/v1/memories", {"content": "Ada lives in Kyiv.", "agent_id": agent["id"], "importance": 1})
    new = client.made("/v1/memories", {"content": "Ada lives in Lviv.", "agent_id": agent["id"]})
    (conflict,) = client.get(f"/v1/memories/conflicts?agent_id={agent['slug']}").json["data"]
    assert (conflict["older_id"], conflict["newer_id"], conflict["kept"]) == (old["id"], new["id"], "newer")
    assert client.get(f"/v1/memories/{old['id']}").json["status"] == "superseded"
    superseded = client.get(f"/v1/memories?agent_id={agent['id']}&status=superseded").json["data"]
    assert [one["id"] for one in superseded] == [old["id"]]
    kept = client.post(f"/v1/memories/conflicts/{conflict['id']}/resolve", {"keep": "both"}).json
    assert kept["kept"] == "both"

    path = f"/v1/memories/{new['id']}"
    rated = client.post(f"{path}/feedback", {"is_useful": True}).json
    assert (rated["useful"], round(rated["importance"], 3)) == (1, 0.6)
    changed = client.patch(path, {"tier": "short", "bucket": "people", "version": rated["version"]}).json
    assert (changed["tier"], changed["bucket"]) == ("short", "people")
    assert changed["expires_at"] is not None
    assert client.patch(path, {"tier": "long", "version": 1}).status == 409
    assert client.post(f"{path}/undo").json["tier"] == "long"
    assert client.get(f"{path}/versions").json["data"][0]["change"] == "undone"
    found = client.post("/v1/memories/search", {"query": "Lviv", "agent_id": agent["id"], "bucket": "general"}).json
    assert found["data"][0]["lexical"] > 0


def test_an_agents_memory_is_kept_in_order(client, agent):
    base = f"/v1/agents/{agent['slug']}/memory"
    for content in ("The gate is blue and old.", "The gate is blue and old!", "Nothing else."):
        client.made("/v1/memories", {"content": content, "agent_id": agent["id"], "bucket": "gate"})

    assert client.get(f"{base}/buckets").json["data"] == ["gate"]
    assert client.post(f"{base}/consolidate", {}).json == {"count": 1}
    assert client.post(f"{base}/consolidate", {"similarity_threshold": 0.2}).status == 400
    policy = client.request("PUT", f"{base}/policies/gate", {"max_count": 1}).json
    assert client.get(f"{base}/policies").json["data"] == [policy]
    dry = client.post(f"{base}/forget", {"is_dry_run": True}).json["data"]
    assert [one["reason"] for one in dry] == ["count"]
    assert client.post(f"{base}/forget", {}).json["data"] == dry
    assert client.delete(f"{base}/policies/gate").status == 204
    assert client.post(f"{base}/forget", {"bucket": "gate"}).status == 400
    assert client.post(f"{base}/resolve-conflicts").json == {"count": 0}
    assert client.post(f"{base}/check", {"is_repairing": True}).status == 200
    assert client.get(f"{base}/quality?limit=1").json["data"][0]["quality"]["overall"] > 0
    assert client.post(f"{base}/summarise", {}).status == 204
    client.made("/v1/memories", {"content": "One more.", "agent_id": agent["id"]})
    assert client.post(f"{base}/summarise", {}).json["metadata"]["kind"] == "summary"
    run = client.post(f"{base}/tend").json["run_id"]
    assert client.until(f"/v1/runs/{run}", lambda found: found["status"] not in {"queued", "running"})["status"] == (
        "completed"
    )
    assert client.get(f"{base}/settings").json["tended_at"]
    assert client.get("/v1/agents/@common/memory/policies").json["data"] == []


def test_what_was_said_is_found_and_learnt(client, agent):
    session = told(client, agent, "I live in Kyiv with my parrot.", user_name="Ada")
    base = f"/v1/agents/{agent['slug']}/memory"

    found = client.post(f"{base}/conversations/search", {"query": "parrot"}).json["data"]
    assert (found[0]["session_id"], found[0]["role"], found[0]["seq"]) == (session["id"], "user", 1)
    only = client.post(f"{base}/conversations/search", {"query": "parrot", "session_id": str(new_id())}).json["data"]
    assert only == []

    settings = client.request("PUT", f"{base}/settings", {"shares_sessions": True, "is_learning": True}).json
    assert settings["idle_seconds"] == 600
    run = client.post(f"/v1/sessions/{session['id']}/learn").json["run_id"]
    client.until(f"/v1/runs/{run}", lambda found: found["status"] == "completed")
    (memory,) = client.get(f"/v1/memories?session_id={session['id']}").json["data"]
    assert memory["content"] == "Ada lives in Kyiv with their parrot."
    assert (memory["source_seq"], memory["origin"], memory["user_name"]) == (1, "extraction", "Ada")


def test_nothing_of_another_workspace_is_there(client, agent):
    for method, path, body in (
        ("GET", f"/v1/memory-blocks/{new_id()}", None),
        ("POST", f"/v1/memory-blocks/{new_id()}/undo", None),
        ("PATCH", f"/v1/memory-blocks/{new_id()}", {"content": "x", "version": 1}),
        ("GET", f"/v1/memories/{new_id()}/versions", None),
        ("POST", f"/v1/memories/{new_id()}/undo", None),
        ("POST", f"/v1/memories/{new_id()}/feedback", {"is_useful": True}),
        ("POST", f"/v1/memories/conflicts/{new_id()}/resolve", {"keep": "both"}),
        ("GET", f"/v1/agents/{new_id()}/memory/settings", None),
        ("POST", f"/v1/agents/{new_id()}/memory/tend", None),
        ("POST", f"/v1/sessions/{new_id()}/learn", None),
    ):
        assert client.request(method, path, body).status == 404, path


def test_bad_values_are_refused_in_words(client, agent):
    for method, path, body in (
        ("POST", "/v1/memories", {"content": "x" * 9_000}),
        ("POST", "/v1/memories", {"content": "\0"}),
        ("POST", "/v1/memories", {"content": "x", "importance": 2}),
        ("POST", "/v1/memories", {"content": "x", "tier": "eternal"}),
        ("POST", "/v1/memories", {"content": "x", "user_name": ""}),
        ("GET", "/v1/memories?status=odd", None),
        ("GET", "/v1/memories?tier=odd", None),
        ("POST", "/v1/memory-blocks", {"label": "A B"}),
        ("POST", "/v1/memory-blocks", {"label": "a", "content": "x" * 3_000}),
        ("PUT", f"/v1/agents/{agent['id']}/memory/settings", {"idle_seconds": -1}),
        ("PUT", f"/v1/agents/{agent['id']}/memory/policies/a", {}),
        ("POST", f"/v1/agents/{agent['id']}/memory/forget", {"max_count": 0}),  # bounds of no bucket
    ):
        answer = client.request(method, path, body)
        assert answer.status == 400, (path, answer.body)
        assert answer.error["message"]
    assert client.post("/v1/memories/search", {"query": "x " * 50_000, "agent_id": agent["id"]}).status == 200
    assert client.get("/v1/memories?user_name=%00&bucket=%00").status == 400
