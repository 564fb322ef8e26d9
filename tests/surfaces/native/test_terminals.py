"""Terminals of sandboxes: over HTTP and over a WebSocket with a client that others wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.surfaces.conftest import Client, Server


@pytest.fixture
def box(client: Client) -> Iterator[str]:
    path = f"/v1/sandboxes/{client.made('/v1/sandboxes', {'name': 'Box', 'env': {'COLOUR': 'blue'}})['id']}"
    yield path
    client.delete(path)


def opened(client: Client, box: str, **body: Any) -> str:
    """The path of a terminal with a plain shell."""
    body = {"command": "PS1='> ' exec sh -i"} | body
    answer = client.post(f"{box}/terminals", body)
    assert answer.status == 201, answer.body
    return f"{box}/terminals/{answer.json['id']}"


def address(client: Client, terminal: str, query: str = "") -> str:
    return f"ws://127.0.0.1:{client.port}{terminal}/socket{query}"


def signed(client: Client) -> dict[str, str]:
    return {"Authorization": f"Bearer {client.key}"}


class Seen:
    """What a socket has shown so far. The whole of it is waited for, never a time."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.bytes = b""
        self.frames: list[dict[str, Any]] = []

    async def one(self) -> None:
        message = await self.socket.recv()
        if isinstance(message, bytes):
            self.bytes += message
        else:
            self.frames.append(json.loads(message))

    async def text(self, wanted: bytes) -> None:
        while wanted not in self.bytes:
            await self.one()

    async def frame(self, type: str) -> dict[str, Any]:
        while not any(each["type"] == type for each in self.frames):
            await self.one()
        return next(each for each in self.frames if each["type"] == type)


async def test_a_terminal_is_typed_at_resized_and_interrupted(client: Client, box: str) -> None:
    terminal = opened(client, box, columns=90, rows=20)

    async with websockets.connect(address(client, terminal), additional_headers=signed(client)) as socket:
        seen = Seen(socket)
        first = await seen.frame("opened")
        assert (first["columns"], first["rows"]) == (90, 20)
        await socket.send(b"stty size; echo $COLOUR-$TERM\r")
        await seen.text(b"20 90\r\n")
        await seen.text(b"blue-xterm-256color\r\n")
        await socket.send(json.dumps({"type": "resize", "columns": 61, "rows": 17}))
        await socket.send(json.dumps({"type": "input", "data": "stty size; echo b\u00e9gan; sleep 600\r"}))
        await seen.text(b"17 61\r\n")
        await seen.text("\r\nb\u00e9gan\r\n".encode())
        await socket.send(b"\x03")
        await socket.send(b"echo $((6*7))after\r")
        await seen.text(b"42after\r\n")
        await socket.send(json.dumps({"type": "ping"}))
        await seen.frame("pong")
        await socket.send(b"exit 3\r")
        ended = await seen.frame("exit")
        with pytest.raises(ConnectionClosed):
            await socket.recv()

    assert (ended["code"], ended["signal"]) == (3, None)
    assert socket.close_code == 1000
    shown = client.get(terminal).json
    assert (shown["status"], shown["code"], shown["columns"], shown["rows"]) == ("ended", 3, 61, 17)
    assert [each["id"] for each in client.get(f"{box}/terminals").json["data"]] == [shown["id"]]


async def test_who_comes_back_finds_the_terminal_as_it_was(client: Client, box: str) -> None:
    terminal = opened(client, box)
    async with websockets.connect(address(client, terminal), additional_headers=signed(client)) as socket:
        seen = Seen(socket)
        await socket.send(b"mark=kept; echo fir''st\r")
        await seen.text(b"first\r\n")
        at = (await seen.frame("opened"))["at"] + len(seen.bytes)

    async with (
        websockets.connect(address(client, terminal), additional_headers=signed(client)) as whole,
        websockets.connect(address(client, terminal, f"?after={at}"), additional_headers=signed(client)) as rest,
    ):
        all_of_it, only_new = Seen(whole), Seen(rest)
        await whole.send(b"echo $mark-on\r")
        await all_of_it.text(b"kept-on\r\n")
        await only_new.text(b"kept-on\r\n")
        assert b"first\r\n" in all_of_it.bytes
        assert b"first\r\n" not in only_new.bytes
        assert client.get(terminal).json["readers"] == 2

    assert client.delete(terminal).status == 204
    assert client.get(terminal).status == 404


async def test_a_page_signs_in_with_its_first_message(client: Client, box: str) -> None:
    terminal = opened(client, box)
    async with websockets.connect(address(client, terminal), origin="https://elsewhere.example") as socket:
        await socket.send(json.dumps({"type": "auth", "token": client.key}))
        assert (await Seen(socket).frame("opened"))["terminal_id"] == terminal.rsplit("/", 1)[1]

    for said, code in (
        ({"type": "input", "data": "ls"}, "unauthorized"),
        ({"type": "auth", "token": "glia_wrong"}, "wrong_credentials"),
    ):
        async with websockets.connect(address(client, terminal)) as socket:
            await socket.send(json.dumps(said))
            assert (await Seen(socket).frame("error"))["error"]["code"] == code
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert socket.close_code == 4401


async def test_terminals_of_others_are_not_there(client: Client, stranger: Client, box: str, server: Server) -> None:
    terminal = opened(client, box)
    theirs = f"/v1/sandboxes/{stranger.made('/v1/sandboxes', {})['id']}"

    for method, path in (
        ("GET", terminal),
        ("DELETE", terminal),
        ("GET", f"{box}/terminals"),
        ("POST", f"{box}/terminals"),
        ("GET", f"{terminal}/socket"),
        ("GET", terminal.replace(box, theirs)),
        ("DELETE", terminal.replace(box, theirs)),
    ):
        assert stranger.request(method, path, {} if method == "POST" else None).status == 404, (method, path)
    for path in (terminal, terminal.replace(box, theirs)):
        with pytest.raises(InvalidStatus) as refused:
            await websockets.connect(address(client, path), additional_headers=signed(stranger))
        assert refused.value.response.status_code == 404
        async with websockets.connect(address(client, path)) as socket:
            await socket.send(json.dumps({"type": "auth", "token": stranger.key}))
            assert (await Seen(socket).frame("error"))["error"]["code"].endswith("_not_found")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert socket.close_code == 4404
    looker = server.client(client.post("/v1/keys", {"name": "Looker", "scopes": ["sandboxes:read"]}).json["key"])
    assert looker.get(terminal).status == 200
    assert looker.post(f"{box}/terminals", {}).status == 403
    with pytest.raises(InvalidStatus) as refused:
        await websockets.connect(address(client, terminal), additional_headers=signed(looker))
    assert refused.value.response.status_code == 403
    assert client.get(terminal).json["status"] == "running"  # none of it has touched the terminal


async def test_a_key_that_is_revoked_ends_the_socket(client: Client, box: str) -> None:
    terminal = opened(client, box)
    made = client.post("/v1/keys", {"name": "Short"}).json
    async with websockets.connect(
        address(client, terminal), additional_headers={"Authorization": f"Bearer {made['key']}"}
    ) as socket:
        seen = Seen(socket)
        await seen.frame("opened")
        assert client.delete(f"/v1/keys/{made['id']}").status == 204
        with pytest.raises(ConnectionClosed):
            while True:
                await seen.one()
    assert socket.close_code == 4401
    assert client.get(terminal).json["status"] == "running"


def test_what_cannot_be_opened_says_why(client: Client, box: str) -> None:
    for body, field in (
        ({"columns": 0}, "columns"),
        ({"rows": 5000}, "rows"),
        ({"command": "x" * 5000}, "command"),
        ({"env": {"1A": "b"}}, "env"),
    ):
        answer = client.post(f"{box}/terminals", body)
        assert (answer.status, answer.error["field"]) == (400, field), body
    made = [opened(client, box) for _ in range(8)]
    too_many = client.post(f"{box}/terminals", {})
    assert (too_many.status, too_many.error["code"]) == (409, "too_many_terminals")
    assert client.delete(made[0]).status == 204
    opened(client, box)
    assert client.get(f"{made[1]}/socket").status == 400
    with pytest.raises(InvalidStatus):
        asyncio.run(_connected(address(client, "/v1/nothing")))


async def _connected(address: str) -> None:
    async with websockets.connect(address):
        pass


async def test_a_terminal_ends_with_its_sandbox(client: Client) -> None:
    box = f"/v1/sandboxes/{client.made('/v1/sandboxes', {})['id']}"
    terminal = opened(client, box)
    async with websockets.connect(address(client, terminal), additional_headers=signed(client)) as socket:
        seen = Seen(socket)
        await seen.frame("opened")
        assert client.delete(box).status == 204
        await seen.frame("exit")
    assert client.get(terminal).status == 404


async def test_what_is_typed_reaches_no_log(client: Client, box: str, server: Server, capfd) -> None:
    terminal = opened(client, box)
    async with websockets.connect(address(client, terminal), additional_headers=signed(client)) as socket:
        seen = Seen(socket)
        await socket.send(b"echo hid''den-words\r")
        await seen.text(b"hidden-words\r\n")
    client.delete(terminal)

    said = capfd.readouterr()
    assert "den-words" not in said.out + said.err
    assert (client.key or "?") not in said.out + said.err
    assert "terminal opened" in said.out + said.err  # the positive control: logs do come here
