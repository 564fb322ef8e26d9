"""Shows what the engine does, on a server of its own, with the built-in model: no key, no account.

    python docs/demo.py

An approval across a kill -9, a budget's pause, a fork with an edited message, a schedule, a tool of an MCP server, and
a workflow that is killed and goes on. Takes about half a minute; everything lies in a temporary folder.
Needs Glia's environment: `.venv/bin/python docs/demo.py` in a checkout that has run `./glia serve` once.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class Server:
    """A `glia serve` that can be killed and started again over the same data."""

    def __init__(self, folder: Path, allowed: str) -> None:
        self._folder = folder
        self._environment = os.environ | {
            "GLIA_DATA_DIR": str(folder),
            "GLIA_MODEL_DISCOVERY": "off",
            "GLIA_OUTBOUND_ALLOW": allowed,
        }
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "glia", "serve", "--port", str(self._port)]
        with (self._folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        wait_for("the server", self._is_ready, seconds=120)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        credentials = json.loads((self._folder / "credentials.json").read_text())
        headers = {"Authorization": f"Bearer {credentials['api_key']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def get(self, path: str) -> Json:
        return self.call("GET", path)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self.call("POST", path, body or {})

    def say(self, session: str, text: str, **options: Any) -> Json:
        return self.post(f"/v1/sessions/{session}/messages", {"content": text, **options})

    def session(self, agent: str) -> str:
        return self.post("/v1/sessions", {"agent_id": agent})["id"]

    def last_words(self, session: str) -> str:
        return self.get(f"/v1/sessions/{session}/messages")["data"][-1]["content"]

    def until(self, run: str, status: str) -> Json:
        def is_there() -> bool:
            return self.get(f"/v1/runs/{run}")["status"] == status

        wait_for(f"the run to be {status}", is_there)
        return self.get(f"/v1/runs/{run}")

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            if self._process is not None and self._process.poll() is not None:
                raise SystemExit((self._folder / "serve.log").read_text()) from None
            return False


def approval_across_a_restart(server: Server) -> None:
    server.post("/v1/agents", {"name": "Careful", "permissions": {"tools": {"calculator": "ask"}}})
    session = server.session("careful")
    run = server.say(session, "What is 17 * 23?")["run_id"]
    tell(f"The run is {server.get(f'/v1/runs/{run}')['status']}: it asks before it uses its calculator.")
    server.kill()
    tell("kill -9. Starting again.")
    server.start()
    [asked] = server.get("/v1/approvals?status=pending")["data"]
    tell(f"The question is still there: may {asked['agent_name']} call {asked['tool']} with {asked['arguments']}?")
    server.post(f"/v1/approvals/{asked['id']}/approve", {"note": "Go ahead."})
    server.until(run, "completed")
    tell(f"Approved. It answers: {server.last_words(session)}")


def budget_pause_and_resume(server: Server) -> None:
    server.post("/v1/agents", {"name": "Thrifty", "tools": ["calculator"]})
    session = server.session("thrifty")
    budget = server.post("/v1/budgets", {"scope": "session", "subject_id": session, "limit_calls": 1})["id"]
    run = server.say(session, "What is 12 * 12?")["run_id"]
    waiting = server.until(run, "waiting")
    tell(f"After one model call the run waits for: {', '.join(waiting['waiting_for'])}. What it did is kept.")
    server.call("PATCH", f"/v1/budgets/{budget}", {"limit_calls": 10})
    server.until(run, "completed")
    tell(f"The limit is raised and it goes on by itself: {server.last_words(session)}")


def fork_with_an_edited_message(server: Server) -> None:
    session = server.session("thrifty")
    server.say(session, "What is 2 + 2?")
    server.say(session, "What is 10 / 4?")
    asked = [m for m in server.get(f"/v1/sessions/{session}/messages")["data"] if m["role"] == "user"]
    body = {"at": asked[1]["seq"] - 1, "content": "What is 10 * 4?"}
    fork = server.post(f"/v1/sessions/{session}/fork", body)
    server.until(fork["run_id"], "completed")
    compared = server.get(f"/v1/sessions/{session}/compare?with={fork['id']}")
    tell(f"Both share {compared['shared']} events. Then:")
    tell(f"  the original: {compared['first']['messages'][-1][1]}")
    tell(f"  the fork:     {compared['second']['messages'][-1][1]}")


def a_schedule(server: Server) -> None:
    trigger = server.post(
        "/v1/triggers",
        {
            "name": "Every second",
            "agent_id": "thrifty",
            "message": "What is 6 * 7?",
            "when": {"kind": "interval", "every_seconds": 1},
        },
    )["id"]

    def has_fired() -> bool:
        return any(firing.get("run_id") for firing in server.get(f"/v1/triggers/{trigger}/firings")["data"])

    wait_for("the schedule to fire", has_fired)
    server.post(f"/v1/triggers/{trigger}/pause")
    fired = [f for f in server.get(f"/v1/triggers/{trigger}/firings")["data"] if f.get("run_id")]
    done = server.until(fired[-1]["run_id"], "completed")
    tell(f"It fired, and its run answered: {server.last_words(done['session_id'])}")


def a_tool_of_an_mcp_server(server: Server, port: int) -> None:
    made = server.post("/v1/mcp-servers", {"name": "harbour", "url": f"http://127.0.0.1:{port}/mcp"})["id"]
    server.post(f"/v1/mcp-servers/{made}/refresh")
    server.post("/v1/agents", {"name": "Pilot", "tools": ["harbour__*"]})
    session = server.session("pilot")
    run = server.say(session, "Look up the tide of the harbour Brest.")["run_id"]
    called = [
        event["data"]
        for event in server.get(f"/v1/runs/{run}/events?limit=500")["data"]
        if event["type"] == "tool.returned"
    ]
    tell(f"The agent called {called[0]['tool']}: {called[0]['text']}")


def a_workflow_killed_and_resumed(server: Server) -> None:
    steps: list[Json] = [
        {"id": "before", "kind": "tool", "tool": "calculator", "arguments": {"expression": "{{input.n}} + 1"}},
        {"id": "pause", "kind": "wait_time", "seconds": 3, "depends_on": ["before"]},
        {"id": "after", "kind": "tool", "tool": "calculator", "arguments": {"expression": "{{input.n}} * 2"}},
    ]
    steps[2]["depends_on"] = ["pause"]
    server.post("/v1/workflows", {"name": "Sums", "steps": steps, "output": "{{steps.after.output}}"})
    run = server.post("/v1/workflows/sums/run", {"input": {"n": 20}})["id"]
    server.until(run, "waiting")
    tell("The first step is done and the workflow waits. kill -9.")
    server.kill()
    server.start()
    server.until(run, "completed")
    ended = server.get(f"/v1/workflows/sums/executions/{run}")
    attempts = ", ".join(f"{step['id']} {step['attempts']}x" for step in ended["steps"])
    tell(f"It went on by itself: {ended['output']} (attempts: {attempts}).")


def serve_tides(port: int) -> None:
    """The MCP server of the demonstration."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("Harbour", log_level="CRITICAL")

    @server.tool()
    def tide(harbour: str) -> str:
        """Looks up the tide of a harbour."""
        return f"High water in {harbour} at 14:20."

    server.run("streamable-http", port=port)


@contextmanager
def mcp_server() -> Generator[int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, __file__, "--tides", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for("the MCP server", lambda: is_open(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def wait_for(what: str, is_there: Callable[[], bool], *, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > until:
            raise SystemExit(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(0.1)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def title(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def tell(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="glia-demo-") as folder, mcp_server() as port:
        server = Server(Path(folder), f"127.0.0.1:{port}")
        try:
            server.start()
            title("An approval across a restart")
            approval_across_a_restart(server)
            title("A budget that pauses a run")
            budget_pause_and_resume(server)
            title("A fork with an edited message")
            fork_with_an_edited_message(server)
            title("A schedule")
            a_schedule(server)
            title("A tool of an MCP server")
            a_tool_of_an_mcp_server(server, port)
            title("A workflow, killed and resumed")
            a_workflow_killed_and_resumed(server)
        finally:
            server.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tides"]:
        serve_tides(int(sys.argv[2]))
    else:
        main()
