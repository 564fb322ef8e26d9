"""Who may change whom: admins change users, owners change owners, and a workspace keeps one of each."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from glia.identity import user_queries
from glia.identity.errors import LastAdmin, LastOwner
from glia.identity.rights import SCOPES_OF, require_within
from glia.identity.types import EVERYTHING, Principal, Role, User, UserChanges
from glia.kit.db import Transaction
from glia.kit.errors import Forbidden, InvalidRequest


def check_owner(role: Role, *, is_owner: bool) -> None:
    if is_owner and role is not Role.ADMIN:
        raise InvalidRequest(f"An owner has the role `admin`, not {role.value!r}.", field="role")


def require_may_change(principal: Principal, id: UUID, changes: UserChanges) -> None:
    """A key of one's own is not enough to change oneself: whoever finds it could take the account over."""
    is_self = id == principal.user_id and principal.key_id is None and principal.agent_id is None
    if not is_self or any(field is not None for field in (changes.role, changes.is_owner, changes.is_active)):
        principal.require("identity:write")


async def require_owner(tx: Transaction, principal: Principal) -> None:
    """The operator is one, and so is a key without a user that may do everything: only the operator makes those."""
    if principal.is_operator or (principal.user_id is None and EVERYTHING in principal.scopes):
        return
    if principal.user_id is None or not await user_queries.is_owner(tx, principal.user_id):
        raise Forbidden("Only an owner of the workspace may do this; ask one of them.")


async def require_replaceable(tx: Transaction, principal: Principal, user: User, admins: Sequence[UUID]) -> None:
    """Whether the workspace can do without this user. admins: the active ones, locked."""
    if list(admins) == [user.id]:
        raise LastAdmin(f"{user.email!r} is the only active admin; make another one first.")
    if user.is_owner:
        await require_owner(tx, principal)
        if not await user_queries.other_owners(tx, user.id):
            raise LastOwner(f"{user.email!r} is the only owner of the workspace; make another one first.")


async def check_change(
    tx: Transaction, principal: Principal, before: User, wanted: User, admins: Sequence[UUID], *, is_password_new: bool
) -> None:
    """Raises Forbidden, InvalidRequest, LastAdmin or LastOwner for a change that must not be."""
    check_owner(wanted.role, is_owner=wanted.is_owner)
    is_self = before.id == principal.user_id and principal.key_id is None  # a found key must not become its user
    if not is_self or wanted.role is not before.role:
        # Whoever sets the password or email of an admin can become that admin.
        require_within(principal, SCOPES_OF[before.role])
        require_within(principal, SCOPES_OF[wanted.role])
    is_taken_over = is_password_new or wanted.email != before.email
    if wanted.is_owner != before.is_owner or (before.is_owner and not is_self and is_taken_over):
        await require_owner(tx, principal)
    if (before.is_owner and not wanted.is_owner) or (before.role is Role.ADMIN and wanted.role is not Role.ADMIN):
        await require_replaceable(tx, principal, before, admins)
