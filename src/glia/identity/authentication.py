"""From a key or access token to the principal behind it, mostly without asking the database."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from glia.identity import queries
from glia.identity.access_tokens import AccessTokens, Claims
from glia.identity.errors import WrongCredentials
from glia.identity.key_looks import hash_of, looks_like_a_key
from glia.identity.recent import Recent
from glia.identity.rights import SCOPES_OF
from glia.identity.types import Authenticated, Principal
from glia.kit.clock import monotonic, now
from glia.kit.db import Database
from glia.kit.errors import Unauthorized

# How long a revoked key could still work in a process whose notifications are broken.
SAFETY_SECONDS = 60
MOST_REMEMBERED = 10_000
# Unknown keys are looked up at most this many at a time, so that a flood of them leaves connections for the others.
_LOOKUPS_AT_ONCE = 8


class Authentication:
    def __init__(self, db: Database, tokens: AccessTokens, clock: Callable[[], float] = monotonic) -> None:
        self._db = db
        self._tokens = tokens
        # Unknown keys have a memory of their own, so that a flood of them does not push out the known ones.
        self._known: Recent[bytes, Authenticated] = Recent(largest=MOST_REMEMBERED, seconds=SAFETY_SECONDS, clock=clock)
        self._unknown: Recent[bytes, bool] = Recent(largest=MOST_REMEMBERED, seconds=SAFETY_SECONDS, clock=clock)
        self._users: Recent[UUID, tuple[int, Authenticated]] = Recent(
            largest=MOST_REMEMBERED, seconds=SAFETY_SECONDS, clock=clock
        )
        self._locks = [asyncio.Lock() for _ in range(_LOOKUPS_AT_ONCE)]
        self._forgotten = 0
        self._used: dict[UUID, float] = {}

    async def credential(self, text: str) -> Authenticated:
        """An access token has dots, a key never has."""
        return await self.token(text) if "." in text else await self.key(text)

    async def key(self, raw: str) -> Authenticated:
        if not looks_like_a_key(raw):
            raise _unknown_key()
        digest = hash_of(raw)
        found = self._known.get(digest)
        if found is None:
            found = await self._look_up_once(digest)
        key_id = found.key_id
        if key_id is not None and (key_id in self._used or len(self._used) < MOST_REMEMBERED):
            self._used[key_id] = time.time()
        return found

    async def token(self, jwt: str) -> Authenticated:
        claims = self._tokens.read(jwt)
        remembered = self._users.get(claims.user_id)
        # A token newer than what is remembered was made after a change that this process has yet to hear of.
        if remembered is None or claims.generation > remembered[0]:
            remembered = await self._look_up_user(claims)
        generation, found = remembered
        if claims.generation != generation or found.principal.workspace_id != claims.workspace_id:
            raise WrongCredentials("This sign-in was ended; sign in again.")
        return found

    def forget(self, what: str) -> None:
        """what: the hash of one key in hex, or `*` for everything."""
        self._forgotten += 1
        if what != "*":
            try:
                digest = bytes.fromhex(what)
            except ValueError:
                return self.forget("*")
            self._known.drop(digest)
            return self._unknown.drop(digest)
        self._known.clear()
        self._unknown.clear()
        return self._users.clear()

    def take_used(self) -> dict[UUID, datetime]:
        """Which keys were used since the last call, and when last."""
        used, self._used = self._used, {}
        return {id: datetime.fromtimestamp(at, UTC) for id, at in used.items()}

    async def _look_up_once(self, digest: bytes) -> Authenticated:
        """Many requests with one key that is not remembered ask the database once."""
        async with self._locks[digest[0] % _LOOKUPS_AT_ONCE]:
            if found := self._known.get(digest):
                return found
            if self._unknown.get(digest):
                raise _unknown_key()
            return await self._look_up(digest)

    async def _look_up(self, digest: bytes) -> Authenticated:
        forgotten = self._forgotten
        async with self._db.across_workspaces() as tx:
            owner = await queries.find_key(tx, digest)
        # What was read before a revocation must not be remembered after it.
        is_fresh = forgotten == self._forgotten
        if owner is None or not hmac.compare_digest(owner.key_hash, digest):
            if is_fresh:
                self._unknown.put(digest, True)
            raise _unknown_key()
        principal = Principal(
            owner.workspace_id, owner.project_id, owner.scopes, owner.user_id, owner.id, agent_id=owner.agent_id
        )
        found = Authenticated(principal, owner.rate_per_minute, owner.id, owner.plan, owner.plan_requests_per_minute)
        if is_fresh:
            left = None if owner.expires_at is None else (owner.expires_at - now()).total_seconds()
            self._known.put(digest, found, at_most_seconds=left)
        return found

    async def _look_up_user(self, claims: Claims) -> tuple[int, Authenticated]:
        forgotten = self._forgotten
        async with self._db.transaction(claims.workspace_id) as tx:
            account = await queries.account(tx, claims.user_id)
        if account is None:
            raise WrongCredentials("The user of this access token is not active; ask an admin of the workspace.")
        scopes = SCOPES_OF[account.role]
        principal = Principal(claims.workspace_id, account.project_id, scopes, claims.user_id)
        who = Authenticated(principal, plan=account.plan, plan_requests_per_minute=account.plan_requests_per_minute)
        found = (account.token_generation, who)
        if forgotten == self._forgotten:
            self._users.put(claims.user_id, found)
        return found


def credential_in(authorization: str | None, api_key: str | None) -> str:
    """The credential of a request: `Authorization: Bearer ...` (or `ApiKey ...`) before `X-API-Key`."""
    if authorization:
        scheme, _, credential = authorization.strip().partition(" ")
        credential = credential.strip()
        if scheme.lower() not in ("bearer", "apikey") or not credential:
            raise Unauthorized("The `Authorization` header is not `Bearer <key>`; send it in that form.")
        return credential
    if api_key and (credential := api_key.strip()):
        return credential
    raise Unauthorized("This needs a key; send it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")


def _unknown_key() -> WrongCredentials:
    return WrongCredentials("This key is unknown, expired or revoked; use another, or make one with `glia key create`.")
