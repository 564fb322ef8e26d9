"""The seed's examples, replayed: what they send is taken, and what they show is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.neuronagent.conftest import Neuron

_FOLDER = Path(__file__).parent / "examples"


def example(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.json").read_text())


def like(shown: dict[str, Any], found: dict[str, Any]) -> None:
    """Every field that the example shows is there, and of its type; ids of messages are numbers."""
    for name, value in shown.items():
        assert name in found, name
        if name != "id":
            assert isinstance(found[name], type(value)), name


def test_the_seeds_examples_in_their_order(client: Neuron) -> None:
    agents, sessions, messages = example("create_agent"), example("create_session"), example("send_message")

    agent = client.made("/agents", agents["request"])
    like(agents["response"], agent)
    # The test server's provider answers to any name, slowly; the built-in model is what a fresh server has.
    agent = client.put(f"/agents/{agent['id']}", {"model_name": "glia/embedded"}).json
    session = client.made("/sessions", {**sessions["request"], "agent_id": agent["id"]})
    answer = client.made(f"/sessions/{session['id']}/messages", messages["request"])

    like(sessions["response"], session)
    like(messages["response"], answer)
    assert session["metadata"] == sessions["request"]["metadata"]
    assert answer["content"]
    history = client.get(f"/sessions/{session['id']}/messages?limit=50&offset=0").json
    assert history[0]["content"] == messages["request"]["content"]
    assert history[0]["metadata"] == messages["request"]["metadata"]
    assert client.get("/agents?search=research").json == [agent]


def test_errors_are_as_the_seed_shows_them(client: Neuron) -> None:
    found = client.get("/agents/00000000-0000-0000-0000-000000000000").json

    assert set(found["error"]) == set(example("error")["error"])


@pytest.mark.parametrize("omitted", ["role", "stream", "metadata"])
def test_what_the_seed_calls_optional_may_be_left_out(client: Neuron, omitted: str) -> None:
    body = {name: value for name, value in example("send_message")["request"].items() if name != omitted}

    assert client.post(f"/sessions/{client.session(client.agent())}/messages", body).status == 201
