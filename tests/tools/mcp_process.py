"""Starts the tests' MCP servers as processes, and stops them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.failures.process import free_port

SCRIPT = Path(__file__).with_name("mcp_server.py")


@dataclass
class McpProcess:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@contextmanager
def mcp_process(*options: str, effects: Path | None = None, port: int = 0) -> Iterator[McpProcess]:
    port = port or free_port()
    environment = {**os.environ, **({"EFFECTS": str(effects)} if effects else {})}
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(port), *options], env=environment)
    try:
        _wait(port, process)
        yield McpProcess(port, process)
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the MCP server of the tests did not start"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the MCP server of the tests did not listen in time")
