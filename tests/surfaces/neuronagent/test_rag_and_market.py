from __future__ import annotations

import pytest

from tests.surfaces.conftest import Client

API = "/neuronagent/api/v1"


@pytest.fixture
def client(native: Client) -> Client:
    """Of the whole server: what is made on one surface is looked at on the other."""
    return native


def test_what_is_ingested_answers_questions(client: Client) -> None:
    text = "The kettle in the kitchen boils at noon. The garden gate is painted green."
    made = client.post(f"{API}/rag/ingest", {"document_text": text, "table_name": "house", "metadata": {"by": "me"}})

    found = client.post(f"{API}/rag/query", {"query": "When does the kettle boil?", "table_name": "house", "top_k": 3})
    fitted = client.post(
        f"{API}/rag/query", {"query": "When does the kettle boil?", "table_name": "house", "architecture": "modular"}
    )

    assert made.status == 200, made.body
    assert made.json["chunks_created"] == len(made.json["chunk_ids"]) >= 1
    assert found.status == 200, found.body
    assert "noon" in found.json["answer"]
    assert "kettle" in found.json["documents"][0]
    assert found.json["count"] == len(found.json["documents"])
    assert fitted.json["method"] == "modular"
    assert client.post(f"{API}/rag/query", {"query": "x", "table_name": "nowhere"}).status == 404
    assert client.post(f"{API}/rag/query", {"query": "x", "table_name": "house", "architecture": "graph"}).status == 400
    assert [one["name"] for one in client.get(f"{API}/rag/pipelines").json] == ["house"]


def test_answers_are_measured_against_their_passages(client: Client) -> None:
    asked = {"query": "When does the kettle boil?", "context_chunks": ["The kettle boils at noon."]}

    good = client.post(f"{API}/rag/evaluate", {**asked, "answer": "The kettle boils at noon."}).json
    bad = client.post(f"{API}/rag/evaluate", {**asked, "answer": "Purple elephants dance."}).json

    assert good["faithfulness"] == 1.0
    assert bad["faithfulness"] == 0.0
    assert good["overall_score"] > bad["overall_score"]


def test_texts_have_vectors(client: Client) -> None:
    models = client.get(f"{API}/embeddings/models").json
    one = client.post(f"{API}/embeddings/generate", {"text": "tea"})
    many = client.post(f"{API}/embeddings/batch", {"texts": ["tea", "coffee"]})

    assert models["default"] in models["models"]
    assert one.status in (200, 503), one.body
    if one.status == 200:
        assert one.json["dimension"] == len(one.json["embedding"])
        assert many.json["count"] == 2
        pairs = zip(many.json["embeddings"][0], one.json["embedding"], strict=True)
        assert sum(a * b for a, b in pairs) > 0.95
    assert client.post(f"{API}/embeddings/batch", {"texts": []}).status == 400


def test_agents_are_published_rated_and_installed(client: Client) -> None:
    item = {"name": "helper", "version": "1.0", "prompt": "Help.", "tools": ["calculator"], "tags": ["math"]}

    id = client.made(f"{API}/marketplace/agents", item)["id"]
    again = client.post(f"{API}/marketplace/agents", item)
    client.post(f"{API}/marketplace/agents/{id}/rate", {"user_id": "a", "rating": 5, "review": "Good"})
    client.post(f"{API}/marketplace/agents/{id}/rate", {"user_id": "a", "rating": 3})
    rated = client.post(f"{API}/marketplace/agents/{id}/rate", {"user_id": "b", "rating": 4}).json
    agent = client.made(f"{API}/marketplace/agents/{id}/install", {})
    [listed] = client.get(f"{API}/marketplace/agents?search=MATH").json

    assert again.status == 409
    assert rated == {"status": "success", "rating": 3.5, "ratings": 2}
    assert (agent["name"], agent["enabled_tools"]) == ("helper", ["calculator"])
    assert (listed["downloads"], listed["rating"], listed["prompt"]) == (1, 3.5, "Help.")
    assert client.get(f"{API}/marketplace/tools").json == []


def test_tools_are_published_and_installed(client: Client) -> None:
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    body = {
        "name": "weather",
        "description": "Tells.",
        "schema": schema,
        "handler_config": {"url": "https://example.org/w"},
    }

    id = client.made(f"{API}/marketplace/tools", body)["id"]
    tool = client.made(f"{API}/marketplace/tools/{id}/install", {})

    [listed] = client.get(f"{API}/marketplace/tools").json
    assert (listed["schema"], listed["version"], listed["downloads"]) == (schema, "1.0.0", 1)
    assert client.get(f"/v1/tools/{tool['id']}").json["name"] == "weather"
    assert client.post(f"{API}/marketplace/tools/{id}/rate", {"rating": 9}).status == 400


def test_reports_and_the_audit_log_tell_what_happened(client: Client) -> None:
    client.made("/v1/keys", {"name": "second"})
    session = client.made("/v1/sessions", {"agent_id": client.made("/v1/agents", {"name": "one"})["id"]})["id"]
    client.post(f"/v1/sessions/{session}/messages", {"content": "Hello"})
    span = {"start_date": "2020-01-01T00:00:00Z", "end_date": "2100-01-01T00:00:00Z"}

    report = client.post(f"{API}/compliance/reports/soc2", span)
    log = client.get(f"{API}/compliance/audit-logs?event_type=key.created").json

    assert report.status == 200, report.body
    assert report.json["metrics"]["runs"] == 1
    assert report.json["metrics"]["access_changes"] >= 1
    assert {entry["event_type"] for entry in log} == {"key.created"}
    assert (log[0]["resource_type"], log[0]["action"]) == ("key", "created")
    assert client.post(f"{API}/compliance/reports/vibes", span).status == 400
    assert client.post(f"{API}/compliance/reports/gdpr", {**span, "end_date": span["start_date"]}).status == 400
    assert client.post(f"{API}/compliance/reports/gdpr", span).json["metrics"]["erasures"] == 0
