"""The same `Idempotency-Key` gives the first answer again, and what it did was done once."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.surfaces.conftest import Answer, Client, Server

KEY = {"Idempotency-Key": "one"}


def names(client: Client) -> list[str]:
    return [agent["name"] for agent in client.get("/v1/agents").json["data"]]


def values(answer: Answer) -> list[Any]:
    """The JSON in an answer or in its events. The log writes the same values with other blanks than a live event."""
    lines = answer.body.splitlines()
    events = [line[6:] for line in lines if line.startswith(b"data: ")]
    return [json.loads(text) for text in events or lines]


def test_a_repeat_gives_the_first_answer(client):
    first = client.post("/v1/agents", {"name": "x", "odd": 1}, headers=KEY)
    again = client.post("/v1/agents", {"name": "x", "odd": 1}, headers=KEY)

    assert first.status == again.status == 201
    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert again.headers["x-ignored-fields"] == "odd"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert names(client) == ["x"]


def test_without_a_key_it_is_done_twice(client):
    client.post("/v1/agents", {"name": "x"})
    client.post("/v1/agents", {"name": "x"})

    assert names(client) == ["x", "x"]


def test_another_body_is_a_conflict(client):
    client.post("/v1/agents", {"name": "x"}, headers=KEY)
    other = client.post("/v1/agents", {"name": "y"}, headers=KEY)

    assert other.status == 409
    assert other.error["code"] == "idempotency_key_reused"
    assert "another body" in other.error["message"]
    assert names(client) == ["x"]


def test_a_key_counts_for_one_route_and_one_caller(client, stranger, server):
    second = server.client(client.made("/v1/keys", {"name": "second", "role": "admin"})["key"])

    for caller in (client, second, stranger):
        assert caller.post("/v1/agents", {"name": "x"}, headers=KEY).status == 201
    assert client.post("/v1/projects", {"name": "x"}, headers=KEY).status == 201
    assert names(client) == ["x", "x"]
    assert names(stranger) == ["x"]


def test_an_error_frees_the_key(client):
    refused = client.post("/v1/agents", {"name": ""}, headers=KEY)
    made = client.post("/v1/agents", {"name": "x"}, headers=KEY)

    assert refused.status == 400
    assert made.status == 201


def test_a_bug_frees_the_key(client, server, monkeypatch):
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(server.house.agents, "create", broken)
    failed = client.post("/v1/agents", {"name": "x"}, headers=KEY)
    monkeypatch.undo()

    assert failed.status == 500
    assert failed.error["code"] == "internal_error"
    assert "broken on purpose" not in failed.body.decode()
    assert client.post("/v1/agents", {"name": "x"}, headers=KEY).status == 201


def test_many_at_once_do_it_once(client):
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post("/v1/agents", {"name": "x"}, headers=KEY)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert names(client) == ["x"]
    assert {answer.status for answer in answers} <= {201, 409}
    for answer in answers:
        if answer.status == 409:
            assert answer.error["code"] == "idempotency_key_in_progress"
            assert int(answer.headers["retry-after"]) >= 1


def set_age(server: Server, seconds: int, *, is_answered: bool) -> None:
    """Makes every kept answer older; without an answer, as if its request had been killed."""
    answer = "" if is_answered else ", status = null, body = null"
    with server.admin() as admin:
        admin.execute(
            f"update idempotent_answers set created_at = now() - make_interval(secs => {seconds}){answer}".encode()
        )


@pytest.mark.parametrize(
    ("seconds", "is_answered", "times"),
    [(55, False, 1), (65, False, 2), (23 * 3600, True, 1), (25 * 3600, True, 2)],
    ids=["in progress", "killed", "a day not yet over", "a day over"],
)
def test_a_key_is_free_again_when_its_request_died_or_a_day_is_over(client, server, seconds, is_answered, times):
    client.post("/v1/agents", {"name": "x"}, headers=KEY)
    set_age(server, seconds, is_answered=is_answered)

    client.post("/v1/agents", {"name": "x"}, headers=KEY)

    assert len(names(client)) == times


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "\xe9"])
def test_a_key_that_cannot_be_kept_is_400(client, agent, open_session, key):
    for path in ("/v1/agents", f"{open_session(agent)}/messages", "/v1/knowledge-bases/x/documents"):
        answer = client.post(path, {"name": "x", "content": "x"}, headers={"Idempotency-Key": key})

        assert answer.status in {400, 404}
        assert answer.status == 400 or path.endswith("documents")


def test_a_kept_answer_with_a_secret_is_sealed(client, server):
    made = client.post("/v1/keys", {"name": "x"}, headers=KEY)
    again = client.post("/v1/keys", {"name": "x"}, headers=KEY)
    with server.admin() as admin:
        kept: list[Any] = [row[0] for row in admin.execute("select body from idempotent_answers").fetchall()]

    assert again.json["key"] == made.json["key"]
    assert not any(made.json["key"].encode() in bytes(body or b"") for body in kept)


def test_an_answer_without_a_body_is_given_again(client):
    user = client.made("/v1/users", {"email": f"{client.key[-9:]}@example.org", "password": "correct horse"})
    path = f"/v1/users/{user['id']}/password"

    first = client.post(path, {"password": "battery staple"}, headers=KEY)
    again = client.post(path, {"password": "battery staple"}, headers=KEY)

    assert first.status == again.status == 204
    assert again.headers["idempotency-replayed"] == "true"
    assert again.body == b""


def test_a_file_sent_twice_is_one_document(client):
    base = f"/v1/knowledge-bases/{client.made('/v1/knowledge-bases', {'name': 'x'})['id']}/documents"

    first = client.upload(base, b"words", headers=KEY)
    again = client.upload(base, b"words", headers=KEY)
    other = client.upload(base, b"other words", headers=KEY)

    assert again.body == first.body
    assert again.headers["idempotency-replayed"] == "true"
    assert other.error["code"] == "idempotency_key_reused"
    assert len(client.get(base).json["data"]) == 1


@pytest.mark.parametrize("mode", [{}, {"stream": True}, {"background": True}], ids=["plain", "stream", "background"])
def test_a_message_sent_twice_is_one_run(client, agent, open_session, mode):
    session = open_session(agent)
    body = {"content": "What is 6 times 7?", **mode}

    first = client.post(f"{session}/messages", body, headers=KEY)
    client.until(f"/v1/runs?session_id={session[13:]}", lambda found: found["data"][0]["finished_at"])
    again = client.post(f"{session}/messages", body, headers=KEY)

    assert again.status == first.status
    assert values(again) == values(first)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(client.get(f"/v1/runs?session_id={session[13:]}").json["data"]) == 1
    assert client.post(f"{session}/messages", {"content": "Other"}, headers=KEY).status == 409


def test_a_repeat_while_the_run_goes_on_follows_it(client, slow_agent, open_session):
    session = open_session(slow_agent)
    body = {"content": "Go on", "stream": True}
    with client.stream("POST", f"{session}/messages", body, KEY) as gone:
        next(gone.events())

    with client.stream("POST", f"{session}/messages", body, KEY) as stream:
        events = list(stream.events())

    assert events[-1]["event"] == "run.completed"
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert len(client.get(f"/v1/runs?session_id={session[13:]}").json["data"]) == 1


def test_a_message_that_was_refused_frees_its_key(client, endless_agent, open_session):
    session = open_session(endless_agent)
    run = client.post(f"{session}/messages", {"content": "Go on", "background": True}).json["run_id"]

    refused = client.post(f"{session}/messages", {"content": "Next", "background": True}, headers=KEY)
    client.post(f"/v1/runs/{run}/cancel")
    client.until(f"/v1/runs/{run}", lambda found: found["finished_at"])
    accepted = client.post(f"{session}/messages", {"content": "Next", "background": True}, headers=KEY)

    assert refused.error["code"] == "session_busy"
    assert accepted.status == 202
    client.post(f"/v1/runs/{accepted.json['run_id']}/cancel")


def test_a_message_whose_process_died_before_it_answered_is_not_said_twice(client, agent, open_session, server):
    """What a kill between storing the run and keeping its answer leaves behind: a run, and a key without an answer."""
    path = f"{open_session(agent)}/messages"
    first = client.post(path, {"content": "What is 2 + 3?"}, headers=KEY)
    set_age(server, 65, is_answered=False)

    again = client.post(path, {"content": "What is 2 + 3?"}, headers=KEY)

    assert again.status == 200
    assert (again.json["run_id"], again.json["content"]) == (first.json["run_id"], first.json["content"])
    assert [said["role"] for said in client.get(path).json["data"]] == ["user", "assistant"]
