"""Every resource does what its routes say."""

from __future__ import annotations

from typing import Any


def test_signing_in_refreshing_and_out(server, credentials):
    anyone = server.client()
    answer = anyone.post("/v1/auth/login", {"email": credentials.email, "password": credentials.password})
    tokens = answer.json

    me = server.client(tokens["access_token"]).get("/v1/me").json
    fresh = anyone.post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json
    out = anyone.post("/v1/auth/logout", {"refresh_token": fresh["refresh_token"]})

    assert answer.status == 200
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    assert me["user"]["email"] == credentials.email
    assert me["key_id"] is None
    assert out.status == 204
    assert anyone.post("/v1/auth/refresh", {"refresh_token": fresh["refresh_token"]}).status == 401


def test_a_wrong_password_is_refused(server, credentials):
    answer = server.client().post("/v1/auth/login", {"email": credentials.email, "password": "wrong"})

    assert answer.status == 401
    assert answer.error["code"] == "wrong_credentials"


def test_the_workspace_and_its_projects(client):
    workspace = client.get("/v1/workspaces").json["data"][0]
    project = client.made("/v1/projects", {"name": "Second"})

    assert client.get(f"/v1/workspaces/{workspace['id']}").json == workspace
    assert client.get(f"/v1/projects/{project['id']}").json == project
    assert [found["slug"] for found in client.get("/v1/projects").json["data"]] == ["second", "default"]


def test_users_come_change_their_password_and_go(client, server):
    email = f"ann@{client.get('/v1/me').json['workspace_id']}.example.org"
    user = client.made("/v1/users", {"email": email, "password": "correct horse", "name": "Ann"})
    path = f"/v1/users/{user['id']}"

    changed = client.post(f"{path}/password", {"password": "battery staple"})
    signed_in = server.client().post("/v1/auth/login", {"email": email, "password": "battery staple"})
    gone = client.post(f"{path}/deactivate")

    assert changed.status == 204
    assert signed_in.status == 200
    assert gone.json["is_active"] is False
    assert client.get(path).json == gone.json
    assert user["id"] in [found["id"] for found in client.get("/v1/users").json["data"]]
    assert server.client(signed_in.json["access_token"]).get("/v1/me").status == 401


def test_a_key_is_shown_once_and_revoked(client, server):
    made = client.made("/v1/keys", {"name": "Reader", "scopes": ["agents:read"], "rate_per_minute": 50})
    path = f"/v1/keys/{made['id']}"
    reader = server.client(made["key"])

    used = reader.get("/v1/agents")
    refused = reader.post("/v1/agents", {"name": "No"})

    assert "key" not in client.get(path).json
    assert used.status == 200
    assert used.headers["x-ratelimit-limit"] == "50"
    assert used.headers["x-request-id"]
    assert refused.status == 403
    assert refused.headers["x-ratelimit-remaining"] == "48"
    assert client.delete(path).status == 204
    assert reader.get("/v1/agents").status == 401
    assert client.get(path).json["revoked_at"]
    assert made["id"] in [key["id"] for key in client.get("/v1/keys?surface=native").json["data"]]


def test_a_key_that_asks_too_fast_is_told_when_to_go_on(client, server):
    reader = server.client(client.made("/v1/keys", {"name": "Slow", "rate_per_minute": 1})["key"])

    first, second = reader.get("/v1/agents"), reader.get("/v1/agents")

    assert first.status == 200
    assert second.status == 429
    assert int(second.headers["retry-after"]) > 0
    assert second.error["code"] == "rate_limited"


def test_the_audit_log_says_who_changed_what(client):
    client.made("/v1/keys", {"name": "Seen"})

    entry = client.get("/v1/audit-log?limit=1").json["data"][0]

    assert entry["action"] == "key.created"
    assert entry["actor_kind"] == "key"


def test_agents_are_found_by_id_and_slug_and_change_by_version(client):
    base = client.made("/v1/knowledge-bases", {"name": "Handbook"})
    agent = client.made(
        "/v1/agents",
        {
            "name": "Desk Helper",
            "model": "glia/embedded",
            "knowledge_base_ids": [base["id"]],
            "limits": {"max_iterations": 7},
            "description": None,
        },
    )

    changed = client.patch("/v1/agents/desk-helper", {"model": None, "limits": {"max_tokens": 900}}).json

    assert agent["slug"] == "desk-helper"
    assert agent["version"] == 1
    assert agent["description"] == ""
    assert changed["version"] == 2
    assert changed["model"] is None
    assert changed["name"] == "Desk Helper"
    assert changed["limits"]["max_iterations"] == 7
    assert changed["limits"]["max_tokens"] == 900
    assert client.get(f"/v1/agents/{agent['id']}").json == client.get("/v1/agents/desk-helper").json
    assert [version["version"] for version in client.get("/v1/agents/desk-helper/versions").json["data"]] == [2, 1]
    assert client.get("/v1/agents/desk-helper/versions/1").json["model"] == "glia/embedded"
    assert client.get("/v1/agents/desk-helper/versions/3").status == 404
    assert client.patch("/v1/agents/desk-helper", {}).json["version"] == 2
    assert client.delete("/v1/agents/desk-helper").status == 204
    assert client.get("/v1/agents/desk-helper").status == 404


def test_a_session_keeps_its_messages_and_events(client, agent):
    session = client.made("/v1/sessions", {"agent_id": agent["slug"], "title": "Hello", "metadata": {"a": 1}})
    path = f"/v1/sessions/{session['id']}"

    answer = client.post(f"{path}/messages", {"content": "What is 6 times 7?"}).json
    messages = client.get(f"{path}/messages").json["data"]
    run = client.get(f"/v1/runs/{answer['run_id']}").json

    assert answer["role"] == "assistant"
    assert answer["status"] == "completed"
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["content"] == answer["content"]
    assert messages[1]["run_id"] == answer["run_id"]
    assert run["status"] == "completed"
    assert run["usage"]["model_calls"] >= 1
    assert run["error"] is None
    assert client.get(path).json["metadata"] == {"a": 1}
    assert [found["id"] for found in client.get(f"/v1/sessions?agent_id={agent['slug']}").json["data"]] == [
        session["id"]
    ]
    assert [found["id"] for found in client.get(f"/v1/runs?session_id={session['id']}").json["data"]] == [run["id"]]
    assert client.get("/v1/runs?status=failed").json == {"data": [], "has_more": False, "next_cursor": None}
    assert client.delete(path).status == 204
    assert client.get(path).status == 404


def test_events_are_paged_by_sequence_number(client, agent, open_session):
    path = open_session(agent)
    run_id = client.post(f"{path}/messages", {"content": "Hello"}).json["run_id"]

    everything = client.get(f"{path}/events?limit=1000").json
    paged: list[Any] = []
    after = "0"
    while after is not None:
        page = client.get(f"{path}/events?limit=3&after={after}").json
        paged += page["data"]
        after = page["next_cursor"]
        assert page["has_more"] is (after is not None)

    assert paged == everything["data"]
    assert [event["seq"] for event in paged] == list(range(1, len(paged) + 1))
    assert client.get(f"/v1/runs/{run_id}/events").json["data"] == [e for e in paged if e["run_id"] == run_id]


def test_a_background_run_is_accepted_at_once_and_cancelled(client, endless_agent, open_session):
    path = open_session(endless_agent)

    accepted = client.post(f"{path}/messages", {"content": "Go on", "background": True})
    run = f"/v1/runs/{accepted.json['run_id']}"
    client.until(run, lambda found: found["status"] == "running")
    busy = client.post(f"{path}/messages", {"content": "Another"})
    client.post(f"{run}/cancel")

    assert accepted.status == 202
    assert busy.status == 409
    assert busy.error["code"] == "session_busy"
    assert client.until(run, lambda found: found["finished_at"])["status"] == "cancelled"
    assert client.post(f"{run}/cancel").json["status"] == "cancelled"


def asking(client, **permissions):
    """A session whose agent waits to be allowed to use its calculator, and the approval."""
    given = permissions or {"tools": {"calculator": "ask"}}
    agent = client.made("/v1/agents", {"name": "Careful", "permissions": given})["id"]
    session = client.made("/v1/sessions", {"agent_id": agent, "title": "Sums"})["id"]
    waiting = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"})
    assert waiting.status == 202, waiting.body
    assert (waiting.json["status"], waiting.json["waiting_for"]) == ("waiting", ["approval"])
    (approval,) = client.get(f"/v1/approvals?status=pending&run_id={waiting.json['run_id']}").json["data"]
    return session, approval


def test_a_person_sees_what_they_decide_about_and_the_run_goes_on(client):
    session, approval = asking(client)
    assert approval["tool"] == "calculator"
    assert "17" in str(approval["arguments"])
    assert (approval["agent_name"], approval["session_title"], approval["run_kind"]) == ("Careful", "Sums", "agent")

    decided = client.post(f"/v1/approvals/{approval['id']}/approve", {"note": "Fine."})

    assert (decided.status, decided.json["status"], decided.json["note"]) == (200, "approved", "Fine.")
    ended = client.until(f"/v1/runs/{approval['run_id']}", lambda run: run["finished_at"])
    assert ended["status"] == "completed"
    assert "391" in client.get(f"/v1/sessions/{session}/messages").json["data"][-1]["content"]
    again = client.post(f"/v1/approvals/{approval['id']}/deny", {})
    assert (again.status, again.error["code"]) == (409, "approval_decided")


def test_a_wrong_decision_names_its_field(client):
    _session, approval = asking(client)
    path = f"/v1/approvals/{approval['id']}/decide"

    for body, field in (
        ({"decision": "perhaps"}, "decision"),
        ({"decision": "denied", "arguments": {}}, "arguments"),
        ({"decision": "denied", "always": True}, "always"),
        ({"decision": "approved", "note": "x" * 10_001}, "note"),
        ({"decision": "approved", "argument": {}}, "argument"),
    ):
        refused = client.post(path, body)
        assert (refused.status, refused.error["field"]) == (400, field), refused.body


def test_wrong_permissions_name_their_field(client):
    for permissions, field in (
        ({"default": "maybe"}, "permissions.default"),
        ({"tools": {"calculator": "no"}}, "permissions.tools.calculator"),
        ({"rules": [{"tool": "x", "permission": "ask", "op": "like"}]}, "permissions.rules[0].op"),
        ({"rules": [{"tool": "x", "permission": "ask", "op": "in", "value": 1}]}, "permissions.rules[0].value"),
        ({"expires_after_seconds": 0}, "permissions.expires_after_seconds"),
    ):
        refused = client.post("/v1/agents", {"name": "Careful", "permissions": permissions})
        assert (refused.status, refused.error["field"]) == (400, field), refused.body


def test_a_message_says_what_becomes_of_it_while_a_run_waits(client):
    session, _approval = asking(client)
    path = f"/v1/sessions/{session}/messages"

    assert client.post(path, {"content": "Hello?"}).error["code"] == "session_busy"
    steered = client.post(path, {"content": "Be quick.", "when_busy": "steer", "background": True}).json
    queued = client.post(path, {"content": "Thanks.", "when_busy": "queue", "background": True}).json
    assert (steered["outcome"], queued["outcome"]) == ("steered", "queued")
    wrong = client.post(path, {"content": "Hello?", "when_busy": "shout"})
    assert (wrong.status, wrong.error["field"]) == (400, "when_busy")


def test_knowledge_from_upload_to_search_to_deletion(client):
    base = client.made("/v1/knowledge-bases", {"name": "Handbook"})
    path = f"/v1/knowledge-bases/{base['id']}"
    text = b"# Holidays\n\nEverybody has thirty days of holiday.\n\n# Travel\n\nTrains are paid for in second class."

    uploaded = client.upload(f"{path}/documents", text, "handbook.md")
    document = f"{path}/documents/{uploaded.json['id']}"
    ready = client.until(document, lambda found: found["status"] != "processing")
    hits = client.post(f"{path}/search", {"query": "How many days of holiday?", "limit": 1}).json["data"]
    follow_up = {"query": "and how many?", "previous": ["What of my holiday?"], "limit": 1}
    followed = client.post(f"{path}/search", follow_up).json
    assert followed["rewriting"] == {"query": "and how many? holiday", "by": "rules", "problem": None}
    only = [
        client.post(f"{path}/search", {"query": "holiday", "document_ids": [id]}) for id in (ready["id"], base["id"])
    ]
    assert [(answer.status, len(answer.json["data"])) for answer in only] == [(200, 2), (200, 0)]
    assert client.post(f"{path}/search", {"query": "holiday", "document_ids": ["x"]}).status == 400
    file = client.get(f"{document}/file")

    assert uploaded.status == 202
    assert uploaded.json["status"] == "processing"
    assert ready["status"] == "ready"
    assert ready["error"] is None
    assert ready["progress"]["phase"] == "done"
    assert "thirty days" in hits[0]["text"]
    assert hits[0]["document_name"] == "handbook.md"
    assert hits[0]["scores"]["lexical"] > 0
    assert hits[0]["scores"]["fused"] > 0
    assert file.body == text
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''handbook.md"
    assert client.get(f"{document}/chunks").json["data"][0]["uri"].startswith("kb://")
    assert [found["id"] for found in client.get(f"{path}/documents").json["data"]] == [ready["id"]]
    assert client.patch(path, {"name": "Rules"}).json["name"] == "Rules"
    assert client.get("/v1/knowledge-bases").json["data"][0]["documents"] == 1
    assert client.delete(document).status == 204
    assert client.get(document).status == 404
    assert client.delete(path).status == 204
    assert client.get(path).status == 404


def test_a_document_that_cannot_be_read_says_why(client):
    base = client.made("/v1/knowledge-bases", {"name": "Broken"})
    path = f"/v1/knowledge-bases/{base['id']}/documents"

    uploaded = client.upload(path, b"%PDF-1.7 and nothing more", "broken.pdf").json
    failed = client.until(f"{path}/{uploaded['id']}", lambda found: found["status"] != "processing")

    assert failed["status"] == "failed"
    assert failed["error"]["code"]
    assert failed["error"]["message"]


def test_memories_are_kept_found_changed_and_forgotten(client, agent):
    common = client.made("/v1/memories", {"content": "The office has a blue door.", "metadata": {"by": "me"}})
    own = client.made("/v1/memories", {"content": "Ann likes tea.", "agent_id": agent["slug"]})
    path = f"/v1/memories/{common['id']}"

    found = client.post("/v1/memories/search", {"query": "colour of the door"}).json
    changed = client.patch(path, {"content": "The office has a green door."}).json

    assert own["agent_id"] == agent["id"]
    assert found["data"][0]["id"] == common["id"]
    assert found["is_fallback"] is False
    assert changed["content"] == "The office has a green door."
    assert changed["metadata"] == {"by": "me"}
    assert [memory["id"] for memory in client.get(f"/v1/memories?agent_id={agent['id']}").json["data"]] == [own["id"]]
    assert client.get(path).json == changed
    assert client.delete(path).status == 204
    assert client.get(path).status == 404


def test_custom_tools_hide_their_headers(client):
    tool = client.made(
        "/v1/tools",
        {
            "name": "weather",
            "description": "Tells the weather.",
            "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            "http": {"method": "GET", "url": "https://example.org/{city}", "headers": {"X-Token": "secret"}},
            "effect": "read",
        },
    )
    path = f"/v1/tools/{tool['id']}"

    changed = client.patch(path, {"description": "Says the weather.", "http": {"url": "https://example.org/w/{city}"}})

    assert tool["http"] == {
        "method": "GET",
        "url": "https://example.org/{city}",
        "header_names": ["X-Token"],
        "parameters": {},
    }
    assert changed.json["http"]["url"] == "https://example.org/w/{city}"
    assert changed.json["http"]["header_names"] == ["X-Token"]
    assert changed.json["schema"] == tool["schema"]
    assert b"secret" not in client.get(path).body
    assert client.get("/v1/tools").json["data"] == [changed.json]
    assert "calculator" in [found["name"] for found in client.get("/v1/tools/built-in").json["data"]]
    assert client.delete(path).status == 204
    assert client.get(path).status == 404


def test_usage_is_added_up_and_listed(client, agent, open_session):
    client.post(f"{open_session(agent)}/messages", {"content": "Hello"})

    total = client.get("/v1/usage?since=2020-01-01T00:00:00Z").json["data"]
    by_model = client.get("/v1/usage?group_by=model").json["data"]
    records = client.get("/v1/usage/records").json["data"]

    assert total[0]["group"] is None
    assert total[0]["calls"] == len(records) >= 1
    assert [row["group"] for row in by_model] == [records[0]["model"]]
    assert records[0]["agent_id"] == agent["id"]


def test_lists_are_paged_by_cursor(client):
    made = [client.made("/v1/memories", {"content": f"Fact {number}"})["id"] for number in range(5)]

    first = client.get("/v1/memories?limit=3").json
    second = client.get(f"/v1/memories?limit=3&cursor={first['next_cursor']}").json

    assert [memory["id"] for memory in first["data"] + second["data"]] == made[::-1]
    assert first["has_more"] is True
    assert second["has_more"] is False
    assert second["next_cursor"] is None
