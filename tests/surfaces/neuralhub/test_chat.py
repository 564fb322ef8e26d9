"""Chat completions and models, with OpenAI's own client where it can ask."""

from __future__ import annotations

import openai
import pytest
from openai import OpenAI

from tests.surfaces.conftest import Client
from tests.surfaces.neuralhub.conftest import PREFIX, Hub, refusal


@pytest.fixture
def sdk(hub: Hub) -> OpenAI:
    return OpenAI(base_url=f"http://127.0.0.1:{hub.port}{PREFIX}/v1", api_key=hub.key or "", max_retries=0)


HELLO: list[dict[str, str]] = [{"role": "user", "content": "Hello!"}]


def test_the_openai_client_lists_models(sdk: OpenAI) -> None:
    models = {model.id: model for model in sdk.models.list().data}

    assert models["glia/embedded"].object == "model"
    assert sdk.models.retrieve("glia/embedded").owned_by == "glia"
    with pytest.raises(openai.NotFoundError, match="no model"):
        sdk.models.retrieve("nobody/none")


def test_the_openai_client_asks_whole_and_streamed(sdk: OpenAI) -> None:
    whole = sdk.chat.completions.create(model="glia/embedded", messages=HELLO)
    parts = list(
        sdk.chat.completions.create(
            model="glia/embedded", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    said = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert said == whole.choices[0].message.content
    assert parts[-1].usage is not None
    assert parts[-1].usage.total_tokens == whole.usage.total_tokens > 0


def test_the_openai_client_gets_tool_calls(sdk: OpenAI) -> None:
    tool = {
        "type": "function",
        "function": {
            "name": "calculator",
            "description": "Calculates an arithmetic expression exactly.",
            "parameters": {
                "type": "object",
                "properties": {"expression": {"type": "string"}},
                "required": ["expression"],
            },
        },
    }
    asked = sdk.chat.completions.create(
        model="glia/embedded", messages=[{"role": "user", "content": "What is 17*23?"}], tools=[tool]
    )

    (call,) = asked.choices[0].message.tool_calls or []
    assert asked.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "calculator"


def test_agents_chat_too(sdk: OpenAI, hub: Hub) -> None:
    hub.made("/v1/agents", {"name": "Adder", "tools": ["calculator"]})
    limited = OpenAI(base_url=str(sdk.base_url), api_key=hub.limited("chat:write").key or "", max_retries=0)

    answer = limited.chat.completions.create(model="agent:adder", messages=[{"role": "user", "content": "2+3?"}])

    assert "5" in (answer.choices[0].message.content or "")
    assert "agent:adder" in [model.id for model in sdk.models.list().data]
    with pytest.raises(openai.NotFoundError):
        sdk.chat.completions.create(model="agent:nobody", messages=HELLO)


def test_errors_have_neuralhubs_shape(hub: Hub) -> None:
    assert refusal(hub.post("/v1/chat/completions", {"model": "nobody/none", "messages": HELLO}), 404)
    for body in (
        {},
        {"model": "glia/embedded"},
        {"model": "glia/embedded", "messages": "x"},
        {"messages": HELLO, "model": 5},
    ):
        refusal(hub.post("/v1/chat/completions", body), 400)
    refusal(hub.request("POST", "/v1/chat/completions", raw=b"{"), 400)
    streamed = {"model": "nobody/none", "messages": HELLO, "stream": True}
    refusal(hub.post("/v1/chat/completions", streamed), 404)
    error = refusal(hub.limited("run:write").post("/v1/chat/completions", {"model": "x", "messages": HELLO}), 403)
    assert "`chat:write`" in error["message"]


def test_names_of_vendors_that_are_not_configured_are_answered_by_the_default(hub: Hub) -> None:
    asked = {"messages": HELLO, "model": "google/gemini-2.5-flash-lite"}
    answer = hub.post("/v1/chat/completions", asked)

    assert answer.status == 200
    assert answer.headers["x-model-substituted"] == "glia/embedded"
    assert answer.json["model"] == "glia/embedded"
    assert "x-model-substituted" not in hub.post("/v1/chat/completions", {**asked, "model": "glia/embedded"}).headers


def test_the_workspaces_context_is_added_when_asked_for(hub: Hub, other: Hub) -> None:
    hub.made("/v1/memory", {"content": "The warehouse code is Walrus-77."})
    workspace = hub.get("/v1/auth/me").json["workspaceId"]
    asked = {"model": "glia/embedded", "messages": [{"role": "user", "content": "What is the warehouse code?"}]}

    plain = hub.post("/v1/chat/completions", asked).json
    informed = hub.post("/v1/chat/completions", {**asked, "workspaceId": workspace})

    assert informed.status == 200
    assert informed.json["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
    refusal(other.post("/v1/chat/completions", {**asked, "workspaceId": workspace}), 404)
    refusal(hub.post("/v1/chat/completions", {**asked, "workspaceId": "elsewhere"}), 404)
    assert hub.post("/v1/chat/completions", {**asked, "workspaceId": None}).json["usage"] == plain["usage"]


def test_the_same_key_asks_once(hub: Hub) -> None:
    headers = {"Idempotency-Key": "chat-1"}
    asked = {"model": "glia/embedded", "messages": HELLO}

    first = hub.post("/v1/chat/completions", asked, headers=headers)
    second = hub.post("/v1/chat/completions", asked, headers=headers)

    assert first.json == second.json
    assert second.headers["idempotency-replayed"] == "true"


def test_a_request_is_counted_once_against_its_limit(hub: Hub, client: Client) -> None:
    key = client.made("/v1/keys", {"name": "slow", "rate_per_minute": 10})["key"]
    limited = Hub(hub.port, key)

    answer = limited.post("/v1/chat/completions", {"model": "glia/embedded", "messages": HELLO})

    assert answer.headers["x-ratelimit-remaining"] == "9"
    assert [limited.get("/v1/models").status for _ in range(11)].count(429) >= 1
    late = limited.get("/v1/models")
    refusal(late, 429)
    assert int(late.headers["retry-after"]) >= 1
