"""A WebSocket server that says and hears what it is told, and ends connections in every way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from websockets.sync.server import Request, Response, ServerConnection, serve

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
        if header := request.headers.get("authorization"):
            self.tokens.append(header.removeprefix("Bearer "))
        if not isinstance(self.talks[0], int):
            return None
        status = self.talks.pop(0)
        assert isinstance(status, int)
        return connection.respond(status, json.dumps({"error": {"code": "", "message": "Not now."}}))

    def handle(self, connection: ServerConnection) -> None:
        talk = self.talks.pop(0)
        assert not isinstance(talk, int)
        if connection.request is not None and "authorization" not in connection.request.headers:
            self.tokens.append(json.loads(connection.recv())["token"])
        connection.send(json.dumps({"type": "authenticated", "id": None, "heartbeat_seconds": 15}))
        talk(connection)

    def hear(self, connection: ServerConnection, **answer: Any) -> None:
        """The next thing that is said, which is answered so."""
        self.heard.append(json.loads(connection.recv()))
        if answer:
            connection.send(json.dumps({"id": self.heard[-1].get("id"), **answer}))


@contextmanager
def odd_socket() -> Iterator[OddSocket]:
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


def breaking(odd: OddSocket) -> list[Talk | int]:
    """What a client lives through that subscribes to the logs of agt_1 (tail 5, level warn) and agt_2 (after 3)."""

    def first(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        odd.hear(connection, type="subscribed", subscription="sub_2")
        say(connection, line(7, "one"), {**line(9, "other", "sub_2"), "agent": "agt_2"})
        connection.close(1008)

    def second(connection: ServerConnection) -> None:
        odd.hear(connection, type="subscribed", subscription="sub_1")
        odd.hear(connection, type="error", error=GONE)
        say(connection, {"type": "new things"}, line(8, "two"))
        connection.close(1011)

    def third(connection: ServerConnection) -> None:
        odd.hear(connection, type="error", error=GONE)

    return [503, first, 503, second, third]


TOLD = [("logs", "1", 7), ("logs", "2", 9), ("ended", "2", 0), ("logs", "1", 8), ("ended", "1", 0)]
ASKED = [("agt_1", 5, None), ("agt_2", None, 3), ("agt_1", 0, 7), ("agt_2", 0, 9), ("agt_1", 0, 8)]
"""What it is told then, and what it asks for in each connection."""


def asked(odd: OddSocket) -> list[tuple[object, object, object]]:
    return [(said["agent"], said.get("tail"), said.get("after")) for said in odd.heard]
