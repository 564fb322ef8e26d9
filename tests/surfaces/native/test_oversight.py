"""Who spent what on which runs, what waits for money, who is signed in, and who changed what from where."""

from __future__ import annotations

import pytest

from tests.surfaces.conftest import Client, Server


def _answered(client: Client, agent: str) -> str:
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    return client.post(f"/v1/sessions/{session}/messages", {"content": "Hello"}).json["run_id"]


def test_usage_is_told_of_one_agent_or_of_calls_without_one(client: Client):
    first, second = (client.made("/v1/agents", {"name": name})["id"] for name in ("First", "Second"))
    runs = {_answered(client, first), _answered(client, first)}
    _answered(client, second)
    client.post("/v1/chat/completions", {"model": "glia/embedded", "messages": [{"role": "user", "content": "Hi"}]})

    by_run = client.get(f"/v1/usage?group_by=run&agent_id={first}").json
    client.until("/v1/usage?agent_id=none", lambda found: found["total"]["calls"] == 1)

    assert {row["group"] for row in by_run["data"]} == runs
    assert by_run["total"]["calls"] == client.get(f"/v1/usage?agent_id={first}").json["total"]["calls"]
    records = client.get(f"/v1/usage/records?agent_id={first}").json["data"]
    assert {record["run_id"] for record in records} == runs
    assert [record["run_id"] for record in client.get("/v1/usage/records?run_id=none").json["data"]] == [None]
    assert client.get("/v1/usage/records?until=2020-01-01T00:00:00Z").json["data"] == []
    assert client.get("/v1/usage?agent_id=first").error["field"] == "agent_id"
    assert client.get("/v1/usage?model=no/such").json["total"]["calls"] == 0


def test_what_waits_for_a_budget_is_listed_until_it_is_raised(client: Client, stranger: Client):
    agent = client.made("/v1/agents", {"name": "Clerk", "tools": ["calculator"]})["id"]
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    budget = client.made("/v1/budgets", {"scope": "session", "subject_id": session, "limit_calls": 1})["id"]
    other = client.made("/v1/budgets", {"scope": "workspace", "limit_calls": 100})["id"]
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "What is 17 * 23?"}).json["run_id"]

    (found,) = client.get("/v1/budgets/waiting").json["data"]

    assert (found["id"], found["budget_id"], found["unit"], found["limit"]) == (run, budget, "calls", 1)
    assert client.get(f"/v1/runs/{run}/events?after={found['seq'] - 1}&limit=1").json["data"][0]["type"] == (
        "budget.exceeded"
    )
    assert client.get(f"/v1/budgets/waiting?budget_id={budget}").json["data"] == [found]
    assert client.get(f"/v1/budgets/waiting?budget_id={other}").json["data"] == []
    assert stranger.get("/v1/budgets/waiting").json["data"] == []
    assert stranger.get(f"/v1/budgets/waiting?budget_id={budget}").status == 404
    client.patch(f"/v1/budgets/{budget}", {"limit_calls": 5})
    client.until("/v1/budgets/waiting", lambda answer: answer["data"] == [])


def test_all_holds_are_listed_together(client: Client, stranger: Client, endless_agent: dict[str, str]):
    client.made("/v1/budgets", {"scope": "workspace", "limit_tokens": 10_000_000})
    session = client.made("/v1/sessions", {"agent_id": endless_agent["id"]})["id"]
    body = {"content": "Hello", "background": True}
    run = client.post(f"/v1/sessions/{session}/messages", body).json["run_id"]

    (hold,) = client.until("/v1/budgets/holds", lambda found: found["data"])["data"]

    assert (hold["run_id"], hold["is_open"], len(hold["budget_ids"])) == (run, True, 1)
    assert stranger.get("/v1/budgets/holds").json["data"] == []
    client.post(f"/v1/runs/{run}/cancel")


def test_a_person_gets_another_role_and_loses_keys_that_may_more(client: Client, server: Server):
    email = f"{client.get('/v1/me').json['workspace_id']}@example.com"
    user = client.made("/v1/users", {"email": email, "password": "correct horse", "role": "admin"})["id"]
    tokens = client.post("/v1/auth/login", {"email": email, "password": "correct horse"}).json
    theirs = server.client(tokens["access_token"])
    strong = theirs.made("/v1/keys", {"name": "Strong", "role": "admin"})
    weak = theirs.made("/v1/keys", {"name": "Weak", "scopes": ["runs:read"]})

    changed = client.patch(f"/v1/users/{user}", {"role": "user", "name": "Ann"}).json

    assert (changed["role"], changed["name"]) == ("user", "Ann")
    assert theirs.get("/v1/me").status == 401  # the access token was issued to an admin
    assert server.client(strong["key"]).get("/v1/me").status == 401
    assert server.client(weak["key"]).get("/v1/runs").status == 200
    fresh = client.post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json["access_token"]
    assert server.client(fresh).get("/v1/users").status == 403
    assert client.post(f"/v1/users/{user}/deactivate", {}).json["is_active"] is False
    assert client.patch(f"/v1/users/{user}", {"is_active": True}).json["is_active"] is True
    assert client.patch(f"/v1/users/{user}", {"is_active": False}).error["field"] == "is_active"


def test_the_only_admin_stays_one_and_nobody_raises_themselves(client: Client, server: Server):
    admin = client.get("/v1/users").json["data"][0]["id"]
    key = client.made("/v1/keys", {"name": "People", "scopes": ["identity:*"]})["key"]

    assert client.patch(f"/v1/users/{admin}", {"role": "user"}).status == 409
    email = f"{client.get('/v1/me').json['workspace_id']}@example.com"
    other = client.made("/v1/users", {"email": email, "password": "correct horse"})["id"]
    assert server.client(key).patch(f"/v1/users/{other}", {"role": "admin"}).status == 403
    assert server.client(key).patch(f"/v1/users/{admin}", {"password": "battery staple"}).status == 403


def test_nobody_changes_their_own_password_without_the_present_one(client: Client, server: Server):
    email = f"{client.get('/v1/me').json['workspace_id']}@example.com"
    user = client.made("/v1/users", {"email": email, "password": "correct horse"})["id"]
    tokens = client.post("/v1/auth/login", {"email": email, "password": "correct horse"}).json
    own, new = server.client(tokens["access_token"]), {"password": "battery staple"}

    assert own.patch(f"/v1/users/{user}", new).error["field"] == "current_password"
    assert own.patch(f"/v1/users/{user}", {**new, "current_password": "a guess"}).error["field"] == "current_password"
    assert own.patch(f"/v1/users/{user}", {**new, "current_password": "correct horse"}).status == 200


def test_a_sign_in_is_seen_and_ended(client: Client, server: Server):
    email = f"{client.get('/v1/me').json['workspace_id']}@example.com"
    user = client.made("/v1/users", {"email": email, "password": "correct horse"})["id"]
    kept, ended = (client.post("/v1/auth/login", {"email": email, "password": "correct horse"}).json for _ in range(2))
    path = f"/v1/users/{user}/sign-ins"

    mine = server.client(kept["access_token"]).get(path).json["data"]
    assert [sign_in["address"] for sign_in in mine] == ["127.0.0.1", "127.0.0.1"]
    assert client.delete(f"{path}/{mine[0]['id']}").status == 204

    assert [sign_in["id"] for sign_in in client.get(path).json["data"]] == [mine[1]["id"]]
    assert client.post("/v1/auth/refresh", {"refresh_token": ended["refresh_token"]}).status == 401
    assert client.post("/v1/auth/refresh", {"refresh_token": kept["refresh_token"]}).status == 200


def test_the_audit_log_says_from_where_and_finds_by_who_what_and_when(client: Client, stranger: Client):
    me = client.get("/v1/me").json
    budget = client.made("/v1/budgets", {"scope": "workspace", "limit_calls": 9})["id"]
    client.patch(f"/v1/budgets/{budget}", {"limit_calls": 10})
    webhook = client.made("/v1/webhooks", {"url": "https://hooks.invalid/"})["id"]
    client.patch(f"/v1/workspaces/{me['workspace_id']}", {"name": "Our house"})

    def actions(query: str, by: Client = client) -> list[str]:
        return [entry["action"] for entry in by.get(f"/v1/audit-log?{query}").json["data"]]

    newest = client.get("/v1/audit-log?limit=1").json["data"][0]
    assert (newest["action"], newest["address"], newest["actor_id"]) == ("workspace.renamed", "127.0.0.1", me["key_id"])
    assert newest["actor_name"]
    assert client.get("/v1/workspaces").json["data"][0]["name"] == "Our house"
    assert actions("action=budget.*") == ["budget.updated", "budget.created"]
    assert actions(f"subject=webhook:{webhook}") == ["webhook.created"]
    assert set(actions(f"actor_id={me['key_id']}&limit=100")) >= {"budget.created", "webhook.created"}
    assert actions("until=2020-01-01T00:00:00Z") == []
    assert actions("actor_kind=operator&action=budget.*") == []
    assert actions(f"subject=webhook:{webhook}", stranger) == []


def test_a_delivery_shows_what_was_sent(client: Client):
    webhook = client.made("/v1/webhooks", {"url": "https://hooks.invalid/", "event_types": ["run.*"]})["id"]
    agent = client.made("/v1/agents", {"name": "Helper"})["id"]
    run = _answered(client, agent)
    path = f"/v1/webhooks/{webhook}/deliveries"

    def completed(found: dict[str, list[dict[str, str]]]) -> bool:
        return any(one["type"] == "run.completed" for one in found["data"])

    listed = client.until(path, completed)["data"]
    (id,) = [one["id"] for one in listed if one["type"] == "run.completed"]

    body = client.get(f"{path}/{id}").json["body"]

    assert f'"run_id":"{run}"' in body
    assert '"type":"run.completed"' in body


def test_the_document_says_what_a_model_is(client: Client):
    document = client.get("/openapi.json").json
    schema = document["paths"]["/v1/models"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    listed = client.get("/v1/models").json

    fields = schema["properties"]["data"]["items"]["required"]
    assert set(fields) == set(listed["data"][0])
    assert "input_price_micros" in fields


@pytest.mark.parametrize("query", ["actor_id=ann", "since=yesterday", "actor_kind=robot"])
def test_a_wrong_filter_is_named(client: Client, query: str):
    answer = client.get(f"/v1/audit-log?{query}")

    assert answer.status == 400
    assert answer.error["field"].endswith(query.partition("=")[0])


def test_providers_are_listed_without_their_keys(client: Client, server: Server):
    key = client.made("/v1/keys", {"name": "Models", "scopes": ["models:read"]})["key"]

    answer = client.get("/v1/providers")
    found = {provider["name"]: provider for provider in answer.json["data"]}

    assert (found["glia"]["models"], found["glia"]["has_key"], found["glia"]["problem"]) == (1, False, None)
    assert (found["openai"]["has_key"], found["openai"]["key_variable"]) == (True, "OPENAI_API_KEY")
    assert found["openai"]["base_url"].startswith("http://127.0.0.1")
    assert b"sk-test" not in answer.body
    assert {provider["base_url"] for provider in server.client(key).get("/v1/providers").json["data"]} == {""}
