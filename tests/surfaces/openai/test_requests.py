"""Models, embeddings, and everything a client can get wrong."""

from __future__ import annotations

import base64
import json
import struct
from functools import partial
from typing import Any

import httpx2 as httpx
import openai
import pytest
from openai import OpenAI

from glia.agents.types import AgentSpec
from glia.front import with_document
from glia.surfaces.openai import chat
from glia.surfaces.openai.app import openapi_paths, owns
from tests.models.conftest import Reply
from tests.surfaces.openai.conftest import Live

ASK: Any = [{"role": "user", "content": "Hi"}]


def client(live: Live) -> OpenAI:
    return OpenAI(base_url=live.url, api_key=live.api_key, max_retries=0, timeout=60)


def post(live: Live, content: bytes | dict[str, Any], path: str = "/chat/completions") -> httpx.Response:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"authorization": f"Bearer {live.api_key}", "content-type": "application/json"}
    return httpx.post(live.url + path, content=raw, headers=headers, timeout=30)


def test_models_are_listed_for_both_kinds_of_clients(live: Live) -> None:
    live.do(live.house.agents.create(live.principal, AgentSpec(name="Helper")))

    ids = [model.id for model in client(live).models.list()]

    assert {"openai/gpt-test", "glia/embedded", "agent:helper"} <= set(ids)
    listing = httpx.get(f"{live.url}/models", headers={"x-api-key": live.api_key}).json()
    assert (listing["object"], listing["has_more"], listing["next_cursor"]) == ("list", False, None)
    priced = next(model for model in listing["data"] if model["id"] == "openai/gpt-test")
    assert (priced["owned_by"], priced["input_price_micros"], priced["purpose"]) == ("openai", 1_000_000, "chat")


def test_a_single_model_is_found_by_an_id_with_a_slash(live: Live) -> None:
    live.do(live.house.agents.create(live.principal, AgentSpec(name="Helper")))

    for id in ("openai/gpt-test", "glia/embedded", "agent:helper"):
        assert client(live).models.retrieve(id).id == id
    assert client(live).models.retrieve("gpt-test").id == "openai/gpt-test"
    for id in ("openai/gpt-tset", "agent:nobody", "gpt-tset"):
        with pytest.raises(openai.NotFoundError) as caught:
            client(live).models.retrieve(id)
        assert caught.value.code == "model_not_found"


def test_embeddings_of_a_provider_pass_through(live: Live) -> None:
    vector = base64.b64encode(struct.pack("<2f", 0.5, -1)).decode()
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    body = {"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    live.upstream.script.append(Reply([json.dumps(body).encode()], content_type="application/json"))

    found = client(live).embeddings.create(model="openai/text-embed", input=["a"], dimensions=2)

    assert found.data[0].embedding == [0.5, -1]
    sent = live.upstream.posts[-1]
    assert sent.path == "/v1/embeddings"
    assert sent.json == {"model": "text-embed", "input": ["a"], "dimensions": 2, "encoding_format": "base64"}
    (record,) = live.usage(1)
    assert (record.operation, record.input_tokens, record.cost_micros) == ("embeddings", 7, 7)


def test_the_built_in_embedder_gives_the_same_vectors_in_both_formats(live: Live) -> None:
    if not live.house.gateway.has_minilm:
        pytest.skip("the embedding model's weights are not installed")
    texts = ["A cat sits on the mat.", "The stock market fell."]

    as_base64 = client(live).embeddings.create(model="glia/minilm", input=texts)
    as_floats = post(live, {"model": "minilm", "input": texts, "encoding_format": "float"}, "/embeddings").json()

    assert [len(item.embedding) for item in as_base64.data] == [384, 384]
    assert as_base64.data[1].embedding == pytest.approx(as_floats["data"][1]["embedding"])
    assert as_base64.usage.prompt_tokens > 8
    assert [record.cost_micros for record in live.usage(2)] == [0, 0]


SENSELESS_EMBEDDINGS: list[tuple[dict[str, Any], str]] = [
    ({"model": "glia/minilm"}, "input"),
    ({"input": "a"}, "model"),
    ({"model": "glia/minilm", "input": []}, "input"),
    ({"model": "glia/minilm", "input": ["a", ""]}, "input"),
    ({"model": "glia/minilm", "input": [1, 2]}, "input"),
    ({"model": "glia/minilm", "input": "a", "dimensions": 5}, "dimensions"),
    ({"model": "glia/minilm", "input": "a", "encoding_format": "hex"}, "encoding_format"),
    ({"model": "glia/embedded", "input": "a"}, "model"),
]


def test_embeddings_that_make_no_sense_name_the_field(live: Live) -> None:
    for body, param in SENSELESS_EMBEDDINGS:
        answer = post(live, body, "/embeddings")

        assert answer.status_code == 400 or not live.house.gateway.has_minilm, body
        assert answer.json()["error"]["param"] == param, body


BAD_REQUESTS: list[tuple[Any, int, str | None]] = [
    (b'{"model": ', 400, None),
    (b"", 400, None),
    (b"[1]", 400, None),
    (b'"text"', 400, None),
    (b'{"model":"glia/embedded","messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, None),
    ({"messages": ASK}, 400, "model"),
    ({"model": None, "messages": ASK}, 400, "model"),
    ({"model": 3, "messages": ASK}, 400, "model"),
    ({"model": "gpt-test"}, 400, "messages"),
    ({"model": "gpt-test", "messages": "Hi"}, 400, "messages"),
    ({"model": "gpt-test", "messages": ASK, "stream": "yes"}, 400, "stream"),
    ({"model": "gpt-test", "messages": ASK, "stream": True, "stream_options": 1}, 400, "stream_options"),
    ({"model": "glia/embedded", "messages": []}, 400, "messages"),
    ({"model": "glia/embedded", "messages": ASK, "n": 2}, 400, "n"),
    ({"model": "glia/embedded", "messages": ASK, "temperature": "hot"}, 400, "temperature"),
    ({"model": "glia/embedded", "messages": [{"role": "user", "content": 1}]}, 400, "messages[0].content"),
    ({"model": "glia/embeded", "messages": ASK}, 404, "model"),
]


def test_a_bad_request_names_what_is_wrong(live: Live) -> None:
    for content, status, param in BAD_REQUESTS:
        answer = post(live, content)

        assert answer.status_code == status, content
        error = answer.json()["error"]
        assert set(error) == {"message", "type", "param", "code", "request_id"}
        assert error["param"] == param, content
        assert error["request_id"] == answer.headers["x-request-id"]
    assert live.usage(0) == []


def test_an_unknown_model_is_told_what_is_near(live: Live) -> None:
    error = post(live, {"model": "glia/embeded", "messages": ASK}).json()["error"]

    assert "glia/embedded" in error["message"]
    assert error["code"] == "model_not_found"


def test_a_body_past_the_cap_is_refused(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "LARGEST_BODY_BYTES", 1000)

    answer = post(live, b" " * 1001)

    assert answer.status_code == 413


def test_a_key_is_needed_and_its_scopes_hold(live: Live) -> None:
    _, raw_key = live.do(live.house.identity.keys.create(live.principal, name="reader", scopes=["models:read"]))

    with pytest.raises(openai.AuthenticationError) as caught:
        OpenAI(base_url=live.url, api_key="glia_nonsense", max_retries=0).models.list()
    assert caught.value.code == "invalid_api_key"
    reader = OpenAI(base_url=live.url, api_key=raw_key, max_retries=0)
    assert [model.id for model in reader.models.list()]
    with pytest.raises(openai.PermissionDeniedError, match="models:use"):
        reader.chat.completions.create(model="glia/embedded", messages=ASK)


def test_a_keys_rate_limit_answers_429_and_says_when_to_come_back(live: Live) -> None:
    _, raw_key = live.do(live.house.identity.keys.create(live.principal, name="slow", rate_per_minute=1))
    slow = OpenAI(base_url=live.url, api_key=raw_key, max_retries=0)
    slow.models.list()

    with pytest.raises(openai.RateLimitError) as caught:
        slow.models.list()

    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) > 0


def test_a_wrong_method_is_a_405_in_this_apis_words(live: Live) -> None:
    answer = httpx.get(f"{live.url}/chat/completions", headers={"x-api-key": live.api_key})

    assert answer.status_code == 405
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_every_route_is_in_the_openapi_paths() -> None:
    for path, verbs in openapi_paths().items():
        for verb in verbs:
            assert owns(verb.upper(), path)
    assert not owns("POST", "/v1/agents")


async def test_a_port_of_its_own_has_the_document_that_its_errors_name() -> None:
    async def surface(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("The surface itself has no document.")

    transport = httpx.ASGITransport(app=partial(with_document, surface))
    async with httpx.AsyncClient(transport=transport, base_url="http://glia") as alone:
        document = (await alone.get("/openapi.json")).json()

    assert document["openapi"] == "3.1.0"
    assert document["paths"] == openapi_paths()
