"""Triggers: make, change, pause, resume, fire, look at what came of them. What fires them by itself is in ticker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.triggers import checks, firing_queries, queries, schedules, signatures
from glia.triggers.checks import read_when
from glia.triggers.errors import TargetTaken, TooManyTriggers, TriggerKindFixed, TriggerNotFound, TriggerSlugTaken
from glia.triggers.firings import Admission, Firings
from glia.triggers.reasons import draft
from glia.triggers.templates import reads
from glia.triggers.types import (
    At,
    Cause,
    Cron,
    Firing,
    Interval,
    NewTrigger,
    OnCondition,
    OnEvent,
    OnMetric,
    OnWebhook,
    Schedule,
    Status,
    Trigger,
    TriggerSpec,
    When,
)

__all__ = ["LARGEST_HOOK_BYTES", "MOST_PREVIEWED", "Triggers", "read_when", "reads"]

MOST_TRIGGERS = 10_000
"""Per workspace."""

MOST_PREVIEWED = 100

LARGEST_HOOK_BYTES = 256 * 1024
"""The largest body of a request to a hook."""


AlsoKeep = Callable[[Transaction, Trigger], Awaitable[None]]


class Seals(Protocol):
    """Encrypts what must be stored and never shown: `glia.identity.secrets.Secrets` is one."""

    def seal(self, secret: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes: ...


class Triggers:
    def __init__(self, db: Database, firings: Firings, secrets: Seals, *, event_types: Collection[str]) -> None:
        """secrets: seals the secrets of hooks. event_types: what a trigger may wait for."""
        self._db = db
        self._firings = firings
        self._secrets = secrets
        self._event_types = event_types

    async def create(
        self, principal: Principal, spec: TriggerSpec, *, also: AlsoKeep | None = None, is_only: bool = False
    ) -> NewTrigger:
        """Raises InvalidRequest, which names the field, TriggerSlugTaken and TooManyTriggers.

        also: what else is kept of the trigger, in the same transaction.

        A trigger acts for whoever made it, so it takes the right to start runs as well. is_only: its target must have
        no other trigger; raises TargetTaken.
        """
        _require_writer(principal)
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            now = await queries.now(tx)
            spec = checks.settled(spec, now, event_types=self._event_types, is_new=True)
            await _check_references(tx, spec)
            await _check_slug(tx, None, spec.slug)
            target = spec.agent_id or spec.workflow_id
            if is_only and target is not None and await queries.of_target(tx, target):
                raise TargetTaken(f"'{target}' has a trigger already; change that one.")
            if await queries.count(tx) >= MOST_TRIGGERS:
                raise TooManyTriggers(f"This workspace has {MOST_TRIGGERS} triggers, the most; delete some.")
            secret, token = _credentials(spec.when)
            trigger = await queries.insert(
                tx,
                id,
                spec,
                workspace_id=principal.workspace_id,
                project_id=principal.project_id,
                created_by=principal.name,
                next_at=first_at(spec.when, now),
                sealed_secret=self._sealed(id, secret),
                token_hash=None if token is None else signatures.hash_of(token),
            )
            if also is not None:
                await also(tx, trigger)
            await queries.tell(tx)
        return NewTrigger(trigger, secret, token)

    async def get(self, principal: Principal, id: UUID) -> Trigger:
        principal.require("triggers:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return _there(await queries.get(tx, id), id)

    async def find(self, principal: Principal, reference: str) -> Trigger:
        """By id or slug."""
        principal.require("triggers:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            id = await queries.find_slug(tx, reference)
            if id is None:
                try:
                    id = UUID(reference)
                except ValueError:
                    raise TriggerNotFound(f"There is no trigger {reference[:100]!r} in this workspace.") from None
            return _there(await queries.get(tx, id), id)

    async def share(self, principal: Principal, id: UUID) -> str:
        """A new token for a public link that fires the trigger; a link that was given out before ends."""
        _require_writer(principal)
        token = signatures.new_token()
        async with self._db.transaction(principal.workspace_id) as tx:
            _there(await queries.lock(tx, id), id)
            await queries.set_share(tx, id, signatures.hash_of(token))
        return token

    async def unshare(self, principal: Principal, id: UUID) -> None:
        """No public link fires the trigger any more."""
        _require_writer(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            _there(await queries.lock(tx, id), id)
            await queries.set_share(tx, id, None)

    async def list(
        self,
        principal: Principal,
        window: Window,
        *,
        agent_id: UUID | None = None,
        workflow_id: UUID | None = None,
        kind: str | None = None,
        status: Status | None = None,
    ) -> Page[Trigger]:
        principal.require("triggers:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(
                tx, window, agent_id=agent_id, workflow_id=workflow_id, kind=kind, status=status
            )
        return page_of(rows, window, lambda trigger: trigger.id)

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> Trigger:
        """changes: fields of TriggerSpec. A new `when` counts from now on, and revives a trigger that has ended.

        Naming a workflow takes the agent and its message away, and the other way round.
        """
        _require_writer(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            before = _there(await queries.lock(tx, id), id)
            now = await queries.now(tx)
            spec = replace(_spec_of(before), **_let_go(before, changes), **changes)
            is_new = "when" in changes and spec.when != before.when
            _check_kind(before.when, spec.when)
            spec = checks.settled(spec, now, event_types=self._event_types, is_new=is_new)
            await _check_references(tx, spec)
            await _check_slug(tx, id, spec.slug)
            status, next_at = before.status, before.next_at
            if is_new and status is not Status.PAUSED:
                status, next_at = Status.ACTIVE, first_at(spec.when, now)
            await queries.update(tx, id, spec, next_at=next_at, status=status)
            await queries.tell(tx)
            return _there(await queries.get(tx, id), id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Its history goes with it; the runs that it started stay."""
        _require_writer(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def pause(self, principal: Principal, id: UUID) -> Trigger:
        """Nothing fires it but a person. Firings that waited for their turn are dropped."""
        _require_writer(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            trigger = _there(await queries.lock(tx, id), id)
            if trigger.status is Status.ACTIVE:
                await queries.set_status(tx, id, Status.PAUSED, next_at=None)
                await firing_queries.skip_waiting(tx, id, "The trigger was paused.")
            return _there(await queries.get(tx, id), id)

    async def resume(self, principal: Principal, id: UUID) -> Trigger:
        """It fires again from the next time on; what went by meanwhile is not made up for."""
        _require_writer(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            trigger = _there(await queries.lock(tx, id), id)
            if trigger.status is Status.ACTIVE:
                return trigger
            next_at = first_at(trigger.when, await queries.now(tx))
            if next_at is None and isinstance(trigger.when, At):
                raise Conflict(f"{trigger.name!r} has no time to come; change its `when` to one.")
            await queries.set_status(tx, id, Status.ACTIVE, next_at=next_at)
            await queries.tell(tx)
            return _there(await queries.get(tx, id), id)

    async def fire(
        self,
        principal: Principal,
        id: UUID,
        payload: Mapping[str, object] | None = None,
        *,
        is_system: bool | None = None,
    ) -> Firing:
        """Fires now, whether paused or not; the overlap rule holds. payload: for `{{ payload }}`, to try a hook.

        is_system: whether the session that it opens holds background work; None for what the trigger says.
        """
        _require_writer(principal)
        firing_id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            trigger = _there(await queries.lock(tx, id), id)
            if is_system is not None:
                trigger = replace(trigger, is_system=is_system)
            now = await queries.now(tx)
            values: dict[str, object] = {} if payload is None else {"payload": dict(payload)}
            drafted = replace(draft(trigger, Cause.MANUAL, f"manual:{firing_id}", now, values=values), id=firing_id)
            admission = await self._firings.admit(tx, trigger, drafted)
        return await self._started(trigger, admission)

    async def firings(self, principal: Principal, id: UUID, window: Window) -> Page[Firing]:
        """Newest first; the last 500 are kept."""
        principal.require("triggers:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            _there(await queries.get(tx, id), id)
            rows = await firing_queries.list_page(tx, id, window)
        return page_of(rows, window, lambda firing: firing.id)

    async def preview(self, principal: Principal, id: UUID, count: int) -> list[datetime]:
        """The next times it fires, as if it were not paused. None for triggers that no time brings about."""
        trigger = await self.get(principal, id)
        async with self._db.transaction(principal.workspace_id) as tx:
            return _times(trigger.when, await queries.now(tx), count)

    async def preview_of(self, principal: Principal, when: When, count: int) -> list[datetime]:
        """The same for one that is not made yet. Raises InvalidRequest."""
        principal.require("triggers:read")
        if not isinstance(when, Schedule):
            raise InvalidRequest("Only `cron`, `interval` and `at` have times to come.", field="when.kind")
        async with self._db.transaction(principal.workspace_id) as tx:
            now = await queries.now(tx)
        return _times(checks.settled_when(when, now), now, count)

    async def renew_secret(self, principal: Principal, id: UUID) -> NewTrigger:
        """A new secret, or a new address, for a hook; the old one is refused from now on."""
        _require_writer(principal)
        async with self._db.transaction(principal.workspace_id) as tx:
            trigger = _there(await queries.lock(tx, id), id)
            if not isinstance(trigger.when, OnWebhook):
                raise Conflict(f"{trigger.name!r} is no webhook, so it has no secret.")
            secret, token = _credentials(trigger.when)
            token_hash = None if token is None else signatures.hash_of(token)
            await queries.set_credentials(tx, id, self._sealed(id, secret), token_hash)
        return NewTrigger(trigger, secret, token)

    async def _started(self, trigger: Trigger, admission: Admission | None) -> Firing:
        if admission is None:
            raise Conflict("This firing was written down already.")
        await self._firings.start(trigger, admission)
        async with self._db.transaction(trigger.workspace_id) as tx:
            return await firing_queries.get(tx, admission.firing_id)

    def _sealed(self, id: UUID, secret: str | None) -> bytes | None:
        return None if secret is None else self._secrets.seal(secret.encode(), secret_context(id))


def secret_context(id: UUID) -> str:
    return f"triggers.secret:{id}"


def first_at(when: When, now: datetime) -> datetime | None:
    """When it is looked at first, from now on; None for what no time brings about, or for a time that has passed."""
    if isinstance(when, OnMetric):
        return now
    return schedules.next_after(when, now) if isinstance(when, (Cron, Interval, At)) else None


def _times(when: When, now: datetime, count: int) -> list[datetime]:
    if not 1 <= count <= MOST_PREVIEWED:
        raise InvalidRequest(f"`count` is {count}; it must be between 1 and {MOST_PREVIEWED}.", field="count")
    return schedules.times_after(when, now, count) if isinstance(when, (Cron, Interval, At)) else []


def _require_writer(principal: Principal) -> None:
    principal.require("triggers:write")
    principal.require("runs:write")


async def _check_slug(tx: Transaction, id: UUID | None, slug: str | None) -> None:
    if slug is not None and await queries.hold_slug(tx, slug) not in (None, id):
        raise TriggerSlugTaken(f"There is already a trigger with the slug {slug!r}; choose another.", slug=slug)


async def _check_references(tx: Transaction, spec: TriggerSpec) -> None:
    """Foreign keys look past row-level security, so what is named must be seen first."""
    if spec.workflow_id is not None and not await queries.has_workflow(tx, spec.workflow_id):
        raise InvalidRequest(f"There is no workflow '{spec.workflow_id}' in this workspace.", field="workflow_id")
    if spec.agent_id is not None and not await queries.has_agent(tx, spec.agent_id):
        raise InvalidRequest(f"There is no agent '{spec.agent_id}' in this workspace.", field="agent_id")
    if spec.session_id is not None and not (
        spec.agent_id is not None and await queries.has_session(tx, spec.session_id, spec.agent_id)
    ):
        raise InvalidRequest(
            f"There is no session '{spec.session_id}' with this agent in this workspace.", field="session_id"
        )
    watched = spec.when.agent_id if isinstance(spec.when, (OnEvent, OnMetric, OnCondition)) else None
    if watched is not None and not await queries.has_agent(tx, watched):
        raise InvalidRequest(f"There is no agent '{watched}' in this workspace.", field="when.agent_id")


def _let_go(before: Trigger, changes: Mapping[str, Any]) -> dict[str, object]:
    """What goes when a trigger changes from an agent to a workflow or back, unless it is given anew."""
    gone: dict[str, object] = {}
    if before.workflow_id is None and changes.get("workflow_id") is not None:
        gone = {"agent_id": None, "message": None, "session_id": None, "input": {}}
    elif before.agent_id is None and changes.get("agent_id") is not None:
        gone = {"workflow_id": None, "input": None}
    return {name: value for name, value in gone.items() if name not in changes}


def _check_kind(before: When, after: When) -> None:
    """A hook has an address and a secret, which nothing else has."""
    one_is_hook = isinstance(before, OnWebhook) or isinstance(after, OnWebhook)
    if not one_is_hook:
        return
    if not (isinstance(before, OnWebhook) and isinstance(after, OnWebhook)):
        raise TriggerKindFixed(
            "A webhook stays one, and nothing else becomes one; make another trigger.", field="when.kind"
        )
    if before.verification != after.verification:
        raise TriggerKindFixed(
            "How a webhook is verified cannot be changed; make another trigger.", field="when.verification"
        )


def _credentials(when: When) -> tuple[str | None, str | None]:
    """A secret for a hook that is signed, a token for the address of one that is not."""
    if not isinstance(when, OnWebhook):
        return None, None
    return (signatures.new_secret(), None) if when.verification == "signed" else (None, signatures.new_token())


def _spec_of(trigger: Trigger) -> TriggerSpec:
    return TriggerSpec(**{field.name: getattr(trigger, field.name) for field in fields(TriggerSpec)})


def _there(trigger: Trigger | None, id: UUID) -> Trigger:
    if trigger is None:
        raise _missing(id)
    return trigger


def _missing(id: UUID) -> TriggerNotFound:
    return TriggerNotFound(f"There is no trigger '{id}' in this workspace.", trigger_id=str(id))
