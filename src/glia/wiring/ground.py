"""What everything else stands on: settings, database, the way out, secrets, models, and what is spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from glia.files.service import Files
from glia.identity.secrets import Secrets, load_secrets
from glia.identity.service import Identity, PlanSettings
from glia.identity.types import Plan
from glia.kit.db import Database, Transaction
from glia.kit.outbound import Outbound, OutboundPolicy
from glia.models.embedded import EmbeddedModel
from glia.models.service import Configuration, Models, read_configuration
from glia.runs.service import Runs
from glia.settings import Settings
from glia.usage.meter import Meter
from glia.usage.service import Spending, Usage


@dataclass(frozen=True)
class Ground:
    settings: Settings
    environment: Mapping[str, str]
    data_dir: Path
    app_url: str
    db: Database
    outbound: Outbound
    sandbox_outbound: Outbound
    secrets: Secrets
    identity: Identity
    providers: Configuration
    models: Models
    spending: Spending
    files: Files
    usage: Usage
    meter: Meter
    jobs: StartJob


async def lay_ground(settings: Settings, environment: Mapping[str, str], app_url: str, data_dir: Path) -> Ground:
    db = Database(app_url, largest_pool=settings.database_pool, timeout_seconds=settings.database_wait_seconds)
    await db.open()
    outbound, providers = _outbound(settings), read_configuration(environment)
    secrets = await load_secrets(db, settings.secret_key)
    spending = Spending(db, settings.budgets)
    return Ground(
        settings=settings,
        environment=environment,
        data_dir=data_dir,
        app_url=app_url,
        db=db,
        outbound=outbound,
        sandbox_outbound=_outbound(settings, refuses_own=True),
        secrets=secrets,
        identity=_identity(settings, db, secrets),
        providers=providers,
        models=Models(outbound, providers, embedded=EmbeddedModel()),
        spending=spending,
        files=Files(db),
        usage=Usage(db),
        meter=Meter(db, is_limited=spending.was_limited),
        jobs=StartJob(),
    )


def _identity(settings: Settings, db: Database, secrets: Secrets) -> Identity:
    limits = settings.limits
    plan = PlanSettings(Plan(limits.plan), limits.enterprise_requests_per_minute)
    return Identity(db, secrets, is_registration_open=settings.registration == "open", plan=plan)


class StartJob:
    """Knowledge lies below runs and yet starts some: this closes the circle once both exist."""

    runs: Runs

    async def __call__(
        self, tx: Transaction, *, workspace_id: UUID, project_id: UUID, kind: str, input: dict[str, object]
    ) -> UUID:
        return await self.runs.start_job(tx, workspace_id=workspace_id, project_id=project_id, kind=kind, input=input)


def _outbound(settings: Settings, *, refuses_own: bool = False) -> Outbound:
    return Outbound(replace(OutboundPolicy.from_setting(settings.outbound_allow), refuses_own=refuses_own))
