"""The Python client's live connection with a server that ends it in every way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from websockets.sync.server import Request, Response, ServerConnection, serve

import neuais
from neuais import Client, Token, _requests

Talk = Callable[[ServerConnection], None]
LOG = {"type": "logs", "channel": "logs", "agent": "agt_1"}
LINE = {"timestamp": "2024-01-15T10:00:00Z", "level": "info", "replica": "r"}
GONE = {"code": "not_found", "message": "There is no agent 'agt_1'.", "details": {}}


class OddSocket:
    """Each connection is one talk of a script; `tokens` is what they came with, `heard` what was said."""

    def __init__(self) -> None:
        self.talks: list[Talk | int] = []
        self.tokens: list[str] = []
        self.heard: list[dict[str, Any]] = []
        self.port = 0

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        if not isinstance(self.talks[0], int):
            return None
        status = self.talks.pop(0)
        assert isinstance(status, int)
        return connection.respond(status, json.dumps({"error": {"code": "", "message": "Not now."}}))

    def handle(self, connection: ServerConnection) -> None:
        talk = self.talks.pop(0)
        assert not isinstance(talk, int)
        connection.send(json.dumps({"type": "authenticated", "id": None, "heartbeat_seconds": 15}))
        talk(connection)

    def hear(self, connection: ServerConnection, **answer: Any) -> None:
        """The next thing that is said, which is answered so."""
        self.heard.append(json.loads(connection.recv()))
        if answer:
            connection.send(json.dumps({"id": self.heard[-1].get("id"), **answer}))


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddSocket]:
    monkeypatch.setattr(_requests, "_FIRST_PAUSE_SECONDS", 0.01)
    found = OddSocket()
    with serve(found.handle, "127.0.0.1", 0, process_request=found.admit) as server:
        found.port = server.socket.getsockname()[1]
        Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def say(connection: ServerConnection, *frames: dict[str, Any]) -> None:
    for frame in frames:
        connection.send(json.dumps(frame))


def line(id: int, message: str, subscription: str = "sub_1") -> dict[str, Any]:
    return {**LOG, "subscription": subscription, "id": id, "data": {**LINE, "message": message}}


def test_a_connection_that_breaks_is_made_again_with_its_subscriptions(odd: OddSocket):
    def first(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        odd.hear(connection, type="subscribed", subscription="sub_2")
        say(connection, line(7, "one"), {**line(9, "other", "sub_2"), "agent": "agt_2"})
        connection.close(1008)

    def second(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        odd.hear(connection, type="error", error=GONE)
        say(connection, {"type": "new things"}, line(8, "two"))
        connection.socket.close()

    def third(connection: ServerConnection) -> None:
        odd.hear(connection, type="error", error=GONE)

    odd.talks = [503, first, 503, second, third]
    with Client("secret", base_url=f"http://127.0.0.1:{odd.port}") as client, client.live() as live:
        one = live.subscribe("logs", "agt_1", tail=5, level="warn")
        other = live.subscribe("logs", "agt_2", after=3)
        events = list(live)

    told = [(event.type, event.subscription, getattr(event, "id", 0)) for event in events]
    assert told == [("logs", one, 7), ("logs", other, 9), ("ended", other, 0), ("logs", one, 8), ("ended", one, 0)]
    asked = [(said["agent"], said.get("tail"), said.get("after")) for said in odd.heard]
    assert asked == [("agt_1", 5, None), ("agt_2", None, 3), ("agt_1", 0, 7), ("agt_2", 0, 9), ("agt_1", 0, 8)]


def test_a_token_that_ends_ends_the_connection_unless_it_can_be_renewed(
    odd: OddSocket, monkeypatch: pytest.MonkeyPatch
):
    def ends(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        connection.close(4401, "The token has expired.")

    def goes_on(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        say(connection, {"type": "heartbeat"})
        odd.hear(connection)
        say(connection, {"type": "ended", "subscription": "sub_1", "agent": "*", "reason": "enough"})

    odd.talks = [ends]
    with Client("secret", base_url=f"http://127.0.0.1:{odd.port}") as client, client.live() as live:
        live.subscribe("status")
        with pytest.raises(neuais.Unauthorized, match="expired"):
            list(live)
    odd.talks, odd.tokens, odd.heard = [401, ends, goes_on], [], []
    # The third and fourth are old at once, so that the next who asks gets another.
    tokens = [Token(access_token=str(n), expires_in=0 if n in (3, 4) else 3600) for n in range(1, 6)]
    monkeypatch.setattr("neuais._sync.transport.sign_in", lambda *_: tokens.pop(0))
    with Client(email="a@b.c", password="p", base_url=f"http://127.0.0.1:{odd.port}") as client, client.live() as live:
        live.subscribe("status")
        assert [event.type for event in live] == ["ended"]
    assert odd.tokens == ["1", "2", "4"]
    assert odd.heard[-1] == {"type": "auth", "token": "5"}


def test_who_may_not_listen_is_told(odd: OddSocket):
    with Client("secret", base_url=f"http://127.0.0.1:{odd.port}") as client:
        odd.talks = [401]
        with pytest.raises(neuais.Unauthorized, match="Not now"), client.live():
            pass
        odd.talks = [lambda connection: connection.close(4403, "You may not.")]
        with pytest.raises(neuais.Forbidden, match="You may not"), client.live() as live:
            live.subscribe("status")
