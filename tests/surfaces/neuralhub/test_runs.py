from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from tests.surfaces.conftest import Client
from tests.surfaces.neuralhub.conftest import PREFIX, Hub, refusal

Finished = Callable[[Hub, str], dict[str, Any]]


def run(hub: Hub, **body: Any) -> dict[str, Any]:
    answer = hub.post("/v1/run", {"async": False, **body})
    assert answer.status == 200, answer.body
    return answer.json


def test_an_agent_takes_a_text_or_a_goal_with_more(hub: Hub) -> None:
    by_text = run(hub, input="What is 2+3?")
    by_goal = run(hub, input={"goal": "What is 2+3?", "tone": "kind"})

    assert (by_text["type"], by_text["input"]) == ("agent", "What is 2+3?")
    assert by_goal["input"] == 'What is 2+3?\n\n{\n  "tone": "kind"\n}'
    for done in (by_text, by_goal):
        assert done["state"] == "SUCCESS"
        assert done["status"] == "success"


def test_an_input_of_another_kind_is_told_by_the_fields_name(hub: Hub) -> None:
    error = hub.post("/v1/run", {"target": "agent_default", "type": "agent", "input": 3}).json["error"]

    assert error["message"].startswith("`input`: ")


def test_a_conversation_goes_on(hub: Hub) -> None:
    first = run(hub, input="My name is Ada.")
    second = run(hub, input="What is 2+3?", sessionId=first["sessionId"])

    assert second["sessionId"] == first["sessionId"]
    assert second["runId"] != first["runId"]
    made = hub.made("/v1/agents", {"name": "Somebody else"})
    refusal(hub.post("/v1/run", {"target": made["id"], "input": "x", "sessionId": first["sessionId"]}), 400)
    refusal(hub.post("/v1/run", {"input": "x", "sessionId": "not-an-id"}), 400)


def test_a_tool_is_run_with_its_arguments(hub: Hub) -> None:
    done = run(hub, type="tool", target="calculator", input={"expression": "6*7"})
    short = run(hub, type="tool", target="calculator", input="6*7")

    assert (done["type"], done["target"], done["state"]) == ("tool", "calculator", "SUCCESS")
    assert done["result"] == "6*7 = 42"
    assert done["events"][0]["output"] == "6*7 = 42"
    assert short["input"] == {"expression": "6*7"}


def test_a_tool_that_fails_fails_its_run(hub: Hub) -> None:
    done = run(hub, type="tool", target="calculator", input={"expression": "6*"})

    assert done["state"] == "FAILED"
    assert done["error"]["code"] == "tool_failed"
    assert done["result"] is None
    (call,) = done["events"]
    assert call["output"] is None
    assert call["error"] == done["error"]["message"]


def test_a_workflow_is_run_and_its_calls_are_told(hub: Hub, finished: Finished) -> None:
    steps = [
        {"id": "double", "kind": "tool", "tool": "calculator", "arguments": {"expression": "2*{{input.n}}"}},
        {"id": "ask", "kind": "agent", "agent": "agent_default", "prompt": "What is {{input.n}}+1?"},
    ]
    hub.get("/v1/agents/agent_default")
    made = hub.made("/v1/workflows", {"name": "Doubling", "steps": steps, "output": "{{steps.double.output}}"})

    accepted = hub.post("/v1/run", {"type": "workflow", "target": "doubling", "input": {"n": 21}})
    done = finished(hub, accepted.json["runId"])

    assert accepted.status == 202
    assert (done["type"], done["target"], done["state"]) == ("workflow", made["id"], "SUCCESS"), done
    assert done["input"] == {"n": 21}
    assert done["result"] == "2*21 = 42"
    assert {(call["tool"], call["output"]) for call in done["events"]} == {
        ("calculator", "2*21 = 42"),
        ("calculator", "21+1 = 22"),
    }
    assert len({call["runId"] for call in done["events"]}) == 2


def test_a_tool_that_asks_waits_for_a_person(hub: Hub, client: Client, finished: Finished) -> None:
    client.made(
        "/v1/tools",
        {
            "name": "order",
            "description": "Orders a thing.",
            "schema": {"type": "object", "properties": {"thing": {"type": "string"}}},
            "http": {"method": "POST", "url": "http://127.0.0.1:9/order"},
            "permission": "ask",
        },
    )
    waiting = run(hub, type="tool", target="order", input={"thing": "tea"})

    assert waiting["state"] == "WAITING"
    assert waiting["waitingFor"] == ["approval"]
    assert [(call["tool"], call["status"], call["input"]) for call in waiting["events"]] == [
        ("order", "waiting", {"thing": "tea"})
    ]
    approval = client.get(f"/v1/approvals?run_id={waiting['runId']}").json["data"][0]
    client.post(f"/v1/approvals/{approval['id']}/deny", {})
    done = finished(hub, waiting["runId"])
    assert done["state"] == "FAILED"
    assert done["events"][0]["status"] == "denied"


def test_a_run_is_cancelled_and_keeps_what_it_said(hub: Hub, endless_agent: dict[str, Any], finished: Finished) -> None:
    accepted = hub.post("/v1/run", {"target": endless_agent["id"], "input": "Talk."}).json
    hub.until(f"/v1/run/{accepted['runId']}", lambda found: found["state"] == "RUNNING")

    cancelled = hub.post(f"/v1/run/{accepted['runId']}/cancel")
    done = finished(hub, accepted["runId"])

    assert cancelled.status == 200
    assert done["state"] == "CANCELLED"
    assert hub.post(f"/v1/run/{accepted['runId']}/cancel").json["state"] == "CANCELLED"


def test_a_waiting_tool_run_can_be_cancelled(hub: Hub, client: Client, finished: Finished) -> None:
    body = {"name": "ask_first", "description": "x", "http": {"url": "http://127.0.0.1:9/"}, "permission": "ask"}
    client.made("/v1/tools", {**body, "schema": {"type": "object", "properties": {}}})
    waiting = run(hub, type="tool", target="ask_first")

    hub.post(f"/v1/run/{waiting['runId']}/cancel")

    assert finished(hub, waiting["runId"])["state"] == "CANCELLED"
    assert client.get(f"/v1/approvals?run_id={waiting['runId']}&status=pending").json["data"] == []


def test_runs_are_listed_by_state_and_page(hub: Hub) -> None:
    for number in range(3):
        run(hub, type="tool", target="calculator", input={"expression": f"{number}+1"})
    run(hub, type="tool", target="calculator", input={"expression": "+"})

    first = hub.get("/v1/run?limit=2").json
    second = hub.get(f"/v1/run?limit=2&cursor={first['cursor']}").json
    failed = hub.get("/v1/run?state=FAILED").json["runs"]

    assert len(first["runs"]) == len(second["runs"]) == 2
    assert (first["hasMore"], second["hasMore"]) == (True, False)
    assert len({each["runId"] for each in first["runs"] + second["runs"]}) == 4
    assert [each["state"] for each in failed] == ["FAILED"]
    assert [each["state"] for each in hub.get("/v1/run?state=failed").json["runs"]] == ["FAILED"]


def test_a_run_is_there_on_the_native_api(hub: Hub, client: Client) -> None:
    done = run(hub, input="What is 2+3?")

    native = client.get(f"/v1/runs/{done['runId']}").json

    assert native["status"] == "completed"
    assert native["session_id"] == done["sessionId"]
    assert client.get(f"/v1/sessions/{done['sessionId']}/messages").json["data"][-1]["content"] == done["result"]


def test_the_default_agent_is_always_there(hub: Hub, client: Client) -> None:
    assert hub.get("/v1/agents/agent_default").json["id"] == "agent_default"
    assert "agent_default" in [agent["id"] for agent in hub.get("/v1/agents").json]
    native = client.get("/v1/agents/agent_default").json
    assert client.delete(f"/v1/agents/{native['id']}").status == 204

    assert run(hub, input="What is 2+3?")["state"] == "SUCCESS"
    assert hub.get("/v1/agents/agent_default").status == 200


def test_many_first_looks_make_one_default_agent(hub: Hub) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: hub.get("/v1/agents").json, range(8)))

    assert all([agent["id"] for agent in answer].count("agent_default") == 1 for answer in answers)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "robot", "input": "x"}, 400),
        ({"input": {}}, 400),
        ({"input": ""}, 400),
        ({"input": {"goal": " "}}, 200),  # an object that says something else is passed on as it is
        ({"input": 5}, 400),
        ({"target": "", "input": "x"}, 400),
        ({"target": "nobody", "input": "x"}, 404),
        ({"type": "tool", "target": "no_such_tool", "input": {}}, 404),
        ({"type": "workflow", "target": "no_such_workflow", "input": {}}, 404),
        ({"type": "workflow", "target": "00000000-0000-7000-8000-000000000000", "input": {}}, 404),
        ({"type": "tool", "target": "calculator", "sessionId": "x", "input": {}}, 400),
        ({"async": "yes", "input": "x"}, 400),
        ({"input": "x" * 400_001}, 400),
    ],
)
def test_what_cannot_be_run_is_refused(hub: Hub, body: dict[str, Any], status: int) -> None:
    answer = hub.post("/v1/run", {"async": False, **body})

    if status == 200:
        assert answer.status == 200
    else:
        refusal(answer, status)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=ten", "state=DONE", "cursor=%25"])
def test_lists_refuse_what_they_cannot_read(hub: Hub, query: str) -> None:
    refusal(hub.get(f"/v1/run?{query}"), 400)


def test_runs_that_are_not_there_are_404(hub: Hub, other: Hub) -> None:
    theirs = run(other, type="tool", target="calculator", input={"expression": "1+1"})["runId"]

    for id in (theirs, "nonsense", "00000000-0000-7000-8000-000000000000"):
        refusal(hub.get(f"/v1/run/{id}"), 404)
        refusal(hub.post(f"/v1/run/{id}/cancel"), 404)
        refusal(hub.get(f"/v1/run/{id}/events"), 404)


def test_the_same_key_begins_one_run(hub: Hub) -> None:
    body = {"type": "tool", "target": "calculator", "input": {"expression": "1+1"}}
    headers = {"Idempotency-Key": "once"}

    first = hub.post("/v1/run", body, headers=headers)
    second = hub.post("/v1/run", body, headers=headers)

    assert first.json == second.json
    assert second.headers["idempotency-replayed"] == "true"
    refusal(hub.post("/v1/run", {**body, "input": {"expression": "2"}}, headers=headers), 409)


def test_unknown_fields_are_named(hub: Hub) -> None:
    answer = hub.post("/v1/run", {"input": {"goal": "2+2?", "extra": 1}, "colour": "red"})

    assert answer.status == 202
    assert answer.headers["x-ignored-fields"] == "colour"


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["event"] for item in items if "event" in item]


def test_a_stream_tells_a_run_event_by_event(hub: Hub) -> None:
    done = run(hub, input={"goal": "What is 17*23?"})

    with hub.stream("GET", f"/v1/run/{done['runId']}/events") as stream:
        items = list(stream.items())

    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    told = [name for name in names(items) if name not in {"text", "thinking"}]
    assert told == ["state", "tool_call", "tool_result", "done"]
    by_name = {item["event"]: item["data"] for item in items}
    assert by_name["state"] == {"state": "RUNNING"}
    assert by_name["tool_call"]["input"] == {"expression": "17*23"}
    assert by_name["tool_result"]["output"] == "17*23 = 391"
    assert by_name["tool_result"]["id"] == by_name["tool_call"]["id"]
    text = "".join(item["data"]["text"] for item in items if item["event"] == "text")
    assert text == done["result"]
    assert by_name["done"] == done
    ids = [item["id"] for item in items]
    assert ids == sorted(set(ids))


def test_a_stream_goes_on_where_the_reader_left(hub: Hub) -> None:
    done = run(hub, input={"goal": "What is 17*23?"})
    path = f"/v1/run/{done['runId']}/events"
    with hub.stream("GET", path) as stream:
        everything = list(stream.items())
    middle = everything[len(everything) // 2]["id"]

    with hub.stream("GET", path, headers={"Last-Event-ID": str(middle)}) as stream:
        by_header = list(stream.items())
    with hub.stream("GET", f"{path}?after={middle}") as stream:
        by_query = list(stream.items())
    with hub.stream("GET", f"{path}?after={everything[-1]['id']}") as stream:
        nothing = list(stream.items())

    assert by_header == by_query == [item for item in everything if item["id"] > middle]
    assert nothing == []
    for after in ("-1", "soon"):
        refusal(hub.get(f"{path}?after={after}"), 400)


def test_a_stream_follows_a_run_as_it_goes(hub: Hub, slow_agent: dict[str, Any], finished: Finished) -> None:
    accepted = hub.post("/v1/run", {"target": slow_agent["id"], "input": "Talk."}).json
    with hub.stream("GET", f"/v1/run/{accepted['runId']}/events") as stream:
        items = list(stream.items())

    assert names(items)[0] == "state"
    assert names(items)[-1] == "done"
    assert items[-1]["data"]["state"] == "SUCCESS"
    assert json.dumps(items[-1]["data"]) == json.dumps(finished(hub, accepted["runId"]))


def test_a_stream_does_not_wait_for_the_end_of_a_run(hub: Hub, endless_agent: dict[str, Any]) -> None:
    accepted = hub.post("/v1/run", {"target": endless_agent["id"], "input": "Talk."}).json

    with hub.stream("GET", f"/v1/run/{accepted['runId']}/events") as stream:
        items = stream.items()
        first = list(islice(items, 4))
        hub.post(f"/v1/run/{accepted['runId']}/cancel")
        rest = list(items)

    assert "done" not in names(first)
    assert rest[-1]["data"]["state"] == "CANCELLED"


def test_a_reader_that_leaves_leaves_the_run_alone(hub: Hub, slow_agent: dict[str, Any], finished: Finished) -> None:
    accepted = hub.post("/v1/run", {"target": slow_agent["id"], "input": "Talk."}).json
    with hub.stream("GET", f"/v1/run/{accepted['runId']}/events") as stream:
        next(stream.items())

    assert finished(hub, accepted["runId"])["state"] == "SUCCESS"


def test_a_client_that_does_not_wait_for_the_answer_leaves_the_run_alone(
    hub: Hub, slow_agent: dict[str, Any], finished: Finished
) -> None:
    body = json.dumps({"target": slow_agent["id"], "input": "Talk.", "async": False})
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=10)
    headers = {"Authorization": f"Bearer {hub.key}", "Content-Type": "application/json"}
    connection.request("POST", f"{PREFIX}/v1/run", body, headers)
    begun = hub.until("/v1/run", lambda found: len(found["runs"]) == 1)["runs"][0]["runId"]

    connection.close()

    assert finished(hub, begun)["state"] == "SUCCESS"
