import asyncio
import json
from typing import Any

import pytest
from tests.tools.conftest import HANG_UP, Server, answer

from glia.kit.outbound import Outbound, OutboundPolicy
from glia.tools.errors import InvalidArguments
from glia.tools.http import Endpoint, Secrets, http_tool, sealed
from glia.tools.types import Effect, Tool, ToolContext

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "unit": {"enum": ["C", "F"]},
    },
    "required": ["city"],
    "additionalProperties": False,
}


def make(outbound: Outbound, secrets: Secrets, url: str, **changes: Any) -> Tool:
    values = {
        "name": "weather",
        "description": "Tells the weather.",
        "schema": SCHEMA,
        "effect": Effect.ONCE,
        "method": "POST",
        "url": url,
        "sealed_headers": None,
        "secret_context": "here",
        "timeout_seconds": 5.0,
    }
    return http_tool(Endpoint(**(values | changes)), outbound, secrets)


async def test_arguments_go_as_json_with_the_key_and_the_owners_headers(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext
) -> None:
    headers = sealed({"Authorization": "Bearer s3cret", "accept": "text/csv"}, secrets, "here")
    tool = make(outbound, secrets, f"{server.url}/w", sealed_headers=headers)

    result = await tool.call(context, '{"city": "Rome", "days": 3}')

    assert result.text == '{"ok":true}'
    assert not result.is_error
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/w")
    assert json.loads(request.body) == {"city": "Rome", "days": 3}
    assert request.headers["idempotency-key"] == "run:call-1"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "text/csv"


async def test_a_get_fills_the_path_and_sends_the_rest_as_query(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext
) -> None:
    tool = make(outbound, secrets, f"{server.url}/w/{{city}}?v=1", method="GET", effect=Effect.READ)

    await tool.call(context, '{"city": "São Paulo/../?#&", "days": 3, "tags": ["a b", "c"]}')

    (request,) = server.requests
    assert request.path == "/w/S%C3%A3o%20Paulo%2F..%2F%3F%23%26?v=1&days=3&tags=a+b&tags=c"
    assert request.body == b""
    assert request.headers["idempotency-key"] == "run:call-1"


@pytest.mark.parametrize("city", ['".."', '"."', '""'])
async def test_an_argument_cannot_lead_to_another_path(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext, city: str
) -> None:
    tool = make(outbound, secrets, f"{server.url}/w/{{city}}/x", method="GET")
    with pytest.raises(InvalidArguments):
        await tool.call(context, f'{{"city": {city}}}')
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ("{}", "city"),
        ('{"city": 1}', "city"),
        ('{"city": "Rome", "dayz": 1}', "dayz"),
        ('{"city": "Rome", "days": true}', "days"),
        ('{"city": "Rome", "tags": ["a", 1]}', "tags[1]"),
        ('{"city": "Rome", "unit": "K"}', "unit"),
        ("[1]", None),
        ("{", None),
    ],
)
async def test_arguments_against_the_schema_are_not_sent(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext, arguments: str, field: str | None
) -> None:
    with pytest.raises(InvalidArguments) as error:
        await make(outbound, secrets, server.url).call(context, arguments)
    assert error.value.field == field
    assert server.requests == []


@pytest.mark.parametrize("status", [302, 400, 404, 422, 500])
async def test_an_error_status_is_told_with_its_text_and_called_once(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext, status: int
) -> None:
    server.answers = [answer(status, b'{"error": "no such city"}', location="/elsewhere")]
    result = await make(outbound, secrets, server.url).call(context, '{"city": "X"}')
    assert result.is_error
    assert not result.is_unknown
    assert ("no such city" in result.text and str(status) in result.text) or status == 302
    assert len(server.requests) == 1


async def test_a_call_without_an_answer_is_unknown_and_never_repeated(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext
) -> None:
    server.answers = [HANG_UP]
    result = await make(outbound, secrets, server.url).call(context, '{"city": "X"}')
    assert result.is_error
    assert result.is_unknown
    assert "unknown" in result.text
    assert len(server.requests) == 1


async def test_a_timeout_after_sending_is_unknown_too(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext
) -> None:
    async def sleep() -> None:
        await asyncio.sleep(5)

    server.before = sleep
    result = await make(outbound, secrets, server.url, timeout_seconds=0.2).call(context, '{"city": "X"}')
    assert result.is_unknown
    assert len(server.requests) == 1


async def test_a_gateway_error_is_unknown_for_a_single_effect(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext
) -> None:
    server.answers = [answer(504)]
    result = await make(outbound, secrets, server.url).call(context, '{"city": "X"}')
    assert result.is_error
    assert result.is_unknown
    assert len(server.requests) == 1


@pytest.mark.parametrize("effect", [Effect.READ, Effect.IDEMPOTENT])
async def test_what_may_be_repeated_is_repeated_at_most_twice_with_the_same_key(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext, effect: Effect
) -> None:
    tool = make(outbound, secrets, server.url, effect=effect)

    server.answers = [answer(503), answer(502), answer(200, b'"done"')]
    assert (await tool.call(context, '{"city": "X"}')).text == '"done"'
    assert {request.headers["idempotency-key"] for request in server.requests} == {"run:call-1"}

    server.requests.clear()
    server.answers = [answer(503)]
    result = await tool.call(context, '{"city": "X"}')
    assert result.is_error
    assert not result.is_unknown
    assert len(server.requests) == 3


async def test_a_refused_connection_says_that_nothing_was_sent(secrets: Secrets, context: ToolContext) -> None:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    outbound = Outbound(OutboundPolicy.from_setting(f"127.0.0.1:{port}"))
    result = await make(outbound, secrets, f"http://127.0.0.1:{port}").call(context, '{"city": "X"}')
    await outbound.close()
    assert result.is_error
    assert not result.is_unknown
    assert "nothing was sent" in result.text


async def test_a_private_address_is_refused_at_each_call(
    server: Server, secrets: Secrets, context: ToolContext
) -> None:
    outbound = Outbound(OutboundPolicy())
    result = await make(outbound, secrets, server.url).call(context, '{"city": "X"}')
    await outbound.close()
    assert result.is_error
    assert "was not called" in result.text
    assert server.requests == []


async def test_answers_are_cut_and_binary_ones_named(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext
) -> None:
    server.answers = [answer(200, b"x" * 60_000, "text/plain"), answer(200, b"\x89PNG", "image/png"), answer(204)]
    tool = make(outbound, secrets, server.url)
    long = (await tool.call(context, '{"city": "X"}')).text
    assert "first 50000 of 60000" in long
    assert "image/png of 4 bytes" in (await tool.call(context, '{"city": "X"}')).text
    assert "204" in (await tool.call(context, '{"city": "X"}')).text


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_kept_connection_that_breaks_repeats_nothing(
    outbound: Outbound, server: Server, secrets: Secrets, context: ToolContext, method: str
) -> None:
    tool = make(outbound, secrets, server.url, method=method)
    assert not (await tool.call(context, '{"city": "X"}')).is_error
    server.answers = [HANG_UP]

    result = await tool.call(context, '{"city": "Y"}')

    assert result.is_unknown
    assert len(server.requests) == 2
