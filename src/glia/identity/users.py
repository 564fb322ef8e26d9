"""The people of a workspace."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from glia.identity import audit, queries, user_queries
from glia.identity.backoff import Backoff
from glia.identity.errors import EmailTaken, UserNotFound, WrongCredentials
from glia.identity.owners import check_change, check_owner, require_may_change, require_owner, require_replaceable
from glia.identity.passwords import Passwords, check
from glia.identity.rights import SCOPES_OF, excess, require_within
from glia.identity.types import Principal, Role, SignedIn, User, UserChanges
from glia.identity.user_words import checked_email, checked_title, wanted_of
from glia.kit.db import Database, Transaction
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

__all__ = ["Users", "checked_email"]


class Users:
    def __init__(self, db: Database, passwords: Passwords, forget: Callable[[str], None]) -> None:
        """forget: called with `*` once a change is committed, so that this process acts on it at once."""
        self._db = db
        self._passwords = passwords
        self._forget = forget
        self._guesses = Backoff(free=5, longest_wait_seconds=900)

    async def create(
        self,
        principal: Principal,
        *,
        email: str,
        password: str,
        name: str = "",
        role: Role = Role.USER,
        is_owner: bool = False,
    ) -> User:
        """Raises EmailTaken; an email belongs to one user in the whole installation.

        is_owner: of an admin; only owners make owners.
        """
        principal.require("identity:write")
        require_within(principal, SCOPES_OF[role])
        check_owner(role, is_owner=is_owner)
        email = checked_email(email)
        name = checked_title(name)
        password_hash = await self._passwords.hash(password)
        async with self._db.transaction(principal.workspace_id) as tx:
            if is_owner:
                await require_owner(tx, principal)
            return await self.insert(
                tx,
                principal,
                email=email,
                password_hash=password_hash,
                name=name,
                role=role,
                is_owner=is_owner,
            )

    async def insert(
        self,
        tx: Transaction,
        principal: Principal,
        *,
        email: str,
        password_hash: str,
        role: Role,
        name: str = "",
        is_owner: bool = False,
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
            is_owner=is_owner,
        )
        if made is None:
            raise _taken(email)
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

    async def sign_ins(self, principal: Principal, id: UUID) -> list[SignedIn]:
        """Where a user is signed in; anybody may see their own. At most 1,000."""
        await self.get(principal, id)
        async with self._db.transaction(principal.workspace_id) as tx:
            return await user_queries.sign_ins(tx, id)

    async def end_sign_in(self, principal: Principal, id: UUID, sign_in_id: UUID) -> None:
        """No refresh token of it works any more; its last access token does for up to 15 minutes."""
        if id != principal.user_id:
            principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await user_queries.has_family(tx, id, sign_in_id):
                raise UserNotFound(f"There is no sign-in '{sign_in_id}' of this user.", user_id=str(id))
            if await queries.revoke_family(tx, sign_in_id):
                await audit.record(tx, principal, "user.signed_out", f"user:{id}", sign_in=str(sign_in_id))

    async def deactivate(self, principal: Principal, id: UUID) -> User:
        """Ends the user's sign-ins and revokes the keys that are theirs, everywhere at once.

        Raises LastAdmin for the only active admin of a workspace.
        """
        principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _replaceable(tx, principal, id)
            stopped = await queries.deactivate_user(tx, id)
            if stopped is None:
                return found
            keys = await queries.revoke_keys_of(tx, id)
            await queries.revoke_refresh_of(tx, id)
            await audit.record(tx, principal, "user.deactivated", f"user:{id}", keys_revoked=keys)
            await self._forget_all(tx)
        return stopped

    async def update(self, principal: Principal, id: UUID, changes: UserChanges) -> User:
        """Anybody who signed in may change their own email, name and password; the rest takes `identity:write`.

        A new password ends the user's sign-ins. Of a smaller role, the keys that exceed it are revoked. All of this
        is so everywhere at once. Raises EmailTaken, LastAdmin, LastOwner, WrongCredentials.
        """
        require_may_change(principal, id, changes)
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.user(tx, id)
        if found is None:
            raise _missing(id)
        if changes.current_password is not None and id == principal.user_id:
            await self._check_own(principal, changes.current_password)
        wanted = wanted_of(found, changes)
        password_hash = None if changes.password is None else await self._passwords.hash(changes.password)
        async with self._db.transaction(principal.workspace_id) as tx:
            admins = await queries.active_admins(tx)
            found = await queries.user(tx, id)
            if found is None:
                raise _missing(id)
            await check_change(tx, principal, found, wanted, admins, is_password_new=password_hash is not None)
            changed = await user_queries.update(tx, id, wanted, password_hash=password_hash)
            if changed is None:
                raise _taken(wanted.email)
            if password_hash is not None:
                await queries.revoke_refresh_of(tx, id)
            revoked = await _revoke_excess(tx, id, changed.role) if changed.role is not found.role else 0
            fields = {"role": changed.role.value, "is_active": changed.is_active, "keys_revoked": revoked}
            await audit.record(tx, principal, "user.updated", f"user:{id}", **fields)
            await self._forget_all(tx)
        return changed

    async def delete(self, principal: Principal, id: UUID) -> None:
        """The user is gone: sign-ins and keys open nothing any more, everywhere at once, and the email is free again.

        What they made stays. Raises LastAdmin, LastOwner.
        """
        principal.require("identity:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _replaceable(tx, principal, id)
            # Revoked first: the row's end leaves keys behind that belong to nobody.
            keys = await queries.revoke_keys_of(tx, id)
            await user_queries.delete(tx, id)
            await audit.record(tx, principal, "user.deleted", f"user:{id}", keys_revoked=keys)
            await self._forget_all(tx)

    async def _check_own(self, principal: Principal, current: str) -> None:
        id = principal.user_id
        if id is None:
            return
        async with self._db.transaction(principal.workspace_id) as tx:
            old = await queries.password_hash(tx, id)
        if old is None:
            raise _missing(id)
        await self._check_current(id, current, old)

    async def _forget_all(self, tx: Transaction) -> None:
        await queries.notify(tx, "*")
        tx.after_commit.append(lambda: self._forget("*"))

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
            await self._forget_all(tx)

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
            await self._forget_all(tx)

    async def _check_current(self, id: UUID, current: str, old: str) -> None:
        """A stolen access token must not be a way to guess the password at full speed."""
        name = str(id)
        self._guesses.require(name)
        self._guesses.failed(name)
        if not await self._passwords.is_right(current, old):
            raise WrongCredentials("The current password is wrong.", field="current_password")
        self._guesses.succeeded(name)


async def _revoke_excess(tx: Transaction, id: UUID, role: Role) -> int:
    """Keys that may do more than the role of the user whose they are."""
    keys = await user_queries.live_scopes(tx, id)
    return await user_queries.revoke(tx, [key.id for key in keys if excess(SCOPES_OF[role], key.scopes)])


def _taken(email: str) -> EmailTaken:
    return EmailTaken(f"There is already a user {email!r}; choose another email.", field="email")


def _missing(id: UUID) -> UserNotFound:
    return UserNotFound(f"There is no active user '{id}' in this workspace.", user_id=str(id))


async def _replaceable(tx: Transaction, principal: Principal, id: UUID) -> User:
    """The user, whom the workspace can do without. Raises UserNotFound, LastAdmin, LastOwner and Forbidden."""
    admins = await queries.active_admins(tx)
    found = await queries.user(tx, id)
    if found is None:
        raise _missing(id)
    await require_replaceable(tx, principal, found, admins)
    return found
