"""A new sandbox as it is first stored."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec

from glia.identity.types import Principal
from glia.kit import clock
from glia.kit.ids import new_id
from glia.sandboxes import queries
from glia.sandboxes.checks import sent
from glia.sandboxes.errors import TooManySandboxes
from glia.sandboxes.hosting import Hosting, seal_context
from glia.sandboxes.records import NewSandbox, SandboxRecord, SandboxStatus, SecretShown


def new_record(hosting: Hosting, principal: Principal, wanted: NewSandbox, session_id: UUID | None) -> SandboxRecord:
    """Held by this process, with its secrets sealed."""
    id, host = new_id(), hosting.host
    lease = wanted.lease_seconds or hosting.config.lease_seconds
    sealed = None
    if wanted.secrets:
        values = msgspec.json.encode({secret.name: sent(secret) for secret in wanted.secrets})
        sealed = hosting.seal(values, seal_context(id))
    return SandboxRecord(
        id=id,
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        session_id=session_id,
        name=wanted.name,
        template=wanted.template,
        status=SandboxStatus.STARTING,
        reason="",
        limits=wanted.limits,
        env=dict(wanted.env),
        allow_hosts=wanted.allow_hosts,
        secrets=tuple(SecretShown(each.name, each.hosts, each.header, each.scheme) for each in wanted.secrets),
        metadata=dict(wanted.metadata),
        backend=hosting.backend.name,
        backend_id=str(id),
        host_id=host.id,
        host_name=host.name,
        machine=host.machine,
        lease_seconds=lease,
        lease_until=clock.now() + timedelta(seconds=lease),
        on_timeout=wanted.on_timeout,
        created_by=principal.name,
        created_at=clock.now(),
        started_at=None,
        ended_at=None,
        sealed_secrets=sealed,
    )


async def insert(hosting: Hosting, record: SandboxRecord) -> None:
    """Raises TooManySandboxes when the workspace has its share already."""
    async with hosting.db.transaction(record.workspace_id) as tx:
        await queries.lock_workspace(tx, record.workspace_id)
        if await queries.count_living(tx) >= hosting.config.most_per_workspace:
            raise TooManySandboxes(
                f"This workspace has {hosting.config.most_per_workspace} sandboxes, the most it may have; delete one"
                " that is not needed."
            )
        await queries.insert(tx, record)
