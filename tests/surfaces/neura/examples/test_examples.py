"""Neura's published examples, run as they are printed: by curl, with only the base URL changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from glia.identity.types import Credentials
from tests.surfaces.conftest import Server
from tests.surfaces.neura.conftest import Neura


class Shell:
    """Runs what the documentation prints. $BASE is the server."""

    def __init__(self, server: Server, folder: Path, **environment: str) -> None:
        self.folder = folder
        base = f"http://127.0.0.1:{server.port}/neura"
        self.environment = {"PATH": os.environ["PATH"], "BASE": base, **environment}

    def run(self, command: str, **variables: str) -> bytes:
        for name, value in variables.items():
            command = command.replace("{" + name + "}", value)
        command = command.replace("https://api.neura.ai", self.environment["BASE"]).replace("curl ", "curl -sS ", 1)
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, check=True, timeout=60
        )
        return done.stdout

    def json(self, command: str, **variables: str) -> Any:
        return json.loads(self.run(command, **variables))


LOGIN = r"""curl -X POST https://api.neura.ai/graphql \
  -H "Content-Type: application/json" \
  -d '{"query": "mutation { login(email: \"{email}\", password: \"{password}\") { accessToken refreshToken user { id email } } }"}'"""  # noqa: E501 - as it is printed

CREATE = """curl -X POST https://api.neura.ai/api/agents \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "My Assistant",
    "description": "A helpful research agent",
    "model_id": "deepseek-ai/DeepSeek-V3.2"
  }'"""

RESEARCH = """curl -X POST https://api.neura.ai/api/agents \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Research Agent",
    "description": "Deep web research with citations",
    "model_id": "deepseek-ai/DeepSeek-V3.2",
    "use_web_search": true,
    "max_iterations": 15,
    "search_depth": 30,
    "system_prompt": "You are a thorough researcher. Always cite sources."
  }'"""

CHAT = """curl -X POST https://api.neura.ai/api/agents/{agent_id}/chat \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "query": "What are the key differences between RAG and fine-tuning?",
    "use_web_search": true,
    "search_depth": 15
  }'"""

STREAM = """curl -N -X POST https://api.neura.ai/api/agents/{agent_id}/chat/stream \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"query": "Explain quantum computing"}'"""

UPLOAD = """curl -X POST https://api.neura.ai/api/kb/upload \\
  -H "Authorization: Bearer $TOKEN" \\
  -F "kb_id={kb_id}" \\
  -F "file=@./document.pdf\""""

FINE_TUNED = """curl -X PUT https://api.neura.ai/api/agents/{agent_id} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"model_id": "ft-abc123-my-model"}'"""

COMPLETION = """curl -X POST https://api.neura.ai/api/v1/chat/completions \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "deepseek-ai/DeepSeek-V3.2",
    "messages": [
      {"role": "system", "content": "You are a helpful assistant."},
      {"role": "user", "content": "Hello!"}
    ],
    "max_tokens": 256,
    "temperature": 0.7
  }'"""

WITHOUT_A_TYPE = """curl -X POST https://api.neura.ai/api/agents/{agent_id}/chat \\
  -H "Authorization: Bearer $TOKEN" \\
  -d '{"query": "hello"}'"""

PIPELINE = """curl -X POST https://api.neura.ai/api/datasets/pipeline/start \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "topic": "Kubernetes pod scheduling and resource management",
    "target_samples": 100,
    "data_source_mode": "hybrid",
    "teacher_strategy": "all_models",
    "pairs_per_source": 5
  }'"""


@pytest.fixture
def shell(server: Server, credentials: Credentials, tmp_path: Path) -> Shell:
    """Signed in, as the documentation begins."""
    fresh = Shell(server, tmp_path)
    found = fresh.json(LOGIN, email=credentials.email, password=credentials.password)["data"]["login"]
    assert found["user"]["email"] == credentials.email
    return Shell(server, tmp_path, TOKEN=found["accessToken"])


def test_the_agents_of_the_documentation(shell: Shell):
    made = shell.json(CREATE)
    research = shell.json(RESEARCH)

    assert made["name"] == "My Assistant"
    assert {name: research[name] for name in ("use_web_search", "max_iterations", "search_depth")} == {
        "use_web_search": True,
        "max_iterations": 15,
        "search_depth": 30,
    }
    changed = shell.json(FINE_TUNED, agent_id=made["agent_id"])
    assert changed["model_id"] == "ft-abc123-my-model"
    assert shell.json(WITHOUT_A_TYPE, agent_id=made["agent_id"])["answer"]


def test_the_chats_of_the_documentation(shell: Shell):
    agent = shell.json(CREATE)["agent_id"]

    answer = shell.json(CHAT, agent_id=agent)
    lines = [line for line in shell.run(STREAM, agent_id=agent).decode().splitlines() if line.startswith("data: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]

    assert set(answer) >= {
        *("answer", "sources", "tool_calls", "iterations", "costs", "agent_id", "agent_name"),
        *("memories_used", "instructions_active", "context_loaded"),
    }
    assert answer["tool_calls"][0]["tool"] == "web_search"
    assert events[0] == {"type": "status", "message": "Agent loaded"}
    assert set(events[-1]) == {"type", "answer", "costs"}
    assert events[-1]["answer"] == "".join(event["content"] for event in events if event["type"] == "token")


def test_the_upload_of_the_documentation(shell: Shell, neura: Neura):
    from fpdf import FPDF

    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", size=12)
    document.multi_cell(0, 8, "Tides follow the moon.")
    document.output(str(shell.folder / "document.pdf"))
    base = neura.made("/api/agent/knowledge-bases", {"name": "Tides"})["kb_id"]

    uploaded = shell.json(UPLOAD, kb_id=base)

    path = f"/api/agent/knowledge-bases/{base}/documents/{uploaded['document_id']}"
    assert neura.until(path, lambda found: found["status"] != "processing")["status"] == "ready"


def test_the_completion_of_the_documentation(shell: Shell):
    assert shell.json(COMPLETION)["choices"][0]["message"]["role"] == "assistant"


def test_what_is_not_built_says_so(shell: Shell):
    assert "not built" in shell.json(PIPELINE)["error"]
