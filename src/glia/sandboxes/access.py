"""Getting at a sandbox: the one that lives here, or one that sleeps and is started again; and how each is shown."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from glia.identity.types import Principal
from glia.kit import clock
from glia.sandboxes import queries
from glia.sandboxes.errors import SandboxElsewhere, SandboxGone, SandboxNotFound
from glia.sandboxes.hosting import Hosting
from glia.sandboxes.live import Live
from glia.sandboxes.place import is_alive
from glia.sandboxes.records import Host, SandboxRecord, SandboxStatus


class Access:
    def __init__(self, hosting: Hosting) -> None:
        self._hosting = hosting
        self._db = hosting.db

    @asynccontextmanager
    async def use(self, principal: Principal, id: UUID, scope: str = "sandboxes:write") -> AsyncGenerator[Live, None]:
        """The sandbox while it is used: it does not expire meanwhile. A sleeping one is started again.

        Raises SandboxNotFound, SandboxGone, SandboxElsewhere.
        """
        principal.require(scope)
        live = self._hosting.find(id)
        if live is None or live.record.workspace_id != principal.workspace_id or not live.box.is_alive:
            live = await self._awake(principal, id, scope)
        with live.in_use():
            yield live

    async def require(self, principal: Principal, id: UUID, scope: str = "sandboxes:write") -> SandboxRecord:
        """As it is stored. Raises SandboxNotFound before anything else about a request is looked at."""
        principal.require(scope)
        async with self._db.transaction(principal.workspace_id) as tx:
            record = await queries.get(tx, id)
        if record is None:
            raise _missing(id)
        return record

    def shown(self, live: Live) -> SandboxRecord:
        status = SandboxStatus.PAUSED if live.box.is_paused else SandboxStatus.RUNNING
        return replace(
            live.record,
            status=status,
            backend_id=live.box.id,
            lease_seconds=live.lease_seconds,
            lease_until=live.lease_until,
        )

    async def as_they_are(self, records: Sequence[SandboxRecord]) -> list[SandboxRecord]:
        """With what only this process knows, and those asleep whose process has died."""
        elsewhere = {each.host_id for each in records if each.host_id and self._hosting.find(each.id) is None}
        holders: list[Host] = []
        if elsewhere:
            async with self._db.across_workspaces() as tx:
                holders = await queries.hosts(tx, list(elsewhere))
        alive = {holder.id for holder in holders if is_alive(holder, self._hosting.host)}
        shown: list[SandboxRecord] = []
        for record in records:
            live = self._hosting.find(record.id)
            if live is not None:
                here = self.shown(live)
                shown.append(replace(record, status=here.status, lease_until=here.lease_until))
            elif record.host_id is not None and record.host_id not in alive:
                reason = "The server that ran it has died; the files are kept on its machine."
                shown.append(replace(record, status=SandboxStatus.SLEEPING, reason=reason))
            else:
                shown.append(record)
        return shown

    async def _awake(self, principal: Principal, id: UUID, scope: str) -> Live:
        async with self._hosting.lock(id):
            record = await self.require(principal, id, scope)
            live = self._hosting.find(id)
            if live is not None and live.box.is_alive:
                return live
            if live is not None:
                await self._hosting.end(live, SandboxStatus.SLEEPING, "Its processes had ended.")
                record = replace(record, status=SandboxStatus.SLEEPING, host_id=None)
            return await self._wake(record)

    async def _wake(self, record: SandboxRecord) -> Live:
        """Starts a sleeping sandbox over its files. Its lock is held."""
        if record.status is SandboxStatus.STOPPED:
            raise gone(record)
        await self._require_here(record)
        until = clock.now() + timedelta(seconds=record.lease_seconds)
        async with self._db.transaction(record.workspace_id) as tx:
            is_ours = await queries.take_over(
                tx, record.id, old=record.host_id, new=self._hosting.host, lease_until=until
            )
        if not is_ours:
            raise SandboxElsewhere("Another server process has just started this sandbox; ask that one.")
        record = replace(record, host_id=self._hosting.host.id, lease_until=until)
        try:
            return await self._hosting.start(record)
        except BaseException:
            async with self._db.transaction(record.workspace_id) as tx:
                await queries.set_status(tx, record.id, SandboxStatus.SLEEPING, host_id=self._hosting.host.id)
            raise

    async def _require_here(self, record: SandboxRecord) -> None:
        me = self._hosting.host
        if record.host_id is not None and record.host_id != me.id:
            async with self._db.across_workspaces() as tx:
                holders = await queries.hosts(tx, [record.host_id])
            if any(is_alive(holder, me) for holder in holders):
                raise SandboxElsewhere(
                    f"The sandbox '{record.id}' runs in another server process, {record.host_name}; ask that one.",
                    host=record.host_name,
                )
        if record.machine != me.machine:
            raise SandboxElsewhere(
                f"The files of the sandbox '{record.id}' are on another machine, that of {record.host_name}.",
                host=record.host_name,
            )


def _missing(id: UUID) -> SandboxNotFound:
    return SandboxNotFound(f"There is no sandbox '{id}' in this workspace.", sandbox_id=str(id))


def gone(record: SandboxRecord) -> SandboxGone:
    why = record.reason or f"It is {record.status.value}."
    return SandboxGone(f"The sandbox '{record.id}' does not live: {why}", sandbox_id=str(record.id))
