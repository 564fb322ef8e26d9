"""API keys: make, list, revoke."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from glia.identity import audit, key_queries, queries
from glia.identity.errors import KeyNotFound
from glia.identity.key_looks import SURFACES, NewKey, new_key
from glia.identity.rights import require_within, settle
from glia.identity.types import ApiKey, Principal, Role
from glia.identity.workspaces import checked_name
from glia.kit.clock import now
from glia.kit.db import Database, Transaction
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import LARGEST_LIMIT, Page, Window, page_of

LARGEST_RATE = 1_000_000
SCOPES_OF_TALK = frozenset({"agents:read", "runs:read", "runs:write", "sessions:read", "sessions:write", "usage:read"})
"""What talking to an agent takes; a key that is bound to one has these."""


class Keys:
    def __init__(self, db: Database, forget: Callable[[str], None]) -> None:
        """forget: called with the hash of a revoked key, in hex, once that is committed."""
        self._db = db
        self._forget = forget

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        scopes: Iterable[str] | None = None,
        role: Role | None = None,
        rate_per_minute: int | None = None,
        expires_at: datetime | None = None,
        surface: str = "native",
        agent_id: UUID | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key of the caller's project, and its text, which nobody can ever read again.

        scopes: what it may do; all of its role when not given. role: the smallest that includes the scopes, or `user`.
        surface: how the key looks; it opens every surface all the same. agent_id: the only agent that it may talk to;
        it can do nothing else then, and has the scopes for that.
        Raises Forbidden when the key would have more rights than its maker.
        """
        principal.require("keys:write")
        if agent_id is not None and (scopes is not None or role is not None):
            raise InvalidRequest("A key of an agent has fixed rights; leave `scopes` and `role` away.", field="scopes")
        settled = settle(scopes, role) if agent_id is None else settle(SCOPES_OF_TALK, None)
        require_within(principal, settled[0])
        name = checked_name(name)
        _check_rate(rate_per_minute)
        _check_expiry(expires_at)
        fresh = new_key(surface)
        async with self._db.transaction(principal.workspace_id) as tx:
            if agent_id is not None and not await queries.has_agent(tx, agent_id):
                raise InvalidRequest(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")
            rate_per_minute, expires_at = await _within_maker(tx, principal, rate_per_minute, expires_at)
            made = await insert(
                tx,
                principal,
                fresh,
                name=name,
                settled=settled,
                rate_per_minute=rate_per_minute,
                expires_at=expires_at,
                surface=surface,
                agent_id=agent_id,
            )
        return made, fresh.raw

    async def get(self, principal: Principal, id: UUID) -> ApiKey:
        principal.require("keys:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, principal, id, administer="identity:read")

    async def list(
        self, principal: Principal, window: Window, *, surface: str | None = None, agent_id: UUID | None = None
    ) -> Page[ApiKey]:
        """Newest first, revoked ones too. Without `identity:read`, only the caller's own. agent_id: only its keys."""
        principal.require("keys:read")
        if surface is not None and surface not in SURFACES:
            raise InvalidRequest(f"`surface` {surface[:100]!r} is none of {', '.join(SURFACES)}.", field="surface")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await key_queries.page(
                tx,
                window,
                owner_id=principal.user_id,
                maker=None if principal.allows("identity:read") else principal.name,
                surface=surface,
                agent_id=agent_id,
            )
        return page_of(rows, window, lambda key: key.id)

    async def live(self, principal: Principal) -> Sequence[ApiKey]:
        """Those that open something, newest first, at most 1,000. Without `identity:read`, only the caller's own."""
        principal.require("keys:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            maker = None if principal.allows("identity:read") else principal.name
            return await key_queries.live(tx, LARGEST_LIMIT, owner_id=principal.user_id, maker=maker)

    async def revoke_number(self, principal: Principal, number: int) -> ApiKey:
        """As `revoke`, for clients that know keys by whole numbers."""
        principal.require("keys:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            id = await key_queries.id_of(tx, number)
        if id is None:
            raise KeyNotFound(f"There is no key {number} in this workspace that you may see.", key_id=number)
        return await self.revoke(principal, id)

    async def revoke(self, principal: Principal, id: UUID) -> ApiKey:
        """The key opens nothing from now on, in every process. Revoking it again changes nothing.

        Without `identity:write` only the caller's own keys, itself among them, are there to revoke.
        """
        principal.require("keys:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await _get(tx, principal, id, administer="identity:write")
            key_hash = await queries.revoke_key(tx, id)
            if key_hash is None:
                return found
            await audit.record(tx, principal, "key.revoked", f"key:{id}", name=found.name)
            await queries.notify(tx, key_hash.hex())
            tx.after_commit.append(lambda: self._forget(key_hash.hex()))
            return await _get(tx, principal, id, administer="identity:write")


async def insert(
    tx: Transaction,
    principal: Principal,
    fresh: NewKey,
    *,
    name: str,
    settled: tuple[frozenset[str], Role],
    rate_per_minute: int | None = None,
    expires_at: datetime | None = None,
    surface: str = "native",
    agent_id: UUID | None = None,
) -> ApiKey:
    """Keeps a key whose rights were checked, and says so in the audit log."""
    scopes, role = settled
    made = await queries.insert_key(
        tx,
        new_id(),
        workspace_id=principal.workspace_id,
        project_id=principal.project_id,
        user_id=principal.user_id,
        values={
            "name": name,
            "surface": surface,
            "prefix": fresh.prefix,
            "key_hash": fresh.hash,
            "scopes": sorted(scopes),
            "role": role.value,
            "rate_per_minute": rate_per_minute,
            "expires_at": expires_at,
            "created_by": principal.name,
            "agent_id": agent_id,
        },
    )
    await audit.record(
        tx, principal, "key.created", f"key:{made.id}", name=name, scopes=sorted(scopes), surface=surface
    )
    return made


async def _get(tx: Transaction, principal: Principal, id: UUID, *, administer: str) -> ApiKey:
    """One's own key, or any key of the workspace for who may administer; whatever else is not there."""
    found = await queries.key(tx, id)
    if found is None or not (principal.allows(administer) or _is_own(principal, found)):
        raise KeyNotFound(f"There is no key '{id}' in this workspace that you may see.", key_id=str(id))
    return found


def _is_own(principal: Principal, key: ApiKey) -> bool:
    if key.id == principal.key_id or key.created_by == principal.name:
        return True
    return key.user_id is not None and key.user_id == principal.user_id


async def _within_maker(
    tx: Transaction, principal: Principal, rate_per_minute: int | None, expires_at: datetime | None
) -> tuple[int | None, datetime | None]:
    """A key made by a key neither outlives it nor asks faster; what is not given is taken from it."""
    if principal.user_id is not None and await queries.hold_user(tx, principal.user_id) is None:
        raise Forbidden("The user who asks is no longer active, so no key can be made for them.", scope="keys:write")
    if principal.key_id is None:
        return rate_per_minute, expires_at
    maker = await queries.hold_minter(tx, principal.key_id)
    if maker is None or not maker.is_live:
        raise Forbidden("The key that asks was revoked or has expired; use another.", scope="keys:write")
    if maker.rate_per_minute is not None and (rate_per_minute or 0) > maker.rate_per_minute:
        raise Forbidden(
            f"`rate_per_minute` is {rate_per_minute}; the key that asks has {maker.rate_per_minute},"
            " and a key cannot make a faster one.",
            scope="keys:write",
        )
    if maker.expires_at is not None and expires_at is not None and expires_at > maker.expires_at:
        raise Forbidden(
            f"`expires_at` is after {maker.expires_at.isoformat()}, when the key that asks expires;"
            " a key cannot make one that outlives it.",
            scope="keys:write",
        )
    return rate_per_minute or maker.rate_per_minute, expires_at or maker.expires_at


def _check_rate(rate_per_minute: int | None) -> None:
    if rate_per_minute is not None and not 1 <= rate_per_minute <= LARGEST_RATE:
        raise InvalidRequest(
            f"`rate_per_minute` is {rate_per_minute}; it must be between 1 and {LARGEST_RATE}.", field="rate_per_minute"
        )


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is None:
        return
    if expires_at.tzinfo is None:
        raise InvalidRequest("`expires_at` names no time zone; add `Z` for UTC.", field="expires_at")
    if expires_at <= now():
        raise InvalidRequest(f"`expires_at` is {expires_at.isoformat()}, which has passed.", field="expires_at")
