"""Chatting over Neura's wire: every parameter does what it says."""

from __future__ import annotations

from typing import Any

import pytest

from glia.models.prices import Price
from tests.surfaces.conftest import Client, Server
from tests.surfaces.neura.conftest import Neura, refusal

COSTS = {
    "embedding_cost",
    "llm_cost",
    "search_cost",
    "sandbox_cost",
    "sub_agent_cost",
    "inference_cost",
    "total_cost",
}


def chat(neura: Neura, agent_id: str, query: str, **more: Any) -> dict[str, Any]:
    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": query, **more})
    assert answer.status == 200, answer.body
    return answer.json


def test_an_answer_has_every_documented_field(neura: Neura, agent_id: str):
    answer = chat(neura, agent_id, "What is 17 * 23?")

    assert "391" in answer["answer"]
    assert answer["tool_calls"] == [{"tool": "calculator", "args": {"expression": "17 * 23"}}]
    assert answer["iterations"] == 2
    assert answer["sources"] == []
    assert answer["costs"] == dict.fromkeys(COSTS, 0.0)
    assert (answer["agent_id"], answer["agent_name"]) == (agent_id, "Helper")
    assert (answer["memories_used"], answer["instructions_active"], answer["context_loaded"]) == (0, 0, False)
    assert "metadata" not in answer


def test_message_is_taken_for_query(neura: Neura, agent_id: str):
    answer = neura.post(f"/api/agents/{agent_id}/chat", {"message": "What is 2 + 2?"})

    assert answer.status == 200
    assert "4" in answer.json["answer"]


def test_a_conversation_goes_on_by_its_id(neura: Neura, agent_id: str):
    first = chat(neura, agent_id, "My name is Ada and I live in Bergen.")
    second = chat(neura, agent_id, "Where do I live?", conversation_id=first["conversation_id"])
    other = chat(neura, agent_id, "Where do I live?")

    assert "Bergen" in second["answer"]
    assert second["conversation_id"] == first["conversation_id"] != other["conversation_id"]
    assert "Bergen" not in other["answer"]
    assert second["context_loaded"]


def test_history_is_used_as_it_is_given(neura: Neura, agent_id: str):
    history = [
        {"role": "user", "content": "My name is Ada and I live in Bergen."},
        {"role": "assistant", "content": "Nice to meet you."},
    ]

    answer = chat(neura, agent_id, "Where do I live?", conversation_history=history)

    assert "Bergen" in answer["answer"]
    assert answer["context_loaded"]


def test_history_beside_a_stored_conversation_is_named_as_ignored(neura: Neura, agent_id: str):
    first = chat(neura, agent_id, "Hello")

    answer = neura.post(
        f"/api/agents/{agent_id}/chat",
        {
            "query": "Hello again",
            "conversation_id": first["conversation_id"],
            "conversation_history": [{"role": "user", "content": "x"}],
        },
    )

    assert (answer.status, answer.headers["x-ignored-fields"]) == (200, "conversation_history")


def test_a_session_context_is_for_one_answer_and_stays_nowhere(neura: Neura, agent_id: str, client: Client):
    secret = "The code of the vault is 74-19-33. The guard sleeps at noon."

    first = chat(neura, agent_id, "What is the code of the vault?", session_context=secret)
    session = first["conversation_id"]
    stored = client.get(f"/v1/sessions/{session}/events?limit=1000").body.decode()

    assert "74-19-33" in first["answer"]
    assert first["context_loaded"]
    assert "guard sleeps" not in stored
    second = chat(neura, agent_id, "When does the guard sleep?", conversation_id=session)
    assert "noon" not in second["answer"]


def test_knowledge_bases_are_searched_and_cited(neura: Neura, agent_id: str, client: Client):
    base = client.made("/v1/knowledge-bases", {"name": "Rules"})["id"]
    document = client.upload(f"/v1/knowledge-bases/{base}/documents", b"A hotel may cost 140 euros a night.", "r.txt")
    path = f"/v1/knowledge-bases/{base}/documents/{document.json['id']}"
    client.until(path, lambda found: found["status"] == "ready")

    answer = chat(neura, agent_id, "What may a hotel cost?", kb_ids=[base])

    assert "140" in answer["answer"]
    assert answer["sources"] == [f"kb://{base}/{document.json['id']}#0"]
    assert answer["context_loaded"]
    assert answer["costs"]["embedding_cost"] == 0.0
    assert neura.get(f"/api/agents/{agent_id}").json["kb_ids"] == []


def test_another_workspaces_knowledge_base_is_a_400(neura: Neura, agent_id: str, stranger: Client):
    theirs = stranger.made("/v1/knowledge-bases", {"name": "Theirs"})["id"]

    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "x", "kb_ids": [theirs]})

    assert answer.status == 400
    assert neura.get(f"/api/agents/{agent_id}").status == 200


def test_a_model_that_nobody_has_is_answered_for_and_that_is_told(neura: Neura, agent_id: str):
    answer = chat(neura, agent_id, "Hello", detailed_mode=True)

    assert answer["metadata"]["model_requested"] == "deepseek-ai/DeepSeek-V3.2"
    assert answer["metadata"]["models_used"] == ["glia/embedded"]
    assert answer["metadata"]["unknown_costs"] == []


def test_another_model_answers_when_the_request_names_it(neura: Neura, agent_id: str):
    answer = chat(neura, agent_id, "Hello", model_id="openai/slow", detailed_mode=True)

    assert answer["metadata"]["models_used"] == ["openai/slow"]
    assert answer["answer"].startswith("word0")
    assert answer["costs"]["llm_cost"] is None
    assert answer["costs"]["total_cost"] is None
    assert answer["costs"]["search_cost"] == 0.0
    assert answer["metadata"]["unknown_costs"] == ["llm_cost"]


def test_one_iteration_answers_without_tools(neura: Neura, agent_id: str):
    answer = chat(neura, agent_id, "What is 17 * 23?", max_iterations=1)

    assert (answer["iterations"], answer["tool_calls"]) == (1, [])


def test_a_run_that_needs_a_person_is_a_403_and_waits(neura: Neura, agent_id: str, client: Client):
    client.patch(f"/v1/agents/{agent_id}", {"permissions": {"tools": {"calculator": "ask"}}})

    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "What is 17 * 23?"})

    assert answer.status == 403
    assert "approve" in refusal(answer)["error"]
    (waiting,) = client.get("/v1/approvals?status=pending").json["data"]
    client.post(f"/v1/approvals/{waiting['id']}/approve", {})
    path = f"/v1/sessions/{waiting['session_id']}/messages"
    client.until(path, lambda found: len(found["data"]) == 2 and "391" in found["data"][1]["content"])


def test_without_credit_no_model_is_called(neura: Neura, agent_id: str, client: Client, server: Server):
    # The fixture's provider is on this machine and free, but for a model that the operator has given a price.
    server.house.models._resolver._prices._own["openai/paid"] = Price(input=1_000_000, output=2_000_000)  # type: ignore[attr-defined]
    client.request("PUT", "/v1/credits", {"is_enabled": True})
    neura.put(f"/api/agents/{agent_id}", {"model_id": "openai/paid", "settings": {"max_tokens": 3}})

    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "hello"})
    streamed = neura.post(f"/api/agents/{agent_id}/chat/stream", {"query": "hello"})

    assert (answer.status, answer.json) == (402, {"error": "Insufficient credits", "detail": "Balance: $0.00"})
    assert (streamed.status, streamed.json) == (402, {"error": "Insufficient credits", "detail": "Balance: $0.00"})
    runs = client.get("/v1/runs").json["data"]
    assert [(run["status"], run["usage"]["model_calls"]) for run in runs] == [("cancelled", 0), ("cancelled", 0)]

    client.made("/v1/credits/grants", {"amount_micros": 10_000_000})
    paid = chat(neura, agent_id, "hello")
    assert paid["costs"]["llm_cost"] == paid["costs"]["total_cost"] > 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": "  "},
        {"query": 5},
        {"query": "x", "max_iterations": 0},
        {"query": "x", "search_depth": 31},
        {"query": "x", "kb_ids": ["no id"]},
        {"query": "x", "conversation_history": [{"role": "wizard", "content": "x"}]},
        {"query": "x", "conversation_history": [{"role": "user"}]},
        {"query": "x", "conversation_history": "x"},
        {"query": "x", "session_context": "x" * 200_001},
    ],
)
def test_what_cannot_be_right_is_a_400(neura: Neura, agent_id: str, body: dict[str, Any]):
    for path in ("chat", "chat/stream"):
        answer = neura.post(f"/api/agents/{agent_id}/{path}", body)

        assert answer.status == 400, answer.body
        refusal(answer)


def test_what_is_not_there_is_a_404(neura: Neura, agent_id: str, neura_stranger: Neura):
    other = neura.made("/api/agents", {"name": "Other", "use_web_search": False})["agent_id"]
    conversation = chat(neura, other, "Hello")["conversation_id"]

    for path in ("chat", "chat/stream"):
        assert neura_stranger.post(f"/api/agents/{agent_id}/{path}", {"query": "x"}).status == 404
        body = {"query": "x", "conversation_id": conversation}
        assert neura.post(f"/api/agents/{agent_id}/{path}", body).status == 404
        assert neura.post(f"/api/agents/{agent_id}/{path}", body | {"conversation_id": "nonsense"}).status == 404


def test_an_idempotency_key_gives_the_first_answer(neura: Neura, agent_id: str, client: Client):
    headers = {"Idempotency-Key": "once"}
    body = {"query": "What is 3 * 3?"}

    first = neura.post(f"/api/agents/{agent_id}/chat", body, headers=headers)
    again = neura.post(f"/api/agents/{agent_id}/chat", body, headers=headers)

    assert first.json == again.json
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get("/v1/runs").json["data"]) == 1


def test_unknown_fields_are_named_and_strict_servers_refuse_them(neura: Neura, agent_id: str, strict_server: Server):
    answer = neura.post(f"/api/agents/{agent_id}/chat", {"query": "Hello", "mood": "good"})
    assert answer.headers["x-ignored-fields"] == "mood"

    strict = Neura(strict_server.port, strict_server.workspace().api_key)
    agent = strict.made("/api/agents", {"name": "x", "use_web_search": False})["agent_id"]
    assert strict.post(f"/api/agents/{agent}/chat", {"query": "Hello", "mood": "good"}).status == 400
