"""The `openai` package against a live server: models, whole and streamed."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.models.conftest import Reply
from tests.surfaces.openai.conftest import Live

ASK: Any = [{"role": "user", "content": "Hi"}]
USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def client(live: Live) -> OpenAI:
    return OpenAI(base_url=live.url, api_key=live.api_key, max_retries=0, timeout=20)


def whole(text: str = "Hello", **more: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-test",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
        **more,
    }


def chunk(delta: dict[str, object], finish: str | None = None, **more: object) -> dict[str, object]:
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-test",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


USAGE_CHUNK = {"id": "chatcmpl-up", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
STREAM = (chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}), chunk({}, "stop"), USAGE_CHUNK)


def reply(body: dict[str, object], **more: Any) -> Reply:
    return Reply([json.dumps(body).encode()], content_type="application/json", **more)


def test_a_completion_passes_through_as_it_is_and_is_metered_once(live: Live) -> None:
    live.upstream.script.append(reply(whole(secret_extra={"kept": [1, 2.50]})))

    answer = client(live).chat.completions.create(
        model="gpt-test", messages=ASK, temperature=0.5, extra_body={"never_heard_of": {"a": 1}}
    )

    assert answer.choices[0].message.content == "Hello"
    assert answer.model_extra == {"secret_extra": {"kept": [1, 2.5]}}
    sent = live.upstream.posts[-1]
    assert sent.json["model"] == "gpt-test"
    assert sent.json["never_heard_of"] == {"a": 1}
    assert sent.headers["authorization"] == "Bearer sk-operators-own-key"
    (record,) = live.usage(1)
    assert (record.model, record.input_tokens, record.output_tokens) == ("openai/gpt-test", 10, 4)
    assert (record.cost_micros, record.is_estimated, record.status) == (18, False, "ok")
    assert record.key_id == live.principal.key_id


def test_the_provider_sees_its_own_name_of_the_model(live: Live) -> None:
    live.upstream.script.append(reply(whole()))
    odd = [{"role": "user", "content": 'He said "model": "openai/x"', "model": "untouched"}]

    client(live).chat.completions.create(model="openai/any/thing", messages=odd)  # type: ignore[arg-type]

    sent = live.upstream.posts[-1].json
    assert sent["model"] == "any/thing"
    assert sent["messages"] == odd


def test_a_stream_costs_what_the_whole_answer_costs(live: Live) -> None:
    live.upstream.script.append(reply(whole()))
    live.upstream.says(*STREAM)

    client(live).chat.completions.create(model="gpt-test", messages=ASK)
    chunks = list(client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=True))

    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello"
    assert all(c.choices for c in chunks)  # nobody asked for the usage chunk
    assert live.upstream.posts[-1].json["stream_options"] == {"include_usage": True}
    streamed, plain = live.usage(2)
    assert (streamed.is_streamed, plain.is_streamed) == (True, False)
    assert streamed.cost_micros == plain.cost_micros == 18
    assert not live.upstream.is_closed_by_client.is_set()  # as it is when a client leaves early


def test_a_client_that_asks_for_usage_gets_the_chunk(live: Live) -> None:
    live.upstream.says(*STREAM)

    chunks = list(
        client(live).chat.completions.create(
            model="gpt-test", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )

    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 14


def test_other_stream_options_stay(live: Live) -> None:
    live.upstream.says(*STREAM)

    body = {"model": "gpt-test", "messages": ASK, "stream": True, "stream_options": {"include_obfuscation": False}}
    httpx.post(f"{live.url}/chat/completions", json=body, headers=_headers(live)).raise_for_status()

    options = live.upstream.posts[-1].json["stream_options"]
    assert options == {"include_obfuscation": False, "include_usage": True}


def test_a_stream_that_ends_in_the_middle_ends_with_an_error(live: Live) -> None:
    live.upstream.says(chunk({"content": "Hel"}), done=False)
    live.upstream.says(chunk({"content": "Hel"}), chunk({}, "stop"), done=False)

    shown = ""
    with pytest.raises(openai.APIError, match="ended its answer in the middle"):
        for one in client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=True):
            shown += one.choices[0].delta.content or ""
    unmarked = list(client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=True))

    assert shown == "Hel"
    assert unmarked[-1].choices[0].finish_reason == "stop"  # `[DONE]` itself is left out by some providers
    assert [record.status for record in live.usage(2)] == ["ok", "failed"]


async def test_the_asynchronous_client_streams_too(live: Live) -> None:
    live.upstream.says(*STREAM)

    async with AsyncOpenAI(base_url=live.url, api_key=live.api_key, max_retries=0) as asynchronous:
        stream = await asynchronous.chat.completions.create(model="gpt-test", messages=ASK, stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream])

    assert text == "Hello"


def test_a_client_that_leaves_stops_the_provider_and_pays_for_what_was_said(live: Live) -> None:
    said = [f"data: {json.dumps(chunk({'content': 'twelve bytes'}))}\n\n".encode() for _ in range(4)]
    # Writing on notices the cut; the pauses leave time to notice it in.
    live.upstream.script.append(Reply([*said, *([0.05, said[0]] * 2000)]))

    stream = client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=True)
    for _ in range(4):
        next(iter(stream))
    stream.close()

    live.do(_within(live.upstream.is_closed_by_client.wait(), 60))
    records = live.usage(1)
    time.sleep(0.1)
    assert len(live.usage(1)) == 1
    assert (records[0].status, records[0].is_estimated) == ("cancelled", True)
    assert 12 <= records[0].output_tokens < 3000  # all that it would have said is twice that


def test_a_client_that_does_not_wait_for_a_whole_answer_stops_the_provider_too(live: Live) -> None:
    live.upstream.script.append(Reply([b" ", *([0.05, b" "] * 2000)], content_type="application/json"))

    with pytest.raises(openai.APITimeoutError):
        client(live).with_options(timeout=3).chat.completions.create(model="gpt-test", messages=ASK)

    live.do(_within(live.upstream.is_closed_by_client.wait(), 60))
    (record,) = live.usage(1)
    assert (record.status, record.is_estimated) == ("cancelled", True)


def test_a_provider_that_breaks_off_ends_the_stream_with_an_error(live: Live) -> None:
    live.upstream.says(chunk({"content": "Hel"}), done=False, cut=True)

    text = ""
    with pytest.raises(openai.APIError, match="closed the connection"):
        for c in client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=True):
            text += c.choices[0].delta.content or ""

    assert text == "Hel"
    (record,) = live.usage(1)
    assert (record.status, record.is_estimated) == ("failed", True)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_providers_own_error_reaches_the_client_without_the_key(live: Live, is_streamed: bool) -> None:
    error = {"error": {"message": "sk-operators-own-key says no", "type": "rate", "param": None, "code": "slow"}}
    live.upstream.fails(429, error, retry_after="7")

    with pytest.raises(openai.RateLimitError) as caught:
        client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=is_streamed)

    assert caught.value.code == "slow"
    assert caught.value.response.headers["retry-after"] == "7"
    assert "*** says no" in caught.value.message
    (record,) = live.usage(1)
    assert (record.status, record.input_tokens) == ("failed", 0)


def test_a_wrong_key_of_the_server_is_not_the_clients_401(live: Live) -> None:
    live.upstream.fails(401, {"error": {"message": "Incorrect API key provided"}})

    with pytest.raises(openai.InternalServerError, match="OPENAI_API_KEY") as caught:
        client(live).chat.completions.create(model="gpt-test", messages=ASK)

    assert caught.value.status_code == 502


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_web_page_is_no_answer(live: Live, is_streamed: bool) -> None:
    for status in (200, 404):
        live.upstream.fails(status, b"<html>Welcome</html>", content_type="text/html")

        with pytest.raises(openai.InternalServerError, match="OPENAI_BASE_URL"):
            client(live).chat.completions.create(model="gpt-test", messages=ASK, stream=is_streamed)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_dead_provider_is_named(own_live: Live, is_streamed: bool) -> None:
    own_live.do(_stop(own_live))

    with pytest.raises(openai.InternalServerError, match="could not be reached"):
        client(own_live).chat.completions.create(model="openai/gpt-test", messages=ASK, stream=is_streamed)

    assert own_live.usage(1)[0].status == "failed"


def test_the_built_in_model_answers_whole_and_streamed_alike(live: Live) -> None:
    answer = client(live).chat.completions.create(model="glia/embedded", messages=ASK)
    chunks = list(
        client(live).chat.completions.create(
            model="glia/embedded", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == answer.choices[0].message.content != ""
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == answer.choices[0].finish_reason == "stop"
    assert chunks[-1].usage == answer.usage
    records = live.usage(2)
    assert [r.cost_micros for r in records] == [0, 0]
    assert records[0].output_tokens == records[1].output_tokens


def test_the_built_in_model_calls_a_tool_and_reads_its_result(live: Live) -> None:
    ask: list[Any] = [{"role": "user", "content": "What is the weather in Paris? Use get_weather."}]
    answer = client(live).chat.completions.create(model="glia/embedded", messages=ask, tools=[TOOL])

    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls or ()
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Paris"}

    streamed = client(live).chat.completions.create(model="glia/embedded", messages=ask, tools=[TOOL], stream=True)
    deltas = [d for c in streamed for d in c.choices[0].delta.tool_calls or ()]
    assert [(d.index, d.function and d.function.name) for d in deltas] == [(0, "get_weather")]

    ask += [choice.message.model_dump(exclude_none=True)]
    ask += [{"role": "tool", "tool_call_id": call.id, "content": "It is 21 degrees and sunny in Paris."}]
    final = client(live).chat.completions.create(model="glia/embedded", messages=ask, tools=[TOOL])
    assert "21 degrees" in (final.choices[0].message.content or "")


def test_fields_without_effect_are_named(live: Live) -> None:
    body = {"model": "glia/embedded", "messages": ASK, "logit_bias": {"1": 2}, "user": None}

    answer = httpx.post(f"{live.url}/chat/completions", json=body, headers=_headers(live))

    assert answer.headers["x-ignored-fields"] == "logit_bias"


async def _within(work: Any, seconds: float) -> None:
    import asyncio

    async with asyncio.timeout(seconds):
        await work


async def _stop(live: Live) -> None:
    await live.upstream.stop()


def _headers(live: Live) -> dict[str, str]:
    return {"authorization": f"Bearer {live.api_key}"}
