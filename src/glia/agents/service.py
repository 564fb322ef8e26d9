"""Agents: make, change, list, delete. Every change is a new version."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from glia.agents import queries
from glia.agents.errors import AgentNotFound, SlugTaken
from glia.agents.types import Agent, AgentSpec, AgentVersion, Permissions
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of

LONGEST_NAME = 200
LONGEST_INSTRUCTIONS = 200_000
LONGEST_APPROVAL_SECONDS = 90 * 86400
MOST_RULES = 200
MOST_SUBAGENTS = 50
MOST_SEARCH_RESULTS = 30
MOST_STANDING = 100
LONGEST_OFFER = 1_000

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
            await _check_subagents(tx, None, spec)
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
            try:
                found = await queries.get(tx, UUID(reference))
            except ValueError:
                found = None
            if found is not None:
                return found
            id = await queries.find_id(tx, reference)
            if id is None:
                raise AgentNotFound(f"There is no agent {reference!r} in this workspace.")
            return await _get(tx, id)

    async def of(self, principal: Principal, ids: Sequence[UUID]) -> list[Agent]:
        """Those of these agents that are still there, as they are now, in the order asked for."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = [await queries.get(tx, id) for id in ids]
        return [agent for agent in found if agent is not None]

    async def list(self, principal: Principal, window: Window) -> Page[Agent]:
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window)
        return page_of(rows, window, lambda agent: agent.id)

    async def update(self, principal: Principal, id: UUID, changes: dict[str, Any]) -> Agent:
        """Makes a new version with these fields of AgentSpec changed; the others stay."""
        return await self.amend(principal, id, lambda _spec: changes)

    async def amend(self, principal: Principal, id: UUID, change: Callable[[AgentSpec], dict[str, Any]]) -> Agent:
        """As `update`, for changes that follow from what the agent is: nobody else changes it meanwhile.

        change: gives fields of AgentSpec from the present ones; it may raise.
        """
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            version = await queries.lock(tx, id)
            if version is None:
                raise _missing(id)
            before = _spec_of((await _get(tx, id)).current)
            spec = replace(before, **change(before))
            _check(spec)
            await self._run_checks(principal, tx, spec)
            await _check_subagents(tx, id, spec)
            await queries.insert_version(
                tx, id, version + 1, spec, workspace_id=principal.workspace_id, created_by=principal.name
            )
            await queries.set_version(tx, id, version + 1)
            return await _get(tx, id)

    async def check(self, principal: Principal, spec: AgentSpec) -> None:
        """Raises what `create` would raise for this spec, and keeps nothing."""
        principal.require("agents:read")
        _check(spec)
        async with self._db.transaction(principal.workspace_id) as tx:
            await self._run_checks(principal, tx, spec)
            await _check_subagents(tx, None, spec)

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
        ("max_depth", limits.max_depth, 0, 10),
    ):
        if value is not None and not smallest <= value <= largest:
            raise InvalidRequest(
                f"`limits.{name}` is {value}; it must be between {smallest} and {largest}.", field=f"limits.{name}"
            )
    if not 1 <= spec.search_depth <= MOST_SEARCH_RESULTS:
        raise InvalidRequest(
            f"`search_depth` is {spec.search_depth}; it must be between 1 and {MOST_SEARCH_RESULTS}: 5 is quick, 15"
            " balanced, 30 thorough.",
            field="search_depth",
        )
    _check_permissions(spec.permissions)
    _check_standing(spec)


def _check_standing(spec: AgentSpec) -> None:
    rules = len(spec.standing_instructions)
    if rules > MOST_STANDING:
        raise InvalidRequest(
            f"The agent would have {rules} standing instructions; the most is {MOST_STANDING}.",
            field="standing_instructions",
        )
    if len(spec.tool_choice.offered_as) > LONGEST_OFFER:
        raise InvalidRequest(
            f"`tool_choice.offered_as` has {len(spec.tool_choice.offered_as)} characters; the most is {LONGEST_OFFER}.",
            field="tool_choice.offered_as",
        )


def _check_permissions(permissions: Permissions) -> None:
    if not 1 <= permissions.expires_after_seconds <= LONGEST_APPROVAL_SECONDS:
        raise InvalidRequest(
            f"`permissions.expires_after_seconds` is {permissions.expires_after_seconds:g}; it must be between 1 and"
            f" {LONGEST_APPROVAL_SECONDS}.",
            field="permissions.expires_after_seconds",
        )
    if len(permissions.rules) > MOST_RULES:
        raise InvalidRequest(
            f"`permissions.rules` has {len(permissions.rules)} entries; the most is {MOST_RULES}.",
            field="permissions.rules",
        )
    for index, rule in enumerate(permissions.rules):
        field = f"permissions.rules[{index}]"
        if not rule.tool:
            raise InvalidRequest(f"`{field}.tool` is empty; name a tool, or `*` for all.", field=f"{field}.tool")
        if rule.op in ("in", "not_in") and not isinstance(rule.value, list):
            raise InvalidRequest(f"`{field}.value` must be a list for `{rule.op}`.", field=f"{field}.value")


async def _check_subagents(tx: Transaction, id: UUID | None, spec: AgentSpec) -> None:
    """They must be there, and no agent may come back to itself through them."""
    if len(spec.subagents) > MOST_SUBAGENTS:
        raise InvalidRequest(
            f"`subagents` names {len(spec.subagents)} agents; the most is {MOST_SUBAGENTS}.", field="subagents"
        )
    if not spec.subagents:
        return
    known = await queries.known(tx, spec.subagents)
    for index, subagent in enumerate(spec.subagents):
        if subagent not in known:
            raise InvalidRequest(
                f"There is no agent '{subagent}' in this workspace to be a subagent.", field=f"subagents[{index}]"
            )
    if id is not None and id in await queries.below(tx, spec.subagents):
        raise InvalidRequest(
            "`subagents` would lead back to this agent; agents may not give tasks to each other in a circle.",
            field="subagents",
        )
