"""Sandboxes: make one, use it, end it. What is done inside one is in `files`, `snapshots`, `code` and `previews`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import structlog

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest, Unavailable
from glia.kit.pages import Page, Window, page_of
from glia.sandboxes import kept_queries, queries
from glia.sandboxes.access import Access, gone
from glia.sandboxes.artifacts import Artifacts
from glia.sandboxes.checks import LONGEST_LEASE_SECONDS, check_command, check_new
from glia.sandboxes.code import Code
from glia.sandboxes.consoles import Consoles
from glia.sandboxes.egress.rules import read_allow_list
from glia.sandboxes.errors import SandboxUnavailable
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.keeping import Keeping
from glia.sandboxes.making import insert, new_record
from glia.sandboxes.previews import Previews
from glia.sandboxes.records import (
    EgressEntry,
    NewSandbox,
    SandboxRecord,
    SandboxStatus,
    SandboxUsage,
    Snapshot,
    WayOut,
)
from glia.sandboxes.screens import Reader as Reader  # noqa: PLC0414  # outsiders enter by the service
from glia.sandboxes.snapshots import Snapshots
from glia.sandboxes.terminals import Terminal as Terminal  # noqa: PLC0414  # outsiders enter by the service
from glia.sandboxes.terminals import Terminals
from glia.sandboxes.types import MIB, Command, Frame, Probe, SandboxId, SandboxSpec, Stats, TemplateState
from glia.sandboxes.workspace_files import WorkspaceFiles

__all__ = ["Reader", "Sandboxes", "Terminal"]

log = structlog.get_logger(__name__)

_DEFAULT_SPAN = timedelta(days=30)
_MOST_GROUPS = 1_000
_USUAL_TEMPLATES = ("python-data", "python", "shell")


class Sandboxes:
    """Entered through its own methods for lives, and `files`, `snapshots`, `artifacts`, `code`, `terminals`,
    `previews`."""

    def __init__(self, hosting: Hosting, files: Files, *, spool: Path, preview_key: bytes) -> None:
        """spool: a folder for what is on its way between a sandbox and the stored files."""
        read_allow_list(hosting.config.hosts, "GLIA_SANDBOX__ALLOW_HOSTS")  # a wrong one is told at the start
        self._hosting = hosting
        self._keeping = Keeping(hosting)
        self._db: Database = hosting.db
        self._config = hosting.config
        self._access = Access(hosting)
        self.use = self._access.use
        self.require = self._access.require
        self._probe: Probe | None = None
        self.files = WorkspaceFiles(self.use)
        self.snapshots = Snapshots(hosting.db, files, self.use, spool, hosting.config.snapshot_mib * MIB)
        self.consoles = Consoles(hosting.db)
        self.artifacts = Artifacts(hosting.db, files, spool, hosting.config.artifact_mib * MIB)
        self.previews = Previews(hosting, self.use, preview_key)
        self.terminals = Terminals(hosting.config, self.use)
        self.code = Code(hosting, self, self.snapshots, self.artifacts)

    # --- the process ------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Clears up after dead servers, and begins to look after what will live here."""
        await self._keeping.start()
        await self.previews.start()

    async def close(self) -> None:
        await self.previews.close()
        await self.terminals.stop()
        await self._keeping.stop()
        await self._hosting.close()
        try:
            await self._keeping.leave()
        except (Unavailable, psycopg.Error) as error:
            # The next process that looks finds this one dead, and puts its sandboxes to sleep.
            log.warning("that sandboxes have ended is not stored", error=str(error))

    async def warm_up(self) -> None:
        """Learns whether sandboxes work here, and starts those that are kept ready."""
        if (await self.probe()).is_available:
            self._hosting.pool.start(SandboxSpec(await self.usual_template(), keeps_workspace=True))

    @property
    def backend_name(self) -> str:
        return self._hosting.backend.name

    async def probe(self) -> Probe:
        self._probe = await self._hosting.backend.probe()
        return self._probe

    @property
    def is_offered(self) -> bool:
        """Whether agents are told that they can run code: not once it is known that they cannot."""
        return self._probe is None or self._probe.is_available

    async def require_available(self) -> None:
        """Raises SandboxUnavailable with the reason and the fix."""
        probe = await self.probe()
        if not probe.is_available:
            raise SandboxUnavailable(f"{probe.reason} {probe.fix}".strip(), reason=probe.reason, fix=probe.fix)

    async def templates(self, principal: Principal) -> Sequence[TemplateState]:
        principal.require("sandboxes:read")
        return await self._hosting.backend.templates()

    async def ready_templates(self) -> Sequence[TemplateState]:
        """Those that a sandbox can be made from now; for whoever tells the public what there is."""
        return [each for each in await self._hosting.backend.templates() if each.is_ready]

    async def usual_template(self) -> str:
        """What the operator has set, else the richest one that is built."""
        if self._config.template:
            return self._config.template
        ready = {each.name for each in await self._hosting.backend.templates() if each.is_ready}
        return next((name for name in _USUAL_TEMPLATES if name in ready), "python")

    # --- lives ------------------------------------------------------------------------------------------------------

    async def create(
        self, principal: Principal, wanted: NewSandbox, *, session_id: UUID | None = None
    ) -> SandboxRecord:
        """A sandbox that runs. Raises InvalidRequest, TooManySandboxes, SandboxUnavailable, TemplateMissing."""
        principal.require("sandboxes:write")
        check_new(wanted, self._config)
        await self.require_available()
        if wanted.snapshot_id is not None:
            await self.snapshots.get(principal, wanted.snapshot_id)
        template = wanted.template or await self.usual_template()
        record = new_record(self._hosting, principal, replace(wanted, template=template), session_id)
        async with self._hosting.lock(record.id):
            await insert(self._hosting, record)
            try:
                live = await self._hosting.start(record)
            except BaseException:
                async with self._db.transaction(record.workspace_id) as tx:
                    await queries.delete(tx, record.id)
                raise
        if wanted.snapshot_id is not None:
            try:
                await self.snapshots.restore_into(live, wanted.snapshot_id)
            except BaseException:
                await self.delete(principal, record.id)
                raise
        return self._access.shown(live)

    async def get(self, principal: Principal, id: UUID) -> SandboxRecord:
        record = await self._access.require(principal, id, "sandboxes:read")
        return (await self._access.as_they_are([record]))[0]

    async def list(
        self, principal: Principal, window: Window, *, session_id: UUID | None = None
    ) -> Page[SandboxRecord]:
        principal.require("sandboxes:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window, session_id)
        return page_of(await self._access.as_they_are(rows), window, lambda record: record.id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Kills it and removes its files; when it lives in this process, it is dead when this returns."""
        principal.require("sandboxes:write")
        async with self._hosting.lock(id):
            record = await self._access.require(principal, id)
            live = self._hosting.find(id)
            if live is not None:
                await self._hosting.end(live, SandboxStatus.STOPPED, "It was deleted.")
            async with self._db.transaction(principal.workspace_id) as tx:
                await queries.delete(tx, id)
            if live is None and record.host_id is None and record.machine == self._hosting.host.machine:
                await self._hosting.backend.remove_workspace(SandboxId(record.backend_id))

    async def exec(self, principal: Principal, id: UUID, command: Command) -> AsyncGenerator[Frame, None]:
        """The frames of a command; see `Sandbox.exec`. Closing it early kills the command."""
        principal.require("sandboxes:write")
        check_command(command)
        async with self.use(principal, id) as live:
            env = {**live.record.inner_env, **command.env}
            frames = live.box.exec(replace(command, env=env))
            try:
                async for frame in frames:
                    yield frame
            finally:
                await frames.aclose()

    async def signal(self, principal: Principal, id: UUID, *, pid: int, signal: int) -> None:
        await self.require(principal, id)
        if not 1 <= signal <= 64:
            raise InvalidRequest(f"`signal` is {signal}; it must be between 1 and 64.", field="signal")
        async with self.use(principal, id) as live:
            await live.box.signal(pid, signal)

    async def pause(self, principal: Principal, id: UUID) -> SandboxRecord:
        """Its processes stop where they are and its memory stays; nothing runs until it is resumed."""
        async with self.use(principal, id) as live:
            await self._hosting.pause(live)
            return self._access.shown(live)

    async def resume(self, principal: Principal, id: UUID) -> SandboxRecord:
        """Goes on after a pause. A sleeping sandbox is started again with its files."""
        async with self.use(principal, id) as live:
            await self._hosting.resume(live)
            return self._access.shown(live)

    async def extend(self, principal: Principal, id: UUID, seconds: int) -> SandboxRecord:
        """Sets the lease, which begins now and again with each use."""
        if not 1 <= seconds <= LONGEST_LEASE_SECONDS:
            raise InvalidRequest(
                f"`lease_seconds` is {seconds}; it must be between 1 and {LONGEST_LEASE_SECONDS}.",
                field="lease_seconds",
            )
        async with self.use(principal, id) as live:
            live.lease_seconds = seconds
            live.touch()
            async with self._db.transaction(principal.workspace_id) as tx:
                await queries.set_lease(tx, id, seconds, live.lease_until)
            return self._access.shown(live)

    async def stats(self, principal: Principal, id: UUID) -> tuple[Stats, WayOut]:
        """What it uses now. Looking does not extend its lease, and does not wake it. Raises SandboxGone asleep."""
        principal.require("sandboxes:read")
        record = await self.get(principal, id)
        live = self._hosting.find(id)
        if live is None:
            raise gone(record)
        passed = WayOut(dropped=live.decisions.dropped)
        if live.egress is not None:
            passed = replace(passed, sent_bytes=live.egress.sent_bytes, received_bytes=live.egress.received_bytes)
        return await live.box.stats(), passed

    async def egress_log(self, principal: Principal, id: UUID, window: Window) -> Page[EgressEntry]:
        """Newest first, up to this moment."""
        await self.get(principal, id)
        if live := self._hosting.find(id):
            await self._hosting.write_decisions(live)
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await kept_queries.decisions(tx, id, window)
        return page_of(rows, window, lambda entry: entry.id)

    async def usage(
        self,
        principal: Principal,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        group_by: str | None = None,
    ) -> Sequence[SandboxUsage]:
        """What all sandboxes took, written about once a minute. since: 30 days before `until` when not given."""
        principal.require("usage:read")
        until = until or clock.now()
        since = since or until - _DEFAULT_SPAN
        if since >= until:
            raise InvalidRequest("`since` must be before `until`.", field="since")
        if group_by not in {None, "day", "sandbox", "session"}:
            raise InvalidRequest(f"`group_by` {group_by!r} must be day, sandbox or session.", field="group_by")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await kept_queries.usage(tx, since, until, group_by, _MOST_GROUPS)
        return rows or ([] if group_by else [SandboxUsage(None, 0, 0.0, 0.0, 0.0)])

    # --- for the parts of this service ------------------------------------------------------------------------------

    async def fork_workspace(
        self, tx: Transaction, from_session: UUID, snapshot_id: UUID, to_session: UUID
    ) -> Snapshot:
        """Lets a session begin with another's files as they were at an event: the `snapshot_id` of `tool.returned`.

        Both are of the transaction's workspace. Nothing is copied: a snapshot never changes. Raises SnapshotNotFound,
        also when the session had so many that this one was given up.
        """
        return await self.snapshots.share(tx, snapshot_id, of_session=from_session, to_session=to_session)

    async def rewind_workspace(self, tx: Transaction, session_id: UUID, snapshot_id: UUID) -> Snapshot:
        """The next code of this session finds the files of that snapshot, in a new sandbox without variables."""
        taken = await self.snapshots.share(tx, snapshot_id, of_session=session_id, to_session=session_id)
        record = await queries.of_session(tx, session_id)
        if record is not None:
            await queries.delete(tx, record.id)  # whoever holds it ends it when it next looks
        return taken

    async def of_session(self, principal: Principal, session_id: UUID) -> SandboxRecord | None:
        """The sandbox that runs the code of a session's agent, unless it has stopped."""
        async with self._db.transaction(principal.workspace_id) as tx:
            record = await queries.of_session(tx, session_id)
        return None if record is None else (await self._access.as_they_are([record]))[0]

    async def give_up(self, record: SandboxRecord) -> None:
        """Forgets a sandbox that another process holds; that process ends it when it next looks."""
        async with self._db.transaction(record.workspace_id) as tx:
            await queries.delete(tx, record.id)
