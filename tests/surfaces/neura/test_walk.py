"""Every route of Neura's surface with another workspace's ids, and with whatever comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.surfaces.conftest import Client, form, part
from tests.surfaces.fuzz import fuzz
from tests.surfaces.neura.conftest import Neura
from tests.surfaces.walk import Route, Things, Walk, routes_of

BODIES: dict[Route, dict[str, Any]] = {
    ("PUT", "/api/agents/{agent_id}"): {"description": "Changed"},
    ("POST", "/api/agents/{agent_id}/chat"): {"query": "Hello"},
    ("POST", "/api/agents/{agent_id}/chat/stream"): {"query": "Hello"},
    ("POST", "/api/agents/{agent_id}/conversations"): {"title": "New", "messages": []},
    ("PUT", "/api/agents/{agent_id}/conversations/{conversation_id}"): {"title": "Renamed"},
    ("POST", "/api/agents/{agent_id}/jobs"): {"name": "New"},
    ("PUT", "/api/agents/{agent_id}/jobs/{job_id}"): {"description": "Changed"},
    ("POST", "/api/agents/{agent_id}/jobs/close-stale"): {},
    ("PUT", "/api/agents/{agent_id}/tools"): {"auto_select_tools": True},
    ("POST", "/api/agents/{agent_id}/instructions"): {"instruction_type": "standing", "action": "Be brief."},
    ("POST", "/api/agents/{agent_id}/api-keys"): {},
    ("POST", "/api/v1/agents/{agent_id}/chat"): {"message": "Hello"},
    ("POST", "/api/agents/{agent_id}/sandbox-session"): {"conversation_id": "{conversation_id}"},
}


RULE = {"instruction_type": "standing", "action": "Be kind."}


def not_built(document: dict[str, Any]) -> set[Route]:
    return {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "501" in operation["responses"]
    }


def one_of_everything(neura: Neura) -> Things:
    agent = neura.made("/api/agents", {"name": "A's agent", "use_web_search": False})["agent_id"]
    conversation = neura.made(f"/api/agents/{agent}/conversations", {"title": "A's", "messages": []})["id"]
    neura.made(f"/api/agents/{agent}/sandbox-session", {"conversation_id": conversation, "files": []})
    job = neura.made(f"/api/agents/{agent}/jobs", {"name": "A's job", "bucket_id": "a-bucket-of-a"})["job_id"]
    headers = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    document = neura.request("POST", "/api/kb/upload", raw=form(part(b"Words in A.", "a.txt")), headers=headers).json
    path = f"/api/agent/knowledge-bases/{document['kb_id']}/documents/{document['document_id']}"
    neura.until(path, lambda found: found["status"] != "processing")
    return {
        "agent_id": agent,
        "conversation_id": conversation,
        "job_id": job,
        "task_id": neura.made(f"/api/agents/{agent}/instructions", RULE)["task_id"],
        "key_id": neura.made(f"/api/agents/{agent}/api-keys", {})["key_id"],
        "resource_id": "a-bucket-of-a",
        "kb_id": document["kb_id"],
        "document_id": document["document_id"],
    }


def _streamed(client: Client, path: str) -> int:
    with Client.stream(client, "POST", path, {"query": "Hello"}) as stream:
        stream.everything()
        return stream.status


SANDBOX_SESSION = ("POST", "/api/agents/{agent_id}/sandbox-session")


def test_another_workspaces_ids_are_404_on_every_route(neura: Neura, neura_stranger: Neura):
    document = neura.get("/openapi.json").json
    without = {route for route in not_built(document) if "{" in route[1]}
    things = one_of_everything(neura)
    body = {"conversation_id": things["conversation_id"], "files": []}
    special: dict[Route, Callable[[Client, str], int]] = {
        SANDBOX_SESSION: lambda client, path: client.post(path, body).status
    }
    last = {"/api/agents/{agent_id}/conversations/{conversation_id}", "/api/agents/{agent_id}"}
    walk = Walk(routes_of(document, last=last, without=without), things, BODIES, special=special)

    open_to_strangers = walk.open_to(neura_stranger)
    open_to_their_owner = walk.open_to(neura)

    assert open_to_strangers == []
    assert open_to_their_owner == walk.routes


def test_whatever_comes_no_server_error_and_no_undocumented_status(neura: Neura):
    document = neura.get("/openapi.json").json
    things = one_of_everything(neura)
    client = Client(neura.port, neura.key)

    called = fuzz(document, client, prefix="/neura", examples=3, things=things, without=not_built(document))

    assert called >= 25


SEED = """
POST /graphql
GET POST /api/agents
GET PUT DELETE /api/agents/{agent_id}
POST /api/agents/{agent_id}/chat
POST /api/agents/{agent_id}/chat/stream
GET POST /api/agents/{agent_id}/conversations
GET PUT DELETE /api/agents/{agent_id}/conversations/{conversation_id}
GET POST /api/agents/{agent_id}/jobs
GET PUT DELETE /api/agents/{agent_id}/jobs/{job_id}
GET /api/agents/{agent_id}/jobs/{job_id}/tree
GET /api/agents/{agent_id}/jobs/by-resource/{resource_id}
POST /api/agents/{agent_id}/jobs/close-stale
POST /api/datasets/pipeline/start
GET /api/datasets/pipeline/{job_id}/status
GET /api/datasets
GET POST /api/agent/knowledge-bases
GET DELETE /api/agent/knowledge-bases/{kb_id}
GET /api/agent/knowledge-bases/{kb_id}/documents
GET DELETE /api/agent/knowledge-bases/{kb_id}/documents/{document_id}
POST /api/kb/upload
POST /api/datasets/{dataset_id}/enable-rag
GET /api/datasets/{dataset_id}/rag-status
GET /api/tools/inference
POST /api/tools/sync
GET /api/tools/agents
GET PUT /api/agents/{agent_id}/tools
GET POST /api/agents/{agent_id}/instructions
DELETE /api/agents/{agent_id}/instructions/{task_id}
GET /api/agent/models
GET /api/agent/deployed-models
GET /api/v1/models
POST /api/v1/chat/completions
POST /api/v1/agents/{agent_id}/chat
GET POST /api/agents/{agent_id}/api-keys
DELETE /api/agents/{agent_id}/api-keys/{key_id}
POST /api/agents/{agent_id}/sandbox-session
GET DELETE /api/agents/{agent_id}/sandbox-session/{conversation_id}
GET /api/agents/{agent_id}/api-usage
"""


def test_the_document_has_every_operation_of_the_seed(neura: Neura):
    document = neura.get("/openapi.json").json

    assert document["openapi"] == "3.1.0"
    assert neura.get("/docs").status == 200
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    lines = [line.rsplit(" ", 1) for line in SEED.strip().splitlines()]
    assert {(method, path) for methods, path in lines for method in methods.split()} <= operations
