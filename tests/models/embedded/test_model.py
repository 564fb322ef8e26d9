"""The model as a `Model`: its stream, its limits, its accounts, and that nothing it is given makes it fail."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glia.models.embedded import EmbeddedModel
from glia.models.types import (
    AssistantMessage,
    FinishReason,
    ModelRequest,
    ModelResponse,
    SystemMessage,
    TextDelta,
    ThinkingDelta,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)


async def _events(request: ModelRequest):
    return [event async for event in EmbeddedModel().stream(request)]


async def test_the_stream_thinks_then_writes_word_by_word_then_ends_with_the_response():
    events = await _events(ModelRequest("embedded", [UserMessage("Hello")]))

    assert isinstance(events[0], ThinkingDelta)
    assert all(isinstance(event, TextDelta) for event in events[1:-1])
    response = events[-1]
    assert isinstance(response, ModelResponse)
    assert "".join(event.text for event in events[1:-1]) == response.text
    assert response.thinking == events[0].text
    assert len(events) > 20
    assert response.model == "glia/embedded"
    assert response.cost_micros == 0
    assert response.usage.is_estimated
    assert response.usage.output_tokens > response.usage.thinking_tokens > 0
    assert response.usage.input_tokens == 1


async def test_the_token_limit_cuts_the_answer_and_says_so(kit):
    response = await kit.respond(UserMessage("Who are you?"), max_output_tokens=8)

    assert response.finish_reason is FinishReason.LENGTH
    assert 0 < response.usage.output_tokens <= 8
    assert (await kit.respond(UserMessage("Who are you?"))).text.startswith(response.text)


async def test_a_stop_sequence_ends_the_answer_before_it(kit):
    response = await kit.respond(UserMessage("say one two three"), stop=("", " three"))

    assert response.text == "one two"
    assert response.finish_reason is FinishReason.STOP


async def test_other_tasks_run_while_it_writes(kit):
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(tick())
    await kit.respond(UserMessage("Who are you?"))
    task.cancel()

    assert ticks >= 3


async def test_surrogates_and_nul_in_a_result_do_not_reach_the_answer(kit):
    call = ToolCall("c", "c", "ping", "{}")
    result = json.dumps({"a": "x\x00y\ud800z", "b": 1})

    response = await kit.respond(UserMessage("ping"), AssistantMessage("", (call,)), ToolMessage("c", "ping", result))

    assert "- a: xyz" in response.text
    response.text.encode()


HUGE = {
    "words": "leave policy days " * 55_000,
    "one word": "a" * 1_000_000,
    "dots": ". " * 500_000,
    "open braces": "call ping with " + '{"a":' * 200_000,
    "open brackets": "call ping with {" + "[" * 900_000,
    "digits": "what is " + "1" * 1_000_000,
    "sums": "what is " + "1+" * 500_000 + "1",
    "quotes": "call ping with " + '"' * 1_000_000,
    "spaces": "text:" + " " * 1_000_000 + "?",
    "lines": "what?\n" + "x y z.\n" * 140_000,
    "tags": "<text>" * 160_000,
    "fences": "``` " * 250_000,
    "addresses": "https://" * 125_000,
    "at signs": "a@" * 500_000,
    "words kb": "kb://a/b#1 " * 90_000,
}


@pytest.mark.parametrize("kind", HUGE)
async def test_a_megabyte_of_anything_is_read_in_bounded_time(kit, kind):
    text = HUGE[kind]
    call = ToolCall("c", "c", "knowledge_search", text)
    results = json.dumps({"results": [{"uri": "kb://a/b#1", "text": text}] * 2})
    started = time.process_time()

    await kit.respond(SystemMessage(text), UserMessage(text), tools=kit.all_tools)
    await kit.respond(SystemMessage(text), UserMessage(text))
    for result in (text, results):
        for name in ("knowledge_search", "ping", "web_fetch", "calculator"):
            await kit.respond(
                UserMessage(text), AssistantMessage("", (call,)), ToolMessage("c", name, result), tools=kit.all_tools
            )

    # Ten requests of a megabyte or more each; quadratic reading would take minutes.
    assert time.process_time() - started < 12


TEXT = st.one_of(
    st.text(max_size=200),
    st.text(alphabet='{}[]":,.?!0123456789+-*/%()= \n\t#@_`abc', max_size=120),
    st.sampled_from(
        [
            "مرحبا كيف حالك؟",
            "日本の首都はどこですか。",
            "call ping",
            "send the invoice to",
            "remember that ",
            "{}",
            "[]",
        ]
    ),
)
KEYS = ["results", "text", "uri", "page", "error", "type", "enum", "properties", "required", "items", "x"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
RESULT = TEXT | JSON.map(json.dumps)
TOOL_NAME = st.sampled_from(
    ["ping", "knowledge_search", "calculator", "web_fetch", "memory_save", "memory_search", "now", "", "é_ü", "__"]
)
PROPERTY = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", ["string", "null"]])}
)
SCHEMA = st.one_of(
    st.dictionaries(st.sampled_from(["type", "properties", "required", "$defs"]), JSON, max_size=4),
    st.dictionaries(st.sampled_from(["query", "url", "text", "city", "x", "to", "date", ""]), PROPERTY, max_size=4).map(
        lambda listed: {"type": "object", "properties": listed, "required": list(listed)}
    ),
)
TOOL = st.builds(ToolSpec, name=TOOL_NAME, description=TEXT, schema=SCHEMA)
CALL = st.builds(ToolCall, id=st.just("c"), provider_id=st.just("c"), name=TOOL_NAME, arguments=RESULT)
MESSAGE = st.one_of(
    st.builds(SystemMessage, TEXT),
    st.builds(UserMessage, TEXT),
    st.builds(AssistantMessage, TEXT, st.lists(CALL, max_size=2).map(tuple)),
    st.builds(ToolMessage, st.just("c"), TOOL_NAME, RESULT, st.booleans()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MESSAGE, max_size=6), st.lists(TOOL, max_size=4))
def test_no_request_makes_it_fail(messages, tools):
    events = asyncio.run(_events(ModelRequest("embedded", messages, tools)))

    response = events[-1]
    assert isinstance(response, ModelResponse)
    assert response.text or response.tool_calls
    response.text.encode()
    names = {tool.name for tool in tools}
    for call in response.tool_calls:
        assert call.name in names
        assert isinstance(json.loads(call.arguments), dict)
