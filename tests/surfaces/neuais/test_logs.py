"""Logs and metrics over the wire."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import ExitStack
from typing import Any
from uuid import UUID

import pytest

from glia.deployments.feed import DeploymentFeed
from glia.deployments.readings import ENDS_SECONDS
from glia.identity.types import Principal
from tests.surfaces.conftest import Client
from tests.surfaces.neuais.conftest import Neuais, Written, refusal


def test_the_last_lines_come_oldest_first(neuais: Neuais, written: Written):
    agent = neuais.agent()
    path = f"/v1/agents/{agent['id']}/logs"
    old = written.lines(agent, [("error", "old")], age_seconds=3000)
    written.lines(agent, [(level, level) for level in ("debug", "info", "warn", "error")])

    def messages(query: str) -> list[str]:
        return [line["message"] for line in neuais.get(f"{path}?{query}").json["logs"]]

    assert messages("") == ["old", "debug", "info", "warn", "error"]
    assert messages("tail=2") == ["warn", "error"]
    assert messages("tail=0") == []
    assert messages("level=warn") == ["old", "warn", "error"]
    assert messages("since=30m") == messages("since=1m30s") == ["debug", "info", "warn", "error"]
    assert messages("since=1h") == messages("since=2000-01-01T00:00:00Z") == messages("")
    first = neuais.get(path).json["logs"][0]
    assert set(first) == {"id", "timestamp", "level", "message", "replica"}
    assert first["replica"] == old
    assert first["timestamp"].endswith("Z")


def test_a_hundred_lines_unless_asked_for_more(neuais: Neuais, written: Written):
    agent = neuais.agent()
    written.lines(agent, [("info", str(number)) for number in range(120)])

    lines = neuais.get(f"/v1/agents/{agent['id']}/logs").json["logs"]

    assert [line["message"] for line in lines] == [str(number) for number in range(20, 120)]


@pytest.mark.parametrize(
    "query",
    ["tail=-1", "tail=10001", "tail=ten", "since=yesterday", "since=1w", "level=loud", "follow=perhaps", "after=1"],
)
def test_a_bad_parameter_of_logs_is_named(neuais: Neuais, query: str):
    path = f"/v1/agents/{neuais.agent()['id']}/logs?{query}"

    assert refusal(neuais.get(path), 400)["details"]["field"] == query.partition("=")[0]


def test_a_follower_sees_the_tail_and_then_each_line_once(neuais: Neuais, written: Written):
    agent = neuais.agent()
    path = f"/v1/agents/{agent['id']}/logs?follow=true"
    replica = written.lines(agent, [("info", "one"), ("debug", "two")])

    with neuais.stream("GET", f"{path}&tail=1") as stream:
        events = stream.events()
        first = next(events)
        written.lines(agent, [("warn", "three")])
        second = next(events)
    written.lines(agent, [("info", "four"), ("error", "five")])
    with neuais.stream("GET", f"{path}&level=info", headers={"Last-Event-ID": str(first["id"])}) as stream:
        events = stream.events()
        resumed = [next(events)["data"]["message"] for _ in range(3)]

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert first["data"] == {
        "timestamp": first["data"]["timestamp"],
        "level": "debug",
        "message": "two",
        "replica": replica,
    }
    assert second["data"]["message"] == "three"
    assert resumed == ["three", "four", "five"]


def test_many_followers_are_read_for_as_one(neuais: Neuais, written: Written, monkeypatch: pytest.MonkeyPatch):
    agent = neuais.agent()
    id = UUID(agent["id"].removeprefix("agt_"))
    asked: list[str] = []

    def count(name: str) -> None:
        ask = getattr(DeploymentFeed, name)

        async def counted(self: DeploymentFeed, principal: Principal, of: Collection[UUID], **options: Any) -> Any:
            asked.extend([name] if id in of else [])
            return await ask(self, principal, of, **options)

        monkeypatch.setattr(DeploymentFeed, name, counted)

    with ExitStack() as stack:
        path = f"/v1/agents/{agent['id']}/logs?follow=true&tail=0"
        followers = [stack.enter_context(neuais.stream("GET", path)).items() for _ in range(20)]
        for items in followers:
            next(items)  # the comment that it begins with
        count("ends"), count("lines")
        began = time.monotonic()
        written.lines(agent, [("info", "one"), ("warn", "two")])
        found = [[next(items)["data"]["message"] for _ in range(2)] for items in followers]
        rounds = (time.monotonic() - began) / ENDS_SECONDS

    assert found == [["one", "two"]] * 20
    assert 1 < len(asked) < 2 * rounds + 5  # 20 who read for themselves would ask 20 times in two rounds


def test_a_follower_without_a_tail_sees_only_what_comes(neuais: Neuais, written: Written):
    agent = neuais.agent()
    written.lines(agent, [("info", "before")])

    with neuais.stream("GET", f"/v1/agents/{agent['id']}/logs?follow=1&tail=0") as stream:
        items = stream.items()
        next(items)  # the comment that it begins with
        written.lines(agent, [("info", "after")])
        found = next(items)

    assert found["data"]["message"] == "after"


def test_a_follower_of_a_deleted_agent_comes_to_an_end(neuais: Neuais):
    agent = neuais.agent()

    with neuais.stream("GET", f"/v1/agents/{agent['id']}/logs?follow=true") as stream:
        neuais.delete(f"/v1/agents/{agent['id']}")
        stream.everything()

    refusal(neuais.get(f"/v1/agents/{agent['id']}/logs?follow=true"), 404)


def test_a_follower_whose_key_is_revoked_comes_to_an_end(neuais: Neuais, client: Client):
    agent = neuais.agent()
    key = neuais.made_natively("/v1/keys", {"name": "short", "role": "read-only"})

    with Neuais(neuais.port, key["key"]).stream("GET", f"/v1/agents/{agent['id']}/logs?follow=true") as stream:
        client.delete(f"/v1/keys/{key['id']}")
        stream.everything()


def test_metrics_are_summed_and_told_of_each_replica(neuais: Neuais, written: Written):
    agent = neuais.agent()
    path = f"/v1/agents/{agent['id']}/metrics"
    replicas = written.samples(agent, [(10.0, 20.0, 5.0), (35.2, 22.5, 0.0)])
    written.samples(agent, [(1.0, 1.0, 1.0)], age_seconds=2 * 3600)

    found = neuais.get(path).json
    cpu = neuais.get(f"{path}?metric=cpu&period=24h").json

    assert set(found["metrics"]) == {"cpu", "memory", "network"}
    assert [point["value"] for point in found["metrics"]["cpu"]] == [45.2]
    assert [point["value"] for point in found["metrics"]["memory"]] == [42.5]
    assert set(found["metrics"]["cpu"][0]) == {"timestamp", "value"}
    assert {one["replica"]: one["metrics"]["cpu"][0]["value"] for one in found["replicas"]} == {
        replicas[0]: 10.0,
        replicas[1]: 35.2,
    }
    assert set(cpu["metrics"]) == {"cpu"}
    assert [point["value"] for point in cpu["metrics"]["cpu"]] == [1.0, 45.2]


@pytest.mark.parametrize("query", ["period=2h", "period=", "metric=heat"])
def test_a_bad_parameter_of_metrics_is_named(neuais: Neuais, query: str):
    path = f"/v1/agents/{neuais.agent()['id']}/metrics?{query}"

    assert refusal(neuais.get(path), 400)["details"]["field"] == query.partition("=")[0]


def test_there_are_no_metrics_before_anything_ran(neuais: Neuais):
    found = neuais.get(f"/v1/agents/{neuais.agent()['id']}/metrics").json

    assert found == {"period": "1h", "metrics": {"cpu": [], "memory": [], "network": []}, "replicas": []}
