"""Makes what a deployment is made of in the cluster, and takes away what nobody wants any more."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import orjson
import structlog

from glia.deployments.binaries import Binaries, Kept, Wanted, command_of
from glia.deployments.checks import EXECUTABLES
from glia.deployments.config import FleetConfig
from glia.deployments.errors import BinaryRefused
from glia.deployments.kubernetes import manifests
from glia.deployments.kubernetes.api import DEPLOYMENTS, POLICIES, SECRETS, SERVICES, Cluster
from glia.deployments.kubernetes.errors import ClusterRefused
from glia.deployments.kubernetes.packing import sha256_of
from glia.deployments.kubernetes.programs import ProgramLinks
from glia.deployments.kubernetes.things import Thing, label, part
from glia.deployments.kubernetes.wishes import (
    DEPLOYMENT,
    INSTALLATION,
    PROGRAM_AT,
    TARGET,
    VERSION,
    Place,
    Prepared,
    Version,
    target_of,
)
from glia.deployments.node_queries import Wish
from glia.deployments.service import Seals, seal_context
from glia.kit.errors import GliaError, Unavailable

log = structlog.get_logger(__name__)

_AFRESH_SECONDS = 300.0
"""After so long everything is written again, should somebody have changed it, and addresses are renewed."""

_SEEN_SECONDS = 2.0
_SWEEP_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 60.0
_MOST_AT_ONCE = 4
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass
class Trouble:
    """Why a target could not be made yet. is_final: trying again does not help."""

    target: str
    reason: str
    failures: int
    is_final: bool
    since: float
    again_at: float


@dataclass(frozen=True)
class Tools:
    """noted: tells the digest of a download and gets the one that counts. may_act: whether the cluster is still ours
    to look after. changed: something is to be looked at."""

    cluster: Cluster
    binaries: Binaries
    secrets: Seals
    links: ProgramLinks
    noted: Callable[[Version, Kept], Awaitable[str]]
    may_act: Callable[[], bool]
    changed: Callable[[], None]


class Maker:
    def __init__(self, tools: Tools, config: FleetConfig, place: Place, server_url: str) -> None:
        self._tools, self._config, self._place = tools, config, place
        self._server = server_url.rstrip("/")
        settings = f"{config.kubernetes} {config.stop_seconds} {place.has_region} {self._server}"
        self._mark = hashlib.sha256(settings.encode()).hexdigest()[:12]
        self._prepared: dict[UUID, Prepared] = {}
        self._made: dict[UUID, tuple[str, float]] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self.troubles: dict[UUID, Trouble] = {}
        self._swept_at = 0.0

    def target(self, wish: Wish) -> str:
        return target_of(wish, self._mark)

    def is_made(self, wish: Wish, found: Thing | None) -> bool:
        """Whether the cluster's Deployment is the one that is wanted."""
        if found is None or found["metadata"].get("deletionTimestamp"):
            return False
        replicas = wish.replicas if wish.is_wanted else 0
        noted = part(found, "metadata", "annotations").get(TARGET)
        return noted == self.target(wish) and found["spec"].get("replicas") == replicas

    def look(self, wish: Wish, version: Version, found: Thing | None) -> None:
        """Begins to make it so, unless it is so, or is being made."""
        task = self._tasks.get(wish.id)
        if task is not None and not task.done():
            return
        target, now = self.target(wish), time.monotonic()
        trouble = self.troubles.get(wish.id)
        if trouble is not None and trouble.target != target:
            trouble = self.troubles.pop(wish.id) and None
        made, at = self._made.get(wish.id, ("", now))
        if self.is_made(wish, found) and (made in ("", target)) and now - at < _AFRESH_SECONDS:
            self._made.setdefault(wish.id, (target, now))
            self.troubles.pop(wish.id, None)
            return
        if made == target and now - at < _SEEN_SECONDS:
            return  # what was written is not seen yet
        if trouble is not None and now < trouble.again_at:
            return
        self._tasks[wish.id] = asyncio.create_task(self._make(wish, version, target), name=f"glia-make-{wish.id}")

    async def _make(self, wish: Wish, version: Version, target: str) -> None:
        try:
            async with self._turns:
                prepared = self._prepared.get(version.id) or await self._prepare(version)
                await self._apply(wish, prepared, target)
        except (GliaError, OSError) as error:
            self._note(wish, target, error)
        else:
            self._made[wish.id] = target, time.monotonic()
            self.troubles.pop(wish.id, None)
        self._tools.changed()

    def _note(self, wish: Wish, target: str, error: GliaError | OSError) -> None:
        before = self.troubles.get(wish.id)
        failures, since = (before.failures + 1, before.since) if before else (1, time.monotonic())
        reason = error.message if isinstance(error, GliaError) else str(error)
        is_final = isinstance(error, BinaryRefused | ClusterRefused)
        pause = min(2.0 ** (failures - 1), _LONGEST_PAUSE_SECONDS)
        self.troubles[wish.id] = Trouble(target, reason, failures, is_final, since, time.monotonic() + pause)
        log.warning("a deployment could not be made in the cluster", deployment=str(wish.id), reason=reason)

    async def _prepare(self, version: Version) -> Prepared:
        if version.network == "hosts" and self._config.kubernetes.network == "closed":
            raise ClusterRefused(
                "Kubernetes cannot hold a program to the names of hosts: let its `network` be `none` or `public`."
            )
        wanted = Wanted(
            version.workspace_id,
            version.project_id,
            version.runtime,
            version.binary_url,
            version.digest or version.sha256,
        )
        kept = await self._tools.binaries.get(wanted)
        if version.digest is None and (counts := await self._tools.noted(version, kept)) != kept.digest:
            raise Unavailable(f"{version.binary_url!r} changed while it was downloaded ({counts} is kept).")
        argv, _ = command_of(version.runtime, kept, version.command, PROGRAM_AT)
        sealed = self._tools.secrets.open(version.sealed_environment, seal_context(version.deployment_id))
        is_bound = version.runtime in EXECUTABLES and not _is_script(kept)
        prepared = Prepared(
            version,
            argv,
            await asyncio.to_thread(sha256_of, kept.folder),
            _ARCHITECTURES.get(platform.machine(), "") if is_bound else "",
            orjson.loads(sealed),
        )
        self._prepared[version.id] = prepared
        return prepared

    async def _apply(self, wish: Wish, prepared: Prepared, target: str) -> None:
        """The Deployment last: its pods need the others."""
        kubernetes, place, version = self._config.kubernetes, self._place, prepared.version
        url = self._server + self._tools.links.path(version.id)
        server = await _addresses(self._server) if kubernetes.network == "closed" else None
        made = manifests.deployment(place, kubernetes, wish, prepared, target, self._config.stop_seconds)
        for plural, thing in (
            (SECRETS, manifests.secret(place, prepared, url)),
            (POLICIES, manifests.policy(place, version, server)),
            (SERVICES, manifests.service(place, version)),
            (DEPLOYMENTS, made),
        ):
            if not self._tools.may_act():
                raise Unavailable("Another node looks after the cluster.")
            await self._tools.cluster.apply(plural, thing)

    # --- What nobody wants --------------------------------------------------------------------------------------------

    async def sweep(
        self,
        wishes: Mapping[UUID, Wish],
        deployments: Sequence[Thing],
        busy: Collection[UUID],
        versions: Collection[UUID],
    ) -> None:
        """busy: deployments that still have pods. versions: those that pods are of. Raises GliaError."""
        for id in set(self._made) - set(wishes):
            del self._made[id]
        wanted_versions = {*versions}
        for wish in wishes.values():
            wanted_versions |= {wish.version_id, wish.good_version_id or wish.version_id}
        for id in set(self._prepared) - wanted_versions:
            del self._prepared[id]
        unwanted = [thing for thing in deployments if label(thing, DEPLOYMENT) not in wishes]
        for thing in unwanted:
            if not thing["metadata"].get("deletionTimestamp"):
                await self._delete(DEPLOYMENTS, thing)
        if not unwanted and time.monotonic() - self._swept_at < _SWEEP_SECONDS:
            return
        left = 0
        for plural in (SERVICES, SECRETS, POLICIES):
            things, _ = await self._tools.cluster.list(plural, f"{INSTALLATION}={self._place.installation}")
            for thing in things:
                id, version_id = label(thing, DEPLOYMENT), label(thing, VERSION)
                is_old = version_id is not None and version_id not in wanted_versions
                if id in busy and (plural == POLICIES or not is_old):
                    left += id not in wishes
                elif id not in wishes or is_old:
                    await self._delete(plural, thing)
        self._swept_at = 0.0 if left or unwanted else time.monotonic()

    def sweep_soon(self) -> None:
        self._swept_at = 0.0

    async def remove_all(self) -> int:
        """Everything of ours in the cluster; how many deployments that were."""
        things, _ = await self._tools.cluster.list(DEPLOYMENTS, f"{INSTALLATION}={self._place.installation}")
        for plural in (DEPLOYMENTS, SERVICES, SECRETS, POLICIES):
            found, _ = await self._tools.cluster.list(plural, f"{INSTALLATION}={self._place.installation}")
            for thing in found:
                await self._tools.cluster.delete(plural, thing["metadata"]["name"])
        return len(things)

    async def _delete(self, plural: str, thing: Thing) -> None:
        if not self._tools.may_act():
            raise Unavailable("Another node looks after the cluster.")
        name: str = thing["metadata"]["name"]
        log.info("an object that nobody wants is deleted", kind=plural, name=name)
        await self._tools.cluster.delete(plural, name)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()


def _is_script(kept: Kept) -> bool:
    with (kept.folder / "program").open("rb") as file:
        return file.read(2) == b"#!"


async def _addresses(url: str) -> tuple[list[str], int]:
    """Of our own server, as this process sees it, and its port."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(5):
            found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError):
        return [], port
    return sorted({str(each[4][0]) for each in found}), port
