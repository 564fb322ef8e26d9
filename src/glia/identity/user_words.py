"""What may be said of a user. Pure rules."""

from __future__ import annotations

import re
from dataclasses import replace

from glia.identity.passwords import check
from glia.identity.types import Role, User, UserChanges
from glia.identity.workspaces import LONGEST_NAME, checked_text
from glia.kit.errors import InvalidRequest

_EMAIL = re.compile(r"[^@\s\x00]{1,64}@[^@\s\x00]{1,189}")


def checked_email(email: str) -> str:
    email = email.strip()
    if not _EMAIL.fullmatch(email):
        raise InvalidRequest(f"`email` {email[:254]!r} is not an email address.", field="email")
    return email


def checked_title(name: str) -> str:
    if len(checked_text(name, "name")) > LONGEST_NAME:
        raise InvalidRequest(f"`name` has {len(name)} characters; the most is {LONGEST_NAME}.", field="name")
    return name.strip()


def wanted_of(user: User, changes: UserChanges) -> User:
    """The user as they shall be. Somebody who is made anything but an admin is no owner any more."""
    if changes.is_active is False:
        raise InvalidRequest("Deactivate a user to take their access away; that also ends keys.", field="is_active")
    if changes.password is not None:
        check(changes.password)
    role = user.role if changes.role is None else changes.role
    is_owner = changes.is_owner
    if is_owner is None:
        is_owner = user.is_owner and role is Role.ADMIN
    return replace(
        user,
        email=user.email if changes.email is None else checked_email(changes.email),
        name=user.name if changes.name is None else checked_title(changes.name),
        role=role,
        is_owner=is_owner,
        is_active=user.is_active or changes.is_active is True,
    )
