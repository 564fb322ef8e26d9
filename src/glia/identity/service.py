"""Identity: the first workspace, signing in, and who is behind a credential."""

from __future__ import annotations

import secrets as random
from uuid import UUID

from glia.identity import audit, audit_queries, keys, queries
from glia.identity.access_tokens import LIFETIME_SECONDS, AccessTokens
from glia.identity.authentication import Authentication, credential_in
from glia.identity.backoff import Backoff
from glia.identity.errors import RegistrationClosed, WorkspaceNotFound
from glia.identity.idempotency import LARGEST_KEPT_BYTES, Answer, Claim, IdempotentAnswers, StillInProgress
from glia.identity.key_looks import new_key
from glia.identity.keys import Keys
from glia.identity.limits import RateLimits
from glia.identity.passwords import Passwords, check
from glia.identity.plans import PlanSettings, WorkspacePlans
from glia.identity.rights import SCOPES_OF
from glia.identity.secrets import Secrets, load_secrets
from glia.identity.sign_in import SignIn
from glia.identity.types import (
    AuditEntry,
    AuditFilter,
    Authenticated,
    Credentials,
    Principal,
    Role,
    Tokens,
    system_principal,
)
from glia.identity.users import Users, checked_email
from glia.identity.workspaces import LONGEST_NAME, Workspaces, checked_name, checked_text
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.kit.slugs import slug_of

__all__ = [
    "CHANNEL",
    "LARGEST_KEPT_BYTES",
    "Answer",
    "Claim",
    "IdempotentAnswers",
    "Identity",
    "PlanSettings",
    "RateLimits",
    "StillInProgress",
    "note_change",
    "open_identity",
]

note_change = audit.record
"""What other slices write into the audit log, in the transaction that makes the change."""

CHANNEL = queries.CHANNEL
"""Notifications on it go to `Identity.forget`."""


class Identity:
    """Entered through `workspaces`, `plans`, `users` and `keys` once inside, and its own methods for getting in."""

    def __init__(
        self,
        db: Database,
        secrets: Secrets,
        *,
        passwords: Passwords | None = None,
        is_registration_open: bool = False,
        plan: PlanSettings | None = None,
    ) -> None:
        """is_registration_open: anybody who reaches the server may make themselves a workspace.

        plan: of workspaces without one of their own.
        """
        self._db = db
        self._is_registration_open = is_registration_open
        self._registrations = Backoff(free=5, longest_wait_seconds=3600)
        self._passwords = passwords or Passwords()
        tokens = AccessTokens(secrets.derive("access token"))
        self._authentication = Authentication(db, tokens)
        self._sign_in = SignIn(db, self._passwords, tokens)
        self.workspaces = Workspaces(db)
        self.plans = WorkspacePlans(db, self.workspaces, self.forget, plan or PlanSettings())
        self.users = Users(db, self._passwords, self.forget)
        self.keys = Keys(db, self.forget)

    # --- getting in -------------------------------------------------------------------------------------------------

    async def bootstrap(self, name: str = "Home", email: str = "admin@localhost") -> Credentials | None:
        """The first workspace with its admin and a key, or None when there is a workspace already.

        Safe in several processes at once: one of them makes it, whole or not at all.
        """
        return await self._found(name, email, only_first=True)

    async def create_workspace(self, name: str, email: str) -> Credentials:
        """A further workspace. For the operator's command line: no surface may offer it without a rule of its own."""
        made = await self._found(name, email, only_first=False)
        if made is None:
            raise LookupError("A workspace that is made whether or not there are others was not made.")
        return made

    async def register(self, email: str, password: str, *, name: str = "", client: str = "") -> Tokens:
        """Signs somebody in as the admin of a new workspace of their own. client: as for `sign_in`.

        Raises RegistrationClosed unless the operator has opened registration, EmailTaken, RateLimited.
        """
        if not self._is_registration_open:
            raise RegistrationClosed(
                "Registration is closed on this server. Ask its operator for a user, or to set GLIA_REGISTRATION=open."
            )
        email, name = checked_email(email), checked_text(name, "name").strip()
        check(password)
        self._registrations.require(client)
        self._registrations.failed(client)  # counted whether it succeeds or not: each makes a workspace
        password_hash = await self._passwords.hash(password)
        title = checked_name((name or email.partition("@")[0])[:LONGEST_NAME])
        async with self._db.across_workspaces() as tx:
            workspace_id, _ = await _insert_workspace(tx, title)
            await queries.enter(tx, workspace_id)
            await self._settle(tx, workspace_id, email=email, password_hash=password_hash, name=name[:LONGEST_NAME])
        return await self.sign_in(email, password, client=client)

    async def operator(self, slug: str | None = None) -> Principal:
        """Who the command line acts as: everything, in the workspace with this slug or in the first one."""
        async with self._db.across_workspaces() as tx:
            id = await queries.find_workspace_id(tx, slug)
        if id is not None:
            async with self._db.transaction(id) as tx:
                project_id = await queries.first_project_id(tx)
            if project_id is not None:
                return Principal(id, project_id, SCOPES_OF[Role.ADMIN], is_operator=True)
        which = "no workspace yet; start `glia serve` once" if slug is None else f"no workspace {slug!r}"
        raise WorkspaceNotFound(f"There is {which}.", workspace=slug)

    async def sign_in(
        self, email: str, password: str, *, client: str = "", lifetime_seconds: int = LIFETIME_SECONDS
    ) -> Tokens:
        """Raises WrongCredentials, or RateLimited after repeated failures.

        client: where the request comes from, such as the peer's address; failures are counted per email and client.
        lifetime_seconds: of the access token.
        """
        return await self._sign_in.sign_in(email, password, client, lifetime_seconds)

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token, which works once. One that comes twice ends the whole sign-in."""
        return await self._sign_in.refresh(refresh_token)

    async def sign_out(self, refresh_token: str) -> None:
        """No refresh token of this sign-in works any more; its last access token does for up to 15 minutes."""
        await self._sign_in.sign_out(refresh_token)

    # --- who is it --------------------------------------------------------------------------------------------------

    async def authenticate(self, authorization: str | None = None, api_key: str | None = None) -> Authenticated:
        """Who sends these values of `Authorization` and `X-API-Key`. Raises Unauthorized."""
        return await self._authentication.credential(credential_in(authorization, api_key))

    async def authenticate_key(self, raw: str) -> Authenticated:
        return await self._authentication.key(raw)

    async def authenticate_token(self, jwt: str) -> Authenticated:
        return await self._authentication.token(jwt)

    async def is_home(self, workspace_id: UUID) -> bool:
        """Whether this is the workspace that the installation began with, whose admins look after all of it."""
        async with self._db.across_workspaces() as tx:
            return await queries.first_workspace(tx) == workspace_id

    def forget(self, what: str) -> None:
        """Drops what is remembered of a key (its hash in hex) or of everything (`*`).

        For the process's listener: call it with every payload from CHANNEL, and with `*` after each reconnection.
        """
        self._authentication.forget(what)

    async def flush_last_used(self) -> int:
        """Writes when keys were last used, accurate to a minute. Call it every few seconds; cheap when idle."""
        used = self._authentication.take_used()
        if not used:
            return 0
        async with self._db.across_workspaces() as tx:
            return await queries.set_last_used(tx, used)

    async def audit_log(
        self, principal: Principal, window: Window, only: AuditFilter | None = None
    ) -> Page[AuditEntry]:
        """Newest first."""
        principal.require("identity:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await audit_queries.audit_log(tx, window, only or AuditFilter())
        return page_of(rows, window, lambda entry: entry.id)

    # --- a new workspace --------------------------------------------------------------------------------------------

    async def _found(self, name: str, email: str, *, only_first: bool) -> Credentials | None:
        name, email = checked_name(name), checked_email(email)
        if only_first:
            async with self._db.across_workspaces() as tx:
                if await queries.has_workspace(tx):
                    return None
        password = random.token_urlsafe(15)
        password_hash = await self._passwords.hash(password)
        async with self._db.across_workspaces() as tx:
            await queries.lock(tx, "bootstrap")
            if only_first and await queries.has_workspace(tx):
                return None
            workspace_id, slug = await _insert_workspace(tx, name)
            await queries.enter(tx, workspace_id)
            raw = await self._fill(tx, workspace_id, email=email, password_hash=password_hash)
        return Credentials(slug, email, password, raw)

    async def _fill(self, tx: Transaction, workspace_id: UUID, *, email: str, password_hash: str) -> str:
        """Gives a new workspace its project, admin and key; the key's text."""
        owner = await self._settle(tx, workspace_id, email=email, password_hash=password_hash)
        fresh = new_key("native")
        await keys.insert(tx, owner, fresh, name="First key", settled=(SCOPES_OF[Role.ADMIN], Role.ADMIN))
        return fresh.raw

    async def _settle(
        self, tx: Transaction, workspace_id: UUID, *, email: str, password_hash: str, name: str = ""
    ) -> Principal:
        """Gives a new workspace its project and its admin, who is returned."""
        project_id = new_id()
        operator = system_principal(workspace_id, project_id)
        await queries.insert_project(tx, project_id, workspace_id=workspace_id, name="Default", slug="default")
        user = await self.users.insert(
            tx, operator, email=email, password_hash=password_hash, role=Role.ADMIN, name=name, is_owner=True
        )
        await audit.record(tx, operator, "workspace.created", f"workspace:{workspace_id}")
        return Principal(workspace_id, project_id, SCOPES_OF[Role.ADMIN], user.id)


async def open_identity(db: Database, secret_key: str | None, plan: PlanSettings | None = None) -> Identity:
    """Identity alone, for a command that needs nothing else. secret_key: GLIA_SECRET_KEY, if the operator set it."""
    return Identity(db, await load_secrets(db, secret_key), plan=plan)


async def _insert_workspace(tx: Transaction, name: str) -> tuple[UUID, str]:
    """The name's slug when it is free, else with a suffix."""
    id = new_id()
    slug = slug_of(name, "workspace")
    if not await queries.insert_workspace(tx, id, name=name, slug=slug):
        slug = f"{slug}-{id.hex[-8:]}"
        await queries.insert_workspace(tx, id, name=name, slug=slug)
    return id, slug
