"""A client of Neura's API: the same server, under `/neura`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.surfaces.conftest import Answer, Client, Server, Stream


class Neura(Client):
    """Plain HTTP below `/neura`."""

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        return super().request(method, f"/neura{path}", body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def stream(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Stream:
        return super().stream(method, f"/neura{path}", body, headers)


def refusal(answer: Answer) -> dict[str, str]:
    """The error, after a look at its shape."""
    assert set(answer.json) <= {"error", "detail"}, answer.body
    assert all(isinstance(text, str) and text for text in answer.json.values())
    return answer.json


@pytest.fixture
def neura(server: Server, client: Client) -> Neura:
    """In the same workspace as `client`."""
    return Neura(server.port, client.key)


@pytest.fixture
def neura_stranger(server: Server, stranger: Client) -> Neura:
    return Neura(server.port, stranger.key)


@pytest.fixture
def agent_id(neura: Neura) -> str:
    """An agent without the web, which answers with the built-in model."""
    return neura.made("/api/agents", {"name": "Helper", "use_web_search": False})["agent_id"]
