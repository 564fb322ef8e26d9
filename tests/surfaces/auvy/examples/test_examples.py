"""The published examples, as they are written; only addresses, keys and ids are ours."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.surfaces.auvy.conftest import Auvy
from tests.surfaces.conftest import Server

LIST = """curl https://api.auvy.ai/v1/neurons?is_active=true \\
-H "Authorization: Bearer YOUR_API_KEY" \\
-H "X-Brain-Id: YOUR_BRAIN_ID"
"""
CREATE = """curl -X POST https://api.auvy.ai/v1/neurons \\
-H "Authorization: Bearer YOUR_API_KEY" \\
-H "Content-Type: application/json" \\
-H "X-Brain-Id: YOUR_BRAIN_ID" \\
-d '{
"name": "My Neuron",
"description": "A sample neuron",
"scope": "brain",
"neuron_config": {
"model": "claude-haiku-4-5",
"temperature": 0.7
},
"is_active": true
}'
"""
ADD_REFLEX = """curl -X POST https://api.auvy.ai/v1/neurons/uuid/reflexes \\
-H "Authorization: Bearer YOUR_API_KEY" \\
-H "Content-Type: application/json" \\
-d '{
"reflex_id": "reflex-uuid"
}'
"""


@pytest.fixture
def run(server: Server, auvy: Auvy) -> Any:
    """Runs a published command against the server and gives what it prints."""

    def run(command: str) -> Any:
        here = command.replace("https://api.auvy.ai", f"http://127.0.0.1:{server.port}/auvy")
        here = here.replace("YOUR_API_KEY", str(auvy.key)).replace("YOUR_BRAIN_ID", str(auvy.brain))
        done = subprocess.run(
            ["sh", "-c", here.replace("curl", "curl -s", 1)], capture_output=True, timeout=30, check=True
        )
        return json.loads(done.stdout)

    return run


def test_create_and_list_neurons(run: Any):
    made = run(CREATE)
    listed = run(LIST)

    assert made["name"] == "my-neuron"
    assert made["description"] == "A sample neuron"
    assert made["scope"] == "brain"
    assert made["neuron_config"]["model"] == "claude-haiku-4-5"
    assert made["neuron_config"]["temperature"] == 0.7
    assert made["is_active"] is True
    assert [neuron["id"] for neuron in listed] == [made["id"]]


def test_add_a_reflex(run: Any, auvy: Auvy):
    neuron = auvy.neuron()
    reflex = auvy.made("/v1/reflexes", {"name": "My Reflex", "type": "sensory"})

    run(ADD_REFLEX.replace("reflex-uuid", reflex["id"]).replace("neurons/uuid", f"neurons/{neuron['id']}"))
    (found,) = auvy.get(f"/v1/neurons/{neuron['id']}/reflexes").json

    assert {name: found[name] for name in ("id", "name", "type", "is_active")} == {
        "id": reflex["id"],
        "name": "My Reflex",
        "type": "sensory",
        "is_active": True,
    }
    assert found["created_at"].endswith("Z")


def test_an_invoke_of_a_system_trace_answers_as_published(auvy: Auvy, sums: dict[str, Any]):
    answer = auvy.invoke(sums["id"], "What is 2 + 2?", neuron_task_options={"trace_type": "system"})

    assert set(answer) >= {"job_id", "status", "user_engram_id"}
    assert (answer["status"], answer["user_engram_id"]) == ("pending", None)
