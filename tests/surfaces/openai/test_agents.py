"""Agents as models: `agent:<slug>` through the `openai` package."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import OpenAI

from glia.agents.types import Agent, AgentSpec, Limits
from glia.kit.ids import new_id
from glia.runs.events import MessageReceived, RunCompleted
from glia.settings import Settings
from tests.models.conftest import Reply
from tests.surfaces.openai.conftest import Live
from tests.surfaces.openai.test_chat import chunk

SUM: Any = [{"role": "user", "content": "What is 17 * 23?"}]


def client(live: Live) -> OpenAI:
    return OpenAI(base_url=live.url, api_key=live.api_key, max_retries=0, timeout=30)


def make_agent(live: Live, **spec: Any) -> Agent:
    spec = {"name": "Helper", "model": "glia/embedded", **spec}
    return live.do(live.house.agents.create(live.principal, AgentSpec(**spec)))


def raw(live: Live, body: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
    named = {"authorization": f"Bearer {live.api_key}", **(headers or {})}
    return httpx.post(f"{live.url}/chat/completions", json=body, headers=named, timeout=30)


def test_an_agent_answers_by_slug_and_by_id_with_its_tools(live: Live) -> None:
    agent = make_agent(live)

    for model in ("agent:helper", f"agent:{agent.id}"):
        answer = client(live).chat.completions.create(model=model, messages=SUM)

        message = answer.choices[0].message
        assert "391" in (message.content or "")
        assert message.model_extra is not None
        assert message.model_extra["citations"] == []
        assert answer.usage is not None
        assert answer.usage.total_tokens > 0


def test_a_streamed_agent_says_what_the_log_says(live: Live) -> None:
    make_agent(live)

    with client(live).chat.completions.with_streaming_response.create(
        model="agent:helper", messages=SUM, stream=True, stream_options={"include_usage": True}
    ) as response:
        session, run = response.headers["x-glia-session-id"], response.headers["x-glia-run-id"]
        chunks = list(response.parse())

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    last = live.do(_last(live, session))
    assert isinstance(last.payload, RunCompleted)
    assert str(last.run_id) == run
    assert last.payload.message is not None
    assert text.endswith(last.payload.message.content)
    assert text.count("391") == last.payload.message.content.count("391")
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert last.payload.usage is not None
    assert chunks[-1].usage.prompt_tokens == last.payload.usage.input_tokens


def test_the_messages_become_the_sessions_history(live: Live) -> None:
    make_agent(live)
    messages: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "My name is "}, {"type": "text", "text": "Ada."}]},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "What is 2 + 3?"},
    ]

    answer = raw(live, {"model": "agent:helper", "messages": messages, "temperature": 1, "user": None})

    assert answer.status_code == 200
    assert answer.headers["x-ignored-fields"] == "temperature"
    events = live.do(_events(live, answer.headers["x-glia-session-id"]))
    said = [e.payload for e in events if isinstance(e.payload, MessageReceived)]
    assert [(m.role, m.content) for m in said] == [
        ("system", "Be brief."),
        ("user", "My name is Ada."),
        ("assistant", "Hello Ada."),
        ("user", "What is 2 + 3?"),
    ]


@pytest.mark.parametrize(
    ("messages", "param", "word"),
    [
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], "content[0]", "image_url"),
        ([{"role": "tool", "tool_call_id": "1", "content": "x"}], "messages[0]", "tool call"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "messages", "last"),
        ([{"role": "nobody", "content": "a"}], "messages[0].role", "nobody"),
        ([{"role": "user", "content": 3}], "messages[0].content", "int"),
    ],
)
def test_what_an_agent_cannot_be_told_is_a_clear_400(live: Live, messages: Any, param: str, word: str) -> None:
    make_agent(live)

    answer = raw(live, {"model": "agent:helper", "messages": messages})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert param in error["param"]
    assert word in error["message"]


def test_an_unknown_agent_is_a_404_with_names_that_are_near(live: Live) -> None:
    make_agent(live)

    for reference in ("helpr", str(new_id())):
        with pytest.raises(openai.NotFoundError) as caught:
            client(live).chat.completions.create(model=f"agent:{reference}", messages=SUM)
        assert caught.value.code == "model_not_found"
        assert ("agent:helper" in caught.value.message) == (reference == "helpr")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_run_that_fails_is_an_error_that_names_the_reason(live: Live, is_streamed: bool) -> None:
    make_agent(live, model="openai/gpt-test")
    live.upstream.fails(400, {"error": {"message": "no such luck"}})

    with pytest.raises(openai.APIError, match="no such luck"):
        answer = client(live).chat.completions.create(model="agent:helper", messages=SUM, stream=is_streamed)
        if is_streamed:
            list(answer)  # type: ignore[arg-type]


def test_a_failed_run_tells_which_it_was_and_is_not_begun_again(live: Live) -> None:
    make_agent(live, model="openai/gpt-test", limits=Limits(max_tokens=1))
    live.upstream.fails(400, {"error": {"message": "no"}})

    answer = raw(live, {"model": "agent:helper", "messages": SUM})

    assert answer.status_code >= 400
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-glia-run-id"]


def test_an_agent_on_a_providers_model_streams_its_words(live: Live) -> None:
    make_agent(live, model="openai/gpt-test")
    words = ["One ", "two ", "three."]
    live.upstream.says(*[chunk({"content": word}) for word in words], chunk({}, "stop"))

    stream = client(live).chat.completions.create(model="agent:helper", messages=SUM, stream=True)

    assert "".join(c.choices[0].delta.content or "" for c in stream) == "One two three."


def test_a_reader_who_leaves_does_not_end_the_run(live: Live) -> None:
    make_agent(live, model="openai/gpt-test")
    pieces: list[Any] = []
    for word in ("One ", "two ", "three."):
        pieces += [f"data: {json.dumps(chunk({'content': word}))}\n\n".encode(), 0.2]
    live.upstream.script.append(Reply([*pieces, b"data: [DONE]\n\n"]))

    with client(live).chat.completions.with_streaming_response.create(
        model="agent:helper", messages=SUM, stream=True
    ) as response:
        session = response.headers["x-glia-session-id"]
        next(iter(response.parse()))

    last = live.do(_ended(live, session))
    assert isinstance(last.payload, RunCompleted)
    assert last.payload.message is not None
    assert last.payload.message.content == "One two three."


class TestStrict:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(strict_fields=True)

    def test_fields_without_effect_are_refused(self, own_live: Live) -> None:
        make_agent(own_live)

        for model in ("agent:helper", "glia/embedded"):
            answer = raw(own_live, {"model": model, "messages": SUM, "logit_bias": {}})
            assert answer.status_code == 400
            assert answer.json()["error"]["param"] == "logit_bias"


async def _events(live: Live, session: str) -> Any:
    from uuid import UUID

    return await live.house.runs.events(live.principal, UUID(session), after=0, limit=500)


async def _ended(live: Live, session: str) -> Any:
    for _ in range(1200):
        if (last := await _last(live, session)).is_final:
            return last
        await asyncio.sleep(0.05)
    raise AssertionError("The run did not end.")


async def _last(live: Live, session: str) -> Any:
    return (await _events(live, session))[-1]
