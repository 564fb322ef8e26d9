"""/v1/responses with the `openai` package: agents and models, whole, streamed, in the background, one after another."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.surfaces.openai.conftest import Live
from tests.surfaces.openai.test_agent_tools import PIXEL
from tests.surfaces.openai.test_chat import chunk

SUM = "What is 17 * 23?"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}


class Answer(BaseModel):
    city: str
    degrees: int


@pytest.fixture
def api(here: Live) -> OpenAI:
    return OpenAI(base_url=here.url, api_key=here.api_key, max_retries=0, timeout=30)


def raw(here: Live, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    named = {"authorization": f"Bearer {here.api_key}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return httpx.request(method, f"{here.url}{path}", json=body, headers=named, timeout=30)


def says(here: Live, *words: str, finish: str = "stop") -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    usage["prompt_tokens_details"] = {"cached_tokens": 3}  # type: ignore[assignment]
    here.upstream.says(
        *[chunk({"content": word}) for word in words], chunk({}, finish), {"choices": [], "usage": usage}
    )


def calls(here: Live, *names: str, arguments: str = '{"city": "Paris"}') -> None:
    made = [
        {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, name in enumerate(names)
    ]
    here.upstream.says(chunk({"tool_calls": made}), chunk({}, "tool_calls"))


def until_over(api: OpenAI, id: str) -> Any:
    end = time.monotonic() + 60
    while (found := api.responses.retrieve(id)).status in ("queued", "in_progress"):
        assert time.monotonic() < end
        time.sleep(0.03)
    return found


def test_an_agents_run_is_a_response_with_its_calls_and_its_answer(here: Live, api: OpenAI) -> None:
    response = api.responses.create(model="agent:quoting", input=SUM, metadata={"a": "b"}, instructions="Be brief.")

    assert "391" in response.output_text
    assert [item.type for item in response.output if item.type != "reasoning"] == ["mcp_call", "message"]
    assert (response.status, response.metadata, response.instructions) == ("completed", {"a": "b"}, "Be brief.")
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    again = api.responses.retrieve(response.id)
    assert again.to_dict() == response.to_dict()


def test_a_models_response_says_what_the_provider_counted(here: Live, api: OpenAI) -> None:
    says(here, "Hello ", "there")

    response = api.responses.create(
        model="openai/gpt-test", input="Hi", reasoning={"effort": "xhigh"}, user="u1", temperature=0.2
    )

    assert response.output_text == "Hello there"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (10, 4)
    assert response.usage.input_tokens_details.cached_tokens == 3
    sent = here.upstream.posts[-1].json
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]
    assert (sent["reasoning_effort"], sent["user"], sent["temperature"]) == ("xhigh", "u1", 0.2)


def test_the_events_of_a_stream_come_in_order_and_add_up(here: Live, api: OpenAI) -> None:
    says(here, "Hello ", "there")

    events = list(api.responses.create(model="openai/gpt-test", input="Hi", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    deltas = kinds.count("output_text.delta")
    assert [kind for kind in kinds if kind != "output_text.delta"] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert deltas >= 1
    assert kinds.index("output_text.delta") == 4
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last: Any = events[-1]
    assert text == last.response.output_text == "Hello there"
    stored = api.responses.retrieve(last.response.id)
    assert stored.to_dict() == last.response.to_dict()


def test_the_helper_for_streams_gives_the_final_response(api: OpenAI) -> None:
    with api.responses.stream(model="agent:quoting", input=SUM) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()

    assert "391" in final.output_text


def test_an_answer_is_parsed_into_the_schema_that_was_asked_for(here: Live, api: OpenAI) -> None:
    says(here, '{"city": "Paris", ', '"degrees": 21}')

    response = api.responses.parse(model="agent:writing", input="Weather?", text_format=Answer)

    assert response.output_parsed == Answer(city="Paris", degrees=21)
    form = here.upstream.posts[-1].json["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == ("json_schema", "Answer", True)


@pytest.mark.parametrize("model", ["agent:writing", "openai/gpt-test"])
def test_a_function_of_the_client_is_handed_over_and_its_output_goes_on(here: Live, api: OpenAI, model: str) -> None:
    calls(here, "get_weather", "get_weather")
    says(here, "Sunny.")

    first = api.responses.create(model=model, input="Weather?", tools=[WEATHER])

    found = [item for item in first.output if item.type == "function_call"]
    assert [(item.name, item.call_id, item.arguments) for item in found] == [
        ("get_weather", "call_0", '{"city": "Paris"}'),
        ("get_weather", "call_1", '{"city": "Paris"}'),
    ]
    outputs: Any = [{"type": "function_call_output", "call_id": i.call_id, "output": "sunny"} for i in found]
    second = api.responses.create(model=model, input=outputs, previous_response_id=first.id, tools=[WEATHER])
    assert second.output_text == "Sunny."
    assert second.previous_response_id == first.id
    sent = [m for m in here.upstream.posts[-1].json["messages"] if m["role"] != "system"]
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "tool"]


def test_a_streamed_call_has_its_arguments_and_all_items_may_come_back_without_being_stored(
    here: Live, api: OpenAI
) -> None:
    calls(here, "get_weather")
    says(here, "Sunny.")
    asked: Any = [{"role": "user", "content": "Weather?"}]

    events = list(api.responses.create(model="openai/gpt-test", input=asked, tools=[WEATHER], stream=True, store=False))

    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds[2:] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    last: Any = events[-1]
    call = last.response.output[0]
    more: Any = [
        *asked,
        call.to_dict(),
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"sky": "blue"}'},
    ]
    answer = api.responses.create(model="openai/gpt-test", input=more, tools=[WEATHER], store=False)
    assert answer.output_text == "Sunny."
    for id in (last.response.id, answer.id):
        with pytest.raises(openai.NotFoundError):
            api.responses.retrieve(id)


def test_going_on_twice_from_one_response_gives_two_branches(here: Live, api: OpenAI) -> None:
    says(here, "Ada it is.")
    first = api.responses.create(model="openai/gpt-test", input="I am Ada.")

    for question in ("Who am I?", "And again: who?"):
        says(here, "Ada.")
        api.responses.create(model="openai/gpt-test", input=question, previous_response_id=first.id)
        sent = here.upstream.posts[-1].json["messages"]
        assert [m["content"] for m in sent] == ["I am Ada.", "Ada it is.", question]


def test_instructions_hold_for_one_response_only(here: Live, api: OpenAI) -> None:
    says(here, "Arr.")
    says(here, "Hello.")
    first = api.responses.create(model="openai/gpt-test", input="Hi", instructions="Talk like a pirate.")
    api.responses.create(model="openai/gpt-test", input="Hi again", previous_response_id=first.id)

    one, two = (post.json["messages"] for post in here.upstream.posts[-2:])
    assert one[0] == {"role": "system", "content": "Talk like a pirate."}
    assert [m["role"] for m in two] == ["user", "assistant", "user"]


def test_a_stream_that_was_shown_live_has_the_same_events_when_it_is_read_again(here: Live, api: OpenAI) -> None:
    from tests.models.conftest import Reply

    def piece(**delta: object) -> bytes:
        return f"data: {json.dumps(chunk(delta))}\n\n".encode()

    end = b"data: " + json.dumps(chunk({}, "stop")).encode() + b"\n\ndata: [DONE]\n\n"
    thought = [piece(reasoning_content=word) for word in ("Let ", "me ", "see")]
    words = [
        part for word in ("one", "two", "three", "four", "five", "six") for part in (piece(content=f"{word} "), 0.02)
    ]
    here.upstream.script.append(
        Reply([*thought, 0.01, *words, piece(reasoning_content="So."), piece(content="!"), end])
    )

    live = list(api.responses.create(model="openai/gpt-test", input="Count.", stream=True))

    first: Any = live[0]
    assert sum(event.type == "response.output_text.delta" for event in live) == 7
    for after in (-1, 0, 7, 13, len(live) - 2):
        again = list(api.responses.retrieve(first.response.id, stream=True, starting_after=after))
        assert [e.to_dict() for e in again] == [e.to_dict() for e in live[after + 1 :]]


def test_a_response_in_the_background_is_followed_later_from_any_event_on(here: Live, api: OpenAI) -> None:
    begun = api.responses.create(model="agent:quoting", input=SUM, background=True)
    assert begun.status in ("queued", "in_progress")
    over = until_over(api, begun.id)
    assert "391" in over.output_text

    whole = list(api.responses.retrieve(begun.id, stream=True))
    assert [event.type for event in whole[:3]] == ["response.created", "response.queued", "response.in_progress"]
    for after in range(-1, len(whole), 3):
        rest = list(api.responses.retrieve(begun.id, stream=True, starting_after=after))
        assert [e.to_dict() for e in rest] == [e.to_dict() for e in whole[after + 1 :]]
    final: Any = whole[-1]
    assert final.response.to_dict() == over.to_dict()


def test_a_background_stream_has_the_numbers_that_reading_again_has(here: Live, api: OpenAI) -> None:
    live = list(api.responses.create(model="agent:quoting", input=SUM, background=True, stream=True))

    first: Any = live[0]
    again = list(api.responses.retrieve(first.response.id, stream=True))
    assert [e.to_dict() for e in live] == [e.to_dict() for e in again]


def test_a_background_response_is_cancelled(here: Live, api: OpenAI) -> None:
    from tests.models.conftest import Reply

    here.upstream.script.append(Reply([f"data: {json.dumps(chunk({'content': 'One '}))}\n\n".encode(), 20.0]))
    begun = api.responses.create(model="openai/gpt-test", input="Count.", background=True)

    stopped = api.responses.cancel(begun.id)

    assert stopped.status == "cancelled"
    assert api.responses.retrieve(begun.id).status == "cancelled"
    foreground = raw(here, "POST", "/responses", {"model": "agent:quoting", "input": SUM}).json()
    refused = raw(here, "POST", f"/responses/{foreground['id']}/cancel", {})
    assert refused.status_code == 400


def test_an_answer_that_was_cut_off_is_incomplete(here: Live, api: OpenAI) -> None:
    says(here, "One two", finish="length")

    response = api.responses.create(model="openai/gpt-test", input="Count.", max_output_tokens=2)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == "One two"


def test_a_failure_is_an_error_at_once_and_a_failed_response_later(here: Live, api: OpenAI) -> None:
    here.upstream.fails(400, {"error": {"message": "No.", "type": "invalid_request_error"}})
    with pytest.raises(openai.APIStatusError) as caught:
        api.responses.create(model="openai/gpt-test", input="Hi")
    run_id = caught.value.response.headers["x-glia-run-id"]

    failed = api.responses.retrieve(f"resp_{run_id.replace('-', '')}")

    assert failed.status == "failed"
    assert failed.error is not None
    here.upstream.fails(400, {"error": {"message": "No.", "type": "invalid_request_error"}})
    events = list(api.responses.create(model="openai/gpt-test", input="Hi", stream=True))
    assert events[-1].type == "response.failed"


def test_a_deleted_response_is_gone_and_those_after_it_stay(here: Live, api: OpenAI) -> None:
    says(here, "One.")
    says(here, "Two.")
    first = api.responses.create(model="openai/gpt-test", input="1")
    second = api.responses.create(model="openai/gpt-test", input="2", previous_response_id=first.id)

    api.responses.delete(first.id)

    with pytest.raises(openai.NotFoundError):
        api.responses.retrieve(first.id)
    assert api.responses.retrieve(second.id).output_text == "Two."


def test_input_items_are_what_was_said(here: Live, api: OpenAI) -> None:
    says(here, "A dot.")
    content: Any = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PIXEL}]
    response = api.responses.create(model="openai/gpt-test", input=[{"role": "user", "content": content}])

    (item,) = api.responses.input_items.list(response.id).data

    assert [part.type for part in item.content] == ["input_text", "input_image"]  # type: ignore[union-attr]
    assert here.upstream.posts[-1].json["messages"][0]["content"][1]["image_url"]["url"] == PIXEL


def test_a_file_is_read_by_its_id(here: Live, api: OpenAI) -> None:
    says(here, "Blue.")
    file = api.files.create(file=("sky.txt", b"The sky is blue."), purpose="user_data")
    content: Any = [{"type": "input_file", "file_id": file.id}, {"type": "input_text", "text": "Colour?"}]

    api.responses.create(model="openai/gpt-test", input=[{"role": "user", "content": content}])

    assert "The sky is blue." in here.upstream.posts[-1].json["messages"][0]["content"]


def test_built_in_tools_are_those_of_the_server(here: Live, api: OpenAI) -> None:
    base = raw(here, "POST", "/knowledge-bases", {"name": "Notes"}).json()
    calls(here, "knowledge_search", arguments='{"query": "sky"}')
    says(here, "Nothing.")

    response = api.responses.create(
        model="openai/gpt-test", input="Sky?", tools=[{"type": "file_search", "vector_store_ids": [base["id"]]}]
    )

    assert [item.type for item in response.output] == ["file_search_call", "message"]
    assert response.output[0].queries == ["sky"]  # type: ignore[union-attr]


def test_a_conversation_that_is_gone_is_missed_by_its_own_name(here: Live) -> None:
    gone = raw(here, "GET", "/conversations/conv_0190b2f0a1b27c3d8e4f5a6b7c8d9e0f")

    assert (gone.status_code, "conversation" in gone.json()["error"]["message"]) == (404, True)


def last_messages(here: Live) -> list[dict[str, Any]]:
    return [m for m in here.upstream.posts[-1].json["messages"] if m["role"] != "system"]


def too_long(here: Live) -> None:
    problem = {"message": "This model's maximum context length is 10 tokens.", "code": "context_length_exceeded"}
    here.upstream.fails(400, {"error": {**problem, "type": "invalid_request_error"}})


def test_a_conversation_that_is_too_long_is_compacted_with_truncation_auto_only(here: Live, api: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "The code is 4711."}, {"role": "assistant", "content": "Noted."}]
    asked.append({"role": "user", "content": "Go on."})

    for choice in ({}, {"truncation": "disabled"}):
        too_long(here)
        with pytest.raises(openai.BadRequestError) as caught:
            api.responses.create(model="openai/gpt-test", input=asked, **choice)  # type: ignore[arg-type]
        assert caught.value.code == "context_length_exceeded"
    too_long(here)
    says(here, "The code is 4711.")
    says(here, "Gladly.")
    done = api.responses.create(model="openai/gpt-test", input=asked, truncation="auto")

    assert (done.output_text, done.truncation) == ("Gladly.", "auto")
    sent = here.upstream.posts[-1].json["messages"]
    assert [m["content"] for m in sent[-1:]] == ["Go on."]
    assert "The code is 4711." in sent[0]["content"]


@pytest.mark.parametrize("is_stored", [True, False])
def test_reasoning_that_comes_back_is_sent_to_the_provider_again(here: Live, api: OpenAI, is_stored: bool) -> None:
    made = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    here.upstream.says(
        chunk({"reasoning_content": "They want weather."}), chunk({"tool_calls": [made]}), chunk({}, "tool_calls")
    )
    says(here, "Sunny.")
    asked: Any = [{"role": "user", "content": "Weather?"}]
    include: Any = [] if is_stored else ["reasoning.encrypted_content"]
    first = api.responses.create(
        model="openai/gpt-test", input=asked, tools=[WEATHER], store=is_stored, include=include
    )

    output = [item.to_dict() for item in first.output]
    assert ("encrypted_content" in output[0]) is not is_stored
    more: Any = [*asked, *output, {"type": "function_call_output", "call_id": "call_0", "output": "sunny"}]
    api.responses.create(model="openai/gpt-test", input=more, tools=[WEATHER])

    assert last_messages(here)[1]["reasoning_content"] == "They want weather."
    assert [m["role"] for m in last_messages(here)] == ["user", "assistant", "tool"]


def test_an_item_is_named_in_place_of_being_sent(here: Live, api: OpenAI) -> None:
    calls(here, "get_weather")
    says(here, "Sunny.")
    first = api.responses.create(model="openai/gpt-test", input="Weather?", tools=[WEATHER])
    more: Any = [
        {"role": "user", "content": "Weather?"},
        {"type": "item_reference", "id": first.output[0].id},
        {"type": "function_call_output", "call_id": "call_0", "output": "sunny"},
    ]

    assert api.responses.create(model="openai/gpt-test", input=more, tools=[WEATHER]).output_text == "Sunny."
    assert last_messages(here)[1]["tool_calls"][0]["id"] == "call_0"
    lost = raw(here, "POST", "/responses", {"model": "openai/gpt-test", "input": [{**more[1], "id": "msg_nothing"}]})
    assert (lost.status_code, lost.json()["error"]["param"]) == (404, "input[0].id")


def test_items_of_a_conversation_are_deleted_for_readers_and_for_the_model(here: Live, api: OpenAI) -> None:
    items: Any = [
        {"role": "user", "content": "Forget me."},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"role": "user", "content": "Keep me."},
    ]
    conversation = api.conversations.create(items=items)
    says(here, "One.")
    api.responses.create(model="openai/gpt-test", input="Hi", conversation=conversation.id)
    before = api.conversations.items.list(conversation.id, order="asc").data

    for item in (before[0], before[1], before[-1]):
        assert api.conversations.items.delete(item.id or "", conversation_id=conversation.id).id == conversation.id

    after = api.conversations.items.list(conversation.id, order="asc").data
    assert [item.id for item in after] == [item.id for item in (before[2], before[3], before[4])]
    with pytest.raises(openai.NotFoundError):
        api.conversations.items.delete(before[0].id or "", conversation_id=conversation.id)
    says(here, "Two.")
    api.responses.create(model="openai/gpt-test", input="Again", conversation=conversation.id)
    assert [m["content"] for m in last_messages(here)] == ["Keep me.", "Hi", "Again"]


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_streamed_response_is_answered_again_under_its_key(here: Live, is_stored: bool) -> None:
    says(here, "Once ", "only.")
    body = {"model": "openai/gpt-test", "input": "Hi", "stream": True, "store": is_stored}

    first, again = (raw(here, "POST", "/responses", body, Idempotency_Key=f"key-{is_stored}") for _ in range(2))

    assert first.text == again.text
    assert "response.completed" in first.text
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert len(here.upstream.posts) == 1


def test_a_client_that_left_finds_its_response_under_its_key(here: Live) -> None:
    from tests.models.conftest import Reply

    end = b"data: " + json.dumps(chunk({"content": "Done."}, "stop")).encode() + b"\n\ndata: [DONE]\n\n"
    here.upstream.script.append(Reply([0.6, end]))
    body = {"model": "openai/gpt-test", "input": "Hi"}
    headers = {"authorization": f"Bearer {here.api_key}", "idempotency-key": "left"}

    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{here.url}/responses", json=body, headers=headers, timeout=0.3)
    found = raw(here, "POST", "/responses", body, Idempotency_Key="left").json()

    assert found["output"][0]["content"][0]["text"] == "Done."
    assert len(here.upstream.posts) == 1


BAD: list[tuple[dict[str, Any], int, str | None]] = [
    ({}, 400, None),
    ({"model": ""}, 400, "model"),
    ({"model": "agent:quoting"}, 400, "input"),
    ({"model": "agent:quoting", "input": []}, 400, "input"),
    ({"model": "agent:quoting", "input": 3}, 400, "input"),
    ({"model": "agent:nobody", "input": "a"}, 404, "model"),
    ({"model": "openai/gpt-test", "input": [{"role": "boss", "content": "a"}]}, 400, "input[0].role"),
    ({"model": "openai/gpt-test", "input": [{"type": "dance"}]}, 400, "input[0].type"),
    (
        {"model": "openai/gpt-test", "input": [{"type": "function_call_output", "call_id": "x", "output": "y"}]},
        400,
        "input[0].call_id",
    ),
    ({"model": "openai/gpt-test", "input": "a", "tools": [{"type": "computer"}]}, 400, "tools[0].type"),
    (
        {"model": "openai/gpt-test", "input": "a", "tools": [{"type": "file_search"}]},
        400,
        "tools[0].vector_store_ids",
    ),
    (
        {"model": "openai/gpt-test", "input": "a", "tools": [{"type": "mcp", "server_label": "nobody"}]},
        400,
        "tools[0]",
    ),
    ({"model": "openai/gpt-test", "input": "a", "tool_choice": {"type": "function", "name": "x"}}, 400, "tool_choice"),
    ({"model": "openai/gpt-test", "input": "a", "previous_response_id": "resp_1"}, 404, "previous_response_id"),
    ({"model": "openai/gpt-test", "input": "a", "conversation": "conv_1"}, 404, "conversation"),
    ({"model": "openai/gpt-test", "input": "a", "background": True, "store": False}, 400, "store"),
    ({"model": "openai/gpt-test", "input": "a", "max_output_tokens": 0}, 400, "max_output_tokens"),
    ({"model": "openai/gpt-test", "input": "a", "truncation": "some"}, 400, "truncation"),
    ({"model": "openai/gpt-test", "input": "a", "text": {"format": {"type": "xml"}}}, 400, "text.format.type"),
    ({"model": "openai/gpt-test", "input": "a", "instructions": "\0"}, 400, "instructions"),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD)
def test_what_makes_no_sense_names_the_field(here: Live, body: dict[str, Any], status: int, param: str | None) -> None:
    answer = raw(here, "POST", "/responses", body)

    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["param"], set(error)) == (param, {"message", "type", "param", "code", "request_id"})
    assert not here.upstream.posts


def test_fields_without_effect_are_named(here: Live) -> None:
    body = {"model": "agent:quoting", "input": SUM, "temperature": 1, "user": "u", "sparkle": 1, "top_logprobs": 2}

    answer = raw(here, "POST", "/responses", body)

    assert set(answer.headers["x-ignored-fields"].split(", ")) == {"sparkle", "user", "top_logprobs", "temperature"}


def test_the_same_key_makes_one_response(here: Live) -> None:
    body = {"model": "agent:quoting", "input": SUM}

    one, two = (raw(here, "POST", "/responses", body, idempotency_key="twice") for _ in range(2))

    assert one.json()["id"] == two.json()["id"]
    assert two.headers["idempotency-replayed"] == "true"


def test_a_conversation_holds_what_responses_say(here: Live, api: OpenAI) -> None:
    talk = api.conversations.create(items=[{"role": "user", "content": "I am Ada."}], metadata={"topic": "names"})
    says(here, "Ada.")

    response = api.responses.create(model="agent:writing", input="Who am I?", conversation=talk.id)

    assert response.conversation is not None
    assert response.conversation.id == talk.id
    sent = [m["content"] for m in here.upstream.posts[-1].json["messages"] if m["role"] == "user"]
    assert sent == ["I am Ada.", "Who am I?"]
    items = list(api.conversations.items.list(talk.id, order="asc"))
    assert [item.role for item in items] == ["user", "user", "assistant"]  # type: ignore[union-attr]
    assert api.conversations.items.retrieve(items[2].id or "", conversation_id=talk.id).type == "message"
    assert api.conversations.update(talk.id, metadata={"topic": "people"}).metadata == {"topic": "people"}
    more = api.conversations.items.create(talk.id, items=[{"role": "user", "content": "Thanks."}])
    assert len(more.data) == 1
    assert api.conversations.delete(talk.id).deleted
    with pytest.raises(openai.NotFoundError):
        api.conversations.retrieve(talk.id)


def test_a_conversation_is_compacted_into_one_item(here: Live, api: OpenAI) -> None:
    says(here, "The user is Ada.")
    says(here, "Ada.")
    compacted = api.responses.compact(model="openai/gpt-test", input=[{"role": "user", "content": "I am Ada."}])

    assert [item.type for item in compacted.output] == ["compaction"]
    items: Any = [compacted.output[0].to_dict(), {"role": "user", "content": "Who am I?"}]
    assert api.responses.create(model="openai/gpt-test", input=items).output_text == "Ada."
    assert "The user is Ada." in here.upstream.posts[-1].json["messages"][0]["content"]


def test_an_agents_run_from_elsewhere_is_a_response_too(here: Live, api: OpenAI) -> None:
    answer = api.chat.completions.with_raw_response.create(
        model="agent:quoting", messages=[{"role": "user", "content": SUM}]
    )
    run_id = answer.headers["x-glia-run-id"]

    response = api.responses.retrieve(f"resp_{run_id.replace('-', '')}")

    assert "391" in response.output_text
    assert response.model == "agent:quoting"


def test_the_async_client_streams_and_parses(here: Live) -> None:
    async def ask() -> tuple[str, list[str]]:
        async with AsyncOpenAI(base_url=here.url, api_key=here.api_key, max_retries=0) as api:
            whole = await api.responses.create(model="agent:quoting", input=SUM)
            stream = await api.responses.create(model="agent:quoting", input=SUM, stream=True)
            return whole.output_text, [event.type async for event in stream]

    text, kinds = asyncio.run(ask())
    assert "391" in text
    assert kinds[-1] == "response.completed"


def test_wrong_methods_and_unknown_routes_are_told_in_this_apis_words(here: Live) -> None:
    for method, path, status in (
        ("PUT", "/responses", 405),
        ("GET", "/responses/x/y/z", 404),
        ("GET", "/responses/resp_x", 404),
        ("DELETE", "/responses/resp_x", 404),
        ("POST", "/responses/resp_x/cancel", 404),
        ("GET", "/responses/resp_x/input_items", 404),
        ("GET", "/files/file-x", 404),
        ("GET", "/files/file-x/content", 404),
        ("DELETE", "/files/file-x", 404),
        ("GET", "/conversations/conv_x", 404),
        ("GET", "/conversations/conv_x/items", 404),
    ):
        answer = raw(here, method, path)
        assert answer.status_code == status, (method, path, answer.text)
        assert set(answer.json()["error"]) >= {"message", "type", "param", "code"}
    without = httpx.post(f"{here.url}/responses", json={"model": "agent:quoting", "input": "a"})
    assert (without.status_code, without.json()["error"]["code"]) == (401, "invalid_api_key")


def test_a_keys_limit_is_told_by_this_apis_names_too(here: Live) -> None:
    key = raw(here, "POST", "/keys", {"name": "Slow", "rate_per_minute": 50}).json()["key"]

    answer = httpx.get(f"{here.url}/models", headers={"authorization": f"Bearer {key}"})

    assert answer.headers["x-ratelimit-limit"] == answer.headers["x-ratelimit-limit-requests"] == "50"
    assert answer.headers["x-ratelimit-remaining-requests"] == "49"
    assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
