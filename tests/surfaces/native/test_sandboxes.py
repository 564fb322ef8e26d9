"""Sandboxes over the wire: commands, files, code, snapshots, previews, and an agent that runs code."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from glia.sandboxes.types import Probe
from tests.surfaces.conftest import Answer, Client, Server


@pytest.fixture
def box(client: Client) -> Iterator[str]:
    """The path of a sandbox."""
    path = f"/v1/sandboxes/{client.made('/v1/sandboxes', {'name': 'Box', 'env': {'COLOUR': 'blue'}})['id']}"
    yield path
    client.delete(path)


def run(client: Client, box: str, command: str, **more: Any) -> dict[str, Any]:
    answer = client.post(f"{box}/exec", {"command": command, **more})
    assert answer.status == 200, answer.body
    return answer.json


def put(client: Client, box: str, path: str, content: bytes, where: str = "content") -> Answer:
    return client.request("PUT", f"{box}/files/{where}?path={quote(path)}", raw=content)


def test_a_sandbox_is_made_shown_listed_and_deleted(client: Client) -> None:
    body = {
        "name": "Mine",
        "limits": {"cpus": 0.5, "pids": 32},
        "env": {"A": "b"},
        "allow_hosts": ["*.example.org"],
        "secrets": [{"name": "KEY", "hosts": ["api.example.org"], "value": "s3cret"}],
        "metadata": {"for": "me"},
        "lease_seconds": 120,
        "on_timeout": "pause",
    }
    answer = client.post("/v1/sandboxes", body)
    made = answer.json
    path = f"/v1/sandboxes/{made['id']}"

    assert answer.status == 201, answer.body
    assert (made["status"], made["name"], made["limits"]["cpus"], made["limits"]["pids"]) == (
        "running",
        "Mine",
        0.5,
        32,
    )
    assert made["limits"]["memory_bytes"] == 512 * 1024 * 1024
    assert made["secrets"] == [
        {
            "name": "KEY",
            "hosts": ["api.example.org"],
            "header": "Authorization",
            "scheme": "https",
            "placeholder": "glia-secret-KEY",
        }
    ]
    assert b"s3cret" not in answer.body + client.get(path).body + client.get("/v1/sandboxes").body
    assert [each["id"] for each in client.get("/v1/sandboxes").json["data"]] == [made["id"]]
    assert client.request("PUT", f"{path}/lease", {"lease_seconds": 300}).json["lease_seconds"] == 300
    assert client.delete(path).status == 204
    assert [client.get(path).status, client.delete(path).status, client.get(f"{path}/stats").status] == [404] * 3


def test_a_bad_wish_is_refused_by_its_field(client: Client) -> None:
    for body, field in (
        ({"limits": {"cpus": 1000}}, "limits.cpus"),
        ({"allow_hosts": ["10.0.0.1"]}, "allow_hosts[0]"),
        ({"on_timeout": "never"}, "on_timeout"),
        ({"snapshot_id": "x"}, "snapshot_id"),
        ({"lease_seconds": -1}, "lease_seconds"),
    ):
        answer = client.post("/v1/sandboxes", body)
        assert (answer.status, answer.error["field"]) == (400, field), answer.body
    assert client.post("/v1/sandboxes", {"snapshot_id": "01a2033e-9746-770b-a8a0-c26ba900fbeb"}).status == 404


def test_a_command_answers_whole(client: Client, box: str) -> None:
    done = run(client, box, "echo out $COLOUR $MORE; echo err >&2; cat; exit 3", env={"MORE": "red"}, stdin="in")
    argv = client.post(f"{box}/exec", {"argv": ["printf", "%s", "a b"]}).json
    raw = run(client, box, r"printf '\377\376'", encoding="base64")
    text = run(client, box, r"printf '\377'")
    cut = run(client, box, "yes | head -c 100000", output_bytes=10)
    late = run(client, box, "sleep 20", timeout_seconds=0.5)

    assert (done["stdout"], done["stderr"], done["exit"]["code"]) == ("out blue red\nin", "err\n", 3)
    assert argv["stdout"] == "a b"
    assert base64.b64decode(raw["stdout"]) == b"\xff\xfe"
    assert text["stdout"] == "�"
    assert (len(cut["stdout"]), cut["exit"]["truncated"]) == (10, True)
    assert late["exit"]["timed_out"] is True


def test_a_command_streams(client: Client, box: str) -> None:
    with client.stream("POST", f"{box}/exec", {"command": "echo é; echo b >&2; exit 2", "stream": True}) as stream:
        events = list(stream.items())

    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("start", "exit")
    assert "".join(event["data"]["data"] for event in events if event["event"] == "stdout") == "é\n"
    assert "".join(event["data"]["data"] for event in events if event["event"] == "stderr") == "b\n"
    assert events[-1]["data"]["code"] == 2


def test_a_running_command_takes_signals(client: Client, box: str) -> None:
    body = {"command": "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.05; done", "stream": True}
    with client.stream("POST", f"{box}/exec", body) as stream:
        items = stream.items()
        pid = next(items)["data"]["pid"]
        assert next(items)["data"]["data"] == "ready\n"
        assert client.post(f"{box}/signal", {"pid": pid}).status == 204
        events = list(items)

    assert events[-1]["data"]["code"] == 7
    assert client.post(f"{box}/signal", {"pid": 999_999}).status == 404


def test_a_reader_that_leaves_ends_the_command(client: Client, box: str, server: Server) -> None:
    running = server.house.sandboxes._hosting.backend.living[box.rsplit("/", 1)[1]].processes
    with client.stream("POST", f"{box}/exec", {"command": "sleep 60", "stream": True}) as stream:
        next(stream.items())
        was_running = len(running)

    deadline = time.monotonic() + 60
    while running:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert was_running == 1


def test_wrong_commands_say_what_is_wrong(client: Client, box: str) -> None:
    for body, status in (
        ({}, 400),
        ({"command": "a", "argv": ["a"]}, 400),
        ({"argv": []}, 400),
        ({"argv": ["no-such-program"]}, 400),
        ({"command": "a", "timeout_seconds": 0}, 400),
        ({"command": "a", "encoding": "rot13"}, 400),
        ({"command": "a", "env": {"A=B": "c"}}, 400),
        ({"argv": ["no-such-program"], "stream": True}, 400),
    ):
        answer = client.post(f"{box}/exec", body)
        assert answer.status == status, (body, answer.body)
        assert answer.error["message"]


def test_the_same_idempotency_key_runs_a_command_once(client: Client, box: str) -> None:
    key = {"Idempotency-Key": "once"}
    first = client.post(f"{box}/exec", {"command": "echo x >> f; cat f"}, headers=key)
    again = client.post(f"{box}/exec", {"command": "echo x >> f; cat f"}, headers=key)
    streamed = client.post(f"{box}/exec", {"command": "true", "stream": True}, headers={"Idempotency-Key": "two"})

    assert first.json == again.json
    assert again.headers["idempotency-replayed"] == "true"
    assert run(client, box, "cat f")["stdout"] == "x\n"
    assert streamed.status == 400


def test_files_go_in_and_come_out(client: Client, box: str) -> None:
    written = put(client, box, "d/e/ä b.txt", b"\x00\xffcontent")
    listed = client.get(f"{box}/files?depth=3").json["data"]
    read = client.get(f"{box}/files/content?path={quote('d/e/ä b.txt')}")
    moved = client.post(f"{box}/files/move", {"source": "d/e/ä b.txt", "target": "f"})
    made = client.post(f"{box}/files/directories", {"path": "x/y"})
    stat = client.get(f"{box}/files/stat?path=f").json
    removed = client.delete(f"{box}/files?path=d")

    assert (written.status, written.json["size_bytes"]) == (200, 9)
    assert [each["path"] for each in listed] == ["/workspace/d", "/workspace/d/e", "/workspace/d/e/ä b.txt"]
    assert read.body == b"\x00\xffcontent"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["content-disposition"].startswith("attachment;")
    assert (moved.status, made.status, removed.status) == (200, 201, 204)
    assert (stat["kind"], stat["size_bytes"]) == ("file", 9)
    assert client.get(f"{box}/files/content?path=d/e").status == 404
    assert client.get(f"{box}/files/content?path=x").status == 400
    assert put(client, box, "", b"x").status == 400
    assert client.request("PUT", f"{box}/files/content?path=f&mode=9", raw=b"x").status == 400
    assert client.delete(f"{box}/files").status == 400


@pytest.mark.parametrize("is_compressed", [False, True])
def test_folders_go_in_and_come_out_as_tars(client: Client, box: str, is_compressed: bool) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in (("a", b"one"), ("b/c", b"two" * 100_000)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    sent = gzip.compress(raw.getvalue()) if is_compressed else raw.getvalue()

    unpacked = put(client, box, "in", sent, "tar")
    answer = client.get(f"{box}/files/tar?path=in")

    assert unpacked.status == 200, unpacked.body
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        names = [member.name for member in tar.getmembers() if member.isfile()]
        assert sorted(name.removeprefix("./") for name in names) == ["a", "b/c"]
    assert run(client, box, "wc -c < in/b/c")["stdout"].strip() == "300000"
    if is_compressed:
        assert put(client, box, "in", sent[:50], "tar").status == 400


def test_pausing_holds_everything(client: Client, box: str) -> None:
    assert client.post(f"{box}/pause").json["status"] == "paused"
    held = client.post(f"{box}/exec", {"command": "true"})
    assert client.post(f"{box}/resume").json["status"] == "running"

    assert (held.status, held.error["code"]) == (409, "sandbox_paused")
    assert run(client, box, "echo on")["stdout"] == "on\n"
    assert client.get(f"{box}/stats").json["memory_bytes"] > 0
    assert client.get(f"{box}/egress").json["data"] == []


def test_snapshots_are_kept_and_put_back(client: Client, box: str) -> None:
    run(client, box, "echo one > f")
    kept = client.post(f"{box}/snapshots", {"name": "first"}).json
    run(client, box, "echo two > f")
    other = client.made("/v1/sandboxes", {"snapshot_id": kept["id"]})["id"]
    restored = client.post(f"{box}/restore", {"snapshot_id": kept["id"]})
    packed = client.get(f"/v1/sandbox-snapshots/{kept['id']}/file")

    assert restored.status == 204
    assert run(client, box, "cat f")["stdout"] == "one\n"
    assert run(client, f"/v1/sandboxes/{other}", "cat f")["stdout"] == "one\n"
    assert [each["name"] for each in client.get(f"{box}/snapshots").json["data"]] == ["first"]
    with tarfile.open(fileobj=io.BytesIO(packed.body), mode="r:gz") as tar:
        assert any(name.endswith("f") for name in tar.getnames())
    assert client.delete(f"/v1/sandbox-snapshots/{kept['id']}").status == 204
    assert client.get(f"/v1/sandbox-snapshots/{kept['id']}").status == 404


def test_code_keeps_its_variables(client: Client, box: str) -> None:
    client.post(f"{box}/code", {"code": "x = 20"})
    answer = client.post(f"{box}/code", {"code": "print(x)\nx + 1"}).json

    assert (answer["status"], answer["stdout"], answer["value"]) == ("ok", "20\n", "21")
    assert client.post(f"{box}/code", {"code": "1", "language": "cobol"}).error["field"] == "language"


def test_a_port_is_shown_at_an_address_of_its_own(client: Client, box: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))  # with plain processes, inside is this machine

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    threading.Thread(target=serve, daemon=True).start()
    port = listener.getsockname()[1]
    made = client.post(f"{box}/ports/{port}/preview", {"expires_in": 60})
    host = made.json["url"].split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request("GET", "/" + made.json["url"].split("/", 3)[3], headers={"Authorization": "Bearer x"})
    shown = connection.getresponse()

    assert made.status == 201
    assert host != f"127.0.0.1:{client.port}"
    assert (shown.status, shown.read()) == (200, b"hi")
    assert client.post(f"{box}/ports/0/preview", {}).status == 400
    assert client.get(f"/{made.json['token']}/").status == 404, "the API itself knows nothing of tokens"
    listener.close()


def test_without_a_backend_that_works_everything_says_why(client: Client, server: Server) -> None:
    backend = server.house.sandboxes._hosting.backend
    works = backend.probed
    backend.probed = Probe(False, "There is no bwrap.", "Install bubblewrap.")
    try:
        refused = client.post("/v1/sandboxes", {})
        shown = client.get("/v1/sandbox-backend").json
        agent = client.made("/v1/agents", {"name": "Plain"})["id"]
        session = client.made("/v1/sessions", {"agent_id": agent})["id"]
        said = client.post(f"/v1/sessions/{session}/messages", {"content": "run: print(1)"}).json["content"]
        named = client.made("/v1/agents", {"name": "Named", "tools": ["run_code"]})["id"]
        session = client.made("/v1/sessions", {"agent_id": named})["id"]
        told = client.post(f"/v1/sessions/{session}/messages", {"content": "run: print(1)"}).json["content"]
    finally:
        backend.probed = works
        client.get("/v1/sandbox-backend")

    assert (refused.status, refused.error["code"]) == (503, "sandbox_unavailable")
    assert refused.error["message"] == "There is no bwrap. Install bubblewrap."
    assert (shown["is_available"], shown["fix"]) == (False, "Install bubblewrap.")
    assert "code ran" not in said
    assert "Install bubblewrap." in told


def test_an_agent_runs_code_and_shows_what_it_made(
    client: Client, stranger: Client, agent: dict[str, Any], open_session: Callable[[dict[str, Any]], str]
) -> None:
    session = open_session(agent)
    code = (
        "import os\nos.makedirs('artifacts', exist_ok=True)\nopen('artifacts/page.html', 'w').write('<b>hi</b>')\n6 * 7"
    )
    answer = client.post(f"{session}/messages", {"content": f"Run this python:\n```python\n{code}\n```"})
    events = client.get(f"{session}/events").json["data"]
    (shown,) = client.get(f"{session}/artifacts").json["data"]
    file = client.get(f"{session}/artifacts/{shown['id']}/file")

    assert "42" in answer.json["content"]
    created = next(event["data"] for event in events if event["type"] == "artifact.created")
    returned = next(event["data"] for event in events if event["type"] == "tool.returned")
    assert created["id"] == shown["id"]
    assert (created["name"], created["media_type"], created["size_bytes"]) == ("artifacts/page.html", "text/html", 9)
    assert returned["artifacts"][0]["id"] == shown["id"]
    assert client.get(f"/v1/sandbox-snapshots/{returned['snapshot_id']}").status == 200
    assert [event["type"] for event in events].index("artifact.created") < [event["type"] for event in events].index(
        "tool.returned"
    )
    assert file.body == b"<b>hi</b>"
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''page.html"
    assert file.headers["x-content-type-options"] == "nosniff"
    assert file.headers["content-security-policy"] == "sandbox"
    assert stranger.get(f"{session}/artifacts").status == 404
    (box,) = client.get(f"/v1/sandboxes?session_id={session.rsplit('/', 1)[1]}").json["data"]
    assert box["session_id"] == session.rsplit("/", 1)[1]


def test_use_is_shown(client: Client, box: str) -> None:
    client.delete(box)

    (total,) = client.get("/v1/usage/sandboxes").json["data"]
    assert total["sandboxes"] == 1
    assert total["cpu_seconds"] > 0
    assert client.get("/v1/usage/sandboxes?group_by=day").json["data"][0]["group"]
    assert client.get("/v1/usage/sandboxes?group_by=moon").status == 400
    assert "python" in [each["name"] for each in client.get("/v1/sandbox-templates").json["data"]]


def test_rights_are_asked_for(client: Client, box: str, server: Server) -> None:
    reader = server.client(client.made("/v1/keys", {"name": "Reader", "scopes": ["sandboxes:read"]})["key"])

    assert reader.get(box).status == 200
    assert reader.get(f"{box}/files").status == 200
    for answer in (
        reader.post("/v1/sandboxes", {}),
        reader.post(f"{box}/exec", {"command": "true"}),
        reader.post(f"{box}/code", {"code": "1"}),
        reader.request("PUT", f"{box}/files/content?path=f", raw=b"x"),
        reader.post(f"{box}/ports/80/preview", {}),
        reader.delete(box),
    ):
        assert (answer.status, answer.error["details"]["scope"]) == (403, "sandboxes:write")
    assert json.loads(reader.get("/v1/sandboxes").body)["data"]
