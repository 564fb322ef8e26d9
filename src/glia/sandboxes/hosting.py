"""The sandboxes that live in this process: starting them, ending them, and what the database knows of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec
import structlog

from glia.kit.db import Database
from glia.kit.errors import GliaError
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound
from glia.sandboxes import kept_queries, queries
from glia.sandboxes.config import SandboxConfig
from glia.sandboxes.egress.proxy import EgressProxy
from glia.sandboxes.egress.rules import AllowList, read_allow_list
from glia.sandboxes.egress.types import Attachment
from glia.sandboxes.errors import ServerFull
from glia.sandboxes.live import Decisions, Live
from glia.sandboxes.place import this_host
from glia.sandboxes.pool import WarmPool
from glia.sandboxes.records import SandboxRecord, SandboxStatus
from glia.sandboxes.types import Sandbox, SandboxBackend, SandboxId, SandboxSpec

log = structlog.get_logger(__name__)

_SOCKETS = "glia-egress-"
MOST_DECISIONS = 5_000
"""Egress decisions that are kept of one sandbox."""


class Seals(Protocol):
    def seal(self, secret: bytes, context: str) -> bytes: ...
    def open(self, sealed: bytes, context: str) -> bytes: ...
    def derive(self, purpose: str) -> bytes: ...


def _folder_for_sockets() -> Path:
    """A new one, which others may pass through and not look into. Those of processes that are dead are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_SOCKETS}*"):
        pid = old.name.removeprefix(_SOCKETS).partition("-")[0]
        if pid.isdigit() and Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(old, ignore_errors=True)  # those of other users stay: they cannot be removed
    made = Path(tempfile.mkdtemp(prefix=f"{_SOCKETS}{os.getpid()}-"))
    made.chmod(0o711)
    return made


def seal_context(sandbox_id: UUID) -> str:
    return f"sandboxes.secrets:{sandbox_id}"


class Hosting:
    """What this process holds. One per process; all of it on one event loop."""

    def __init__(
        self,
        db: Database,
        backend: SandboxBackend,
        outbound: Outbound,
        secrets: Seals,
        config: SandboxConfig,
        folder: Path,
    ) -> None:
        """outbound: with a policy that refuses this machine's own addresses. folder: where workspaces lie."""
        self.db = db
        self.backend = backend
        self.config = config
        self.host = this_host(folder)
        self.pool = WarmPool(backend, config.warm)
        self._outbound = outbound
        self._secrets = secrets
        self._live: dict[UUID, Live] = {}
        self._starting = 0
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._sockets: Path | None = None

    def lock(self, id: UUID) -> asyncio.Lock:
        """Held by whoever starts, ends, pauses or resumes this sandbox."""
        return self._locks.setdefault(id, asyncio.Lock())

    def find(self, id: UUID) -> Live | None:
        return self._live.get(id)

    def all(self) -> list[Live]:
        return list(self._live.values())

    def spec_of(self, record: SandboxRecord, socket: Path | None = None) -> SandboxSpec:
        return SandboxSpec(record.template, record.limits, egress_socket=socket, keeps_workspace=True)

    def seal(self, values: bytes, context: str) -> bytes:
        return self._secrets.seal(values, context)

    # --- start ------------------------------------------------------------------------------------------------------

    async def start(self, record: SandboxRecord) -> Live:
        """record: stored, and held by this process. Its lock is held by the caller. Raises what the backend raises."""
        if len(self._live) + self._starting >= self.config.most_at_once:
            raise ServerFull(
                f"This server runs {self.config.most_at_once} sandboxes, the most it may"
                " (GLIA_SANDBOX__MOST_AT_ONCE). Delete some, or try again when others have ended."
            )
        self._starting += 1
        try:
            live = await self._start(record)
        finally:
            self._starting -= 1
        self._live[record.id] = live
        async with self.db.transaction(record.workspace_id) as tx:
            is_ours = await queries.set_status(
                tx, record.id, SandboxStatus.RUNNING, host_id=self.host.id, backend_id=live.box.id
            )
        if not is_ours:  # deleted meanwhile, or taken by another process
            await self.drop(live)
        return live

    async def _start(self, record: SandboxRecord) -> Live:
        decisions = Decisions()
        egress, socket = await self._open_egress(record, decisions)
        try:
            box = await self._box(record, self.spec_of(record, socket))
        except BaseException:
            await self._close_egress(egress, socket)
            raise
        live = Live(record, box, egress, decisions, record.lease_seconds, record.lease_until)
        live.touch()
        return live

    async def _box(self, record: SandboxRecord, spec: SandboxSpec) -> Sandbox:
        id = SandboxId(record.backend_id)
        if await self.backend.has_workspace(id):
            return await self.backend.adopt(id) or await self.backend.create(id, spec)
        return self.pool.take(spec) or await self.backend.create(id, spec)

    async def _open_egress(self, record: SandboxRecord, note: Decisions) -> tuple[EgressProxy | None, Path | None]:
        attachments = self._attachments(record)
        rules = (*read_allow_list(record.allow_hosts).rules, *(rule for each in attachments for rule in each.rules))
        if not rules:
            return None, None
        if self._sockets is None:
            # Not in the data folder: a socket's path has room for about a hundred characters.
            self._sockets = await asyncio.to_thread(_folder_for_sockets)
        socket = self._sockets / f"{new_id().hex}.sock"
        proxy = EgressProxy(self._outbound, AllowList(rules), attachments=attachments, note=note.note)
        await proxy.start(socket)
        socket.chmod(0o600)  # a backend that gives the sandbox a user of its own makes the socket that user's
        return proxy, socket

    def _attachments(self, record: SandboxRecord) -> tuple[Attachment, ...]:
        if record.sealed_secrets is None:
            return ()
        opened = self._secrets.open(record.sealed_secrets, seal_context(record.id))
        values: Mapping[str, str] = msgspec.json.decode(opened, type=dict[str, str])
        return tuple(
            Attachment(read_allow_list(secret.hosts).rules, secret.header, values[secret.name], secret.scheme)
            for secret in record.secrets
        )

    async def _close_egress(self, egress: EgressProxy | None, socket: Path | None) -> None:
        if egress is not None:
            await egress.close()
        if socket is not None:
            await asyncio.to_thread(socket.unlink, missing_ok=True)

    # --- end --------------------------------------------------------------------------------------------------------

    async def end(self, live: Live, status: SandboxStatus, reason: str) -> None:
        """Kills it; SLEEPING keeps its files, STOPPED does not. Its lock is held by the caller."""
        await self._kill(live)
        if status is SandboxStatus.STOPPED:
            await self.backend.remove_workspace(live.box.id)
        await self.settle(live)
        async with self.db.transaction(live.record.workspace_id) as tx:
            await queries.set_status(tx, live.id, status, host_id=self.host.id, reason=reason)

    async def drop(self, live: Live) -> None:
        """Kills what the database says is no longer ours."""
        await self._kill(live)
        await self.backend.remove_workspace(live.box.id)

    async def _kill(self, live: Live) -> None:
        self._live.pop(live.id, None)
        with suppress(GliaError):  # it may be dead already, which is no reason to bill it less
            live.spent.look(await live.box.stats())
        await live.box.kill()
        for interpreter in live.interpreters.values():
            await interpreter.close()
        await self._close_egress(live.egress, live.box.spec.egress_socket)

    async def settle(self, live: Live) -> None:
        """Writes what it has used and where it has tried to go since the last time."""
        await self.write_decisions(live)
        record, spent = live.record, live.spent.take()
        if not spent.wall_seconds:
            return
        async with self.db.transaction(record.workspace_id) as tx:
            await kept_queries.insert_usage(
                tx,
                new_id(),
                record,
                wall_seconds=spent.wall_seconds,
                cpu_seconds=spent.cpu_seconds,
                memory_gib_seconds=spent.memory_gib_seconds,
            )

    async def write_decisions(self, live: Live) -> None:
        if not (decisions := live.decisions.take()):
            return
        async with self.db.transaction(live.record.workspace_id) as tx:
            await kept_queries.write_decisions(tx, decisions, workspace_id=live.record.workspace_id, sandbox_id=live.id)
            await kept_queries.cap_decisions(tx, live.id, MOST_DECISIONS)

    # --- pause ------------------------------------------------------------------------------------------------------

    async def pause(self, live: Live, reason: str = "") -> None:
        async with self.lock(live.id):
            await live.box.pause()
            await self._note(live, SandboxStatus.PAUSED, reason)

    async def resume(self, live: Live) -> None:
        async with self.lock(live.id):
            await live.box.resume()
            live.touch()
            await self._note(live, SandboxStatus.RUNNING, "")

    async def _note(self, live: Live, status: SandboxStatus, reason: str) -> None:
        live.record = replace(live.record, status=status, reason=reason)
        async with self.db.transaction(live.record.workspace_id) as tx:
            await queries.set_status(tx, live.id, status, host_id=self.host.id, reason=reason)

    async def close(self) -> None:
        """Kills everything at once; what was used is written down first, as far as the database takes it."""
        living = self.all()
        for live in living:
            for interpreter in live.interpreters.values():
                await interpreter.close()
        await self.pool.stop()
        await self.backend.close()
        for live in living:
            self._live.pop(live.id, None)
            await self._close_egress(live.egress, live.box.spec.egress_socket)
        if self._sockets is not None:
            with suppress(OSError):
                self._sockets.rmdir()
