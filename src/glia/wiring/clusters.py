"""Builds what keeps deployments in a Kubernetes cluster, and what gives their programs to its pods."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from glia.deployments.binaries import Binaries
from glia.deployments.kubernetes.programs import LINK_PURPOSE, ProgramLinks, Programs
from glia.deployments.queries import CHANNEL
from glia.identity.secrets import Secrets, load_secrets
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.notifications import Notifications
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.sandboxes.backends import bubblewrap_places
from glia.settings import Settings
from glia.storage.building import stores_of
from glia.storage.service import Objects

if TYPE_CHECKING:
    from glia.deployments.kubernetes.node import ClusterNode

_POOL = 8


def binaries_of(settings: Settings, outbound: Outbound, objects: Objects, data_dir: Path) -> Binaries:
    """One folder for all processes of a data directory."""
    state_dir = Path(settings.sandbox.state_dir) if settings.sandbox.state_dir else None
    folder = bubblewrap_places(data_dir, state_dir).state / "binaries"
    return Binaries(folder, outbound, objects, most_bytes=settings.fleet.binary_mib * 1024 * 1024)


def programs_of(
    settings: Settings, db: Database, outbound: Outbound, objects: Objects, secrets: Secrets, data_dir: Path
) -> Programs:
    binaries = binaries_of(settings, outbound, objects, data_dir)
    return Programs(db, binaries, ProgramLinks(secrets.derive(LINK_PURPOSE)))


@asynccontextmanager
async def cluster_node(
    settings: Settings, app_url: str, data_dir: Path, *, region: str, is_lent: bool
) -> AsyncGenerator[ClusterNode]:
    """Raises InvalidRequest when the settings are not enough to reach a cluster."""
    from glia.deployments.kubernetes.api import Cluster
    from glia.deployments.kubernetes.node import ClusterNode, Me

    kubernetes = settings.fleet.kubernetes
    server_url = kubernetes.server_url or settings.public_url
    if not server_url:
        raise InvalidRequest(
            "Pods download programs from this server: say in GLIA_FLEET__KUBERNETES__SERVER_URL where they reach it."
        )
    db = Database(app_url, largest_pool=_POOL, timeout_seconds=settings.database_wait_seconds)
    await db.open()
    outbound = Outbound(OutboundPolicy.from_setting(settings.outbound_allow))
    cluster = Cluster(kubernetes)
    notifications = Notifications(app_url)
    try:
        secrets = await load_secrets(db, settings.secret_key)
        stores = stores_of(settings.storage, data_dir / "objects")
        objects = Objects(db, stores, settings.storage, link_key=secrets.derive("storage link"))
        binaries = binaries_of(settings, outbound, objects, data_dir)
        derived = hashlib.sha256(secrets.derive("kubernetes installation") + kubernetes.cluster.encode())
        me = Me(
            uuid5(NAMESPACE_URL, f"glia-cluster:{kubernetes.cluster}"),
            f"{kubernetes.cluster}@{socket.gethostname()}",
            derived.hexdigest()[:16],
            server_url,
            region or settings.fleet.region,
            is_lent,
        )
        links = ProgramLinks(secrets.derive(LINK_PURPOSE))
        node = ClusterNode(db, cluster, binaries, secrets, links, settings.fleet, me)
        notifications.on(CHANNEL, node.wake)
        notifications.on_reconnect(node.wake)
        await notifications.start()
        yield node
    finally:
        await notifications.stop()
        await cluster.close()
        await outbound.close()
        await db.close()


async def run_cluster_node(
    settings: Settings, app_url: str, data_dir: Path, stop: asyncio.Event, *, region: str, is_lent: bool
) -> None:
    """Returns when told to stop, with the programs running on, or when it is not needed."""
    async with cluster_node(settings, app_url, data_dir, region=region, is_lent=is_lent) as node:
        await node.run(stop)


async def empty_cluster(settings: Settings, app_url: str, data_dir: Path) -> int:
    """Ends all programs there; how many deployments they were of."""
    async with cluster_node(settings, app_url, data_dir, region="", is_lent=False) as node:
        return await node.remove_all()
