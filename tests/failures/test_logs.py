"""What a server writes to its log while it works and when things go wrong: no secret, and nothing people wrote."""

from __future__ import annotations

import asyncio
import http.client

from tests.failures.conftest import Installation
from tests.failures.process import Process
from tests.webhooks.receiver import Receiver

SECRETS = {
    "prompt": "my-mother-is-called-Eudoxia",
    "instructions": "be-kind-to-Pelagia",
    "provider key": "sk-provider-0123456789",
    "tool header": "tool-token-0123456789",
    "webhook header": "hook-token-0123456789",
    "wrong key": "glia_wrong_0123456789",
    "collector header": "otel-token-0123456789",
    "answer": "Wednesday-is-Zephyrina",
}


def _knock(server: Process) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/v1/agents", headers={"authorization": f"Bearer {SECRETS['wrong key']}"})
    status = connection.getresponse().status
    connection.close()
    return status


async def test_the_log_holds_no_secret_and_no_text(place: Installation) -> None:
    """The control: each of them was really used, and the log was really written at its most talkative."""
    place.outside.words = (f"{SECRETS['answer']} ",)
    async with Receiver().open() as receiver:
        receiver.answers(500, 410)
        server = await place.serve(
            OPENAI_API_KEY=SECRETS["provider key"],
            GLIA_OUTBOUND_ALLOW=f"127.0.0.1:{place.outside.port},{receiver.host}",
            GLIA_LOG__LEVEL="debug",
            GLIA_WEBHOOKS__FIRST_RETRY_SECONDS="0.1",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{place.outside.port}/nowhere",
            OTEL_EXPORTER_OTLP_HEADERS=f"authorization={SECRETS['collector header']}",
        )
        tool = {
            "name": f"call_{SECRETS['prompt'].replace('-', '_')}",
            "description": "Posts.",
            "schema": {"type": "object", "properties": {}},
            "http": {"url": f"http://127.0.0.1:{place.outside.port}/tool", "headers": {"X-T": SECRETS["tool header"]}},
        }
        assert (await server.post("/v1/tools", tool))[0] == 201
        hook = {"url": receiver.url(), "event_types": ["run.completed"], "headers": {"X-T": SECRETS["webhook header"]}}
        _, webhook = await server.post("/v1/webhooks", hook)
        agents = [
            {"name": "A", "instructions": SECRETS["instructions"], "tools": [tool["name"]]},
            {"name": "B", "instructions": SECRETS["instructions"], "model": "openai/scripted", "tools": ["calculator"]},
            {"name": "C", "instructions": SECRETS["instructions"], "model": "nobody/nothing", "tools": []},
        ]
        made = [(await server.post("/v1/agents", agent))[1] for agent in agents]
        statuses = [await _talk(server, agent["id"], tool["name"]) for agent in made]
        knocked = await asyncio.to_thread(_knock, server)
        await receiver.until(lambda: len(receiver.got) >= 2)
        async with asyncio.timeout(60):
            while "switched off" not in server.said() or "run failed" not in server.said():
                await asyncio.sleep(0.05)
        await server.stop()
    said = server.said()

    assert statuses[:2] == [200, 200]
    assert statuses[2] >= 400
    assert knocked == 401
    assert receiver.got[0].headers["x-t"] == SECRETS["webhook header"]
    assert SECRETS["answer"] in receiver.got[0].body.decode()
    assert "run ended" in said
    known = {**SECRETS, "webhook secret": webhook["secret"], "key": server.headers()["authorization"].split()[1]}
    # The first start prints the first key on purpose, before the log begins.
    log = "\n".join(line for line in said.splitlines() if line.startswith("{"))
    assert {name for name, secret in known.items() if secret in log} == set()
    assert {name for name, secret in known.items() if name != "key" and secret in said} == set()


async def _talk(server: Process, agent: str, tool: str) -> int:
    _, session = await server.post("/v1/sessions", {"agent_id": agent})
    status, _ = await server.post(f"/v1/sessions/{session['id']}/messages", {"content": f"call {tool}"})
    await server.post(f"/v1/sessions/{session['id']}/messages", {"content": f"Hello, {SECRETS['prompt']}"})
    return status
