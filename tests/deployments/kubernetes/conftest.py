"""A fake cluster whose pods really run, a server of its own, and a node that looks after the cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glia.deployments.bubblewrap import BubblewrapFleet
from glia.sandboxes.backends import bubblewrap_places
from glia.settings import LimitSettings, Settings
from tests.deployments.conformance import Place
from tests.deployments.conftest import Fleet, NodeProcess
from tests.deployments.kubernetes.cluster import FakeCluster
from tests.deployments.kubernetes.containers import Sandboxed, Scripted
from tests.deployments.kubernetes.controllers import Machine
from tests.surfaces.conftest import UPLOAD_BYTES, Server, start_server

MACHINES = [
    Machine("machine-1", {"topology.kubernetes.io/region": "north", "kubernetes.io/arch": "amd64"}),
    Machine("machine-2", {"topology.kubernetes.io/region": "north", "kubernetes.io/arch": "amd64"}),
]


@pytest.fixture(scope="session")
def kube_server(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = Settings(limits=LimitSettings(upload_bytes=UPLOAD_BYTES), outbound_allow=shop.removeprefix("http://"))
    yield from start_server(tmp_path_factory.mktemp("kube"), settings)


@pytest.fixture(scope="session")
def cluster() -> Iterator[FakeCluster]:
    folder = Path("/var/lib/glia-sandboxes") if Path("/var/lib").owner() == "root" else Path.home()
    places = bubblewrap_places(folder, None)
    fleet = BubblewrapFleet(places)
    places.state.mkdir(mode=0o711, parents=True, exist_ok=True)
    if problem := asyncio.run(fleet.probe())[0]:
        pytest.skip(f"Programs cannot be run on this machine. {problem}")
    found = FakeCluster(Sandboxed(fleet), MACHINES)
    found.start()
    yield found
    found.end()


@pytest.fixture(scope="session")
def kube_node(
    kube_server: Server, cluster: FakeCluster, shop: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcess]:
    settings = {
        "GLIA_FLEET__BACKEND": "kubernetes",
        "GLIA_FLEET__KUBERNETES__KUBECONFIG": str(cluster.kubeconfig(tmp_path_factory.mktemp("kubeconfig"))),
        "GLIA_FLEET__KUBERNETES__SERVER_URL": f"http://127.0.0.1:{kube_server.port}",
        "GLIA_FLEET__KUBERNETES__START_SECONDS": "8",
        "GLIA_FLEET__KUBERNETES__DRAIN_SECONDS": "1",
    }
    found = NodeProcess(kube_server.database, shop.removeprefix("http://"), settings=settings)
    found.start()
    yield found
    found.kill()
    found.end()


@pytest.fixture
def place(kube_server: Server, kube_node: NodeProcess, cluster: FakeCluster, shop: str) -> Iterator[Place]:
    client = kube_server.client(kube_server.workspace().api_key)

    def left() -> list[str]:
        return [f"{plural}/{name}" for plural in cluster.store.things for name in list(cluster.store.things[plural])]

    yield Place(Fleet(client, kube_node, shop), left, kube_node.start, "north")
    for found in client.get("/v1/deployments?limit=100").json["data"]:
        client.delete(f"/v1/deployments/{found['id']}")
    deadline = time.monotonic() + 60
    while left() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture
def scripted() -> Iterator[FakeCluster]:
    """A cluster whose programs are played by the test (`cluster.kubelet.runtime.started`)."""
    found = FakeCluster(Scripted(), MACHINES)
    found.start()
    yield found
    found.end()
