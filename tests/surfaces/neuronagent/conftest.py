"""NeuronAgent's surface under its prefix, and a client that knows nothing else of Glia."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from glia.identity.types import Credentials, Role
from tests.surfaces.conftest import Answer, Client, Server, Stream

BASE = "/neuronagent/api/v1"


class Neuron(Client):
    """Addresses are below /neuronagent/api/v1, unless they begin with /neuronagent or /v1."""

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return super().request(method, _whole(path), body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return Stream(self, method, _whole(path), body, headers or {})

    def agent(self, name: str = "helper", **fields: Any) -> dict[str, Any]:
        body = {"name": name, "system_prompt": "You are a helpful assistant.", "model_name": "glia/embedded", **fields}
        return self.made("/agents", body)

    def session(self, agent: dict[str, Any], **fields: Any) -> str:
        return self.made("/sessions", {"agent_id": agent["id"], **fields})["id"]

    def say(self, session: str, content: str) -> dict[str, Any]:
        return self.made(f"/sessions/{session}/messages", {"content": content})


def _whole(path: str) -> str:
    return path if path.startswith(("/neuronagent", "/v1/", "/openapi.json")) else BASE + path


def refused(answer: Answer, status: int) -> dict[str, Any]:
    """The error, after a look at its shape: the seed's, and the same at the top for older clients."""
    assert answer.status == status, answer.body
    body = answer.json
    error = body["error"]
    assert set(error) == {"code", "message", "request_id", "details"}
    assert (body["message"], body["error_code"], body["request_id"]) == (
        error["message"],
        error["code"],
        error["request_id"],
    )
    assert answer.headers["x-request-id"] == error["request_id"]
    return error


@pytest.fixture
def client(server: Server, credentials: Credentials) -> Neuron:
    return Neuron(server.port, credentials.api_key)


@pytest.fixture
def stranger(server: Server) -> Neuron:
    return Neuron(server.port, server.workspace().api_key)


@pytest.fixture
def native(server: Server, credentials: Credentials) -> Client:
    """The same workspace through Glia's own API."""
    return server.client(credentials.api_key)


@pytest.fixture
def with_role(server: Server, client: Neuron) -> Callable[..., Neuron]:
    """A client with a key of the contract's look and another role."""

    def make(role: str, rate: int | None = None) -> Neuron:
        async def key(house: Any) -> str:
            authenticated = await house.identity.authenticate(f"Bearer {client.key}", None)
            _, raw = await house.identity.keys.create(
                authenticated.principal, name=role, role=Role(role), rate_per_minute=rate, surface="neuronagent"
            )
            return raw

        return Neuron(server.port, server.do(key))

    return make
