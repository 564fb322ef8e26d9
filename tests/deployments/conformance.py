"""What a user sees of deployments, the same wherever they run. Each backend's tests take these in and give them a
`place`."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.deployments.conftest import WEB, Fleet
from tests.surfaces.conftest import Client


@dataclass
class Place:
    """A backend with its node. left: what it still has of deployments. start: begins the node again after a `kill`.
    region: one that runs programs."""

    fleet: Fleet
    left: Callable[[], list[str]]
    start: Callable[[], None]
    region: str

    @property
    def client(self) -> Client:
        return self.fleet.client

    def replicas(self, name: str) -> list[dict[str, Any]]:
        return self.client.get(f"/v1/deployments/{name}/replicas").json["data"]


def test_a_program_is_started_with_its_environment_and_its_port(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py", replicas=2, port=9090, environment={"SAYS": "hallo", "EMPTY": ""})

    shown = fleet.running(name, 2)
    environment = json.loads(fleet.call(name, "env"))

    assert shown["digest"] == hashlib.sha256(WEB).hexdigest()
    assert fleet.call(name, "a/b?c=d") == b"hallo /a/b?c=d"
    assert (environment["PORT"], environment["SAYS"], environment["EMPTY"]) == ("9090", "hallo", "")
    assert not [key for key in environment if key.startswith(("GLIA", "PG", "KUBERNETES"))]


def test_health_counts_where_it_is_named(place: Place) -> None:
    fleet = place.fleet
    sick = fleet.deploy("web.py", health_path="/health", environment={"SICK": "yes"})
    silent = fleet.deploy("sleep.py")

    fleet.running(silent)
    shown = fleet.until(sick, "error")

    assert shown["ready_replicas"] == 0
    assert "503" in shown["reason"] or "not ready" in shown["reason"]


def test_every_line_is_told_once_and_with_its_level(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("lines.py")
    fleet.said(name, "last")

    lines = fleet.lines(name)

    assert [line["message"] for line in lines] == [*(f"line {n}" for n in range(500)), "ERROR last"]
    assert [line["message"] for line in fleet.lines(name, "level=error")] == ["ERROR last"]


def test_what_a_replica_uses_is_shown(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py")
    fleet.running(name)

    found = place.client.until(
        f"/v1/deployments/{name}/metrics?period=1h",
        lambda found: found["metrics"]["memory"]["total"] and found["metrics"]["cpu"]["total"],
        45,
    )

    assert found["metrics"]["memory"]["total"][0]["value"] > 1


def test_a_crash_is_mended_and_counted(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py")
    fleet.running(name)

    fleet.post(name, "die")
    found = place.client.until(
        f"/v1/deployments/{name}/replicas",
        lambda found: found["data"] and found["data"][0]["restarts"] > 0 and found["data"][0]["is_ready"],
    )
    place.client.until(f"/v1/deployments/{name}/logs", lambda found: len(found["data"]) >= 3)

    assert fleet.call(name) == b"hello /"
    assert (found["data"][0]["restarts"], found["data"][0]["last_failure"]) == (1, "it ended with exit status 3")
    told = "This replica ended, and is started again: it ended with exit status 3."
    assert [line["message"] for line in fleet.lines(name)] == ["started", told, "started"]


def test_a_crash_loop_is_an_error_that_says_why(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("crash.py")

    shown = fleet.until(name, "error")

    assert "exit status 4" in shown["reason"]
    assert fleet.said(name, "This replica ended")[0]["message"] == "ERROR no config"


def test_too_much_memory_is_told(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("greedy.py")

    place.client.until(
        f"/v1/deployments/{name}/replicas",
        lambda found: found["data"] and "more memory than it may" in found["data"][0]["reason"],
    )


def test_what_runs_is_counted_for_its_bill(place: Place) -> None:
    name = place.fleet.deploy("web.py")
    shown = place.fleet.running(name)

    found = place.client.until(
        f"/v1/deployment-usage?deployment_id={shown['id']}",
        lambda found: found["data"] and found["data"][0]["memory_byte_seconds"] > 0,
        60,
    )

    assert 0 < found["data"][0]["replica_seconds"] < 240


def test_a_stop_lets_a_program_end_itself(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("polite.py")
    fleet.running(name)

    first = place.client.post(f"/v1/deployments/{name}/stop").json
    place.client.until(f"/v1/deployments/{name}/replicas", lambda found: found["data"] == [])

    assert first["status"] == "stopped"
    assert fleet.said(name, "goodbye")
    assert Client(place.client.port).get(f"/deployments/{name}/").status == 503
    place.client.post(f"/v1/deployments/{name}/start")
    fleet.running(name)


def test_a_new_version_is_rolled_without_a_failed_request_and_a_broken_one_is_undone(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py", replicas=2, environment={"SAYS": "one"})
    fleet.running(name, 2)
    answers: list[tuple[int, bytes]] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            found = Client(place.client.port).get(f"/deployments/{name}/")
            answers.append((found.status, found.body))
            time.sleep(0.005)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    try:
        place.client.patch(f"/v1/deployments/{name}", {"binary_url": f"{fleet.shop}/crash.py"})
        undone = place.client.until(f"/v1/deployments/{name}", lambda found: "undone" in found["reason"], 60)
        place.client.patch(f"/v1/deployments/{name}", {"environment": {"SAYS": "two"}})
        rolled = fleet.until(name, "running", 60, ready_replicas=2, reason="", version=3)
        place.client.until(
            f"/v1/deployments/{name}/replicas", lambda found: {row["version"] for row in found["data"]} == {3}
        )
        time.sleep(0.3)
    finally:
        is_over.set()
        for each in asking:
            each.join()

    assert (undone["status"], undone["version"]) == ("running", 1)
    assert "exit status 4" in undone["reason"]
    assert rolled["version"] == 3
    assert {status for status, _ in answers} == {200}, [each for each in answers if each[0] != 200][:3]
    assert {body for _, body in answers} == {b"one /", b"two /"}
    assert answers[-1][1] == b"two /"


def test_more_and_fewer_replicas_without_a_new_version(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py")
    first = fleet.running(name) and place.replicas(name)[0]["id"]

    place.client.post(f"/v1/deployments/{name}/scale", {"replicas": 3})
    shown = fleet.running(name, 3)
    grown = [row["id"] for row in place.replicas(name)]
    place.client.post(f"/v1/deployments/{name}/scale", {"replicas": 1})
    place.client.until(f"/v1/deployments/{name}/replicas", lambda found: len(found["data"]) == 1)

    assert (shown["version"], len(grown)) == (1, 3)
    assert first in grown
    assert fleet.call(name) == b"hello /"


def test_a_killed_node_finds_everything_again(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py")
    fleet.running(name)
    fleet.said(name, "started")
    before = place.replicas(name)[0]

    fleet.node.kill()
    while_gone = fleet.call(name, "say?meanwhile")
    place.start()
    fleet.said(name, "meanwhile", 20)
    after = place.replicas(name)[0]

    assert while_gone == b"hello /say?meanwhile"
    assert [after[key] for key in ("id", "restarts", "started_at")] == [
        before[key] for key in ("id", "restarts", "started_at")
    ]
    assert [line["message"] for line in fleet.lines(name)] == ["started", "meanwhile"]


def test_regions_are_kept_to(place: Place) -> None:
    fleet = place.fleet
    here, nowhere = fleet.deploy("sleep.py", region=place.region), fleet.deploy("sleep.py", region="south")

    fleet.running(here)
    shown = fleet.until(nowhere, "error")

    assert "'south'" in shown["reason"]


def test_a_download_that_is_refused_is_an_error(place: Place) -> None:
    name = place.fleet.deploy("web.py", sha256="0" * 64)

    assert hashlib.sha256(WEB).hexdigest() in place.fleet.until(name, "error")["reason"]


def test_deleting_leaves_nothing(place: Place) -> None:
    fleet = place.fleet
    name = fleet.deploy("web.py", environment={"SAYS": "hallo"})
    fleet.running(name)
    assert place.left()

    assert place.client.delete(f"/v1/deployments/{name}").status == 204

    deadline = time.monotonic() + 60
    while left := place.left():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert Client(place.client.port).get(f"/deployments/{name}/").status == 404


FACTS = [name for name in dir() if name.startswith("test_")]
"""All of the above, for modules that take them in."""
