"""Agents: make, change, list, delete. Every change is a new version."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from glia.agents import queries
from glia.agents.errors import AgentNotFound, SlugTaken
from glia.agents.types import Agent, AgentSpec, AgentVersion
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

LONGEST_NAME = 200
LONGEST_INSTRUCTIONS = 200_000

SpecCheck = Callable[[Principal, Transaction, AgentSpec], Awaitable[None]]
"""Raises InvalidRequest when a spec names a tool, model or knowledge base that is not there."""


class Agents:
    def __init__(self, db: Database, *, checks: tuple[SpecCheck, ...] = ()) -> None:
        """checks: what other slices have to say about a spec before it is kept."""
        self._db = db
        self._checks = checks

    async def create(self, principal: Principal, spec: AgentSpec, *, slug: str | None = None) -> Agent:
        """slug: the agent's name in addresses; made from its name when not given. Raises SlugTaken."""
        principal.require("agents:write")
        _check(spec)
        if slug is not None and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", slug):
            raise InvalidRequest(
                f"`slug` {slug!r} may hold lower-case letters, digits, `.`, `_` and `-`, at most 100 of them.",
                field="slug",
            )
        id = new_id()
        async with self._db.transaction(principal.workspace_id) as tx:
            await self._run_checks(principal, tx, spec)
            await self._insert(tx, principal, id, slug, name=spec.name)
            await queries.insert_version(
                tx, id, 1, spec, workspace_id=principal.workspace_id, created_by=principal.name
            )
            return await _get(tx, id)

    async def get(self, principal: Principal, id: UUID, *, version: int | None = None) -> Agent:
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await _get(tx, id, version)

    async def find(self, principal: Principal, reference: str) -> Agent:
        """By id or slug."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            id = await queries.find_id(tx, reference)
            if id is None:
                try:
                    id = UUID(reference)
                except ValueError:
                    raise AgentNotFound(f"There is no agent {reference!r} in this workspace.") from None
            return await _get(tx, id)

    async def list(self, principal: Principal, window: Window) -> Page[Agent]:
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window)
        return page_of(rows, window, lambda agent: agent.id)

    async def update(self, principal: Principal, id: UUID, changes: dict[str, Any]) -> Agent:
        """Makes a new version with these fields of AgentSpec changed; the others stay."""
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            version = await queries.lock(tx, id)
            if version is None:
                raise _missing(id)
            spec = replace(_spec_of((await _get(tx, id)).current), **changes)
            _check(spec)
            await self._run_checks(principal, tx, spec)
            await queries.insert_version(
                tx, id, version + 1, spec, workspace_id=principal.workspace_id, created_by=principal.name
            )
            await queries.set_version(tx, id, version + 1)
            return await _get(tx, id)

    async def versions(self, principal: Principal, id: UUID) -> list[AgentVersion]:
        """Newest first."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            return await queries.list_versions(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def _run_checks(self, principal: Principal, tx: Transaction, spec: AgentSpec) -> None:
        for check in self._checks:
            await check(principal, tx, spec)

    async def _insert(self, tx: Transaction, principal: Principal, id: UUID, slug: str | None, *, name: str) -> None:
        """A slug that was asked for must be free; one made from the name gets a suffix when it is not."""
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        base = slug or slug_of(name)
        if await queries.insert(tx, id, base, **where):
            return
        if slug is not None:
            raise SlugTaken(f"There is already an agent with the slug {slug!r}; choose another.", slug=slug)
        await queries.insert(tx, id, f"{base}-{id.hex[-8:]}", **where)


def slug_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80] or "agent"


async def _get(tx: Transaction, id: UUID, version: int | None = None) -> Agent:
    agent = await queries.get(tx, id, version)
    if agent is None:
        raise _missing(id)
    return agent


def _missing(id: UUID) -> AgentNotFound:
    return AgentNotFound(f"There is no agent '{id}' in this workspace.", agent_id=str(id))


def _spec_of(version: AgentVersion) -> AgentSpec:
    return AgentSpec(**{field.name: getattr(version, field.name) for field in fields(AgentSpec)})


def _check(spec: AgentSpec) -> None:
    if not spec.name.strip():
        raise InvalidRequest("`name` is empty; give the agent a name.", field="name")
    if len(spec.name) > LONGEST_NAME:
        raise InvalidRequest(f"`name` has {len(spec.name)} characters; the most is {LONGEST_NAME}.", field="name")
    if len(spec.instructions) > LONGEST_INSTRUCTIONS:
        raise InvalidRequest(
            f"`instructions` has {len(spec.instructions)} characters; the most is {LONGEST_INSTRUCTIONS}.",
            field="instructions",
        )
    limits = spec.limits
    for name, value, smallest, largest in (
        ("max_iterations", limits.max_iterations, 1, 1000),
        ("timeout_seconds", limits.timeout_seconds, 1, 7 * 86400),
        ("max_tokens", limits.max_tokens, 1, 10**9),
        ("max_cost_micros", limits.max_cost_micros, 0, 10**12),
    ):
        if value is not None and not smallest <= value <= largest:
            raise InvalidRequest(
                f"`limits.{name}` is {value}; it must be between {smallest} and {largest}.", field=f"limits.{name}"
            )
