"""kill -9 between a run's end and its trace, and a whole server with tracing on."""

from __future__ import annotations

import asyncio
import http.client
import json

from tests.failures.conftest import Installation
from tests.failures.process import Process, free_port
from tests.traces.collector import Collector

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def _ask(server: Process, session: object, **headers: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = json.dumps({"content": "call post_read"})
    connection.request(
        "POST",
        f"/v1/sessions/{session}/messages",
        body,
        {**server.headers(), "content-type": "application/json", **headers},
    )
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, found
    return str(found["run_id"])


def _metrics(worker: Process) -> str:
    try:
        return worker.read("/metrics")[1]
    except ConnectionError:
        return ""


async def test_a_worker_shows_its_own_figures(place: Installation) -> None:
    await place.serve()
    worker = place.worker("alone", port=free_port())
    await worker.ready()
    async with asyncio.timeout(60):  # it says that it is ready before it answers there
        while "glia_database_connections{" not in await asyncio.to_thread(_metrics, worker):
            await asyncio.sleep(0.1)

    found = await asyncio.to_thread(worker.read, "/metrics")
    ready = await asyncio.to_thread(worker.read, "/ready")
    other = await asyncio.to_thread(worker.read, "/v1/agents")

    assert (found[0], ready[0], other[0]) == (200, 200, 404)
    assert "glia_queue_seconds_bucket" in found[1]


async def test_a_trace_outlives_the_process_that_ended_its_run(place: Installation) -> None:
    """The collector is away until the server is dead, so that only the log can know of the run."""
    collector = Collector()
    async with collector.open():
        pass
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    server = await place.serve(**settings)
    [session] = await place.sessions(1)
    run = await asyncio.to_thread(_ask, server, session, traceparent=CALLER)

    server.kill()
    async with collector.open():
        await place.serve(**settings)
        await collector.until(lambda: len(collector.spans) >= 4, 60)

    whole = next(span for span in collector.spans if span.name == "invoke_agent Clerk")
    assert whole.attributes["glia.run.id"] == run
    assert (whole.trace_id, whole.parent) == tuple(CALLER.split("-")[1:3])
    assert sorted(span.name for span in collector.spans) == [
        "chat scripted",
        "chat scripted",
        "execute_tool post_read",
        "invoke_agent Clerk",
    ]
    assert all(span.attributes.get("gen_ai.provider.name", "openai") == "openai" for span in collector.spans)
