"""The shared server, asked under `/neuralhub`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.surfaces.conftest import Answer, Client, Server, Stream

PREFIX = "/neuralhub"


class Hub(Client):
    """A client whose base URL is NeuralHub's."""

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return super().request(method, PREFIX + path, body, **options)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return super().stream(method, PREFIX + path, body, headers)

    def limited(self, *scopes: str) -> Hub:
        """The same workspace with a key that has only these scopes."""
        return Hub(self.port, self.made("/v1/keys", {"name": "limited", "scopes": list(scopes)})["key"])


def refusal(answer: Answer, status: int) -> dict[str, Any]:
    """The error, after a look at its shape."""
    assert answer.status == status, answer.body
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "message"}
    assert error["code"]
    assert error["message"].endswith((".", "?", "`", "}")) or error["message"]
    assert answer.headers["x-request-id"]
    return error


@pytest.fixture
def hub(client: Client) -> Hub:
    """Someone who may do everything in a workspace of their own."""
    return Hub(client.port, client.key)


@pytest.fixture
def other(stranger: Client) -> Hub:
    return Hub(stranger.port, stranger.key)


@pytest.fixture
def anybody(server: Server) -> Hub:
    return Hub(server.port)


@pytest.fixture
def finished() -> Callable[[Hub, str], dict[str, Any]]:
    """Polls a run until it has ended."""

    def poll(hub: Hub, run_id: str) -> dict[str, Any]:
        return hub.until(f"/v1/run/{run_id}", lambda run: run["state"] in {"SUCCESS", "FAILED", "CANCELLED"})

    return poll
