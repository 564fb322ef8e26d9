"""Every native route with another workspace's ids answers 404."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.surfaces.conftest import Client, Server, native_document
from tests.surfaces.walk import Route, Things, Walk, routes_of

LOG_STREAM = ("GET", "/v1/deployments/{deployment}/logs/stream")

BODIES: dict[Route, dict[str, Any]] = {
    ("POST", "/v1/users/{user}/password"): {"password": "correct horse"},
    ("POST", "/v1/users/{user}/deactivate"): {},
    ("PATCH", "/v1/users/{user}"): {"name": "Renamed"},
    ("PATCH", "/v1/workspaces/{workspace}"): {"name": "Renamed"},
    ("PUT", "/v1/workspaces/{workspace}/plan"): {"plan": None},
    ("POST", "/v1/billing/invoices/{invoice}/pay"): {},
    ("PATCH", "/v1/agents/{agent}"): {"name": "Renamed"},
    ("POST", "/v1/agents/{agent}/instructions"): {"kind": "standing", "action": "Be brief."},
    ("PUT", "/v1/sessions/{session}/console"): {"files": []},
    ("POST", "/v1/sessions/{session}/messages"): {"content": "Hello"},
    ("PATCH", "/v1/knowledge-bases/{knowledge_base}"): {"name": "Renamed"},
    ("POST", "/v1/knowledge-bases/{knowledge_base}/search"): {"query": "anything"},
    ("PATCH", "/v1/knowledge-bases/{knowledge_base}/documents/{document}"): {"path": "other"},
    ("POST", "/v1/knowledge-bases/{knowledge_base}/documents/{document}/reindex"): {},
    ("POST", "/v1/knowledge-bases/{knowledge_base}/imports"): {"url": "https://example.org/"},
    ("PATCH", "/v1/memories/{memory}"): {"content": "Changed"},
    ("POST", "/v1/memories/{memory}/feedback"): {"is_useful": True},
    ("POST", "/v1/memories/{memory}/undo"): {},
    ("POST", "/v1/memories/conflicts/{conflict}/resolve"): {"keep": "newer"},
    ("PATCH", "/v1/memory-blocks/{block}"): {"content": "Changed", "version": 1},
    ("POST", "/v1/memory-blocks/{block}/undo"): {},
    ("POST", "/v1/memory-blocks/{block}/restore"): {},
    ("PUT", "/v1/memory-blocks/{block}/agents/{agent}"): {},
    ("PUT", "/v1/agents/{agent}/memory/settings"): {},
    ("PATCH", "/v1/agents/{agent}/memory/settings"): {},
    ("PUT", "/v1/agents/{agent}/memory/policies/{bucket}"): {"max_count": 5},
    ("POST", "/v1/agents/{agent}/memory/forget"): {"is_dry_run": True},
    ("POST", "/v1/agents/{agent}/memory/forget-by"): {"is_dry_run": True},
    ("POST", "/v1/agents/{agent}/memory/decide-conflicts"): {},
    ("POST", "/v1/agents/{agent}/memory/consolidate"): {},
    ("POST", "/v1/agents/{agent}/memory/resolve-conflicts"): {},
    ("POST", "/v1/agents/{agent}/memory/summarise"): {},
    ("POST", "/v1/agents/{agent}/memory/check"): {},
    ("POST", "/v1/agents/{agent}/memory/tend"): {},
    ("POST", "/v1/agents/{agent}/memory/conversations/search"): {"query": "anything"},
    ("POST", "/v1/sessions/{session}/learn"): {},
    ("POST", "/v1/agents/{agent}/verification-rules"): {"kind": "completeness"},
    ("PATCH", "/v1/verification-rules/{rule}"): {"is_enabled": False},
    ("POST", "/v1/agents/{agent}/verifications"): {"output_content": "Hello"},
    ("PUT", "/v1/agents/{agent}/files"): {"path": "/b.txt", "content": "More"},
    ("POST", "/v1/agents/{agent}/files/copy"): {"source": "/a.txt", "target": "/copy.txt"},
    ("POST", "/v1/agents/{agent}/files/move"): {"source": "/copy.txt", "target": "/moved.txt"},
    ("PATCH", "/v1/tools/{tool}"): {"description": "Changed"},
    ("PATCH", "/v1/mcp-servers/{mcp_server}"): {"is_enabled": False},
    ("POST", "/v1/mcp-servers/{mcp_server}/refresh"): {},
    ("POST", "/v1/mcp-servers/{mcp_server}/sign-in"): {},
    ("POST", "/v1/mcp-servers/{mcp_server}/sign-in/finish"): {"state": "none"},
    ("POST", "/v1/runs/{run}/cancel"): {},
    ("POST", "/v1/sandboxes/{sandbox}/code"): {"code": "1"},
    ("POST", "/v1/sandboxes/{sandbox}/exec"): {"command": "true"},
    ("POST", "/v1/sandboxes/{sandbox}/signal"): {
        "pid": 1,
        "signal": 99,
    },  # a process that is there would have to be running
    ("POST", "/v1/sandboxes/{sandbox}/pause"): {},
    ("POST", "/v1/sandboxes/{sandbox}/resume"): {},
    ("PUT", "/v1/sandboxes/{sandbox}/lease"): {"lease_seconds": 600},
    ("PUT", "/v1/sandboxes/{sandbox}/files/content"): {},
    ("PUT", "/v1/sandboxes/{sandbox}/files/tar"): {},
    ("POST", "/v1/sandboxes/{sandbox}/files/directories"): {"path": "folder"},
    ("POST", "/v1/sandboxes/{sandbox}/files/move"): {"source": "folder", "target": "other"},
    ("POST", "/v1/sandboxes/{sandbox}/snapshots"): {},
    ("POST", "/v1/sandboxes/{sandbox}/restore"): {"snapshot_id": "0"},
    ("POST", "/v1/sandboxes/{sandbox}/ports/{port}/preview"): {},
    ("POST", "/v1/sandboxes/{sandbox}/terminals"): {"command": "sleep 600"},
    ("POST", "/v1/runs/{run}/resume"): {},
    ("POST", "/v1/sessions/{session}/fork"): {},
    ("POST", "/v1/sessions/{session}/prune"): {},
    ("PATCH", "/v1/budgets/{budget}"): {"name": "Renamed"},
    ("POST", "/v1/approvals/{approval}/decide"): {"decision": "approved"},
    ("POST", "/v1/approvals/{approval}/approve"): {"always": True},
    ("POST", "/v1/approvals/{approval}/deny"): {},
    ("POST", "/v1/tasks/{task}/cancel"): {},
    ("POST", "/v1/tasks/{task}/retry"): {},
    ("PATCH", "/v1/spaces/{space}"): {"name": "Renamed"},
    ("POST", "/v1/spaces/{space}/participants"): {"user_name": "ada"},
    ("POST", "/v1/spaces/{space}/updates"): {"content": "Hello"},
    ("PATCH", "/v1/plans/{plan}"): {"status": "completed"},
    ("POST", "/v1/plans/{plan}/execute"): {},
    ("PATCH", "/v1/webhooks/{webhook}"): {"description": "Changed"},
    ("POST", "/v1/webhooks/{webhook}/rotate-secret"): {},
    ("POST", "/v1/webhooks/{webhook}/ping"): {},
    ("POST", "/v1/webhooks/{webhook}/redeliver"): {"since": "2020-01-01T00:00:00Z"},
    ("POST", "/v1/webhooks/{webhook}/deliveries/{delivery}/redeliver"): {},
    ("PATCH", "/v1/triggers/{trigger}"): {"name": "Renamed"},
    ("POST", "/v1/triggers/{trigger}/pause"): {},
    ("POST", "/v1/triggers/{trigger}/resume"): {},
    ("POST", "/v1/triggers/{trigger}/fire"): {},
    ("POST", "/v1/triggers/{trigger}/share"): {},
    ("POST", "/v1/agents/{agent}/restore"): {},
    ("PUT", "/v1/agents/{agent}/toolsets/{toolset}"): {},
    ("PATCH", "/v1/toolsets/{toolset}"): {"description": "Changed"},
    ("POST", "/v1/triggers/{trigger}/secret"): {},
    ("PATCH", "/v1/workflows/{workflow}"): {"description": "Changed"},
    ("POST", "/v1/workflows/{workflow}/run"): {},
    ("PATCH", "/v1/evaluation-sets/{evaluation_set}"): {"name": "Renamed"},
    ("POST", "/v1/evaluation-sets/{evaluation_set}/cases"): {"cases": [{"input": "More"}]},
    ("POST", "/v1/evaluation-sets/{evaluation_set}/import"): {"cases": [{"input": "More"}]},
    ("PATCH", "/v1/evaluation-sets/{evaluation_set}/cases/{case}"): {"name": "Renamed"},
    ("POST", "/v1/evaluations/{evaluation}/cancel"): {},
    ("PATCH", "/v1/deployments/{deployment}"): {"cpu": "0.5"},
    ("POST", "/v1/deployments/{deployment}/start"): {},
    ("POST", "/v1/deployments/{deployment}/stop"): {},
    ("POST", "/v1/deployments/{deployment}/restart"): {},
    ("POST", "/v1/deployments/{deployment}/scale"): {"replicas": 0},
    ("POST", "/v1/deployments/{deployment}/versions/{version}/roll"): {},
    ("PATCH", "/v1/jobs/{job}"): {"title": "Renamed"},
    ("PATCH", "/v1/sessions/{session}"): {"title": "Renamed"},
    ("PATCH", "/v1/sessions/{session}/messages/{seq}"): {"metadata": {"a": 1}},
    ("POST", "/v1/agents/{agent}/drafts"): {"number": 9, "name": "Ninth"},
    ("POST", "/v1/agents/{agent}/drafts/{number}/activate"): {},
    ("PUT", "/v1/agents/{agent}/specialization"): {"kind": "coding"},
    ("PATCH", "/v1/tool-recipes/{recipe}"): {"description": "Changed"},
    ("POST", "/v1/tool-recipes/{recipe}/versions"): {"version": "9"},
    ("POST", "/v1/tool-recipes/{recipe}/versions/{version}/deprecate"): {},
}
# Opened by a signature or by knowing the address, whoever asks; tests/triggers has what that is worth.
OPEN_TO_ALL = {
    ("POST", "/v1/hooks/{hook}"),
    ("POST", "/v1/shared/{token}"),
    ("GET", "/v1/health/services/{name}"),  # the server's, and the same for all
}
UPLOAD = ("POST", "/v1/knowledge-bases/{knowledge_base}/documents")
COMPARE = ("GET", "/v1/sessions/{session}/compare")
COMPARE_EVALUATIONS = ("GET", "/v1/evaluations/{evaluation}/compare")
FILES = ("DELETE", "/v1/agents/{agent}/files")
FILE_CONTENT = ("GET", "/v1/agents/{agent}/files/content")
FILE_SEARCH = ("GET", "/v1/agents/{agent}/files/search")
RELATE = ("POST", "/v1/agents/{agent}/relationships")
PROMOTE = ("POST", "/v1/agents/{agent}/versions/{version}/promote")
STREAM = ("GET", "/v1/sessions/{session}/events/stream")


HOOK = {"name": "From outside", "message": "{{ body }}", "when": {"kind": "webhook"}}


def _followed(client: Client, path: str) -> int:
    with client.stream("GET", path) as stream:
        return stream.status


def _relationship(client: Client) -> dict[str, Any]:
    return {"to_agent_id": client.made("/v1/agents", {"name": "Other"})["id"], "kind": "collaborates_with"}


def _promoted(client: Client, path: str) -> int:
    """The version that is current already: an older one would lack what the walk has made since."""
    agent = client.get(path.partition("/versions/")[0])
    version = agent.json["version"] if agent.status == 200 else 1
    return client.post(path.replace("/1/promote", f"/{version}/promote")).status


A_DEPLOYMENT = {"runtime": "python", "binary_url": "storage://a.py", "replicas": 0}

SPECIAL: dict[Route, Callable[[Client, str], int]] = {
    UPLOAD: lambda client, path: client.upload(path, b"Some words.").status,
    COMPARE: lambda client, path: client.get(f"{path}?with={path.split('/')[3]}").status,
    COMPARE_EVALUATIONS: lambda client, path: client.get(f"{path}?with={path.split('/')[3]}").status,
    STREAM: _followed,
    LOG_STREAM: _followed,
    RELATE: lambda client, path: client.post(path, _relationship(client)).status,
    PROMOTE: _promoted,
    FILES: lambda client, path: client.delete(f"{path}?path=/a.txt").status,
    FILE_CONTENT: lambda client, path: client.get(f"{path}?path=/a.txt").status,
    FILE_SEARCH: lambda client, path: client.get(f"{path}?query=words").status,
}


def _ended_task(client: Client, session: str) -> str:
    body = {"kind": "data_processing", "session_id": session, "input": {"data": "a\n1\n"}}
    task = client.made("/v1/tasks", body)["id"]
    client.until(f"/v1/tasks/{task}", lambda found: found["status"] == "completed")
    return task


def _signed_in(client: Client, user: str, email: str) -> str:
    assert client.post("/v1/auth/login", {"email": email, "password": "correct horse"}).status == 200
    return client.get(f"/v1/users/{user}/sign-ins").json["data"][0]["id"]


def one_of_everything(client: Client) -> Things:
    base = client.made("/v1/knowledge-bases", {"name": "Base"})["id"]
    document = client.upload(f"/v1/knowledge-bases/{base}/documents", b"Words in A.", "a.txt").json["id"]
    document_of_tools = {"openapi": "3.1.0", "servers": [{"url": "https://example.org"}], "paths": {"/x": {"get": {}}}}
    toolset = client.post("/v1/toolsets/openapi", {"name": "set", "document": document_of_tools}).json["toolset"]["id"]
    permissions = {"tools": {"calculator": "ask"}}
    spec = {"name": "A's agent", "knowledge_base_ids": [base], "permissions": permissions, "toolset_ids": [toolset]}
    agent = client.made("/v1/agents", spec)["id"]
    client.request("PUT", f"/v1/agents/{agent}/files", {"path": "/a.txt", "content": "Words in A."})
    session = client.made("/v1/sessions", {"agent_id": agent})["id"]
    run = client.post(f"/v1/sessions/{session}/messages", {"content": "Hello"}).json["run_id"]
    tool = {
        "name": "a_tool",
        "description": "Does something.",
        "schema": {"type": "object", "properties": {}},
        "http": {"url": "https://example.org/"},
    }
    asked = client.made("/v1/sessions", {"agent_id": agent})["id"]
    assert client.post(f"/v1/sessions/{asked}/messages", {"content": "What is 17 * 23?"}).status == 202
    approval = client.get("/v1/approvals?status=pending").json["data"][0]["id"]
    webhook = client.made("/v1/webhooks", {"url": "https://hooks.invalid/"})["id"]
    assert client.post("/v1/inference-tools/sync").status == 200
    inference_tool = client.get("/v1/inference-tools").json["data"][0]["id"]
    me = client.get("/v1/me").json
    for fact in ("My favourite colour is blue.", "My favourite colour is green."):
        client.made("/v1/memories", {"content": fact, "agent_id": agent})
    (conflict,) = client.get(f"/v1/memories/conflicts?agent_id={agent}").json["data"]
    evaluation_set = client.made("/v1/evaluation-sets", {"name": "Set", "cases": [{"input": "Hello"}]})["id"]
    case = client.get(f"/v1/evaluation-sets/{evaluation_set}/cases").json["data"][0]["id"]
    evaluation = client.post(
        "/v1/evaluations", {"evaluation_set_id": evaluation_set, "agent_id": agent, "scorers": [{"kind": "exact"}]}
    ).json["id"]
    client.until(f"/v1/evaluations/{evaluation}", lambda found: found["status"] == "completed")
    client.request("PUT", f"/v1/agents/{agent}/memory/policies/facts", {"max_count": 1000})
    made = client.post(f"/v1/sessions/{session}/messages", {"content": "run: open('a.csv', 'w').write('1')"})
    assert made.status == 200, made.body
    (artifact,) = client.get(f"/v1/sessions/{session}/artifacts").json["data"]
    sandbox = client.made("/v1/sandboxes", {"name": "A's sandbox"})["id"]
    steps = [{"id": "ask", "kind": "wait_approval", "message": "Go on?"}]
    workflow = client.made("/v1/workflows", {"name": "Flow", "steps": steps})["id"]
    execution = client.post(f"/v1/workflows/{workflow}/run", {}).json["id"]
    client.until(f"/v1/knowledge-bases/{base}/documents/{document}", lambda found: found["status"] != "processing")
    client.made(f"/v1/agents/{agent}/drafts", {"number": 1, "description": "As it is to be."})
    client.request("PUT", f"/v1/agents/{agent}/specialization", {"kind": "research"})
    recipe = {"name": "a_recipe", "description": "Does it.", "kind": "code", "config": {"code": "1"}}
    client.made("/v1/tool-recipes", recipe)
    client.made("/v1/tool-recipes/a_recipe/versions", {"version": "1"})
    email = f"second@{me['workspace_id']}.example.org"
    user = client.made("/v1/users", {"email": email, "password": "correct horse"})["id"]
    return {
        "workspace": me["workspace_id"],
        "owner": me["workspace_id"],
        "name": client.request("POST", "/v1/storage/upload?filename=a.txt", raw=b"Words").json["name"],
        "project": me["project_id"],
        "user": user,
        "sign_in": _signed_in(client, user, email),
        "key": client.made("/v1/keys", {"name": "Second"})["id"],
        "agent": agent,
        "version": "1",
        "session": session,
        "run": run,
        "approval": approval,
        "space": (space := client.made("/v1/spaces", {"name": "Ours"})["id"]),
        "participant": client.post(f"/v1/spaces/{space}/participants", {"user_name": "bob"}).json["id"],
        "feedback": client.made("/v1/feedback", {"kind": "positive", "agent_id": agent})["id"],
        "task": _ended_task(client, session),
        "plan": client.made("/v1/plans", {"agent_id": agent, "task": "Say hello"})["id"],
        "reflection": client.made("/v1/reflections", {"agent_id": agent, "answer": "Hello"})["id"],
        "tool_name": "calculator",
        "step": "1",
        "knowledge_base": base,
        "document": document,
        "memory": client.made("/v1/memories", {"content": "A fact of A."})["id"],
        "conflict": conflict["id"],
        "block": client.made("/v1/memory-blocks", {"label": "project", "content": "Ship it."})["id"],
        "budget": client.made("/v1/budgets", {"scope": "workspace", "limit_calls": 1_000_000})["id"],
        "bucket": "facts",
        "tool": client.made("/v1/tools", tool)["id"],
        "sandbox": sandbox,
        "terminal": client.made(f"/v1/sandboxes/{sandbox}/terminals", {"command": "sleep 600"})["id"],
        "port": "8000",
        "snapshot": client.made(f"/v1/sandboxes/{sandbox}/snapshots", {})["id"],
        "artifact": artifact["id"],
        "webhook": webhook,
        "delivery": client.post(f"/v1/webhooks/{webhook}/ping").json["id"],
        "evaluation_set": evaluation_set,
        "case": case,
        "evaluation": evaluation,
        "result": client.get(f"/v1/evaluations/{evaluation}/results").json["data"][0]["id"],
        "trigger": client.made("/v1/triggers", HOOK | {"agent_id": agent})["id"],
        "toolset": toolset,
        "inference_tool": inference_tool,
        "instruction": client.made(f"/v1/agents/{agent}/instructions", {"kind": "standing", "action": "Be kind."})[
            "id"
        ],
        "mcp_server": client.made("/v1/mcp-servers", {"name": "mcp", "url": "http://127.0.0.1:9/mcp"})["id"],
        "workflow": workflow,
        "execution": execution,
        "rule": client.made(f"/v1/agents/{agent}/verification-rules", {"kind": "output_format"})["id"],
        "verification": client.post(f"/v1/agents/{agent}/verifications", {"output_content": "Hello"}).json["id"],
        "job": client.made("/v1/jobs", {"title": "A's job", "agent_id": agent, "resources": ["a-thing-of-a"]})["id"],
        "resource": "a-thing-of-a",
        "deployment": client.made("/v1/deployments", A_DEPLOYMENT | {"name": "of-a"})["id"],
        "seq": "1",
        "number": "1",
        "relationship": client.made(f"/v1/agents/{agent}/relationships", _relationship(client))["id"],
        "recipe": "a_recipe",
    }


def _invoice(client: Client, server: Server, deployment: str) -> str:
    workspace = UUID(client.get("/v1/me").json["workspace_id"])
    with server.admin() as admin:
        admin.execute(
            """
            insert into deployment_usage (workspace_id, project_id, deployment_id, hour, name, cpu_core_seconds)
            select workspace_id, project_id, id, date_trunc('month', now(), 'UTC') - interval '1 hour', name, 3600
            from deployments where id = %s""",
            (deployment,),
        )
        # The server may have passed here already, and would put this on the next month's invoice.
        admin.execute("delete from billing_accounts where workspace_id = %s", (workspace,))
    server.do(lambda house: house.bookkeeper.book(workspace, datetime.now(UTC)))
    return client.get("/v1/billing/invoices").json["data"][0]["id"]


@pytest.fixture
def walk(client: Client, server: Server) -> Walk:
    document = native_document(client)
    # Who is deactivated is not there any more, as if deleted; a set takes its evaluations along.
    last = {"/v1/users/{user}/deactivate", "/v1/evaluation-sets/{evaluation_set}"}
    things = one_of_everything(client)
    things["invoice"] = _invoice(client, server, things["deployment"])
    return Walk(routes_of(document, last=last, without=OPEN_TO_ALL), things, BODIES, special=SPECIAL)


def test_another_workspaces_ids_are_404_on_every_route(walk: Walk, client: Client, stranger: Client):
    open_to_strangers = walk.open_to(stranger)
    open_to_their_owner = walk.open_to(client)

    assert open_to_strangers == []
    assert open_to_their_owner == walk.routes
    assert len(walk.routes) >= 30


def test_the_walk_notices_a_table_without_its_policy(walk: Walk, stranger: Client, server: Server):
    with server.admin() as admin:
        admin.execute("alter table memories disable row level security")
        try:
            open_to_strangers = walk.open_to(stranger)
        finally:
            admin.execute("alter table memories enable row level security")

    assert ("GET", "/v1/memories/{memory}") in open_to_strangers


def test_the_walk_refuses_a_route_that_it_has_no_thing_for(client: Client):
    walk = Walk([("GET", "/v1/planets/{planet}")], {"agent": "x"}, {})

    with pytest.raises(AssertionError, match="planet"):
        walk.open_to(client)


def test_lists_do_not_show_another_workspaces_things(walk: Walk, client: Client, stranger: Client):
    document = native_document(client)
    lists = [path for path, methods in document["paths"].items() if "get" in methods and "{" not in path]
    ids = {
        id
        for name, id in walk.things.items()
        if name
        not in {
            "version",
            "bucket",
            "tool_name",
            "step",
            "port",
            "artifact",
            "seq",
            "number",
            "relationship",
            "sign_in",
            "terminal",
        }
    }

    shown_to_owner = b"".join(client.get(path).body for path in lists).decode()
    shown_to_stranger = b"".join(stranger.get(path).body for path in lists).decode()

    assert [id for id in ids if id in shown_to_stranger] == []
    assert [
        id
        for id in ids
        if id not in shown_to_owner
        and id not in {walk.things[name] for name in ("document", "delivery", "case", "result", "participant")}
        and id not in {walk.things[name] for name in ("document", "delivery", "case", "result", "rule", "verification")}
    ] == []


def test_bodies_cannot_name_another_workspaces_things(walk: Walk, stranger: Client):
    things = walk.things
    own_agent = stranger.made("/v1/agents", {"name": "Own"})["id"]
    own_set = stranger.made("/v1/evaluation-sets", {"name": "Own", "cases": [{"input": "x"}]})["id"]
    before = {path: len(stranger.get(path).json["data"]) for path in ("/v1/agents", "/v1/sessions", "/v1/memories")}

    answers = {
        "session": stranger.post("/v1/sessions", {"agent_id": things["agent"]}),
        "memory": stranger.post("/v1/memories", {"content": "x", "agent_id": things["agent"]}),
        "memory search": stranger.post("/v1/memories/search", {"query": "x", "agent_id": things["agent"]}),
        "agent": stranger.post("/v1/agents", {"name": "x", "knowledge_base_ids": [things["knowledge_base"]]}),
        "trigger": stranger.post("/v1/triggers", HOOK | {"agent_id": things["agent"]}),
        "trigger's session": stranger.post(
            "/v1/triggers", HOOK | {"agent_id": own_agent, "session_id": things["session"]}
        ),
        "evaluation's agent": stranger.post(
            "/v1/evaluations",
            {"evaluation_set_id": own_set, "agent_id": things["agent"], "scorers": [{"kind": "exact"}]},
        ),
        "evaluation's set": stranger.post(
            "/v1/evaluations",
            {"evaluation_set_id": things["evaluation_set"], "agent_id": own_agent, "scorers": [{"kind": "exact"}]},
        ),
        "budget": stranger.post("/v1/budgets", {"scope": "agent", "subject_id": things["agent"], "limit_calls": 1}),
        "agent's tools": stranger.post("/v1/agents", {"name": "x", "tools": ["a_tool"]}),
        "change": stranger.patch(f"/v1/agents/{own_agent}", {"knowledge_base_ids": [things["knowledge_base"]]}),
    }

    assert {name: answer.status for name, answer in answers.items()} == {
        "session": 404,
        "memory": 404,
        "memory search": 404,
        "agent": 400,
        "trigger": 404,
        "trigger's session": 400,
        "evaluation's agent": 404,
        "evaluation's set": 404,
        "budget": 400,
        "agent's tools": 400,
        "change": 400,
    }
    assert before == {path: len(stranger.get(path).json["data"]) for path in before}


def test_a_document_is_not_found_under_another_base(client: Client):
    things = one_of_everything(client)
    other = client.made("/v1/knowledge-bases", {"name": "Other"})["id"]

    assert client.get(f"/v1/knowledge-bases/{other}/documents/{things['document']}").status == 404
    assert client.get(f"/v1/knowledge-bases/{other}/documents/{things['document']}/file").status == 404
    assert client.delete(f"/v1/knowledge-bases/{other}/documents/{things['document']}").status == 404
