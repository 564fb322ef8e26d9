"""A client of NeuAIs' API: the same server, under `/neuais`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Answer, Client, Server, Stream

CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "service_unavailable",
}

PROGRAM = {"runtime": "python", "binary_url": "https://example.org/web.py"}


class Neuais(Client):
    """Plain HTTP below `/neuais`."""

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return super().request(method, f"/neuais{path}", body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return super().stream(method, f"/neuais{path}", body, headers)

    def agent(self, name: str = "my-agent", **more: Any) -> dict[str, Any]:
        """Nothing runs it unless the test starts a node."""
        return self.made("/v1/agents", {"name": name, **PROGRAM, **more})


def refusal(answer: Answer, status: int) -> dict[str, Any]:
    """The error, after a look at its shape and code."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == CODES[status]
    assert error["message"]
    assert set(error["details"]) in (set(), {"field", "reason"})
    assert all(error["details"].values())
    return error


@pytest.fixture
def neuais(server: Server, client: Client) -> Neuais:
    """In the same workspace as `client`."""
    return Neuais(server.port, client.key)


@pytest.fixture
def neuais_stranger(server: Server, stranger: Client) -> Neuais:
    return Neuais(server.port, stranger.key)
