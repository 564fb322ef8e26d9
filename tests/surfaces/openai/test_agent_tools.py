"""An agent whose run calls the client's functions, sees pictures, and answers in a format that was asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.surfaces.openai.conftest import Live
from tests.surfaces.openai.test_agents import client, raw
from tests.surfaces.openai.test_chat import chunk

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmM"
    "IQAAAABJRU5ErkJggg=="
)
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ASKED: Any = [{"role": "user", "content": "How is the weather in Paris and in Rome?"}]


class Answer(BaseModel):
    city: str
    degrees: int


def calls(*cities: str) -> list[Any]:
    return [
        chunk(
            {
                "tool_calls": [
                    {
                        "index": index,
                        "id": f"call_{city}",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
                    }
                    for index, city in enumerate(cities)
                ]
            }
        ),
        chunk({}, "tool_calls"),
    ]


def says(here: Live, *words: str, finish: str = "stop") -> None:
    here.upstream.says(*[chunk({"content": word}) for word in words], chunk({}, finish))


def test_an_agent_hands_calls_of_the_clients_functions_over_and_goes_on_with_their_results(here: Live) -> None:
    here.upstream.says(*calls("Paris", "Rome"))
    says(here, "Sunny in both.")

    first = client(here).chat.completions.create(model="agent:writing", messages=ASKED, tools=[WEATHER])

    choice = first.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert [call.id for call in choice.message.tool_calls] == ["call_Paris", "call_Rome"]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in choice.message.tool_calls]
    messages: Any = [*ASKED, choice.message.model_dump(exclude_none=True), *results]
    second = client(here).chat.completions.create(model="agent:writing", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "Sunny in both."
    sent = here.upstream.posts[-1].json["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool"]
    assert [message["tool_call_id"] for message in sent[-2:]] == ["call_Paris", "call_Rome"]


def test_a_streamed_call_arrives_as_a_delta_with_its_finish_reason(here: Live) -> None:
    here.upstream.says(*calls("Paris"))

    stream = client(here).chat.completions.create(model="agent:writing", messages=ASKED, tools=[WEATHER], stream=True)

    chunks = list(stream)
    found = [call for c in chunks for call in (c.choices[0].delta.tool_calls or [])]
    assert [(call.index, call.id, call.function and call.function.arguments) for call in found] == [
        (0, "call_Paris", '{"city": "Paris"}')
    ]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_agents_own_tools_are_called_before_the_clients_are_handed_over(here: Live) -> None:
    own = {"index": 0, "id": "own", "function": {"name": "calculator", "arguments": '{"expression": "2+3"}'}}
    theirs = {"index": 1, "id": "theirs", "function": {"name": "get_weather", "arguments": "{}"}}
    here.upstream.says(chunk({"tool_calls": [own, theirs]}), chunk({}, "tool_calls"))

    answer = client(here).chat.completions.create(model="agent:writing", messages=ASKED, tools=[WEATHER])

    assert answer.choices[0].message.tool_calls is not None
    assert [call.id for call in answer.choices[0].message.tool_calls] == ["theirs"]


def test_calls_without_results_are_a_400_that_names_them(here: Live) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [*ASKED, {"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "user", "content": "?"}]

    answer = raw(here, {"model": "agent:quoting", "messages": messages})

    assert answer.status_code == 400
    assert "c1" in answer.json()["error"]["message"]


def test_settings_of_a_request_go_before_the_agents(here: Live) -> None:
    says(here, "Hi")
    body = {
        "model": "agent:writing",
        "messages": ASKED,
        "temperature": 0.1,
        "top_p": 0.5,
        "max_tokens": 7,
        "stop": "END",
        "seed": 3,
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "frequency_penalty": 0.5,
        "logprobs": True,
        "metadata": {"team": "a"},
    }

    answer = raw(here, body)

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-ignored-fields"] == "logprobs"
    sent = here.upstream.posts[-1].json
    assert {name: sent.get(name) for name in ("temperature", "top_p", "stop", "seed", "frequency_penalty")} == {
        "temperature": 0.1,
        "top_p": 0.5,
        "stop": ["END"],
        "seed": 3,
        "frequency_penalty": 0.5,
    }
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert sent["parallel_tool_calls"] is False
    assert 7 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))


def test_an_answer_that_was_cut_off_says_so(here: Live) -> None:
    says(here, "One two", finish="length")

    answer = client(here).chat.completions.create(model="agent:writing", messages=ASKED, max_tokens=2)

    assert answer.choices[0].finish_reason == "length"


def test_parse_gives_an_agents_answer_as_an_object(here: Live) -> None:
    says(here, '{"city": "Paris", ', '"degrees": 21}')

    answer = client(here).chat.completions.parse(model="agent:writing", messages=ASKED, response_format=Answer)

    assert answer.choices[0].message.parsed == Answer(city="Paris", degrees=21)
    assert here.upstream.posts[-1].json["response_format"]["json_schema"]["name"] == "Answer"


def test_an_answer_in_another_format_fails_instead_of_pretending(here: Live) -> None:
    says(here, "It is nice in Paris.")

    answer = raw(here, {"model": "agent:writing", "messages": ASKED, "response_format": {"type": "json_object"}})

    assert answer.status_code == 502
    assert "not valid JSON" in answer.json()["error"]["message"]


def test_the_built_in_model_answers_as_json_or_says_that_it_cannot(here: Live) -> None:
    sums: Any = [{"role": "user", "content": "What is 17 * 23?"}]

    for model in ("agent:quoting", "glia/embedded"):
        tools = [] if model != "glia/embedded" else [WEATHER]
        body = {"model": model, "messages": sums, **({"tools": tools} if tools else {})}
        answer = raw(here, {**body, "response_format": {"type": "json_object"}})
        assert json.loads(answer.json()["choices"][0]["message"]["content"])["answer"]
        form = {"type": "json_schema", "json_schema": {"name": "A", "schema": Answer.model_json_schema()}}
        refused = raw(here, {**body, "response_format": form})
        assert refused.status_code == 400, refused.text
        assert refused.json()["error"]["type"] == "invalid_request_error"


def test_a_picture_is_stored_with_the_session_and_shown_to_the_model(here: Live) -> None:
    says(here, "A dot.")
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]

    answer = raw(here, {"model": "agent:writing", "messages": [{"role": "user", "content": content}]})

    assert answer.status_code == 200, answer.text
    parts = here.upstream.posts[-1].json["messages"][-1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"] == PIXEL


def test_a_picture_for_a_model_that_sees_none_is_a_400(here: Live) -> None:
    content = [{"type": "image_url", "image_url": {"url": PIXEL}}]

    for model in ("agent:quoting", "glia/embedded"):
        answer = raw(here, {"model": model, "messages": [{"role": "user", "content": content}]})
        assert answer.status_code == 400, answer.text
        assert "picture" in answer.json()["error"]["message"]


def test_pictures_elsewhere_are_fetched_by_the_guarded_client_only(here: Live) -> None:
    url = "http://169.254.169.254/latest/meta-data"
    content = [{"type": "image_url", "image_url": {"url": url}}]

    answer = raw(here, {"model": "agent:writing", "messages": [{"role": "user", "content": content}]})

    assert answer.status_code == 400
    assert "could not be fetched" in answer.json()["error"]["message"]
    assert not here.upstream.posts


@pytest.mark.parametrize("is_streamed", [False, True])
def test_several_answers_are_several_runs_begun_once(here: Live, is_streamed: bool) -> None:
    for word in ("One.", "Two."):
        says(here, word)
    body = {"model": "agent:writing", "messages": ASKED, "n": 2, "stream": is_streamed}
    headers = {"Idempotency-Key": f"several-{is_streamed}"}

    first, again = (raw(here, body, headers) for _ in range(2))

    assert first.headers["x-glia-run-id"] == again.headers["x-glia-run-id"]
    assert (first.headers["x-glia-run-id"].count(","), len(here.upstream.posts)) == (1, 2)
    if is_streamed:
        chunks = [json.loads(line[6:]) for line in first.text.splitlines() if line.startswith("data: {")]
        assert sorted(first.text.splitlines()) == sorted(again.text.splitlines())
        assert first.text.endswith("data: [DONE]\n\n")
        choices = [chunk["choices"][0] for chunk in chunks]
        said = {c["index"]: c["delta"]["content"] for c in choices if c["delta"].get("content")}
    else:
        assert first.json() == again.json()
        said = {choice["index"]: choice["message"]["content"] for choice in first.json()["choices"]}
        assert first.json()["usage"]["completion_tokens"] > 0
    assert (set(said), set(said.values())) == ({0, 1}, {"One.", "Two."})


def test_more_answers_than_an_agent_gives_are_a_400(here: Live) -> None:
    for count in (0, 9):
        answer = raw(here, {"model": "agent:writing", "messages": ASKED, "n": count})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "n")


def test_the_async_client_streams_an_agent_with_its_usage(here: Live) -> None:
    import asyncio

    from openai import AsyncOpenAI

    async def ask() -> list[Any]:
        async with AsyncOpenAI(base_url=here.url, api_key=here.api_key, max_retries=0) as asked:
            stream = await asked.chat.completions.create(
                model="agent:quoting",
                messages=[{"role": "user", "content": "What is 17 * 23?"}],
                stream=True,
                stream_options={"include_usage": True},
            )
            return [one async for one in stream]

    chunks = asyncio.run(ask())
    assert "391" in "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage.total_tokens > 0


def test_the_client_needs_nothing_but_the_base_url(here: Live) -> None:
    with OpenAI(base_url=here.url, api_key=here.api_key, organization="org-1", project="proj-1") as asked:
        assert "glia/embedded" in [model.id for model in asked.models.list()]
