"""The first answer to a request with an Idempotency-Key, given again for 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from glia.identity.secrets import Secrets, load_secrets
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction, json
from glia.kit.errors import Conflict

KEPT_HOURS = 24
ABANDONED_AFTER_SECONDS = 60
LARGEST_KEPT_BYTES = 1024 * 1024


class KeyReused(Conflict):
    code = "idempotency_key_reused"


class StillInProgress(Conflict):
    """The first request with this key has not been answered yet."""

    code = "idempotency_key_in_progress"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.retry_after_seconds = 1.0


@dataclass(frozen=True)
class Answer:
    """headers: names and values, as they were sent."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Claim:
    """A key that this request holds until it is answered. answer: set when it was answered before; give that."""

    key: str
    route: str
    at: datetime
    answer: Answer | None = None


@dataclass(frozen=True)
class _Row:
    body_hash: bytes
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None
    created_at: datetime


class IdempotentAnswers:
    def __init__(self, db: Database, secret_key: str | None = None) -> None:
        """secret_key: GLIA_SECRET_KEY. Answers are sealed, since some of them show a new key."""
        self._db = db
        self._secret_key = secret_key
        self._secrets: Secrets | None = None

    async def claim(self, principal: Principal, key: str, route: str, body_hash: bytes) -> Claim:
        """Takes the key for this request, or finds the answer that was given under it.

        route: method and path. Keys of different callers and routes are different. A request that has not answered
        for 60 seconds has died, and the next one with its key takes over.
        Raises KeyReused for another body, StillInProgress while the first request works.
        """
        route = f"{principal.name} {route}"
        async with self._db.transaction(principal.workspace_id) as tx:
            await _forget_old(tx)
            at = await _take(tx, principal, key, route, body_hash)
            if at is not None:
                return Claim(key, route, at)
            row = await _row(tx, key, route)
        if row.body_hash != body_hash:
            raise KeyReused(
                f"The `Idempotency-Key` {key!r} came before with another body; use a new key for a new request.",
                field="Idempotency-Key",
            )
        if row.status is None:
            raise StillInProgress(
                f"The first request with the `Idempotency-Key` {key!r} is still being answered; try again shortly."
            )
        body = (await self._opened()).open(row.body or b"", _context(principal, route, key))
        return Claim(key, route, row.created_at, Answer(row.status, row.headers or {}, body))

    async def keep(self, principal: Principal, claim: Claim, answer: Answer) -> None:
        sealed = (await self._opened()).seal(answer.body, _context(principal, claim.route, claim.key))
        async with self._db.transaction(principal.workspace_id) as tx:
            await tx.execute(
                """
                update idempotent_answers set status = %(status)s, headers = %(headers)s, body = %(body)s
                where key = %(key)s and route = %(route)s and created_at = %(at)s""",
                status=answer.status,
                headers=json(answer.headers),
                body=sealed,
                key=claim.key,
                route=claim.route,
                at=claim.at,
            )

    async def release(self, principal: Principal, claim: Claim) -> None:
        """Frees the key: what it was claimed for did not happen."""
        async with self._db.transaction(principal.workspace_id) as tx:
            await tx.execute(
                """
                delete from idempotent_answers
                where key = %(key)s and route = %(route)s and created_at = %(at)s and status is null""",
                key=claim.key,
                route=claim.route,
                at=claim.at,
            )

    async def _opened(self) -> Secrets:
        if self._secrets is None:
            self._secrets = await load_secrets(self._db, self._secret_key)
        return self._secrets


def _context(principal: Principal, route: str, key: str) -> str:
    return f"idempotent answer:{principal.workspace_id}:{route}:{key}"


async def _take(tx: Transaction, principal: Principal, key: str, route: str, body_hash: bytes) -> datetime | None:
    """When the key was taken for this request; None when another one has it."""
    return await tx.value(
        """
        insert into idempotent_answers as kept (workspace_id, key, route, body_hash, created_at)
        values (%(workspace_id)s, %(key)s, %(route)s, %(body_hash)s, clock_timestamp())
        on conflict (workspace_id, key, route) do update
          set body_hash = excluded.body_hash, status = null, headers = null, body = null,
            created_at = excluded.created_at
          where kept.created_at < clock_timestamp() - make_interval(hours => %(hours)s)
            or (kept.status is null and kept.created_at < clock_timestamp() - make_interval(secs => %(seconds)s))
        returning created_at""",
        workspace_id=principal.workspace_id,
        key=key,
        route=route,
        body_hash=body_hash,
        hours=KEPT_HOURS,
        seconds=ABANDONED_AFTER_SECONDS,
    )


async def _row(tx: Transaction, key: str, route: str) -> _Row:
    row = await tx.one_or_none(
        _Row,
        """
        select body_hash, status, headers, body, created_at from idempotent_answers
        where key = %(key)s and route = %(route)s""",
        key=key,
        route=route,
    )
    if row is None:  # freed between the two statements
        raise StillInProgress(f"The first request with the `Idempotency-Key` {key!r} has just failed; try again.")
    return row


async def _forget_old(tx: Transaction) -> None:
    """A few at each claim, so that nothing has to sweep the table."""
    await tx.execute(
        """
        delete from idempotent_answers where (workspace_id, key, route) in (
          select workspace_id, key, route from idempotent_answers
          where created_at < clock_timestamp() - make_interval(hours => %(hours)s)
          order by created_at limit 20 for update skip locked)""",
        hours=KEPT_HOURS,
    )
