"""The door for requests from outside: who may pass is decided by a signature, or by knowing the address."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import orjson

from glia.identity.service import RateLimits
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import RateLimited
from glia.kit.ids import new_id
from glia.triggers import conditions, firing_queries, queries, signatures
from glia.triggers.errors import AlreadyDelivered, HookNotFound, PayloadTooLarge, TriggerPaused
from glia.triggers.firings import Admission, Firings, principal_of
from glia.triggers.reasons import draft
from glia.triggers.service import LARGEST_HOOK_BYTES, Seals, secret_context
from glia.triggers.types import Cause, Firing, OnWebhook, Status, Trigger

MOST_PER_MINUTE = 600
"""Requests that one hook takes, in each process."""


class Hooks:
    def __init__(self, db: Database, firings: Firings, secrets: Seals, rate_limits: RateLimits) -> None:
        self._db = db
        self._firings = firings
        self._secrets = secrets
        self._rate_limits = rate_limits

    async def receive(self, hook: str, headers: Mapping[str, str], body: bytes) -> Firing:
        """Fires the trigger that the address belongs to. headers: by lower-case names.

        Returns once the firing is durable, and most often once its run is. Raises HookNotFound, SignatureRefused,
        AlreadyDelivered, TriggerPaused, RateLimited.
        """
        if len(body) > LARGEST_HOOK_BYTES:
            raise PayloadTooLarge(f"The body has {len(body)} bytes; the most is {LARGEST_HOOK_BYTES}.")
        door = await self._door(hook)
        async with self._db.transaction(door.workspace_id) as tx:
            trigger, when = _hook(await queries.get(tx, door.id))
            delivery = await self._verified(tx, trigger, when, headers, body)
        self._limit(trigger)
        trigger, admission = await self._admitted(door, delivery, body)
        await self._firings.start(trigger, admission)
        async with self._db.transaction(door.workspace_id) as tx:
            return await firing_queries.get(tx, admission.firing_id)

    async def shared(self, token: str) -> Trigger:
        """The trigger that a public link belongs to. Raises HookNotFound."""
        async with self._db.across_workspaces() as tx:
            door = await queries.shared_door(tx, signatures.hash_of(token))
        if door is None:
            raise HookNotFound("There is nothing at this link; it may have been replaced.")
        async with self._db.transaction(door.workspace_id) as tx:
            trigger = await queries.get(tx, door.id)
        if trigger is None:
            raise HookNotFound("There is nothing at this link; it may have been replaced.")
        return trigger

    async def fire_shared(self, token: str, payload: Mapping[str, object]) -> Firing:
        """Fires the trigger of a public link. Raises HookNotFound, TriggerPaused, RateLimited."""
        trigger = await self.shared(token)
        self._limit(trigger)
        firing_id = new_id()
        async with self._db.transaction(trigger.workspace_id) as tx:
            held = await queries.lock(tx, trigger.id)
            if held is None or held.status is not Status.ACTIVE:
                raise TriggerPaused("This link is paused; ask whoever gave it to you.")
            values: dict[str, object] = {"payload": dict(payload)}
            if isinstance(held.when, OnWebhook):
                values["body"] = orjson.dumps(payload).decode()
            fired = draft(held, Cause.MANUAL, f"shared:{firing_id}", await queries.now(tx), values=values)
            admission = await self._firings.admit(tx, held, replace(fired, id=firing_id))
        if admission is not None:
            await self._firings.start(held, admission)
        async with self._db.transaction(trigger.workspace_id) as tx:
            return await firing_queries.get(tx, firing_id)

    async def shared_run(self, token: str, run_id: UUID) -> Principal:
        """Who may read a run that a public link began. Raises HookNotFound for any other run."""
        trigger = await self.shared(token)
        async with self._db.transaction(trigger.workspace_id) as tx:
            if not await firing_queries.began(tx, trigger.id, run_id):
                raise HookNotFound(f"This link began no job '{run_id}'.")
        return replace(principal_of(trigger), scopes=frozenset({"runs:read", "sessions:read"}))

    def _limit(self, trigger: Trigger) -> None:
        decision = self._rate_limits.allow(trigger.id, MOST_PER_MINUTE)
        if not decision.is_allowed:
            raise RateLimited(
                f"A hook takes {MOST_PER_MINUTE} requests a minute; wait {decision.retry_after_seconds} s.",
                retry_after_seconds=decision.retry_after_seconds,
            )

    async def _door(self, hook: str) -> queries.Door:
        id: UUID | None = None
        with suppress(ValueError):
            id = UUID(hook)
        async with self._db.across_workspaces() as tx:
            door = await queries.door(tx, id, signatures.hash_of(hook) if id is None else None)
        if door is None:
            raise _no_hook()
        return door

    async def _verified(
        self, tx: Transaction, trigger: Trigger, when: OnWebhook, headers: Mapping[str, str], body: bytes
    ) -> str | None:
        """The request's own id, when it is signed."""
        if when.verification == "url_token":
            return None
        sealed = await queries.sealed_secret(tx, trigger.id)
        if sealed is None:
            raise _no_hook()
        secret = self._secrets.open(sealed, secret_context(trigger.id)).decode()
        return signatures.verified_id(secret, headers, body, now=(await queries.now(tx)).timestamp())

    async def _admitted(self, door: queries.Door, delivery: str | None, body: bytes) -> tuple[Trigger, Admission]:
        is_paused = False
        async with self._db.transaction(door.workspace_id) as tx:
            trigger, when = _hook(await queries.lock(tx, door.id))
            is_paused = trigger.status is not Status.ACTIVE or await self._firings.pause_if_failing(tx, trigger)
            if not is_paused:
                return trigger, await self._admit(tx, trigger, when, delivery, body)
        raise TriggerPaused("This hook is paused; resume its trigger, then send the request again.")

    async def _admit(
        self, tx: Transaction, trigger: Trigger, when: OnWebhook, delivery: str | None, body: bytes
    ) -> Admission:
        firing_id = new_id()
        if delivery is not None and not await firing_queries.deliver(
            tx, trigger.id, delivery, firing_id, trigger.workspace_id
        ):
            raise AlreadyDelivered(
                f"The request {delivery!r} was taken before; send new ones under ids of their own.", webhook_id=delivery
            )
        payload = _json(body)
        refusal = None if conditions.fits(payload, when.filter) else "The payload does not fit the filter."
        fired = draft(
            trigger,
            Cause.WEBHOOK,
            f"webhook:{delivery or firing_id}",
            await queries.now(tx),
            values={"payload": payload, "body": body.decode("utf-8", "replace")},
        )
        admission = await self._firings.admit(tx, trigger, replace(fired, id=firing_id), refusal=refusal)
        if admission is None:
            raise AlreadyDelivered("This request was taken before.", webhook_id=delivery)
        return admission


def _hook(trigger: Trigger | None) -> tuple[Trigger, OnWebhook]:
    if trigger is None or not isinstance(trigger.when, OnWebhook):
        raise _no_hook()
    return trigger, trigger.when


def _json(body: bytes) -> object:
    """The parsed body, or None when it is no JSON: then only `{{ body }}` has something to say."""
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return None


def _no_hook() -> HookNotFound:
    return HookNotFound("There is no hook at this address; check it against the trigger's `hook_path`.")
