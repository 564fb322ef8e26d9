"""Models and OpenAI-compatible completions over Neura's wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glia.surfaces.neura.completions import Completions
from tests.surfaces.conftest import Server
from tests.surfaces.neura.conftest import Neura, refusal

BODY: dict[str, Any] = {
    "model": "deepseek-ai/DeepSeek-V3.2",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
    ],
    "max_tokens": 256,
    "temperature": 0.7,
}


def test_models_are_listed_with_what_is_known(neura: Neura):
    found = neura.get("/api/agent/models").json

    assert found["default"] == "deepseek-ai/DeepSeek-V3.2"
    by_id = {model["id"]: model for model in found["models"]}
    assert set(by_id) >= {"deepseek-ai/DeepSeek-V3.2", "glia/embedded", "openai/slow"}
    default = by_id["deepseek-ai/DeepSeek-V3.2"]
    assert (default["name"], default["provider"], default["category"]) == ("DeepSeek V3.2", "deepseek-ai", "deepseek")
    assert "glia/embedded answers" in default["description"]
    assert all(set(model) == set(default) for model in found["models"])


def test_models_in_openais_form(neura: Neura):
    found = neura.get("/api/v1/models").json

    assert found["object"] == "list"
    assert {"id": "glia/embedded", "object": "model", "created": 0, "owned_by": "glia"} in found["data"]


def test_a_completion_is_in_openais_form(neura: Neura):
    answer = neura.post("/api/v1/chat/completions", BODY)

    assert answer.status == 200
    assert answer.json["object"] == "chat.completion"
    assert answer.json["choices"][0]["message"]["content"]
    assert answer.json["usage"]["total_tokens"] > 0


def test_neuras_defaults_are_used(server: Server):
    def sent(**more: Any) -> dict[str, Any]:
        body = json.dumps({"model": "openai/slow", "messages": [{"role": "user", "content": "x"}], **more}).encode()
        read = Completions(server.house)._read
        call = server.do(lambda _house: read(body))
        return json.loads(call.body)

    plain = sent()
    assert (plain["max_tokens"], plain["temperature"], plain["top_p"]) == (512, 0.7, 0.9)
    own = sent(max_tokens=7, temperature=0, top_p=1)
    assert (own["max_tokens"], own["temperature"], own["top_p"]) == (7, 0, 1)
    assert "max_tokens" not in sent(max_completion_tokens=9)


def test_a_streamed_completion_ends_with_done(neura: Neura):
    with neura.stream("POST", "/api/v1/chat/completions", {**BODY, "stream": True}) as stream:
        lines = [line for line in stream.everything().decode().split("\n\n") if line]

    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize(
    "body", [{}, {"model": "x"}, {"model": "glia/embedded", "messages": []}, {"model": 5, "messages": [1]}]
)
def test_what_cannot_be_right_is_a_400_in_neuras_shape(neura: Neura, body: dict[str, Any]):
    answer = neura.post("/api/v1/chat/completions", body)

    assert answer.status == 400
    refusal(answer)
