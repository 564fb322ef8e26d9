"""The WebSocket: states, logs and figures of agents as they come."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from glia.identity.types import Credentials, Plan, Role
from glia.kit.ids import new_id
from glia.surfaces.neuais import live_feeds
from glia.surfaces.neuais.agents import Show
from glia.surfaces.neuais.live_feeds import Feeds, Subscription, begun
from glia.surfaces.neuais.live_readings import Readings
from glia.surfaces.neuais.logs import Wanted
from glia.wiring import House
from tests.surfaces.conftest import Server
from tests.surfaces.neuais.conftest import Neuais, Written
from tests.surfaces.neuais.test_plans import give

Frame = dict[str, Any]


class Live:
    """An open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, type: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": type, **fields}))

    def hear(self, type: str, seconds: float = 60) -> Frame:
        """The next frame, which is of this type."""
        found = json.loads(self.connection.recv(seconds))
        assert found["type"] == type, found
        return found

    def until(self, is_it: Callable[[Frame], bool], seconds: float = 60) -> Frame:
        deadline = time.monotonic() + seconds
        while True:
            found = json.loads(self.connection.recv(max(0.1, deadline - time.monotonic())))
            if is_it(found):
                return found

    def asked(self, type: str, answer: str, **fields: Any) -> Frame:
        self.say(type, **fields)
        return self.until(lambda frame: frame["type"] in {answer, "error"})

    def subscribed(self, channel: str, **fields: Any) -> str:
        found = self.asked("subscribe", "subscribed", channel=channel, **fields)
        assert found["type"] == "subscribed", found
        return found["subscription"]

    def refused(self, type: str, **fields: Any) -> Frame:
        found = self.asked(type, "error", **fields)
        assert set(found) == {"type", "id", "error"}
        assert set(found["error"]) == {"code", "message", "details"}
        return found

    def code(self, seconds: float = 60) -> int:
        """With which it is closed."""
        with pytest.raises(ConnectionClosed) as closed:
            self.until(lambda _: False, seconds)
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


@contextmanager
def opened(neuais: Neuais, path: str = "/v1/ws", *, key: str | None = None, is_in: bool = True) -> Iterator[Live]:
    headers = {"Authorization": f"Bearer {key or neuais.key}"} if is_in else {}
    with connect(f"ws://127.0.0.1:{neuais.port}/neuais{path}", additional_headers=headers) as connection:
        live = Live(connection)
        if is_in:
            live.hear("authenticated")
        yield live


def test_a_credential_comes_in_a_header_a_parameter_or_the_first_message(neuais: Neuais):
    with opened(neuais) as live:
        assert live.asked("ping", "pong", id="1")["id"] == "1"
    with opened(neuais, f"/v1/ws?token={neuais.key}", is_in=False) as live:
        assert live.hear("authenticated")["heartbeat_seconds"] == 15
    with opened(neuais, is_in=False) as live:
        assert live.asked("auth", "authenticated", token=neuais.key, id="a")["id"] == "a"


def test_a_wrong_credential_is_refused(neuais: Neuais):
    with pytest.raises(InvalidStatus) as refused, opened(neuais, key="glia_" + "x" * 40):
        pass
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["www-authenticate"] == "Bearer"
    assert refused.value.response.headers["x-request-id"]
    assert json.loads(refused.value.response.body)["error"]["code"] == "unauthorized"
    with pytest.raises(InvalidStatus) as refused, opened(neuais, "/v1/nothing"):
        pass
    assert refused.value.response.status_code == 404
    with opened(neuais, is_in=False) as live:
        assert live.refused("auth", token="wrong")["error"]["code"] == "unauthorized"
        assert live.code() == 4401
    with opened(neuais, is_in=False) as live:
        assert live.refused("subscribe", channel="status", id="x")["id"] == "x"
        assert live.code() == 4401


def test_states_are_told_at_once_and_as_they_change(neuais: Neuais, neuais_stranger: Neuais):
    agent = neuais.agent("first")
    neuais_stranger.agent("strange")

    with opened(neuais) as live:
        name = live.subscribed("status")
        shown = live.hear("status")
        neuais.post(f"/v1/agents/{agent['id']}/stop")
        stopped = live.hear("status")
        second = neuais.agent("second")
        new = live.hear("status")
        neuais.delete(f"/v1/agents/{second['id']}")
        gone = live.hear("status")

    assert shown["data"] == agent
    assert (shown["agent"], shown["subscription"], shown["channel"]) == (agent["id"], name, "status")
    assert stopped["data"]["status"] == "stopped"
    assert new["data"]["name"] == "second"
    assert gone["data"] == {"id": second["id"], "name": "second", "status": "deleted"}


def test_lines_are_told_once_each_with_level_tail_and_resume(neuais: Neuais, written: Written):
    agent = neuais.agent()
    written.lines(agent, [("info", "one"), ("error", "two")])

    with opened(neuais) as live:
        every = live.subscribed("logs", agent=agent["id"], tail=10)
        assert [live.hear("logs")["data"]["message"] for _ in range(2)] == ["one", "two"]
        errors = live.subscribed("logs", level="error")
        written.lines(agent, [("debug", "three"), ("error", "four")])
        found = [live.hear("logs") for _ in range(3)]
        assert live.asked("unsubscribe", "unsubscribed")["subscriptions"] == [every, errors]
        live.subscribed("logs", agent=agent["id"], after=found[0]["id"])
        again = live.hear("logs")

    heard = {(frame["subscription"], frame["data"]["message"]) for frame in found}
    assert heard == {(every, "three"), (every, "four"), (errors, "four")}
    assert set(found[0]["data"]) == {"timestamp", "level", "message", "replica"}
    assert again["data"]["message"] == "four"


def test_figures_are_told_with_their_sum(neuais: Neuais, written: Written):
    agent = neuais.agent()

    with opened(neuais) as live:
        live.subscribed("metrics", agent=agent["id"])
        live.subscribed("metrics", metric="cpu")
        written.samples(agent, [(1.0, 1.0, 1.0)], age_seconds=20)  # has ended since
        live.hear("metrics"), live.hear("metrics")
        written.samples(agent, [(10.0, 20.0, 5.0), (30.0, 22.5, 0.0)])
        both = {frame["subscription"]: frame["data"] for frame in (live.hear("metrics"), live.hear("metrics"))}

    assert both["sub_1"]["metrics"] == {"cpu": 40.0, "memory": 42.5, "network": 5.0}
    assert len(both["sub_1"]["replicas"]) == 2
    assert both["sub_2"]["metrics"] == {"cpu": 40.0}


def test_a_subscription_ends_with_its_agent(neuais: Neuais):
    agent = neuais.agent()

    with opened(neuais) as live:
        name = live.subscribed("logs", agent=agent["id"])
        neuais.delete(f"/v1/agents/{agent['id']}")
        ended = live.hear("ended")

    assert (ended["subscription"], ended["reason"]) == (name, "The agent was deleted.")


def test_what_is_no_message_is_told_and_the_socket_goes_on(neuais: Neuais, neuais_stranger: Neuais):
    strange = neuais_stranger.agent()["id"]

    with opened(neuais) as live:
        live.connection.send("no json")
        assert live.hear("error")["error"]["code"] == "invalid_request"
        for fields, field in (
            ({"type": "jump"}, "type"),
            ({"type": "subscribe", "channel": "smoke"}, "channel"),
            ({"type": "subscribe"}, "channel"),
            ({"type": "subscribe", "channel": "status", "level": "info"}, "level"),
            ({"type": "subscribe", "channel": "logs", "level": "loud"}, "level"),
            ({"type": "subscribe", "channel": "logs", "tail": 5}, "tail"),
            ({"type": "subscribe", "channel": "metrics", "metric": "heat"}, "metric"),
            ({"type": "subscribe", "channel": "status", "colour": "red"}, "colour"),
            ({"type": "ping", "id": 5}, "id"),
            ({"type": "auth"}, "token"),
        ):
            live.connection.send(json.dumps(fields))
            assert live.hear("error")["error"]["details"]["field"] == field, fields
        assert live.refused("subscribe", channel="logs", agent=strange)["error"]["code"] == "not_found"
        assert live.refused("subscribe", channel="logs", agent=f"agt_{new_id()}")["error"]["code"] == "not_found"
        assert live.refused("unsubscribe", subscription="sub_9")["error"]["code"] == "not_found"
        assert live.asked("ping", "pong")["type"] == "pong"
        live.connection.send("x" * 70_000)
        assert live.code() == 1009


def test_many_subscriptions_share_one_socket(neuais: Neuais):
    agent = neuais.agent()

    with opened(neuais) as live:
        for number in range(100):
            live.say("subscribe", channel="status", agent=agent["id"], id=str(number))
        names = {live.until(lambda frame: frame["type"] == "status")["subscription"] for _ in range(100)}

    assert len(names) == 100


def test_a_revoked_key_ends_the_socket(server: Server, neuais: Neuais):
    made = neuais.made_natively("/v1/keys", {"name": "short", "role": "read-only"})

    with opened(neuais, key=made["key"]) as live:
        live.subscribed("status")
        server.client(neuais.key).delete(f"/v1/keys/{made['id']}")
        assert live.code() == 4401


def test_a_viewer_may_look(server: Server, neuais: Neuais):
    key = neuais.made_natively("/v1/keys", {"name": "looks", "role": Role.READ_ONLY.value})["key"]
    narrow = neuais.made_natively("/v1/keys", {"name": "narrow", "scopes": ["agents:read"]})["key"]

    with opened(neuais, key=key) as live:
        live.subscribed("logs")
    with pytest.raises(InvalidStatus) as refused, opened(neuais, key=narrow):
        pass

    assert refused.value.response.status_code == 403


def test_who_did_not_read_is_told_how_many_lines_were_left_out(
    server: Server, neuais: Neuais, written: Written, monkeypatch: pytest.MonkeyPatch
):
    agent = neuais.agent()
    monkeypatch.setattr(live_feeds, "MOST_BEHIND", 2)
    said: list[Frame] = []

    async def follow(house: House) -> None:
        async def say(text: str) -> None:
            said.append(json.loads(text))

        principal = (await house.identity.authenticate(f"Bearer {neuais.key}", None)).principal
        feeds = Feeds(house, Readings(house), Show(""), say)
        one = Subscription("sub_1", "logs", UUID(agent["id"].removeprefix("agt_")), Wanted(tail=0), None, 0.0)
        await begun(house, principal, one)
        feeds.subscriptions["sub_1"] = one
        for lines, is_stalled in ((["a", "b"], True), (["c", "d", "e"], True), (["f"], False)):
            await asyncio.to_thread(written.lines, agent, [("info", line) for line in lines])
            feeds.is_stalled = is_stalled
            await asyncio.sleep(0.2)  # longer than a reading is kept
            await feeds.turn(principal)

    server.do(follow)

    assert [frame.get("count") or frame["data"]["message"] for frame in said] == ["a", "b", 3, "f"]
    assert said[2]["type"] == "dropped"


def test_opening_a_socket_counts_as_a_request(server: Server, neuais: Neuais, credentials: Credentials):
    give(server, credentials, Plan.ENTERPRISE, rate=2)

    with opened(neuais) as first, opened(neuais) as second:
        first.subscribed("status"), second.subscribed("status")
        left = {name.lower(): value for name, value in second.connection.response.headers.raw_items()}
        with pytest.raises(InvalidStatus) as refused, opened(neuais):
            pass

    assert (left["x-ratelimit-limit"], left["x-ratelimit-remaining"]) == ("2", "0")
    assert refused.value.response.status_code == 429
    assert json.loads(refused.value.response.body)["error"]["code"] == "rate_limit_exceeded"
    assert int(refused.value.response.headers["retry-after"]) > 0
