"""SQL of changing users, of where they are signed in, and of what a workspace may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.errors import UniqueViolation

from glia.identity.queries import USER
from glia.identity.types import Plan, SignedIn, User
from glia.kit.db import Transaction


@dataclass(frozen=True)
class KeyScopes:
    id: UUID
    scopes: frozenset[str]


async def is_owner(tx: Transaction, id: UUID) -> bool:
    return bool(await tx.value("select is_owner and is_active from users where id = %(id)s", id=id))


async def other_owners(tx: Transaction, id: UUID) -> int:
    """Active ones beside this one. The caller has locked the active admins, and every owner is one."""
    return int(await tx.value("select count(*) from users where is_owner and is_active and id <> %(id)s", id=id))


async def update(tx: Transaction, id: UUID, wanted: User, *, password_hash: str | None) -> User | None:
    """None when the email is another user's. A new password, or another role, ends all access tokens that are out."""
    try:
        async with tx.savepoint():
            return await tx.one(
                User,
                """
                update users set email = %(email)s, name = %(name)s, role = %(role)s, is_owner = %(is_owner)s,
                  is_active = %(is_active)s, password_hash = coalesce(%(hash)s, password_hash), updated_at = now(),
                  token_generation = token_generation
                    + case when %(hash)s::text is null and role = %(role)s then 0 else 1 end
                where id = %(id)s returning """
                + USER,
                id=id,
                email=wanted.email,
                name=wanted.name,
                role=wanted.role.value,
                is_owner=wanted.is_owner,
                is_active=wanted.is_active,
                hash=password_hash,
            )
    except UniqueViolation:
        return None


async def delete(tx: Transaction, id: UUID) -> None:
    await tx.execute("delete from users where id = %(id)s", id=id)


async def live_scopes(tx: Transaction, user_id: UUID) -> list[KeyScopes]:
    return await tx.many(
        KeyScopes,
        "select id, scopes from api_keys where user_id = %(user_id)s and revoked_at is null",
        user_id=user_id,
    )


async def revoke(tx: Transaction, key_ids: Sequence[UUID]) -> int:
    return await tx.execute(
        "update api_keys set revoked_at = now() where id = any(%(ids)s) and revoked_at is null", ids=list(key_ids)
    )


async def set_plan(tx: Transaction, workspace_id: UUID, plan: Plan | None, requests_per_minute: int | None) -> None:
    await tx.execute(
        "update workspaces set plan = %(plan)s, plan_requests_per_minute = %(rate)s where id = %(id)s",
        id=workspace_id,
        plan=None if plan is None else plan.value,
        rate=requests_per_minute,
    )


async def sign_ins(tx: Transaction, user_id: UUID) -> list[SignedIn]:
    """Those that still count, the latest used first."""
    return await tx.many(
        SignedIn,
        """
        select family_id as id, min(created_at) as began_at, max(created_at) as last_used_at,
          (array_agg(address order by created_at desc))[1] as address,
          max(expires_at) filter (where used_at is null) as expires_at
        from refresh_tokens where user_id = %(user_id)s and revoked_at is null and expires_at > now()
        group by family_id having count(*) filter (where used_at is null) > 0
        order by max(created_at) desc limit 1000""",
        user_id=user_id,
    )


async def has_family(tx: Transaction, user_id: UUID, family_id: UUID) -> bool:
    return bool(
        await tx.value(
            "select true from refresh_tokens where user_id = %(user_id)s and family_id = %(family_id)s limit 1",
            user_id=user_id,
            family_id=family_id,
        )
    )
