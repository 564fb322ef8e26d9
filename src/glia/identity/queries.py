"""All SQL of the identity slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from glia.identity.types import ApiKey, Plan, Project, Role, User, Workspace
from glia.kit.db import APP_ROLE, Transaction
from glia.kit.pages import Window

CHANNEL = "glia_keys"
LAST_USE_SECONDS = 60


@dataclass(frozen=True)
class KeyOwner:
    """What a key opens, as far as checking it needs."""

    id: UUID
    workspace_id: UUID
    project_id: UUID
    user_id: UUID | None
    key_hash: bytes = field(repr=False)
    scopes: frozenset[str]
    rate_per_minute: int | None
    expires_at: datetime | None
    agent_id: UUID | None
    plan: Plan | None
    plan_requests_per_minute: int | None


@dataclass(frozen=True)
class Login:
    """A user as a sign-in needs it."""

    id: UUID
    workspace_id: UUID
    password_hash: str = field(repr=False)


@dataclass(frozen=True)
class Account:
    """A user as an access token needs it. project_id: the workspace's first."""

    id: UUID
    role: Role
    token_generation: int
    project_id: UUID
    plan: Plan | None
    plan_requests_per_minute: int | None


@dataclass(frozen=True)
class Refresh:
    id: UUID
    workspace_id: UUID
    user_id: UUID
    family_id: UUID


@dataclass(frozen=True)
class Minter:
    """The key that makes another key. is_live: neither it nor its user was stopped."""

    expires_at: datetime | None
    rate_per_minute: int | None
    is_live: bool


# --- installation ---------------------------------------------------------------------------------------------------


async def lock(tx: Transaction, name: str) -> None:
    """Until the transaction ends, others that lock the same name wait."""
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('glia.identity.' || %(name)s, 0))", name=name)


async def installation_value(tx: Transaction, name: str) -> str | None:
    return await tx.value("select value from installation where name = %(name)s", name=name)


async def insert_installation_value(tx: Transaction, name: str, value: str) -> None:
    await tx.execute("insert into installation (name, value) values (%(name)s, %(value)s)", name=name, value=value)


async def enter(tx: Transaction, workspace_id: UUID) -> None:
    """Steps down from the system role into one workspace, so that a new workspace is made whole or not at all."""
    await tx.execute(f"set local role {APP_ROLE}")
    await tx.execute("select set_config('glia.workspace', %(id)s, true)", id=str(workspace_id))


# --- workspaces and projects ----------------------------------------------------------------------------------------


async def has_workspace(tx: Transaction) -> bool:
    return bool(await tx.value("select exists (select from workspaces)"))


async def find_workspace_id(tx: Transaction, slug: str | None) -> UUID | None:
    """By slug, or the first one there was."""
    return await tx.value(
        "select id from workspaces where %(slug)s::text is null or slug = %(slug)s order by created_at, id limit 1",
        slug=slug,
    )


async def insert_workspace(tx: Transaction, id: UUID, *, name: str, slug: str) -> bool:
    """False when the slug is taken."""
    count = await tx.execute(
        """
        insert into workspaces (id, name, slug) values (%(id)s, %(name)s, %(slug)s)
        on conflict (slug) do nothing""",
        id=id,
        name=name,
        slug=slug,
    )
    return count == 1


async def workspace(tx: Transaction, id: UUID) -> Workspace | None:
    return await tx.one_or_none(
        Workspace,
        "select id, name, slug, created_at, plan, plan_requests_per_minute from workspaces where id = %(id)s",
        id=id,
    )


async def insert_project(tx: Transaction, id: UUID, *, workspace_id: UUID, name: str, slug: str) -> Project | None:
    """None when the slug is taken."""
    return await tx.one_or_none(
        Project,
        """
        insert into projects (id, workspace_id, name, slug) values (%(id)s, %(workspace_id)s, %(name)s, %(slug)s)
        on conflict (workspace_id, slug) do nothing
        returning id, name, slug, created_at""",
        id=id,
        workspace_id=workspace_id,
        name=name,
        slug=slug,
    )


async def project(tx: Transaction, id: UUID) -> Project | None:
    return await tx.one_or_none(Project, "select id, name, slug, created_at from projects where id = %(id)s", id=id)


async def first_project_id(tx: Transaction) -> UUID | None:
    return await tx.value("select id from projects order by created_at, id limit 1")


async def first_workspace(tx: Transaction) -> UUID | None:
    return await tx.value("select id from workspaces order by created_at, id limit 1")


async def projects(tx: Transaction, window: Window) -> list[Project]:
    return await tx.many(
        Project,
        """
        select id, name, slug, created_at from projects
        where %(after)s::uuid is null or id < %(after)s order by id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


# --- users ----------------------------------------------------------------------------------------------------------


USER: LiteralString = "id, email, name, role, is_active, created_at, is_owner, updated_at"


async def insert_user(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    email: str,
    name: str,
    password_hash: str,
    role: Role,
    is_owner: bool,
) -> User | None:
    """None when the email is taken, in whichever workspace."""
    return await tx.one_or_none(
        User,
        """
        insert into users (id, workspace_id, email, name, password_hash, role, is_owner)
        values (%(id)s, %(workspace_id)s, %(email)s, %(name)s, %(password_hash)s, %(role)s, %(is_owner)s)
        on conflict (lower(email)) do nothing
        returning """
        + USER,
        id=id,
        workspace_id=workspace_id,
        email=email,
        name=name,
        password_hash=password_hash,
        role=role.value,
        is_owner=is_owner,
    )


async def user(tx: Transaction, id: UUID) -> User | None:
    return await tx.one_or_none(User, f"select {USER} from users where id = %(id)s", id=id)


async def users(tx: Transaction, window: Window) -> list[User]:
    return await tx.many(
        User,
        f"select {USER} from users "
        + """
        where %(after)s::uuid is null or id < %(after)s order by id desc limit %(rows)s""",
        after=window.after,
        rows=window.limit + 1,
    )


async def find_login(tx: Transaction, email: str) -> Login | None:
    """Sees every workspace: an email belongs to one user in the installation."""
    return await tx.one_or_none(
        Login,
        "select id, workspace_id, password_hash from users where lower(email) = lower(%(email)s) and is_active",
        email=email,
    )


async def password_hash(tx: Transaction, id: UUID) -> str | None:
    return await tx.value("select password_hash from users where id = %(id)s and is_active", id=id)


async def account(tx: Transaction, id: UUID) -> Account | None:
    """None when the user is not active."""
    return await tx.one_or_none(
        Account,
        """
        select u.id, u.role, u.token_generation, p.id as project_id, w.plan, w.plan_requests_per_minute
        from users u join workspaces w on w.id = u.workspace_id
          cross join lateral (select id from projects order by created_at, id limit 1) p
        where u.id = %(id)s and u.is_active""",
        id=id,
    )


async def hold_user(tx: Transaction, id: UUID, *, password_hash: str | None = None) -> User | None:
    """The active user, unchanged until the transaction ends; None when it was stopped or has another password."""
    return await tx.one_or_none(
        User,
        f"select {USER} from users "
        + """
        where id = %(id)s and is_active and (%(hash)s::text is null or password_hash = %(hash)s) for share""",
        id=id,
        hash=password_hash,
    )


async def active_admins(tx: Transaction) -> list[UUID]:
    """Locked in one order, so that two admins who deactivate each other do not both succeed."""
    return await tx.values("select id from users where role = 'admin' and is_active order by id for update")


async def deactivate_user(tx: Transaction, id: UUID) -> User | None:
    """None when there is no such active user."""
    return await tx.one_or_none(
        User,
        """
        update users set is_active = false, token_generation = token_generation + 1
        where id = %(id)s and is_active returning """
        + USER,
        id=id,
    )


async def rename_workspace(tx: Transaction, id: UUID, name: str) -> None:
    await tx.execute("update workspaces set name = %(name)s where id = %(id)s", id=id, name=name)


async def set_password(tx: Transaction, id: UUID, password_hash: str, *, instead_of: str | None = None) -> bool:
    """Ends all access tokens that are out. instead_of: False when the password has changed since it was checked."""
    count = await tx.execute(
        """
        update users set password_hash = %(hash)s, token_generation = token_generation + 1
        where id = %(id)s and (%(old)s::text is null or password_hash = %(old)s)""",
        id=id,
        hash=password_hash,
        old=instead_of,
    )
    return count == 1


async def end_access(tx: Transaction, id: UUID) -> None:
    """Ends all access tokens of a user that are out."""
    await tx.execute("update users set token_generation = token_generation + 1 where id = %(id)s", id=id)


async def rehash(tx: Transaction, id: UUID, *, old: str, new: str) -> None:
    """Keeps the same password at another cost."""
    await tx.execute(
        "update users set password_hash = %(new)s where id = %(id)s and password_hash = %(old)s",
        id=id,
        old=old,
        new=new,
    )


# --- keys -----------------------------------------------------------------------------------------------------------


KEY: LiteralString = """id, project_id, user_id, name, surface, prefix, scopes, role, rate_per_minute, expires_at,
  revoked_at, last_used_at, created_by, created_at, agent_id, number"""


async def insert_key(
    tx: Transaction,
    id: UUID,
    *,
    workspace_id: UUID,
    project_id: UUID,
    user_id: UUID | None,
    values: Mapping[str, object],
) -> ApiKey:
    """values: name, surface, prefix, key_hash, scopes, role, rate_per_minute, expires_at, created_by, agent_id."""
    return await tx.one(
        ApiKey,
        """
        insert into api_keys (id, workspace_id, project_id, user_id, name, surface, prefix, key_hash, scopes, role,
          rate_per_minute, expires_at, created_by, agent_id)
        values (%(id)s, %(workspace_id)s, %(project_id)s, %(user_id)s, %(name)s, %(surface)s, %(prefix)s,
          %(key_hash)s, %(scopes)s, %(role)s, %(rate_per_minute)s, %(expires_at)s, %(created_by)s, %(agent_id)s)
        returning """
        + KEY,
        id=id,
        workspace_id=workspace_id,
        project_id=project_id,
        user_id=user_id,
        **values,
    )


async def key(tx: Transaction, id: UUID) -> ApiKey | None:
    return await tx.one_or_none(ApiKey, f"select {KEY} from api_keys where id = %(id)s", id=id)


async def has_agent(tx: Transaction, id: UUID) -> bool:
    """Foreign keys look past row-level security, so an agent that is named must be seen first."""
    return bool(await tx.value("select true from agents where id = %(id)s and deleted_at is null", id=id))


async def revoke_key(tx: Transaction, id: UUID) -> bytes | None:
    """The hash of the key; None when it was revoked before."""
    return await tx.value(
        "update api_keys set revoked_at = now() where id = %(id)s and revoked_at is null returning key_hash", id=id
    )


async def revoke_keys_of(tx: Transaction, user_id: UUID) -> int:
    return await tx.execute(
        "update api_keys set revoked_at = now() where user_id = %(user_id)s and revoked_at is null", user_id=user_id
    )


async def hold_minter(tx: Transaction, id: UUID) -> Minter | None:
    """The key that is about to make another, unchanged until the transaction ends."""
    return await tx.one_or_none(
        Minter,
        """
        select expires_at, rate_per_minute,
          revoked_at is null and (expires_at is null or expires_at > now()) as is_live
        from api_keys where id = %(id)s for share""",
        id=id,
    )


async def find_key(tx: Transaction, key_hash: bytes) -> KeyOwner | None:
    """Sees every workspace. Only a key that opens something: not revoked, not expired, its user not stopped."""
    return await tx.one_or_none(
        KeyOwner,
        """
        select k.id, k.workspace_id, k.project_id, k.user_id, k.key_hash, k.scopes, k.rate_per_minute, k.expires_at,
          k.agent_id, w.plan, w.plan_requests_per_minute
        from api_keys k join workspaces w on w.id = k.workspace_id left join users u on u.id = k.user_id
        where k.key_hash = %(key_hash)s and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
          and (k.user_id is null or u.is_active)""",
        key_hash=key_hash,
    )


async def set_last_used(tx: Transaction, used: Mapping[UUID, datetime]) -> int:
    """Sees every workspace. Each key at most once a minute; rows that another process writes are left to it."""
    return await tx.execute(
        """
        update api_keys k set last_used_at = due.at
        from (select api_keys.id, used.at
              from api_keys join unnest(%(ids)s::uuid[], %(moments)s::timestamptz[]) as used (id, at) using (id)
              where last_used_at is null or last_used_at <= used.at - make_interval(secs => %(seconds)s)
              order by api_keys.id for update of api_keys skip locked) due
        where k.id = due.id""",
        ids=list(used),
        moments=list(used.values()),
        seconds=LAST_USE_SECONDS,
    )


async def notify(tx: Transaction, payload: str) -> None:
    """Tells every process, when this is committed, what to forget: the hash of a key in hex, or `*`."""
    await tx.execute("select pg_notify(%(channel)s, %(payload)s)", channel=CHANNEL, payload=payload)


# --- refresh tokens -------------------------------------------------------------------------------------------------


async def insert_refresh(
    tx: Transaction,
    *,
    id: UUID,
    workspace_id: UUID,
    user_id: UUID,
    family_id: UUID,
    token_hash: bytes,
    seconds: int,
    address: str,
) -> None:
    await tx.execute(
        """
        insert into refresh_tokens (id, workspace_id, user_id, family_id, token_hash, expires_at, address)
        values (%(id)s, %(workspace_id)s, %(user_id)s, %(family_id)s, %(token_hash)s,
          now() + make_interval(secs => %(seconds)s), %(address)s)""",
        id=id,
        workspace_id=workspace_id,
        user_id=user_id,
        family_id=family_id,
        token_hash=token_hash,
        seconds=seconds,
        address=address,
    )


async def find_refresh(tx: Transaction, token_hash: bytes) -> Refresh | None:
    """Sees every workspace."""
    return await tx.one_or_none(
        Refresh,
        "select id, workspace_id, user_id, family_id from refresh_tokens where token_hash = %(token_hash)s",
        token_hash=token_hash,
    )


async def use_refresh(tx: Transaction, id: UUID) -> bool:
    """True for the one caller who may use it."""
    count = await tx.execute(
        """
        update refresh_tokens set used_at = now()
        where id = %(id)s and used_at is null and revoked_at is null and expires_at > now()""",
        id=id,
    )
    return count == 1


async def was_used(tx: Transaction, id: UUID) -> bool:
    """It was used before, in a family that still counts."""
    return bool(
        await tx.value("select used_at is not null and revoked_at is null from refresh_tokens where id = %(id)s", id=id)
    )


async def revoke_family(tx: Transaction, family_id: UUID) -> int:
    return await tx.execute(
        "update refresh_tokens set revoked_at = now() where family_id = %(family_id)s and revoked_at is null",
        family_id=family_id,
    )


async def revoke_refresh_of(tx: Transaction, user_id: UUID) -> int:
    return await tx.execute(
        "update refresh_tokens set revoked_at = now() where user_id = %(user_id)s and revoked_at is null",
        user_id=user_id,
    )


async def delete_expired_refresh(tx: Transaction, user_id: UUID) -> int:
    return await tx.execute(
        "delete from refresh_tokens where user_id = %(user_id)s and expires_at < now()", user_id=user_id
    )
