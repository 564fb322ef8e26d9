"""What is tried to find out how each service is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from glia.health.service import ServicesHealth
from glia.health.types import Check, Finding
from glia.identity.access_tokens import AccessTokens, Claims
from glia.identity.secrets import Secrets
from glia.kit.db import Database
from glia.kit.errors import GliaError, Unavailable
from glia.kit.ids import new_id
from glia.models.service import Models
from glia.models.types import ModelRequest, ModelSettings, UserMessage
from glia.storage.service import Objects

_BEHIND = "3 hours"
_MANY_WAIT = 20
_NODE_COMES_WITHIN = "1 minute"
_EMBEDDED = "glia/embedded"


def health_of(db: Database, secrets: Secrets, objects: Objects, models: Models) -> ServicesHealth:
    attempts = Attempts(db, secrets, objects, models)
    services: Mapping[str, Sequence[Check]] = {
        "auth": (Check("access-tokens", attempts.tokens), Check("users", attempts.users)),
        "iam": (Check("workspaces", attempts.workspaces), Check("isolation", attempts.isolation)),
        "kms": (Check("seal", attempts.seal),),
        "billing": (Check("bookings", attempts.bookings),),
        "compute": (Check("nodes", attempts.nodes), Check("workers", attempts.workers)),
        "storage": (Check("round-trip", attempts.store),),
        "database": (Check("query", attempts.query), Check("connections", attempts.connections)),
        "ai-network": (
            Check("embedded-model", attempts.embedded),
            Check("default-model", attempts.default_model, is_vital=False),
            Check("providers", attempts.providers, is_vital=False),
        ),
    }
    return ServicesHealth(services)


class Attempts:
    def __init__(self, db: Database, secrets: Secrets, objects: Objects, models: Models) -> None:
        self._db = db
        self._secrets = secrets
        self._objects = objects
        self._models = models

    async def tokens(self) -> Finding:
        """Signs an access token and reads it; one that was changed must not be read."""
        tokens = AccessTokens(self._secrets.derive("access token"))
        claims = Claims(new_id(), new_id(), 0)
        if tokens.read(tokens.issue(claims)) != claims:
            raise Unavailable("An access token is read as another one.")
        return Finding()

    async def users(self) -> Finding:
        async with self._db.across_workspaces() as tx:
            await tx.value("select exists (select from users where is_active)")
        return Finding()

    async def workspaces(self) -> Finding:
        async with self._db.across_workspaces() as tx:
            if not await tx.value("select exists (select from workspaces)"):
                return Finding("There is no workspace yet.", is_degraded=True)
        return Finding()

    async def isolation(self) -> Finding:
        """From inside a workspace that is not there, nothing can be seen."""
        async with self._db.transaction(new_id()) as tx:
            sees = await tx.value("select exists (select from users) or exists (select from api_keys)")
        if sees:
            raise Unavailable("Row-level security does not hold: the database role may see every workspace.")
        return Finding()

    async def seal(self) -> Finding:
        """Encrypts and decrypts; under another context it must not open."""
        secret, context = new_id().bytes, f"health:{new_id()}"
        sealed = self._secrets.seal(secret, context)
        if self._secrets.open(sealed, context) != secret or secret in sealed:
            raise Unavailable("What was sealed does not open as it was.")
        try:
            self._secrets.open(sealed, f"{context}x")
        except GliaError:
            return Finding()
        raise Unavailable("What was sealed opens in another place.")

    async def bookings(self) -> Finding:
        async with self._db.across_workspaces() as tx:
            behind = await tx.value(
                """
                select count(*) from workspaces w left join billing_accounts a on a.workspace_id = w.id
                where coalesce(a.booked_until, w.created_at) < now() - %(behind)s::interval""",
                behind=_BEHIND,
            )
        if behind:
            return Finding(f"{behind} workspaces have use of more than {_BEHIND} ago to book.", is_degraded=True)
        return Finding()

    async def nodes(self) -> Finding:
        """Nodes that have told within their lease that they live. There need be none until something is deployed."""
        async with self._db.across_workspaces() as tx:
            alive = await tx.value("select count(*) from fleet_nodes where lease_until > now()")
            fit = await tx.value("select count(*) from fleet_nodes where lease_until > now() and problem = ''")
            waiting = await tx.value(
                """
                select count(*) from deployments where is_wanted and replicas > 0
                  and changed_at < now() - %(grace)s::interval""",
                grace=_NODE_COMES_WITHIN,
            )
        if fit:
            bad = alive - fit
            return Finding(f"{bad} of {alive} nodes cannot run programs." if bad else f"Nodes: {alive}.", bad > 0)
        if waiting:
            raise Unavailable(f"No node can run programs, and {waiting} deployments wait for one; see `glia doctor`.")
        if alive:
            return Finding("No node of this installation can run programs; see `glia doctor`.", is_degraded=True)
        return Finding("No node runs; one is started when something is deployed.")

    async def workers(self) -> Finding:
        async with self._db.across_workspaces() as tx:
            alive = await tx.value("select count(*) from workers where lease_until > now()")
        if not alive:
            raise Unavailable("No worker executes runs.")
        return Finding(f"Workers: {alive}.")

    async def store(self) -> Finding:
        await self._objects.probe()
        return Finding()

    async def query(self) -> Finding:
        """Writes and reads, as far as one transaction sees."""
        async with self._db.transaction(new_id()) as tx:
            await tx.value("select set_config('glia.health', %(text)s, true)", text="well")
            if await tx.value("select current_setting('glia.health')") != "well":
                raise Unavailable("The database does not give back what it was given.")
        return Finding()

    async def connections(self) -> Finding:
        pool = self._db.pool_stats()
        text = f"{pool.size - pool.free} of {pool.size} connections are in use, {pool.waiting} requests wait for one."
        return Finding(text, is_degraded=pool.waiting > _MANY_WAIT)

    async def default_model(self) -> Finding:
        """Which model answers where none is named."""
        return Finding(f"{(await self._models.resolve(None)).id} answers where no model is named.")

    async def embedded(self) -> Finding:
        """Has the built-in model answer."""
        settings = ModelSettings(max_output_tokens=16)
        request = ModelRequest("embedded", (UserMessage("Are you there?"),), settings=settings)
        async with aclosing(self._models.stream(_EMBEDDED, request)) as events:
            async for _ in events:
                return Finding()
        raise Unavailable("The built-in model says nothing.")

    async def providers(self) -> Finding:
        """Providers that were configured and do not say what models they have."""
        silent = await self._models.silent_providers()
        if silent:
            return Finding(f"No list of models comes from {', '.join(silent)}.", is_degraded=True)
        return Finding()
