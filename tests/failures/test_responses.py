"""kill -9 under a response in the background: it completes, and its events are those that were read before."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.failures.conftest import Installation
from tests.failures.process import Process


async def _events(process: Process, id: str, after: int, found: list[dict[str, Any]]) -> None:
    """Finds what a reader gets until the server closes the stream, or dies."""
    reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
    path = f"/v1/responses/{id}?stream=true&starting_after={after}"
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {process.headers()['authorization']}\r\n\r\n".encode()
    )
    try:
        while line := await reader.readline():
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_a_background_response_survives_a_killed_server(place: Installation) -> None:
    server = await place.serve()
    place.outside.words = tuple(f"word{number} " for number in range(200))
    place.outside.word_seconds = 0.05
    body = {"model": "openai/scripted", "input": "Count.", "background": True}
    status, begun = await server.post("/v1/responses", body)
    assert status == 200, begun
    before: list[dict[str, Any]] = []
    after: list[dict[str, Any]] = []
    reading = asyncio.create_task(_events(server, begun["id"], -1, before))
    async with asyncio.timeout(60):
        while [event["type"] for event in before].count("response.output_text.delta") < 3:
            await asyncio.sleep(0.01)
    server.kill()
    await reading
    place.outside.word_seconds = 0.0

    server = await place.serve()
    async with asyncio.timeout(60):
        await _events(server, begun["id"], before[-1]["sequence_number"], after)

    numbers = [event["sequence_number"] for event in before + after]
    assert numbers == list(range(len(numbers)))
    assert before[-1]["type"] == "response.output_text.delta"  # the control: it was killed in the middle
    final = after[-1]
    assert final["type"] == "response.completed"
    text = final["response"]["output"][-1]["content"][0]["text"]
    assert text == "".join(place.outside.words)
    deltas = [event["delta"] for event in before + after if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == text
