"""The people of a workspace."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID

from glia.identity import audit, queries
from glia.identity.backoff import Backoff
from glia.identity.errors import EmailTaken, LastAdmin, UserNotFound, WrongCredentials
from glia.identity.passwords import Passwords, check
from glia.identity.rights import SCOPES_OF, excess, require_within
from glia.identity.types import Principal, Role, SignedIn, User
from glia.identity.workspaces import LONGEST_NAME, checked_text
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,189}")


class Users:
    def __init__(self, db: Database, passwords: Passwords, forget: Callable[[str], None]) -> None:
        """forget: called with `*` once a change is committed, so that this process acts on it at once."""
        self._db = db
        self._passwords = passwords
        self._forget = forget
        self._guesses = Backoff(free=5, longest_wait_seconds=900)

    async def create(
        self, principal: Principal, *, email: str, password: str, name: str = "", role: Role = Role.USER
    ) -> User:
        """Raises EmailTaken; an email belongs to one user in the whole installation."""
        principal.require("identity:write")
        require_within(principal, SCOPES_OF[role])
        email = checked_email(email)
        if len(checked_text(name, "name")) > LONGEST_NAME:
            raise InvalidRequest(f"`name` has {len(name)} characters; the most is {LONGEST_NAME}.", field="name")
        password_hash = await self._passwords.hash(password)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await self.insert(
                tx, principal, email=email, password_hash=password_hash, name=name.strip(), role=role
            )

    async def insert(
        self, tx: Transaction, principal: Principal, *, email: str, password_hash: str, role: Role, name: str = ""
    ) -> User:
        """Keeps a user whose rights were checked, and says so in the audit log."""
        made = await queries.insert_user(
            tx,
            new_id(),
            workspace_id=principal.workspace_id,
            email=email,
            name=name,
            password_hash=password_hash,
            role=role,
        )
        if made is None:
            raise EmailTaken(f"There is already a user {email!r}; choose another email.", field="email")
        await audit.record(tx, principal, "user.created", f"user:{made.id}", role=role.value)
        return made

    async def get(self, principal: Principal, id: UUID) -> User:
        """Anybody may see themselves; seeing others takes `identity:read`."""
        if id != principal.user_id:
            principal.require("identity:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.user(tx, id)
        if found is None:
            raise _missing(id)
        return found

    async def list(self, principal: Principal, window: Window) -> Page[User]:
        principal.require("identity:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.users(tx, window)
        return page_of(rows, window, lambda user: user.id)

    async def update(
        self,
        principal: Principal,
        id: UUID,
        *,
        name: str | None = None,
        role: Role | None = None,
        is_active: bool | None = None,
    ) -> User:
        """Renames a user, gives them another role, or lets a deactivated one in again; None leaves as it is.

        A lower role revokes those of their keys that may more than it. Raises LastAdmin, and InvalidRequest for
        `is_active` false, which `deactivate` does.
        """
        principal.require("identity:write")
        if is_active is False:
            raise InvalidRequest("Deactivate a user to take their access away; that also ends keys.", field="is_active")
        if name is not None and len(checked_text(name, "name")) > LONGEST_NAME:
            raise InvalidRequest(f"`name` has {len(name)} characters; the most is {LONGEST_NAME}.", field="name")
        async with self._db.transaction(principal.workspace_id) as tx:
            admins = await queries.active_admins(tx)
            found = await queries.user(tx, id)
            if found is None:
                raise _missing(id)
            wanted = role or found.role
            require_within(principal, SCOPES_OF[wanted] | SCOPES_OF[found.role])
            if admins == [id] and wanted is not Role.ADMIN:
                raise LastAdmin(f"{found.email!r} is the only active admin; make another one first.")
            changed = await queries.update_user(
                tx,
                id,
                name=found.name if name is None else name.strip(),
                role=wanted,
                is_active=found.is_active if is_active is None else is_active,
            )
            if changed != found:
                revoked = await self._revoke_beyond(tx, id, wanted)
                await audit.record(
                    tx,
                    principal,
                    "user.updated",
                    f"user:{id}",
                    role=wanted.value,
                    is_active=changed.is_active,
                    keys_revoked=revoked,
                )
                await queries.notify(tx, "*")
                tx.after_commit.append(lambda: self._forget("*"))
        return changed

    async def _revoke_beyond(self, tx: Transaction, id: UUID, role: Role) -> int:
        """Revokes the keys of a user that may more than the role, and says how many."""
        revoked = 0
        for key in await queries.keys_of(tx, id):
            if excess(SCOPES_OF[role], key.scopes) is not None:
                await queries.revoke_key(tx, key.id)
                revoked += 1
        return revoked

    async def sign_ins(self, principal: Principal, id: UUID) -> list[SignedIn]:
        """Where a user is signed in; anybody may see their own. At most 1,000."""
        await self.get(principal, id)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.sign_ins(tx, id)

    async def end_sign_in(self, principal: Principal, id: UUID, sign_in_id: UUID) -> None:
        """No refresh token of it works any more; its last access token does for up to 15 minutes."""
        if id != principal.user_id:
            principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.has_family(tx, id, sign_in_id):
                raise UserNotFound(f"There is no sign-in '{sign_in_id}' of this user.", user_id=str(id))
            if await queries.revoke_family(tx, sign_in_id):
                await audit.record(tx, principal, "user.signed_out", f"user:{id}", sign_in=str(sign_in_id))

    async def deactivate(self, principal: Principal, id: UUID) -> User:
        """Ends the user's sign-ins and revokes the keys that are theirs, everywhere at once.

        Raises LastAdmin for the only active admin of a workspace.
        """
        principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            admins = await queries.active_admins(tx)
            found = await queries.user(tx, id)
            if found is None:
                raise _missing(id)
            if admins == [id]:
                raise LastAdmin(f"{found.email!r} is the only active admin; make another one first.")
            stopped = await queries.deactivate_user(tx, id)
            if stopped is None:
                return found
            keys = await queries.revoke_keys_of(tx, id)
            await queries.revoke_refresh_of(tx, id)
            await audit.record(tx, principal, "user.deactivated", f"user:{id}", keys_revoked=keys)
            await queries.notify(tx, "*")
            tx.after_commit.append(lambda: self._forget("*"))
        return stopped

    async def change_password(self, principal: Principal, id: UUID, new: str, *, current: str | None = None) -> None:
        """Changes one's own password, given the current one; that of another user takes `identity:write`.

        Ends all sign-ins of the user; API keys stay. Raises WrongCredentials when `current` is wrong.
        """
        check(new)
        is_own = id == principal.user_id
        if not is_own:
            principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.user(tx, id)
            old = await queries.password_hash(tx, id)
        if found is None or old is None:
            raise _missing(id)
        if is_own:
            await self._check_current(id, current or "", old)
        else:
            # Whoever sets the password of an admin can become that admin.
            require_within(principal, SCOPES_OF[found.role])
        fresh = await self._passwords.hash(new)
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.set_password(tx, id, fresh, instead_of=old if is_own else None):
                raise WrongCredentials("The password was changed meanwhile; try again with the new one.")
            await queries.revoke_refresh_of(tx, id)
            await audit.record(tx, principal, "user.password_changed", f"user:{id}")
            await queries.notify(tx, "*")
            tx.after_commit.append(lambda: self._forget("*"))

    async def sign_out(self, principal: Principal, id: UUID) -> None:
        """Ends all sign-ins of a user, everywhere at once; API keys stay. For others it takes `identity:write`."""
        if id != principal.user_id:
            principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.user(tx, id) is None:
                raise _missing(id)
            await queries.end_access(tx, id)
            await queries.revoke_refresh_of(tx, id)
            await audit.record(tx, principal, "user.signed_out", f"user:{id}")
            await queries.notify(tx, "*")
            tx.after_commit.append(lambda: self._forget("*"))

    async def _check_current(self, id: UUID, current: str, old: str) -> None:
        """A stolen access token must not be a way to guess the password at full speed."""
        name = str(id)
        self._guesses.require(name)
        self._guesses.failed(name)
        if not await self._passwords.is_right(current, old):
            raise WrongCredentials("The current password is wrong.", field="current_password")
        self._guesses.succeeded(name)


def checked_email(email: str) -> str:
    email = email.strip()
    if not _EMAIL.fullmatch(email):
        raise InvalidRequest(f"`email` {email[:254]!r} is not an email address.", field="email")
    return email


def _missing(id: UUID) -> UserNotFound:
    return UserNotFound(f"There is no active user '{id}' in this workspace.", user_id=str(id))
