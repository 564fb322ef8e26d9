"""Whom programs may reach, and that what they may not reach is refused and written down."""

from __future__ import annotations

import json

import pytest

from glia.deployments import checks
from glia.deployments.types import Program
from glia.kit.errors import InvalidRequest
from tests.deployments.conftest import Fleet


def test_a_program_reaches_what_it_names_and_nothing_else(fleet: Fleet) -> None:
    shop, house = fleet.shop.rpartition(":")[2], fleet.client.port
    hosts = [f"localhost:{shop}", f"localhost:{house}"]
    name = fleet.deploy("web.py", network="hosts", network_hosts=hosts)
    closed, public = fleet.deploy("web.py"), fleet.deploy("web.py", network="public")
    for each in (name, closed, public):
        fleet.running(each)

    environment = json.loads(fleet.call(name, "env"))
    allowed = fleet.call(name, f"ask?http://localhost:{shop}/text")
    other = fleet.call(name, "ask?http://example.org/")
    literal = fleet.call(name, f"ask?http://127.0.0.1:{shop}/text")
    private = fleet.call(name, f"ask?http://localhost:{house}/health")
    nowhere = fleet.call(closed, f"ask?http://localhost:{shop}/text")
    inwards = fleet.call(public, "ask?http://localhost/")
    odd_port = fleet.call(public, f"ask?http://localhost:{shop}/text")

    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:3128"
    assert "HTTPS_PROXY" not in json.loads(fleet.call(closed, "env"))
    assert allowed == b"200 just text"
    assert (other[:3], private[:3], inwards[:3], odd_port[:3]) == (b"403", b"403", b"403", b"403")
    assert literal[:3] in (b"400", b"403")
    assert nowhere == b"no way out"
    lines = {line["message"]: line["level"] for line in fleet.said(name, f"localhost:{house} denied")}
    assert lines[f"network: GET localhost:{shop} allowed"] == "debug"
    assert (
        next(level for text, level in lines.items() if text.startswith("network: GET example.org:80 denied")) == "warn"
    )


def test_a_way_out_is_there_again_with_the_next_node(fleet: Fleet) -> None:
    shop = fleet.shop.rpartition(":")[2]
    name = fleet.deploy("web.py", network="hosts", network_hosts=[f"localhost:{shop}"])
    fleet.running(name)
    before = fleet.call(name, f"ask?http://localhost:{shop}/text")

    fleet.node.kill()
    fleet.node.start("--region", "north")
    after = fleet.call(name, f"ask?http://localhost:{shop}/text")
    shown = fleet.client.get(f"/v1/deployments/{name}").json
    changed = fleet.client.patch(f"/v1/deployments/{name}", {"network": "none"}).json

    assert before == after == b"200 just text"
    assert (shown["network"], shown["network_hosts"]) == ("hosts", [f"localhost:{shop}"])
    assert (changed["network"], changed["network_hosts"], changed["version"]) == ("none", [], 2)


@pytest.mark.parametrize(
    ("network", "hosts"),
    [("some", ()), ("hosts", ()), ("none", ("example.org",)), ("hosts", ("10.0.0.1",)), ("hosts", ("a b",))],
)
def test_a_network_that_cannot_be_is_refused(network: str, hosts: tuple[str, ...]) -> None:
    program = Program("python", "http://example.org/x", network=network, network_hosts=hosts)

    with pytest.raises(InvalidRequest, match="network"):
        checks.check_program(program)
