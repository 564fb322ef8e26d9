"""Programs that really run: what a user sees of them when they crash, are changed, are killed, or write too much."""

from __future__ import annotations

import hashlib
import json

from websockets.sync.client import connect

from tests.deployments.conftest import FILES, WEB, Fleet, NodeProcess, problem_of
from tests.surfaces.conftest import Client, Server


def test_a_program_serves_from_all_its_replicas_and_is_scaled(fleet: Fleet) -> None:
    name = fleet.deploy("web.py", replicas=2, environment={"SAYS": "hallo"})

    shown = fleet.running(name, 2)
    answer = fleet.call(name, "a/b?c=d")
    fleet.client.post(f"/v1/deployments/{name}/scale", {"replicas": 1})
    fleet.running(name, 1)

    assert shown["digest"] == hashlib.sha256(WEB).hexdigest()
    assert shown["endpoint"] == f"/deployments/{name}/"
    assert shown["environment_names"] == ["SAYS"]
    assert "hallo" not in json.dumps(shown)
    assert answer == b"hallo /a/b?c=d"
    body = Client(fleet.client.port).request("POST", f"/deployments/{name}/", raw=b"x" * 300_000)
    assert body.body == b"300000"


def test_a_body_that_a_program_leaves_unread_is_nobodys_request(fleet: Fleet) -> None:
    name = fleet.deploy("web.py")
    fleet.running(name)

    unread = b"GET /of-another HTTP/1.1\r\nx-swallows: "
    first = Client(fleet.client.port).request("POST", f"/deployments/{name}/unread", raw=unread)
    second = fleet.call(name, "mine")

    assert (first.body, second) == (b"thank you", b"hello /mine")


def test_a_program_sees_neither_the_host_nor_its_secrets(fleet: Fleet) -> None:
    name = fleet.deploy("web.py")
    fleet.running(name)

    environment = json.loads(fleet.call(name, "env"))
    reached = fleet.call(name, f"out?{fleet.client.port}")

    assert environment["PORT"] == "8080"
    assert not [key for key in environment if key.startswith(("GLIA", "PG"))]
    assert reached == b"out"
    assert fleet.call(name, "out?8080") == b"in"


def test_a_program_that_listens_on_its_second_loopback_is_reached(fleet: Fleet) -> None:
    name = fleet.deploy("six.py", health_path="/")
    fleet.running(name)

    assert fleet.call(name) == b"six"


def test_events_arrive_as_they_are_sent(fleet: Fleet) -> None:
    name = fleet.deploy("web.py")
    fleet.running(name)

    answer = Client(fleet.client.port).get(f"/deployments/{name}/events")

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_a_websocket_carries_messages_both_ways(fleet: Fleet) -> None:
    name = fleet.deploy("socket.py")
    fleet.running(name)

    with connect(f"ws://127.0.0.1:{fleet.client.port}/deployments/{name}/chat") as other:
        other.send("hello")
        text = other.recv(10)
        other.send(b"\0\1")
        data = other.recv(10)

    assert (text, data) == ("hello", b"\0\1")


def test_too_much_memory_ends_a_replica_and_says_so(fleet: Fleet) -> None:
    name = fleet.deploy("web.py")
    fleet.running(name)

    fleet.post(name, "eat")
    found = fleet.client.until(f"/v1/deployments/{name}/replicas", lambda found: found["data"][0]["restarts"] > 0)

    assert "more memory than it may" in found["data"][0]["last_failure"]
    assert fleet.said(name, "more memory")[-1]["level"] == "error"
    fleet.running(name)


def test_a_change_that_never_is_healthy_is_undone(fleet: Fleet) -> None:
    name = fleet.deploy("web.py", health_path="/health")
    fleet.running(name)

    fleet.client.patch(f"/v1/deployments/{name}", {"environment": {"SICK": "yes"}})
    undone = fleet.client.until(f"/v1/deployments/{name}", lambda found: "undone" in found["reason"], 60)

    assert "503" in undone["reason"] or "not ready" in undone["reason"]
    assert fleet.call(name) == b"hello /"


def test_stop_and_start_are_repeatable_and_a_stubborn_program_is_killed(fleet: Fleet) -> None:
    name = fleet.deploy("stubborn.py")
    fleet.running(name)

    first = fleet.client.post(f"/v1/deployments/{name}/stop").json
    second = fleet.client.post(f"/v1/deployments/{name}/stop").json
    fleet.client.until(f"/v1/deployments/{name}/replicas", lambda found: found["data"] == [], 60)

    assert (first["status"], second["status"]) == ("stopped", "stopped")
    assert any(line["message"] == "no" for line in fleet.lines(name))
    assert Client(fleet.client.port).get(f"/deployments/{name}/").status == 503
    fleet.client.post(f"/v1/deployments/{name}/start")
    fleet.running(name)
    assert fleet.client.post(f"/v1/deployments/{name}/start").json["status"] == "running"


def test_downloads_that_are_not_what_they_should_be_are_errors(fleet: Fleet) -> None:
    wrong = fleet.deploy("web.py", sha256="0" * 64)
    gone = fleet.deploy("nothing.py")
    text = fleet.deploy("text", "native")
    other = fleet.deploy("wrong-processor", "rust")
    empty, tape = fleet.deploy("empty"), fleet.deploy("tape")
    name = f"{wrong}-private"
    body = {"name": name, "runtime": "python", "binary_url": "http://169.254.169.254/latest"}
    fleet.client.made("/v1/deployments", body)

    reasons = {each: fleet.until(each, "error")["reason"] for each in (wrong, gone, text, other, empty, tape, name)}

    assert hashlib.sha256(FILES["web.py"]).hexdigest() in reasons[wrong]
    assert "404" in reasons[gone]
    assert "no executable" in reasons[text]
    assert "processor" in reasons[other]
    assert "is empty" in reasons[empty]
    assert "neither a script nor an archive" in reasons[tape]
    assert "link-local" in reasons[name]


def test_a_stored_object_is_deployed_and_anothers_is_not(fleet: Fleet) -> None:
    stored = fleet.client.request("POST", "/v1/storage/upload?filename=bin/native", raw=FILES["native"])
    assert stored.status in (200, 201), stored.body
    name = fleet.deploy("", "native")
    fleet.client.patch(f"/v1/deployments/{name}", {"binary_url": "storage://bin/native"})

    fleet.said(name, "from the shell", 25)
    fleet.running(name)
    fleet.client.patch(f"/v1/deployments/{name}", {"binary_url": "storage://bin/missing"})
    undone = fleet.client.until(f"/v1/deployments/{name}", lambda found: "undone" in found["reason"], 60)

    assert "bin/missing" in undone["reason"]


def test_huge_lines_and_binary_output_do_no_harm(fleet: Fleet) -> None:
    name = fleet.deploy("loud.py")

    lines = fleet.said(name, "done", 25)
    levels = {line["message"]: line["level"] for line in lines}

    assert max(len(line["message"]) for line in lines) < 20_000
    assert lines[0]["message"].startswith("xxx")
    assert lines[0]["message"].endswith("(cut)")
    assert lines[1]["message"] == "after"
    assert levels["[DEBUG] low"] == "debug"
    assert levels["level=error high"] == "error"
    assert levels['{"level": "warning", "msg": "json"}'] == "warn"
    assert [line["message"] for line in fleet.lines(name, "level=error")] == ["level=error high"]
    assert len(fleet.lines(name, "tail=2")) == 2
    assert fleet.lines(name, "since=1h")
    assert fleet.lines(name, "since=2100-01-01T00:00:00Z") == []


def test_lines_are_followed_and_resumed(fleet: Fleet) -> None:
    name = fleet.deploy("web.py")
    fleet.running(name)
    fleet.said(name, "started")

    with fleet.client.stream("GET", f"/v1/deployments/{name}/logs/stream") as stream:
        items = stream.items()
        next(items)
        fleet.call(name, "say?first")
        first = next(item for item in items if "id" in item)
    fleet.call(name, "say?second")
    with fleet.client.stream(
        "GET", f"/v1/deployments/{name}/logs/stream", headers={"Last-Event-ID": str(first["id"])}
    ) as stream:
        second = next(stream.events())

    assert first["data"]["message"] == "first"
    assert second["data"]["message"] == "second"


def test_a_lost_nodes_replicas_start_elsewhere(fleet: Fleet, server: Server) -> None:
    other = NodeProcess(fleet.node.database, fleet.node.allow)
    other.start("--region", "east")
    try:
        assert problem_of(server, other, "east") == ""
        name = fleet.deploy("sleep.py", replicas=2)
        fleet.client.until(
            f"/v1/deployments/{name}/replicas", lambda found: len({row["node"] for row in found["data"]}) == 2, 30
        )
        fleet.running(name, 2)

        other.kill()
        found = fleet.client.until(
            f"/v1/deployments/{name}/replicas",
            lambda found: (
                len(found["data"]) == 2
                and all(row["is_ready"] for row in found["data"])
                and len({row["node"] for row in found["data"]}) == 1
            ),
            30,
        )
    finally:
        other.end()

    assert len(found["data"]) == 2
