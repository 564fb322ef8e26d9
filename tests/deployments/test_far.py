"""Endpoints whose replicas run on other machines: here, on nodes whose sockets the server may not open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import connect

from glia.wiring import House
from tests.deployments.conftest import Fleet, NodeProcess, problem_of
from tests.surfaces.conftest import Client, Server

# Nobody takes its replicas over while it is started again.
LONE = {"GLIA_FLEET__LISTEN": "", "GLIA_FLEET__LEASE_SECONDS": "60"}


@contextmanager
def elsewhere(server: Server) -> Iterator[None]:
    """The server is on another machine than all nodes."""

    async def set_near(house: House, is_near: bool) -> None:
        house.rotation.is_local = is_near
        house.rotation.wake()

    server.do(lambda house: set_near(house, False))
    try:
        yield
    finally:
        server.do(lambda house: set_near(house, True))


def test_replicas_of_other_machines_answer_http_events_and_websockets(fleet: Fleet, server: Server) -> None:
    web, chat = fleet.deploy("web.py"), fleet.deploy("socket.py")
    fleet.running(web)
    fleet.running(chat)
    client = Client(fleet.client.port)

    with elsewhere(server):
        answer = fleet.call(web, "a/b?c=d")
        body = client.request("POST", f"/deployments/{web}/", raw=b"x" * 3_000_000).body
        events = client.get(f"/deployments/{web}/events")
        with connect(f"ws://127.0.0.1:{client.port}/deployments/{chat}/chat") as other:
            other.send("hello")
            said = other.recv(10)

    assert answer == b"hello /a/b?c=d"
    assert body == b"3000000"
    assert events.headers["content-type"] == "text/event-stream"
    assert events.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert said == "hello"


def test_two_nodes_serve_one_endpoint_and_one_that_is_not_reached_is_passed_over(
    fleet: Fleet,
    server: Server,
) -> None:
    other = NodeProcess(fleet.node.database, fleet.node.allow, settings=LONE)
    other.start("--region", "west", "--listen", "127.0.0.1:0")
    try:
        assert problem_of(server, other, "west") == ""
        name = fleet.deploy("web.py", replicas=2)
        fleet.client.until(
            f"/v1/deployments/{name}/replicas", lambda found: len({row["node"] for row in found["data"]}) == 2, 30
        )
        fleet.running(name, 2)
        with elsewhere(server):
            both = {fleet.call(name, "name") for _ in range(20)}
            other.kill()
            other.start("--region", "west")  # it listens no more
            with server.admin() as admin:
                fleet.until_true(
                    lambda: admin.execute("select address from fleet_nodes where region = 'west'").fetchone() == ("",)
                )
            one = {fleet.call(name, "name") for _ in range(10)}
    finally:
        other.end()
        with server.admin() as admin:  # nothing more is to be given to it
            admin.execute("update fleet_nodes set lease_until = now() - interval '1 second' where region = 'west'")

    assert len(both) == 2
    assert len(one) == 1
    assert one < both
