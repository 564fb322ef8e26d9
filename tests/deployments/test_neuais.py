"""NeuAIs' surface on a port of its own, with a program that really runs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from glia import server as processes
from glia.wiring import House
from tests.deployments.conftest import Fleet
from tests.surfaces.conftest import Client, Server


@pytest.fixture
def port(server: Server) -> Iterator[int]:
    stop = asyncio.Event()

    async def start(house: House) -> tuple[asyncio.Task[None], int]:
        found = processes.Server(house, host="127.0.0.1", port=0, listen={"neuais": 0})
        found.listen()
        return asyncio.ensure_future(found.run(stop)), found._sockets[1].getsockname()[1]

    running, found = server.do(start)
    yield found

    async def end(_: House) -> None:
        stop.set()
        await running

    server.do(end)


def test_three_replicas_are_deployed_called_followed_and_changed(fleet: Fleet, port: int) -> None:
    alone = Client(port, fleet.client.key)
    program = {"name": "my-agent", "runtime": "python", "binary_url": f"{fleet.shop}/web.py"}
    agent = alone.made("/v1/agents", {**program, "config": {"replicas": 3, "memory": "64Mi"}})
    path, [endpoint] = f"/v1/agents/{agent['id']}", agent["endpoints"]
    heard: list[dict[str, Any]] = []

    with connect(f"ws://127.0.0.1:{port}/v1/ws?token={fleet.client.key}") as socket:
        for channel in ("status", "logs"):
            socket.send(json.dumps({"type": "subscribe", "channel": channel, "agent": agent["id"]}))
        running = alone.until(path, lambda found: found["ready_replicas"] == 3 and found["status"] == "running")
        answer = Client(port).get(endpoint.removeprefix(f"http://127.0.0.1:{port}") + "/say?level=warn")
        with alone.stream("GET", f"{path}/logs?follow=true&level=warn") as stream:
            line = next(stream.events())["data"]
        alone.request("PUT", path, {"environment": {"SAYS": "hallo"}})
        rolled = alone.until(path, lambda found: found["version"] == 2 and found["status"] == "running", 60)
        deadline = time.monotonic() + 60
        while not {"running", "deploying"} <= {frame["data"]["status"] for frame in heard if frame["type"] == "status"}:
            assert time.monotonic() < deadline, heard
            heard.append(json.loads(socket.recv(20)))
    alone.post(f"{path}/stop")
    stopped = alone.get(path).json

    assert running["reason"] == rolled["reason"] == ""
    assert answer.body == b"hello /say?level=warn"
    assert (line["level"], line["message"]) == ("warn", "level=warn")
    assert stopped["status"] == "stopped"
    assert {frame["data"]["message"] for frame in heard if frame["type"] == "logs"} >= {"started"}
