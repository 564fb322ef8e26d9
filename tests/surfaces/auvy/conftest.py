"""A client of Auvy's API: the same server, under `/auvy`, in the brain that every workspace begins with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Answer, Client, Server, Stream

CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTH_REQUIRED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    429: "RATE_LIMIT",
}


class Auvy(Client):
    """Plain HTTP below `/auvy`. brain: sent as `X-Brain-Id` unless a request names its own headers' one."""

    brain: str | None = None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"X-Brain-Id": self.brain} if self.brain else {}
        return super().request(method, f"/auvy{path}", body, raw=raw, headers={**sent, **(headers or {})})

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return super().stream(method, f"/auvy{path}", body, headers or {})

    def done(self, job: str) -> dict[str, Any]:
        """The job once it is over, or waits."""
        states = {"completed", "failed", "cancelled", "waiting", "paused"}
        return self.until(f"/v1/jobs/{job}", lambda found: found["status"] in states)

    def invoke(self, neuron: str, message: str, **body: Any) -> dict[str, Any]:
        answer = self.post(f"/v1/neurons/{neuron}/invoke", {"message": message, **body})
        assert answer.status == 202, answer.body
        return answer.json

    def neuron(self, name: str = "Helper", **body: Any) -> dict[str, Any]:
        return self.made("/v1/neurons", {"name": name, **body})


def refusal(answer: Answer, status: int) -> str:
    """The message of an error, after a look at its shape and code."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) <= {"message", "code", "field", "retryAfter", "requestId"}
    assert answer.json["code"] == CODES[status]
    assert answer.json["message"]
    return answer.json["message"]


def in_brain(port: int, key: str | None) -> Auvy:
    found = Auvy(port, key)
    found.brain = found.get("/v1/brains").json[0]["id"]
    return found


@pytest.fixture
def auvy(server: Server, client: Client) -> Auvy:
    """In the same workspace as `client`."""
    return in_brain(server.port, client.key)


@pytest.fixture
def auvy_stranger(server: Server, stranger: Client) -> Auvy:
    return in_brain(server.port, stranger.key)


@pytest.fixture
def sums(auvy: Auvy) -> dict[str, Any]:
    """A neuron that reckons."""
    reflex = auvy.made("/v1/reflexes", {"name": "Sums", "tools": [{"integration_id": "glia", "tools": ["calculator"]}]})
    neuron = auvy.neuron("Reckoner")
    auvy.made(f"/v1/neurons/{neuron['id']}/reflexes", {"reflex_id": reflex["id"]})
    return neuron
