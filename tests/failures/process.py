"""Real `glia serve` and `glia worker` processes, to be killed and frozen."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.forking import Forked

QUICK = {"GLIA_LEASE__LEASE_SECONDS": "4", "GLIA_LEASE__BEAT_SECONDS": "0.3", "GLIA_RUNS__POLL_SECONDS": "0.2"}


def free_port() -> int:
    """Outside the range from which the system gives ports to everybody, so that nobody gets it before its server."""
    while True:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Process:
    def __init__(self, folder: Path, command: str, environment: dict[str, str], *, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = port
        self.log = folder / f"{command}.log"
        arguments = [command, "--data-dir", str(folder)]
        if port:
            arguments += ["--port", str(port)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GLIA_")}
        self._child = Forked(arguments, clean | environment, self.log)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    async def ready(self, seconds: float = 60) -> Process:
        """Waits until it says so, once more than it had before."""
        text = "Glia is ready" if self.log.stem == "serve" else "worker ready"
        end = time.monotonic() + seconds
        while text not in self.said()[self._said_before :]:
            assert self.is_alive, self.said()[-3000:]
            assert time.monotonic() < end, self.said()[-3000:]
            await asyncio.sleep(0.02)
        return self

    _said_before = 0

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        if self.is_alive:
            self._child.send_signal(number)

    def kill(self) -> None:
        """kill -9. The next process in this folder begins with a fresh log."""
        self.signal(signal.SIGKILL)
        self._child.wait(10)
        self.log.unlink(missing_ok=True)

    async def stop(self, seconds: float = 60) -> int:
        self.signal(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            while self.is_alive:
                await asyncio.sleep(0.02)
        return self._child.wait(0)

    def memory_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {json.loads((self.folder / 'credentials.json').read_text())['api_key']}"}

    async def post(self, path: str, content: object) -> tuple[int, Any]:
        return await asyncio.to_thread(self._request, "POST", path, json.dumps(content).encode())

    async def get(self, path: str) -> tuple[int, Any]:
        return await asyncio.to_thread(self._request, "GET", path, None)

    def read(self, path: str) -> tuple[int, str]:
        """Without a key, as a monitor does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, self.headers() | {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


class Reader:
    """Follows a session over SSE for ever: comes back with Last-Event-ID whenever the line is cut."""

    def __init__(self, process: Process, session: object) -> None:
        self.seen: list[int] = []
        self.types: list[str] = []
        self.connections = 0
        self._process = process
        self._session = session

    async def follow(self) -> None:
        """Ends with the run's last event."""
        while True:
            try:
                if await self._once():
                    return
            except (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.05)

    async def _once(self) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._process.port, limit=1 << 24)
        try:
            after = f"Last-Event-ID: {self.seen[-1]}\r\n" if self.seen else ""
            key = self._process.headers()["authorization"]
            writer.write(
                f"GET /v1/sessions/{self._session}/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n"
                f"{after}\r\n".encode()
            )
            if b" 200 " not in await reader.readline():
                return False
            self.connections += 1
            while line := await reader.readline():
                if line.startswith(b"id: "):
                    self.seen.append(int(line[4:]))
                elif line.startswith(b"event: "):
                    self.types.append(line[7:].decode().strip())
                elif (
                    line == b"\n" and self.types and self.types[-1] in {"run.completed", "run.failed", "run.cancelled"}
                ):
                    return True
        finally:
            writer.close()
        return False
