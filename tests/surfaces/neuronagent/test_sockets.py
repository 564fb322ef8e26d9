"""WebSockets, with a client that others wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.surfaces.conftest import Client, Server
from tests.surfaces.neuronagent.conftest import Neuron

MISSING = "01900000-0000-7000-8000-000000000000"


def address(client: Client, session: str, **query: str) -> str:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return f"ws://127.0.0.1:{client.port}/neuronagent/ws?session_id={session}{more}"


def by_header(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.key}"}


async def turn(socket: Any, content: str) -> list[dict[str, Any]]:
    """Sends a message and reads frames until its response, or an error."""
    await socket.send(json.dumps({"content": content}))
    return await frames(socket)


async def frames(socket: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while not found or not (found[-1].get("complete") or found[-1]["type"] == "error"):
            found.append(json.loads(await socket.recv()))
    return found


@pytest.mark.parametrize("path", ["/neuronagent/ws", "/neuronagent/api/v1/ws"])
async def test_a_turn_comes_frame_by_frame(client: Neuron, path: str) -> None:
    session = client.session(client.agent(enabled_tools=["calculator"]))
    url = f"ws://127.0.0.1:{client.port}{path}?session_id={session}"

    async with websockets.connect(url, additional_headers=by_header(client)) as socket:
        found = await turn(socket, "What is 6*7?")

    kinds = [frame["type"] for frame in found]
    assert kinds[:2] == ["tool_calls", "tool_results"]
    assert kinds[-2:] == ["done", "response"]
    assert set(kinds[2:-2]) == {"chunk"}
    response = found[-1]
    assert response["complete"] is True
    assert "".join(frame["content"] for frame in found if frame["type"] == "chunk") == response["content"]
    assert response["tool_calls"][0]["name"] == "calculator"
    assert response["tool_results"][0]["tool_call_id"] == response["tool_calls"][0]["id"]
    assert response["tokens_used"] > 0
    assert client.get(f"/sessions/{session}/messages").json[-1]["content"] == response["content"]


async def test_the_key_may_stand_in_the_address_and_is_logged_nowhere(
    client: Neuron, capfd: pytest.CaptureFixture[str]
) -> None:
    session = client.session(client.agent())

    async with websockets.connect(address(client, session, api_key=client.key or "")) as socket:
        assert (await turn(socket, "Hello"))[-1]["complete"] is True

    said = "".join(capfd.readouterr())
    assert "a key came in an address" in said
    assert (client.key or "") not in said


async def test_a_frame_that_is_none_gets_an_error_and_the_socket_stays_open(client: Neuron) -> None:
    session = client.session(client.agent())

    async with websockets.connect(address(client, session), additional_headers=by_header(client)) as socket:
        for wrong in ("nope", "[]", '{"text": "x"}', '{"content": 5}', '{"content": " "}', b"\xff"):
            await socket.send(wrong)
            assert (await frames(socket))[-1]["type"] == "error"
        assert (await turn(socket, "Hello"))[-1]["complete"] is True


async def test_messages_are_answered_one_after_another_and_ten_may_wait(client: Neuron, native: Client) -> None:
    body = {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 400}}
    session = client.session(native.made("/v1/agents", body))
    async with websockets.connect(address(client, session), additional_headers=by_header(client)) as socket:
        for number in range(14):
            await socket.send(json.dumps({"content": f"message {number}"}))
        async with asyncio.timeout(60):
            while (frame := json.loads(await socket.recv()))["type"] != "error":
                assert not frame.get("complete"), frame

    assert "10 messages wait already" in frame["error"]


@pytest.mark.parametrize(
    ("query", "key", "status"),
    [
        ("", "right", 400),
        ("?session_id=", "right", 400),
        ("?session_id=abc", "right", 400),
        (f"?session_id={MISSING}", "right", 404),
        ("?session_id={session}", "", 401),
        ("?session_id={session}", "wrong", 401),
        ("?session_id={session}", "strangers", 404),
    ],
)
async def test_a_socket_that_may_not_be_is_refused_before_it_opens(
    client: Neuron, stranger: Neuron, query: str, key: str, status: int
) -> None:
    session = client.session(client.agent())
    keys = {"right": client.key, "strangers": stranger.key, "wrong": "nonsense"}
    headers = {"Authorization": f"Bearer {keys[key]}"} if key else {}

    with pytest.raises(InvalidStatus) as refused:
        async with websockets.connect(
            f"ws://127.0.0.1:{client.port}/neuronagent/ws{query.format(session=session)}", additional_headers=headers
        ):
            pass

    assert refused.value.response.status_code == status
    error = json.loads(refused.value.response.body or b"")["error"]
    assert set(error) == {"code", "message", "request_id", "details"}


async def test_the_header_goes_before_the_address(client: Neuron) -> None:
    session = client.session(client.agent())

    with pytest.raises(InvalidStatus):
        async with websockets.connect(
            address(client, session, api_key=client.key or ""), additional_headers={"Authorization": "Bearer wrong"}
        ):
            pass


async def test_a_read_only_key_opens_no_socket(client: Neuron, with_role: Callable[..., Neuron]) -> None:
    session = client.session(client.agent())

    with pytest.raises(InvalidStatus) as refused:
        async with websockets.connect(address(client, session), additional_headers=by_header(with_role("read-only"))):
            pass

    assert refused.value.response.status_code == 403


async def test_a_frame_that_is_too_large_closes_the_socket(client: Neuron) -> None:
    session = client.session(client.agent())

    async with websockets.connect(address(client, session), additional_headers=by_header(client)) as socket:
        await socket.send(json.dumps({"content": "x" * 600_000}))
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 10)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_pings_are_answered(client: Neuron) -> None:
    session = client.session(client.agent())

    async with websockets.connect(address(client, session), additional_headers=by_header(client)) as socket:
        latency = await asyncio.wait_for(await socket.ping(), 10)

    assert latency >= 0


async def test_who_leaves_in_the_middle_finds_the_answer_later(client: Neuron, native_slow: str) -> None:
    async with websockets.connect(address(client, native_slow), additional_headers=by_header(client)) as socket:
        await socket.send(json.dumps({"content": "Tell me"}))
        assert json.loads(await asyncio.wait_for(socket.recv(), 30))["type"] == "chunk"

    found = await asyncio.to_thread(
        client.until,
        f"/sessions/{native_slow}/messages",
        lambda rows: len(rows) == 2 and rows[-1]["role"] == "assistant",
    )
    assert found[-1]["content"].rstrip().endswith("word19")


async def test_a_revoked_key_ends_the_conversation(
    server: Server, client: Neuron, with_role: Callable[..., Neuron]
) -> None:
    session = client.session(client.agent())
    user = with_role("user")

    async with websockets.connect(address(client, session), additional_headers=by_header(user)) as socket:
        assert (await turn(socket, "Hello"))[-1]["complete"] is True
        await asyncio.to_thread(_revoke, server, user)
        found = await turn(socket, "Hello again")
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), 10)

    assert found[-1]["type"] == "error"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def _revoke(server: Server, user: Neuron) -> None:
    async def revoke(house: Any) -> None:
        authenticated = await house.identity.authenticate(f"Bearer {user.key}", None)
        await house.identity.keys.revoke(authenticated.principal, authenticated.key_id)

    server.do(revoke)


async def test_a_hundred_sockets_are_served_at_once(client: Neuron) -> None:
    agent = client.agent(enabled_tools=["calculator"])
    sessions = await asyncio.to_thread(lambda: [client.session(agent) for _ in range(100)])

    async def converse(number: int, session: str) -> bool:
        async with websockets.connect(
            address(client, session), additional_headers=by_header(client), open_timeout=30
        ) as socket:
            return str(number * 2) in (await turn(socket, f"What is {number}*2?"))[-1]["content"]

    assert all(await asyncio.gather(*(converse(number, session) for number, session in enumerate(sessions))))


def test_origins_are_those_that_the_operator_lists() -> None:
    from glia.surfaces.neuronagent.config import read_config

    listed = read_config({"WEBSOCKET_ALLOWED_ORIGINS": "https://a.example, https://b.example/"}).websocket
    fallen = read_config({"CORS_ALLOWED_ORIGINS": "https://a.example"})
    production = read_config({"CONFIG_PROFILE": "prod"})

    assert [listed.allow(origin) for origin in ("https://b.example", "https://c.example", None)] == [True, False, True]
    assert fallen.websocket.allow("https://a.example")
    assert not fallen.websocket.allow("https://x.example")
    assert not production.websocket.allow("https://a.example")
    assert not production.cors.are_open
    assert read_config({}).websocket.allow("https://a.example")


@pytest.fixture
def native_slow(client: Neuron, native: Client) -> str:
    """A session with an agent whose answer takes a second."""
    body = {"name": "Slow", "model": "openai/slow", "settings": {"max_output_tokens": 20}}
    return client.session(native.made("/v1/agents", body))
