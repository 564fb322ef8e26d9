"""What the tests of memory, plans, budgets and the rest share: an agent, a session and how to talk in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.surfaces.conftest import Answer, Client

ROOT = "/neuronagent/api/v1"


@dataclass
class Place:
    """One workspace, seen by a NeuronAgent client."""

    client: Client

    def call(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = self.answer(method, path, body)
        assert answer.status == status, (method, path, answer.status, answer.body)
        return answer.json if answer.body else None

    def answer(self, method: str, path: str, body: Any = None) -> Answer:
        return self.client.request(method, ROOT + path, body)

    def get(self, path: str, status: int = 200) -> Any:
        return self.call("GET", path, status=status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self.call("POST", path, body, status)

    def put(self, path: str, body: Any = None, status: int = 200) -> Any:
        return self.call("PUT", path, body, status)

    def delete(self, path: str, status: int = 204) -> Any:
        return self.call("DELETE", path, status=status)

    def agent(self, **fields: Any) -> str:
        body = {"name": f"agent_{uuid4().hex[:12]}", "system_prompt": "Help.", "model_name": "glia/embedded", **fields}
        return self.post("/agents", body, 201)["id"]

    def session(self, agent: str) -> str:
        return self.client.made("/v1/sessions", {"agent_id": agent})["id"]

    def say(self, session: str, text: str) -> dict[str, Any]:
        """Through the native surface, whose answer names the run."""
        return self.client.post(f"/v1/sessions/{session}/messages", {"content": text}).json
