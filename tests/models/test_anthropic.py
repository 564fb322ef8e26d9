from __future__ import annotations

import orjson
import pytest

from glia.kit.outbound import Outbound
from glia.models.anthropic import AnthropicMessages
from glia.models.anthropic_wire import thinks_adaptively
from glia.models.errors import ModelFailed
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

REQUEST = ModelRequest(model="claude-opus-5", messages=[SystemMessage("Be brief."), UserMessage("Hi")])


def client(server, outbound: Outbound, name: str = "anthropic") -> AnthropicMessages:
    return AnthropicMessages(Provider(name, server.url, api_key="secret", kind="anthropic"), outbound)


async def answer(model: AnthropicMessages, request: ModelRequest = REQUEST) -> tuple[list[ModelEvent], ModelResponse]:
    events = [event async for event in model.stream(request)]
    assert isinstance(events[-1], ModelResponse)
    return events[:-1], events[-1]


def start(**usage: int) -> dict:
    return {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": usage}}


def block(index: int, **content: object) -> dict:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, **content: object) -> dict:
    return {"type": "content_block_delta", "index": index, "delta": content}


def stop(reason: str, **usage: object) -> list[dict]:
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}, {"type": "message_stop"}]


THINKING_AND_TOOL = [
    start(input_tokens=10, cache_read_input_tokens=90, cache_creation_input_tokens=20, output_tokens=1),
    {"type": "ping"},
    block(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="hm"),
    delta(0, type="signature_delta", signature="signed"),
    {"type": "content_block_stop", "index": 0},
    block(1, type="redacted_thinking", data="opaque"),
    block(2, type="text", text=""),
    delta(2, type="text_delta", text="Look"),
    block(3, type="tool_use", id="toolu_1", name="f", input={}),
    delta(3, type="input_json_delta", partial_json=""),
    delta(3, type="input_json_delta", partial_json='{"x": '),
    delta(3, type="input_json_delta", partial_json="1}"),
    block(4, type="tool_use", id="toolu_2", name="g", input={}),
    {"type": "something_new", "index": 9},
    *stop("tool_use", output_tokens=33, output_tokens_details={"thinking_tokens": 5}),
]


async def test_text_thinking_and_tool_calls_stream(server, outbound: Outbound) -> None:
    server.says(*THINKING_AND_TOOL, done=False)

    deltas, response = await answer(client(server, outbound))

    assert deltas == [ThinkingDelta("hm"), TextDelta("Look")]
    assert [(c.provider_id, c.name, c.arguments) for c in response.tool_calls] == [
        ("toolu_1", "f", '{"x": 1}'),
        ("toolu_2", "g", "{}"),
    ]
    assert (response.finish_reason, response.model) == (FinishReason.TOOL_CALLS, "anthropic/claude-opus-5")
    usage = response.usage
    assert (usage.input_tokens, usage.cached_input_tokens, usage.cache_write_tokens) == (120, 90, 20)
    assert (usage.output_tokens, usage.thinking_tokens, usage.is_estimated) == (33, 5, False)
    headers = server.posts[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("secret", "2023-06-01")
    assert server.posts[0].path == "/v1/messages"


async def test_signed_thoughts_return_before_the_tool_calls_and_to_their_provider_only(
    server, outbound: Outbound
) -> None:
    server.says(*THINKING_AND_TOOL, done=False)
    for _ in range(2):
        server.says(start(), *stop("end_turn"), done=False)

    _, response = await answer(client(server, outbound))
    said = AssistantMessage(response.text, response.tool_calls, response.thinking, response.provider_state)
    history = ModelRequest("claude-opus-5", [UserMessage("u"), said, ToolMessage("toolu_1", "f", "r")])
    await answer(client(server, outbound), history)
    await answer(client(server, outbound, name="other"), history)

    assert server.posts[1].json["messages"][1]["content"][:3] == [
        {"type": "thinking", "thinking": "hm", "signature": "signed"},
        {"type": "redacted_thinking", "data": "opaque"},
        {"type": "text", "text": "Look"},
    ]
    assert server.posts[2].json["messages"][1]["content"][0]["type"] == "text"


async def test_a_conversation_is_written_in_turns_with_its_stable_prefix_cached(server, outbound: Outbound) -> None:
    server.says(start(), *stop("end_turn"), done=False)
    calls = (ToolCall("1", "a:1", "f", '{"x": 1}'), ToolCall("2", "b", "g", "not json"))
    request = ModelRequest(
        model="claude-opus-5",
        messages=[
            SystemMessage("one"),
            SystemMessage("two"),
            UserMessage("u"),
            AssistantMessage("", calls),
            UserMessage("hurry"),
            ToolMessage("a:1", "f", "r", is_error=True),
            ToolMessage("b", "g", "s"),
        ],
        tools=[ToolSpec("f", "does", {"type": "object"})],
        settings=ModelSettings(temperature=1.5, stop=("X",)),
    )

    await answer(client(server, outbound), request)

    sent = server.posts[0].json
    ephemeral = {"type": "ephemeral"}
    assert sent["system"] == [
        {"type": "text", "text": "one"},
        {"type": "text", "text": "two", "cache_control": ephemeral},
    ]
    assert sent["tools"] == [{"name": "f", "description": "does", "input_schema": {"type": "object"}}]
    assert sent["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a_1", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "g", "input": {"invalid_arguments": "not json"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a_1", "content": "r", "is_error": True},
                {"type": "tool_result", "tool_use_id": "b", "content": "s"},
                {"type": "text", "text": "hurry", "cache_control": ephemeral},
            ],
        },
    ]
    assert (sent["max_tokens"], sent["temperature"], sent["stop_sequences"]) == (16384, 1.0, ["X"])


@pytest.mark.parametrize(
    ("model", "is_adaptive"),
    [
        ("claude-3-7-sonnet-20250219", False),
        ("claude-opus-4-20250514", False),
        ("claude-sonnet-4-5-20250929", False),
        ("claude-haiku-4-5", False),
        ("claude-opus-4-6", True),
        ("claude-sonnet-5", True),
        ("claude-fable-5", True),
    ],
)
async def test_thinking_is_asked_for_as_the_model_knows_it(
    server, outbound: Outbound, model: str, is_adaptive: bool
) -> None:
    server.says(start(), *stop("end_turn"), done=False)
    settings = ModelSettings(thinking_effort="medium", temperature=0.2)

    await answer(client(server, outbound), ModelRequest(model, [UserMessage("u")], settings=settings))

    sent = server.posts[0].json
    assert thinks_adaptively(model) is is_adaptive
    if is_adaptive:
        assert (sent["thinking"], sent["output_config"]) == ({"type": "adaptive"}, {"effort": "medium"})
    else:
        assert sent["thinking"] == {"type": "enabled", "budget_tokens": 8192}
        assert sent["max_tokens"] > 8192
    assert "temperature" not in sent


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("refusal", FinishReason.CONTENT_FILTER),
    ],
)
async def test_stop_reasons_are_said_in_our_words(
    server, outbound: Outbound, reason: str, expected: FinishReason
) -> None:
    server.says(start(), *stop(reason), done=False)

    _, response = await answer(client(server, outbound))

    assert response.finish_reason is expected


async def test_a_whole_message_is_read_as_well(server, outbound: Outbound) -> None:
    content = [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}]
    usage = {"input_tokens": 2, "output_tokens": 3}
    server.fails(200, {"type": "message", "content": content, "stop_reason": "tool_use", "usage": usage})

    deltas, response = await answer(client(server, outbound))

    assert deltas == [TextDelta("hi")]
    assert orjson.loads(response.tool_calls[0].arguments) == {"x": 1}
    assert response.usage.input_tokens == 2


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, "authentication_error", "auth"),
        (404, "not_found_error", "not_found"),
        (413, "request_too_large", "context_too_long"),
        (429, "rate_limit_error", "rate_limited"),
        (500, "api_error", "server"),
        (529, "overloaded_error", "server"),
        (400, "invalid_request_error", "bad_request"),
    ],
)
async def test_errors_have_their_kind(server, outbound: Outbound, status: int, error: str, kind: str) -> None:
    server.fails(status, {"type": "error", "error": {"type": error, "message": "the reason"}})

    with pytest.raises(ModelFailed, match="the reason") as caught:
        await answer(client(server, outbound))

    assert caught.value.kind == kind


async def test_a_prompt_that_is_too_long_is_told_apart(server, outbound: Outbound) -> None:
    message = "prompt is too long: 210000 tokens > 200000 maximum"
    server.fails(400, {"type": "error", "error": {"type": "invalid_request_error", "message": message}})

    with pytest.raises(ModelFailed) as caught:
        await answer(client(server, outbound))

    assert caught.value.kind == "context_too_long"


async def test_an_error_in_the_stream_is_a_failure(server, outbound: Outbound) -> None:
    server.says(start(), {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, done=False)

    with pytest.raises(ModelFailed, match="Overloaded") as caught:
        await answer(client(server, outbound))

    assert (caught.value.kind, caught.value.is_retryable) == ("server", True)


@pytest.mark.parametrize("is_cut", [True, False])
async def test_a_stream_that_ends_in_the_middle_is_a_failure(server, outbound: Outbound, is_cut: bool) -> None:
    server.says(start(), block(0, type="text", text="half"), done=False, cut=is_cut)

    with pytest.raises(ModelFailed) as caught:
        await answer(client(server, outbound))

    assert caught.value.kind == "server"


async def test_a_conversation_that_was_cut_before_an_answer_begins_with_the_user_all_the_same(
    server, outbound: Outbound
) -> None:
    server.says(start(), *stop("end_turn"), done=False)
    messages = [SystemMessage("s"), SystemMessage("A summary."), AssistantMessage("Four."), UserMessage("And now?")]

    await answer(client(server, outbound), ModelRequest("claude-opus-5", messages))

    turns = server.posts[0].json["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"][0]["text"] == "Four."
