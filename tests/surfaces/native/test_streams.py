"""Event streams: no gap, no repeat, kept alive, and a reader that leaves takes nothing with it."""

from __future__ import annotations

import json
import selectors
import socket
import time
from itertools import islice

from glia.runs import service
from tests.surfaces.conftest import Client


def log_of(client: Client, session: str) -> list[dict]:
    return client.get(f"{session}/events?limit=1000").json["data"]


def test_a_streamed_message_shows_its_run_until_the_end(client, agent, open_session):
    session = open_session(agent)

    with client.stream("POST", f"{session}/messages", {"content": "What is 6 times 7?", "stream": True}) as stream:
        events = list(stream.items())

    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["x-request-id"]
    assert events[-1]["event"] == "run.completed"
    assert [event["data"] for event in events if "id" in event] == log_of(client, session)
    assert all(event["data"]["seq"] == event["id"] for event in events if "id" in event)


def test_previews_come_when_asked_for_and_are_not_stored(client, slow_agent, open_session):
    session = open_session(slow_agent)
    body = {"content": "Go on", "stream": True, "previews": True}

    with client.stream("POST", f"{session}/messages", body) as stream:
        items = list(stream.items())

    previews = [item for item in items if item.get("event") == "text.preview"]
    assert previews
    assert all("id" not in preview for preview in previews)
    assert [item["data"] for item in items if "id" in item] == log_of(client, session)


def test_a_reader_that_resumes_anywhere_sees_no_gap_and_no_repeat(client, slow_agent, open_session):
    session = open_session(slow_agent)
    client.post(f"{session}/messages", {"content": "Go on", "background": True})
    seen: list[dict] = []

    while not seen or seen[-1]["event"] != "run.completed":
        last = {"Last-Event-ID": str(seen[-1]["id"])} if seen else {}
        with client.stream("GET", f"{session}/events/stream", headers=last) as stream:
            for event in islice(stream.events(), 2):
                seen.append(event)
                if event["event"] == "run.completed":
                    break

    assert [event["id"] for event in seen] == list(range(1, len(seen) + 1))
    assert [event["data"] for event in seen] == log_of(client, session)


def test_after_and_last_event_id_mean_the_same(client, agent, open_session):
    session = open_session(agent)
    client.post(f"{session}/messages", {"content": "Hello"})

    with client.stream("GET", f"{session}/events/stream?after=2") as stream:
        assert next(stream.events())["id"] == 3
    with client.stream("GET", f"{session}/events/stream?after=1", headers={"Last-Event-ID": "2"}) as stream:
        assert next(stream.events())["id"] == 3


def test_a_silent_stream_is_kept_alive(client, agent, open_session, monkeypatch):
    assert service.HEARTBEAT_SECONDS <= 15
    monkeypatch.setattr(service, "HEARTBEAT_SECONDS", 0.05)

    with client.stream("GET", f"{open_session(agent)}/events/stream") as stream:
        items = list(islice(stream.items(), 4))

    assert items[0] == {"retry": "1000"}
    assert [item.get("comment") for item in items[1:]] == ["still here"] * 3


def test_a_reader_that_leaves_leaves_the_run_alone(client, slow_agent, open_session, server):
    session = open_session(slow_agent)

    with client.stream("POST", f"{session}/messages", {"content": "Go on", "stream": True}) as stream:
        run = next(stream.events())["data"]["run_id"]

    assert client.until(f"/v1/runs/{run}", lambda found: found["finished_at"])["status"] == "completed"
    deadline = time.monotonic() + 60
    while server.house.live.watchers:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_that_waits_for_the_answer_and_leaves_leaves_the_run_alone(client, slow_agent, open_session):
    session = open_session(slow_agent)
    body = json.dumps({"content": "Go on"}).encode()
    head = f"POST {session}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n"
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        runs = client.until(f"/v1/runs?session_id={session[13:]}", lambda found: found["data"])["data"]

    run = client.until(f"/v1/runs/{runs[0]['id']}", lambda found: found["finished_at"])
    assert run["status"] == "completed"


def test_two_hundred_readers_of_one_session_all_see_everything(client, slow_agent, open_session, server):
    session = open_session(slow_agent)
    head = f"GET {session}/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.key}\r\n\r\n".encode()
    readers = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(200)]
    seen = dict.fromkeys(readers, b"")
    waiting = selectors.DefaultSelector()
    for reader in readers:
        reader.sendall(head)
        waiting.register(reader, selectors.EVENT_READ)
    deadline = time.monotonic() + 60
    while server.house.live.watchers < 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    client.post(f"{session}/messages", {"content": "Go on", "background": True})
    unfinished, deadline = set(readers), time.monotonic() + 120
    while unfinished:
        assert time.monotonic() < deadline
        for key, _ in waiting.select(1):
            reader = key.fileobj
            seen[reader] += reader.recv(65536)
            if b"event: run.completed" in seen[reader]:
                unfinished.discard(reader)
    for reader in readers:
        reader.close()

    wanted = [b"id: %d\n" % event["seq"] for event in log_of(client, session)]
    for text in seen.values():
        assert [line + b"\n" for line in text.split(b"\n") if line.startswith(b"id: ")] == wanted


def test_a_stream_of_a_session_that_is_not_there_is_404(client):
    answer = client.get("/v1/sessions/019a0000-0000-7000-8000-000000000000/events/stream")

    assert answer.status == 404
    assert answer.error["code"] == "session_not_found"
