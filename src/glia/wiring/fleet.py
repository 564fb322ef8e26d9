"""Builds a node: what a supervisor of deployments needs, and nothing of the rest of the house."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from glia.deployments.binaries import Binaries
from glia.deployments.bubblewrap import BubblewrapFleet
from glia.deployments.egress import WaysOut
from glia.deployments.node import Me, Node
from glia.deployments.queries import CHANNEL
from glia.deployments.reaching import PURPOSE, Door, known_as
from glia.identity.secrets import load_secrets
from glia.kit.db import Database
from glia.kit.errors import Conflict
from glia.kit.ids import new_id
from glia.kit.notifications import Notifications
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.sandboxes.backends import bubblewrap_places
from glia.settings import Settings
from glia.storage.building import stores_of
from glia.storage.service import Objects

_POOL = 4


class NodeRuns(Conflict):
    code = "node_runs"


@contextmanager
def only_node(data_dir: Path) -> Generator[Path]:
    """Where the node of that data directory keeps what is its own. Raises NodeRuns while another holds it."""
    folder = data_dir / "fleet"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NodeRuns(f"A node runs already for the data directory {str(data_dir)!r}.") from None
        yield folder
    finally:
        os.close(lock)


def node_runs(data_dir: Path) -> bool:
    try:
        with only_node(data_dir):
            return False
    except NodeRuns:
        return True


def backend_of(settings: Settings, data_dir: Path) -> BubblewrapFleet:
    state_dir = Path(settings.sandbox.state_dir) if settings.sandbox.state_dir else None
    return BubblewrapFleet(bubblewrap_places(data_dir, state_dir))


async def run_node(
    settings: Settings,
    app_url: str,
    data_dir: Path,
    folder: Path,
    stop: asyncio.Event,
    *,
    region: str,
    is_lent: bool,
    listen: str = "",
) -> None:
    """folder: from `only_node`. listen: wins over the setting.

    Returns when told to stop, with the programs running on, or when it is not needed."""
    db = Database(app_url, largest_pool=_POOL, timeout_seconds=settings.database_wait_seconds)
    await db.open()
    policy = OutboundPolicy.from_setting(settings.outbound_allow)
    outbound = Outbound(policy)
    secrets = await load_secrets(db, settings.secret_key)
    stores = stores_of(settings.storage, data_dir / "objects")
    objects = Objects(db, stores, settings.storage, link_key=secrets.derive("storage link"))
    state_dir = Path(settings.sandbox.state_dir) if settings.sandbox.state_dir else None
    places = bubblewrap_places(data_dir, state_dir)
    places.state.mkdir(mode=0o711, parents=True, exist_ok=True)
    binaries = Binaries(
        places.state / "binaries", outbound, objects, most_bytes=settings.fleet.binary_mib * 1024 * 1024
    )
    me = Me(_id_in(folder), socket.gethostname(), region or settings.fleet.region, is_lent)
    node = Node(db, backend_of(settings, data_dir), binaries, secrets, settings.fleet, me, WaysOut(policy.allow))
    notifications = Notifications(app_url)
    notifications.on(CHANNEL, node.wake)
    notifications.on_reconnect(node.wake)
    await notifications.start()
    door = Door(secrets.derive(PURPOSE), node.dial)
    try:
        if listen := listen or settings.fleet.listen:
            node.be_reached_at(known_as(listen, await _opened(door, listen), settings.fleet.advertise))
        await node.run(stop)
    finally:
        door.close()
        await notifications.stop()
        await outbound.close()
        await db.close()


async def _opened(door: Door, address: str) -> int:
    try:
        return await door.open(address)
    except OSError as error:
        raise Conflict(f"The node cannot listen on {address!r}: {error.strerror or error}.") from error


def _id_in(folder: Path) -> UUID:
    path = folder / "node-id"
    if path.exists():
        return UUID(path.read_text().strip())
    id = new_id()
    beside = path.with_suffix(".new")
    beside.write_text(str(id))
    beside.rename(path)
    return id
