from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace

import pytest

from glia.kit.outbound import Outbound, Timeouts
from glia.models.errors import ModelFailed
from glia.models.openai_chat import OpenAiChat
from glia.models.providers import Provider
from glia.models.types import (
    AssistantMessage,
    FinishReason,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ModelSettings,
    SystemMessage,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)

REQUEST = ModelRequest(model="m", messages=[SystemMessage("Be brief."), UserMessage("Hi")])
KEY = "sk-very-secret-key-0123456789"


def provider(url: str) -> Provider:
    return Provider("test", url, api_key=KEY, key_variable="TEST_API_KEY", url_variable="TEST_BASE_URL")


def chat(server, outbound: Outbound, **changes: object) -> OpenAiChat:
    return OpenAiChat(replace(provider(server.url), **changes), outbound)


async def answer(model: OpenAiChat, request: ModelRequest = REQUEST) -> tuple[list[ModelEvent], ModelResponse]:
    events = [event async for event in model.stream(request)]
    assert isinstance(events[-1], ModelResponse)
    return events[:-1], events[-1]


def text(content: str | None, finish: str | None = None, **delta: object) -> dict:
    return {"choices": [{"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}]}


USAGE = {
    "choices": [],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 7,
        "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 12},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
}


async def test_text_streams_and_ends_with_the_whole_answer(server, outbound: Outbound) -> None:
    server.says(text("", role="assistant"), text("Hel"), text("lo"), text(None, "stop"), USAGE)

    deltas, response = await answer(chat(server, outbound))

    assert deltas == [TextDelta("Hel"), TextDelta("lo")]
    assert (response.text, response.finish_reason, response.model) == ("Hello", FinishReason.STOP, "test/m")
    usage = response.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.thinking_tokens) == (20, 7, 12, 3)
    assert not usage.is_estimated
    assert server.posts[0].path == "/v1/chat/completions"
    assert server.posts[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.posts[0].json["stream_options"] == {"include_usage": True}


async def test_one_connection_serves_call_after_call(server, outbound: Outbound) -> None:
    for _ in range(3):
        server.says(text("a"), text(None, "stop"))

    for _ in range(3):
        await answer(chat(server, outbound))

    assert server.connections == 1


async def test_messages_tools_and_settings_are_written_in_the_providers_words(server, outbound: Outbound) -> None:
    server.says(text("ok", "stop"))
    call = ToolCall(id="ours", provider_id="theirs", name="f", arguments='{"x": 1}')
    request = ModelRequest(
        model="m",
        messages=[UserMessage("u"), AssistantMessage("", (call,)), ToolMessage("theirs", "f", "result")],
        tools=[ToolSpec("f", "does", {"type": "object"})],
        settings=ModelSettings(temperature=0.5, max_output_tokens=9, stop=("X",), seed=3, thinking_effort="low"),
    )

    await answer(chat(server, outbound, output_limit_field="max_completion_tokens"), request)

    sent = server.posts[0].json
    function = {"name": "f", "arguments": '{"x": 1}'}
    assert sent["messages"] == [
        {"role": "user", "content": "u"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "theirs", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "theirs", "content": "result"},
    ]
    assert sent["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "does", "parameters": {"type": "object"}}}
    ]
    assert (sent["temperature"], sent["max_completion_tokens"], sent["stop"]) == (0.5, 9, ["X"])
    assert (sent["seed"], sent["reasoning_effort"]) == (3, "low")
    assert "max_tokens" not in sent


async def test_tool_calls_come_from_their_pieces(server, outbound: Outbound) -> None:
    def piece(**call: object) -> dict:
        return {"choices": [{"delta": {"tool_calls": [call]}}]}

    server.says(
        piece(index=0, id="c1", type="function", function={"name": "f", "arguments": ""}),
        piece(index=0, function={"arguments": '{"x"'}),
        piece(index=0, function={"arguments": ": 1}"}),
        piece(index=1, id="c2", function={"name": "g", "arguments": {"y": 2}}),
        text(None, "stop"),
    )

    deltas, response = await answer(chat(server, outbound))

    assert deltas == []
    assert [(c.provider_id, c.name, c.arguments) for c in response.tool_calls] == [
        ("c1", "f", '{"x": 1}'),
        ("c2", "g", '{"y": 2}'),
    ]
    assert response.finish_reason is FinishReason.TOOL_CALLS
    assert len({call.id for call in response.tool_calls}) == 2


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thinking_is_told_apart_and_given_back_with_the_tool_calls(server, outbound: Outbound, name: str) -> None:
    server.says(
        {"choices": [{"delta": {name: "hm", "content": None}}]},
        {"choices": [{"delta": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}}]},
        text(None, "tool_calls"),
    )
    server.says(text("ok", "stop"))
    model = chat(server, outbound)

    deltas, response = await answer(model)
    said = AssistantMessage("", response.tool_calls, response.thinking, response.provider_state)
    await answer(model, ModelRequest("m", [UserMessage("u"), said, ToolMessage("c", "f", "r")]))

    assert deltas == [ThinkingDelta("hm")]
    assert response.thinking == "hm"
    assert server.posts[1].json["messages"][1][name] == "hm"


async def test_signatures_on_tool_calls_return_to_their_provider_only(server, other_server, outbound: Outbound) -> None:
    extra = {"google": {"thought_signature": "sig"}}
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
    server.says({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    server.says(text("ok", "stop"))
    other_server.says(text("ok", "stop"))
    model = chat(server, outbound)

    _, response = await answer(model)
    said = AssistantMessage("", response.tool_calls, provider_state=response.provider_state)
    history = ModelRequest("m", [UserMessage("u"), said, ToolMessage("c", "f", "r")])
    await answer(model, history)
    await answer(chat(other_server, outbound, name="other"), history)

    assert server.posts[1].json["messages"][1]["tool_calls"][0]["extra_content"] == extra
    assert "extra_content" not in other_server.posts[0].json["messages"][1]["tool_calls"][0]


async def test_content_in_parts_is_read(server, outbound: Outbound) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    server.says({"choices": [{"delta": {"content": [thought, {"type": "text", "text": "yes"}]}}]}, text("", "stop"))

    deltas, _ = await answer(chat(server, outbound))

    assert deltas == [ThinkingDelta("hm"), TextDelta("yes")]


async def test_thoughts_counted_only_in_the_total_are_output(server, outbound: Outbound) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    server.says(text("a", "stop"), {"choices": [], "usage": usage})

    _, response = await answer(chat(server, outbound))

    assert response.usage.output_tokens == 30


async def test_missing_usage_is_estimated_and_said_to_be(server, outbound: Outbound) -> None:
    server.says(text("a" * 400), text(None, "stop"))

    _, response = await answer(chat(server, outbound))

    assert response.usage.is_estimated
    assert response.usage.output_tokens == 100
    assert response.usage.input_tokens > 0


async def test_a_missing_done_does_no_harm_after_the_finish_reason(server, outbound: Outbound) -> None:
    server.says(text("all"), text(None, "length"), done=False)

    _, response = await answer(chat(server, outbound))

    assert (response.text, response.finish_reason) == ("all", FinishReason.LENGTH)


@pytest.mark.parametrize("is_cut", [True, False])
async def test_a_stream_that_ends_in_the_middle_is_a_failure(server, outbound: Outbound, is_cut: bool) -> None:
    server.says(text("half an ans"), done=False, cut=is_cut)
    events: list[ModelEvent] = []

    with pytest.raises(ModelFailed) as caught:
        async for event in chat(server, outbound).stream(REQUEST):
            events.append(event)  # noqa: PERF401 - what came before the failure counts

    assert events == [TextDelta("half an ans")]
    assert caught.value.kind == "server"


async def test_a_cut_after_the_finish_reason_does_no_harm(server, outbound: Outbound) -> None:
    server.says(text("all", "stop"), done=False, cut=True)

    _, response = await answer(chat(server, outbound))

    assert response.text == "all"


async def test_an_answer_in_one_piece_is_read_as_well(server, outbound: Outbound) -> None:
    whole = {
        "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    server.fails(200, whole)

    deltas, response = await answer(chat(server, outbound))

    assert deltas == [TextDelta("hi")]
    assert (response.usage.input_tokens, response.usage.output_tokens) == (3, 1)


FAILURES = [
    (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "auth", "TEST_API_KEY"),
    (403, {"error": {"message": "no access", "type": "permission_error"}}, "auth", "no access"),
    (404, {"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}, "not_found", "'m'"),
    (404, {"detail": "Not Found"}, "not_found", "Not Found"),
    (429, {"error": {"message": "slow down"}}, "rate_limited", "slow down"),
    (429, {"error": {"message": "no money", "code": "insufficient_quota"}}, "rate_limited", "Add credit"),
    (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, "context_too_long", "Shorten"),
    (400, {"message": "maximum context length is 8192 tokens"}, "context_too_long", "8192"),
    (400, {"error": {"message": "unsupported parameter"}}, "bad_request", "unsupported parameter"),
    (400, {"error": {"message": "blocked", "code": "content_filter"}}, "refused", "blocked"),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "bad_request", "field required"),
    (
        400,
        [{"error": {"code": 400, "message": "API key not valid", "status": "INVALID_ARGUMENT"}}],
        "bad_request",
        "API key",
    ),
    (500, {"error": "boom"}, "server", "boom"),
    (503, b"<html><title>Service Down</title><p>x</p></html>", "server", "Service Down"),
    (404, b"<html><title>Nothing here</title></html>", "protocol", "web page"),
    (200, b"<!doctype html><title>Welcome</title>", "protocol", "web page"),
    (200, b"", "protocol", "empty answer"),
    (200, b"gibberish", "protocol", "empty answer"),
    (200, b"data: gibberish\n\n", "protocol", "gibberish"),
    (200, b'{"error": {"message": "late", "type": "server_error"}}', "server", "late"),
    (302, b"", "protocol", "302"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), FAILURES)
async def test_every_bad_answer_is_a_clear_failure(
    server, outbound: Outbound, status: int, body: object, kind: str, words: str
) -> None:
    server.fails(status, body)

    with pytest.raises(ModelFailed) as caught:
        await answer(chat(server, outbound))

    failure = caught.value
    assert failure.kind == kind
    assert words in failure.message
    assert "test" in failure.message
    assert KEY not in failure.message
    assert failure.provider_status in {status, None}


async def test_what_a_provider_says_is_quoted_only_in_its_beginning(server, outbound: Outbound) -> None:
    server.fails(400, {"error": {"message": "y" * 5000}})

    with pytest.raises(ModelFailed) as caught:
        await answer(chat(server, outbound))

    assert caught.value.message.count("y") < 330


async def test_an_error_inside_the_stream_is_a_failure(server, outbound: Outbound) -> None:
    server.says(text("be"), {"error": {"message": "overloaded", "code": 503}})

    with pytest.raises(ModelFailed, match="overloaded") as caught:
        await answer(chat(server, outbound))

    assert caught.value.kind == "server"


async def test_retry_after_is_read_in_both_forms(server, outbound: Outbound) -> None:
    server.fails(429, {}, retry_after="7")
    server.fails(429, {}, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    seconds: list[float | None] = []

    for _ in range(2):
        with pytest.raises(ModelFailed) as caught:
            await answer(chat(server, outbound))
        seconds.append(caught.value.retry_after_seconds)

    assert seconds == [7.0, 0.0]


async def test_a_dead_server_is_named_with_the_way_out(outbound: Outbound) -> None:
    with pytest.raises(ModelFailed, match=r"127\.0\.0\.1:9/v1.*TEST_BASE_URL") as caught:
        await answer(OpenAiChat(provider("http://127.0.0.1:9/v1"), outbound))

    assert (caught.value.kind, caught.value.is_retryable) == ("connect", True)


async def test_a_silent_server_times_out_and_a_patient_caller_gets_its_answer(server, outbound: Outbound) -> None:
    reply = [0.3, b"data: " + json.dumps(text("late", "stop")).encode() + b"\n\n"]
    for _ in range(2):
        server.says()
        server.script[-1].pieces = reply

    with pytest.raises(ModelFailed) as caught:
        await answer(OpenAiChat(provider(server.url), outbound, Timeouts(1, 0.1, 5)))
    _, response = await answer(OpenAiChat(provider(server.url), outbound, Timeouts(1, 2, 5)))

    assert (caught.value.kind, caught.value.is_retryable) == ("timeout", False)
    assert response.text == "late"


async def test_closing_the_stream_cancels_the_call_upstream(server, outbound: Outbound) -> None:
    server.says(*(text(str(number)) for number in range(3)))
    server.script[-1].pieces += [0.01, b": beat\n\n"] * 300

    async with aclosing(chat(server, outbound).stream(REQUEST)) as events:
        async for _ in events:
            break

    await asyncio.wait_for(server.is_closed_by_client.wait(), 60)
