"""Signing in with a password, and staying signed in with refresh tokens that work once."""

from __future__ import annotations

from uuid import UUID

import structlog

from glia.identity import audit, queries
from glia.identity.access_tokens import LIFETIME_SECONDS, AccessTokens, Claims
from glia.identity.backoff import Backoff
from glia.identity.errors import WrongCredentials
from glia.identity.key_looks import hash_of, random_text
from glia.identity.passwords import Passwords
from glia.identity.types import Principal, Tokens, User
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from glia.kit.origin import address

REFRESH_LIFETIME_SECONDS = 30 * 86400
_REFRESH_PREFIX = "glr_"

log = structlog.get_logger()


class SignIn:
    def __init__(self, db: Database, passwords: Passwords, tokens: AccessTokens) -> None:
        self._db = db
        self._passwords = passwords
        self._tokens = tokens
        # The wait is for an email from one address, so that a stranger's guesses do not lock somebody out for
        # long. The other two, far more patient, are for guessers with many addresses or many emails.
        self._by_both = Backoff(free=5, longest_wait_seconds=900)
        self._by_email = Backoff(free=50, longest_wait_seconds=60)
        self._by_client = Backoff(free=50, longest_wait_seconds=900)

    async def sign_in(self, email: str, password: str, client: str, lifetime_seconds: int = LIFETIME_SECONDS) -> Tokens:
        email = email.strip()[:254].replace("\x00", "")
        name = email.lower()
        counts = [(self._by_both, f"{client} {name}"), (self._by_email, name)]
        if client:
            counts.append((self._by_client, client))
        for backoff, who in counts:
            backoff.require(who)
        # Counted before the slow check, so that many guesses at once do not all slip through.
        for backoff, who in counts:
            backoff.failed(who)
        tokens = await self._check(email, password, lifetime_seconds)
        self._by_both.succeeded(f"{client} {name}")
        self._by_email.succeeded(name)
        # Not cleared: whoever has one account could otherwise clear it between guesses at the others.
        self._by_client.uncount(client)
        return tokens

    async def refresh(self, raw: str) -> Tokens:
        if len(raw) > 200 or not raw.startswith(_REFRESH_PREFIX):
            raise _refused()
        async with self._db.across_workspaces() as tx:
            found = await queries.find_refresh(tx, hash_of(raw))
        if found is None:
            raise _refused()
        async with self._db.transaction(found.workspace_id) as tx:
            user = await queries.hold_user(tx, found.user_id)
            if user is not None and await queries.use_refresh(tx, found.id):
                return await self._issue(tx, found.workspace_id, user, family_id=found.family_id)
            # Two hold the same token, and one of them stole it: end the sign-in for both. Leaving the block without
            # an error keeps the revocation.
            if await queries.was_used(tx, found.id):
                await queries.revoke_family(tx, found.family_id)
                server = Principal(found.workspace_id, found.workspace_id, frozenset())
                await audit.record(
                    tx, server, "user.signed_out", f"user:{found.user_id}", reason="a refresh token came twice"
                )
        raise _refused()

    async def sign_out(self, raw: str) -> None:
        async with self._db.across_workspaces() as tx:
            found = await queries.find_refresh(tx, hash_of(raw))
        if found is None:
            return
        async with self._db.transaction(found.workspace_id) as tx:
            await queries.revoke_family(tx, found.family_id)

    async def _check(self, email: str, password: str, lifetime_seconds: int) -> Tokens:
        """The same steps for an email that nobody has, up to the answer."""
        async with self._db.across_workspaces() as tx:
            login = await queries.find_login(tx, email)
        if not await self._passwords.is_right(password, login and login.password_hash) or login is None:
            log.info("sign-in refused", user=str(login.id) if login else None)
            raise WrongCredentials("The email or the password is wrong.")
        fresh = await self._passwords.hash(password) if self._passwords.is_outdated(login.password_hash) else None
        async with self._db.transaction(login.workspace_id) as tx:
            user = await queries.hold_user(tx, login.id, password_hash=login.password_hash)
            if user is None:
                raise WrongCredentials("The email or the password is wrong.")
            await queries.delete_expired_refresh(tx, user.id)
            tokens = await self._issue(
                tx, login.workspace_id, user, family_id=new_id(), lifetime_seconds=lifetime_seconds
            )
            who = Principal(login.workspace_id, login.workspace_id, frozenset(), user.id)
            await audit.record(tx, who, "user.signed_in", f"user:{user.id}")
        if fresh is not None:
            async with self._db.transaction(login.workspace_id) as tx:
                await queries.rehash(tx, login.id, old=login.password_hash, new=fresh)
        return tokens

    async def _issue(
        self,
        tx: Transaction,
        workspace_id: UUID,
        user: User,
        *,
        family_id: UUID,
        lifetime_seconds: int = LIFETIME_SECONDS,
    ) -> Tokens:
        account = await queries.account(tx, user.id)
        if account is None:
            raise WrongCredentials("This workspace has no project to sign in to; ask the operator.")
        raw = _REFRESH_PREFIX + random_text()
        await queries.insert_refresh(
            tx,
            id=new_id(),
            workspace_id=workspace_id,
            user_id=user.id,
            family_id=family_id,
            token_hash=hash_of(raw),
            seconds=REFRESH_LIFETIME_SECONDS,
            address=address(),
        )
        access = self._tokens.issue(Claims(user.id, workspace_id, account.token_generation), lifetime_seconds)
        return Tokens(access, raw, lifetime_seconds, user)


def _refused() -> WrongCredentials:
    return WrongCredentials("The refresh token has expired, was used before or was revoked; sign in again.")
