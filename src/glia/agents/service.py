"""Agents: make, change, list, delete. Every change is a new version."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from glia.agents import queries
from glia.agents.checks import check_spec
from glia.agents.errors import AgentNotFound, SlugTaken, ToolsetAttached, ToolsetNotAttached
from glia.agents.types import Agent, AgentFilter, AgentSpec, AgentVersion
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.kit.slugs import slug_of

MOST_SUBAGENTS = 50

SpecCheck = Callable[[Principal, Transaction, AgentSpec], Awaitable[None]]
"""Raises InvalidRequest when a spec names a tool, model or knowledge base that is not there."""


IsHome = Callable[[UUID], Awaitable[bool]]
"""Whether a workspace is the one that the installation began with."""


class Agents:
    def __init__(self, db: Database, *, checks: tuple[SpecCheck, ...] = (), is_home: IsHome | None = None) -> None:
        """checks: what other slices have to say about a spec before it is kept.

        is_home: whether a workspace is the installation's own, whose admins make curated agents; None: every one is.
        """
        self._db = db
        self._checks = checks
        self._is_home = is_home

    async def create(self, principal: Principal, spec: AgentSpec, *, slug: str | None = None) -> Agent:
        """slug: the agent's name in addresses; made from its name when not given. Raises SlugTaken."""
        principal.require("agents:write")
        check_spec(spec)
        await self._may_share(principal, "project", spec.visibility)
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
            id = await queries.find_id(tx, reference, principal.project_id)
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

    async def search(self, principal: Principal, wanted: AgentFilter) -> tuple[list[Agent], int]:
        """A page of those that match, and how many match in all."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return await queries.search(tx, wanted)

    async def update(
        self, principal: Principal, id: UUID, changes: dict[str, Any], *, slug: str | None = None
    ) -> Agent:
        """Makes a new version with these fields of AgentSpec changed; the others stay.

        slug: the agent's new name in addresses. Raises SlugTaken.
        """
        return await self._change(principal, id, lambda spec: replace(spec, **changes), slug=slug)

    async def amend(self, principal: Principal, id: UUID, change: Callable[[AgentSpec], dict[str, Any]]) -> Agent:
        """As `update`, for changes that follow from what the agent is: nobody else changes it meanwhile.

        change: gives fields of AgentSpec from the present ones; it may raise.
        """
        return await self._change(principal, id, lambda spec: replace(spec, **change(spec)))

    async def promote(self, principal: Principal, id: UUID, version: int) -> Agent:
        """Makes a new version that is a copy of an older one, and says so."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            old = await queries.get(tx, id, version) if 1 <= version < 2**31 else None
        if old is None:
            raise AgentNotFound(f"The agent '{id}' has no version {version}.", agent_id=str(id))
        spec = _spec_of(old.current)
        return await self._change(principal, id, lambda _now: spec, promoted_from=version)

    async def attach_toolset(self, principal: Principal, id: UUID, toolset_id: UUID) -> Agent:
        """Gives the agent a toolset's tools besides its own. Raises ToolsetAttached when it has them already."""

        def attached(spec: AgentSpec) -> AgentSpec:
            if toolset_id in spec.toolset_ids:
                raise ToolsetAttached(f"The toolset '{toolset_id}' is attached to this agent already.")
            return replace(spec, toolset_ids=(*spec.toolset_ids, toolset_id))

        return await self._change(principal, id, attached)

    async def detach_toolset(self, principal: Principal, id: UUID, toolset_id: UUID) -> Agent:
        """Raises ToolsetNotAttached."""

        def detached(spec: AgentSpec) -> AgentSpec:
            if toolset_id not in spec.toolset_ids:
                raise ToolsetNotAttached(f"The toolset '{toolset_id}' is not attached to this agent.")
            return replace(spec, toolset_ids=tuple(one for one in spec.toolset_ids if one != toolset_id))

        return await self._change(principal, id, detached)

    async def _change(
        self,
        principal: Principal,
        id: UUID,
        changed: Callable[[AgentSpec], AgentSpec],
        *,
        slug: str | None = None,
        promoted_from: int | None = None,
    ) -> Agent:
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            version = await queries.lock(tx, id)
            if version is None:
                raise _missing(id)
            before = _spec_of((await _get(tx, id)).current)
            spec = changed(before)
            check_spec(spec)
            await self._may_share(principal, before.visibility, spec.visibility)
            await self._run_checks(principal, tx, spec)
            await _check_subagents(tx, id, spec)
            if slug is not None and not await queries.set_slug(tx, id, slug):
                raise SlugTaken(f"There is already an agent with the slug {slug!r}; choose another.", slug=slug)
            await queries.insert_version(
                tx,
                id,
                version + 1,
                spec,
                workspace_id=principal.workspace_id,
                created_by=principal.name,
                promoted_from=promoted_from,
            )
            await queries.set_version(tx, id, version + 1)
            return await _get(tx, id)

    async def check(self, principal: Principal, spec: AgentSpec) -> None:
        """Raises what `create` would raise for this spec, and keeps nothing."""
        principal.require("agents:read")
        check_spec(spec)
        async with self._db.transaction(principal.workspace_id) as tx:
            await self._run_checks(principal, tx, spec)
            await _check_subagents(tx, None, spec)

    async def _may_share(self, principal: Principal, before: str, after: str) -> None:
        """Sharing with the workspace takes an admin, and whatever is curated an admin of the installation."""
        if before != after:
            principal.require("identity:write")
        if "core" in (before, after):
            principal.require("identity:write")
            if self._is_home is not None and not await self._is_home(principal.workspace_id):
                raise Forbidden("Only admins of the installation's own workspace may make or change a core agent.")

    async def versions(self, principal: Principal, id: UUID) -> list[AgentVersion]:
        """Newest first."""
        principal.require("agents:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _get(tx, id)
            return await queries.list_versions(tx, id)

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Hides the agent until it is restored."""
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await self._may_delete(principal, tx, id)
            await queries.delete(tx, id)

    async def restore(self, principal: Principal, id: UUID, *, project_id: UUID | None = None) -> Agent:
        """Brings a deleted agent back. Raises AgentNotFound when there is none to bring back, SlugTaken.

        project_id: who asks; an agent of another project is not there for it unless it is shared.
        """
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            slug = await queries.lock_deleted(tx, id)
            if slug is not None and not await queries.restore(tx, id):
                raise SlugTaken(f"Another agent has the slug {slug!r} by now; rename it first.", slug=slug)
            agent = await _get(tx, id)
            visibility = agent.current.visibility
            if project_id not in (None, agent.project_id) and visibility == "project":
                raise _missing(id)
            await self._may_share(principal, visibility, visibility)
            return agent

    async def purge(self, principal: Principal, id: UUID) -> None:
        """Removes an agent with its versions, memories and triggers for good; its sessions and their logs stay.

        The caller has cancelled its runs.
        """
        principal.require("agents:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await self._may_delete(principal, tx, id)
            await queries.purge(tx, id)

    async def _may_delete(self, principal: Principal, tx: Transaction, id: UUID) -> None:
        if await queries.lock(tx, id) is None:
            raise _missing(id)
        visibility = (await _get(tx, id)).current.visibility
        await self._may_share(principal, visibility, visibility)

    async def _run_checks(self, principal: Principal, tx: Transaction, spec: AgentSpec) -> None:
        for check in self._checks:
            await check(principal, tx, spec)

    async def _insert(self, tx: Transaction, principal: Principal, id: UUID, slug: str | None, *, name: str) -> None:
        """A slug that was asked for must be free; one made from the name gets a suffix when it is not."""
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        base = slug or slug_of(name, "agent")
        if await queries.insert(tx, id, base, **where):
            return
        if slug is not None:
            raise SlugTaken(f"There is already an agent with the slug {slug!r}; choose another.", slug=slug)
        await queries.insert(tx, id, f"{base}-{id.hex[-8:]}", **where)


async def _get(tx: Transaction, id: UUID, version: int | None = None) -> Agent:
    agent = await queries.get(tx, id, version)
    if agent is None:
        raise _missing(id)
    return agent


def _missing(id: UUID) -> AgentNotFound:
    return AgentNotFound(f"There is no agent '{id}' in this workspace.", agent_id=str(id))


def _spec_of(version: AgentVersion) -> AgentSpec:
    return AgentSpec(**{field.name: getattr(version, field.name) for field in fields(AgentSpec)})


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
