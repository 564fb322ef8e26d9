"""Bundles: toolsets that put tools from elsewhere together, so that agents get and lose them together."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.tools import bundle_queries, toolset_queries
from glia.tools.errors import ToolsetNotFound
from glia.tools.service import Tools
from glia.tools.toolset_queries import ToolsetRow
from glia.tools.types import BundleSpec, Toolset

MOST_MEMBERS = 128
LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 10_000
_VISIBILITIES = ("project", "workspace", "core")


IsHome = Callable[[UUID], Awaitable[bool]]


class Bundles:
    def __init__(self, db: Database, tools: Tools, *, is_home: IsHome | None = None) -> None:
        """is_home: whether a workspace is the installation's own, whose admins make curated bundles; None: every one
        is."""
        self._db = db
        self._tools = tools
        self._is_home = is_home

    async def create(self, principal: Principal, spec: BundleSpec) -> Toolset:
        """Its name, which agents write as `<name>__*`, is made from its title."""
        principal.require("tools:write")
        _check(spec)
        await self._may_share(principal, "project", spec.visibility)
        id = new_id()
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        async with self._db.transaction(principal.workspace_id) as tx:
            await self._check_members(principal, tx, spec)
            base = _name_of(spec.title)
            is_free = not await toolset_queries.is_mcp_server(tx, base)
            if not is_free or not await bundle_queries.insert(tx, id, base, spec, **where):
                await bundle_queries.insert(tx, id, f"{base[:19]}-{id.hex[-12:]}", spec, **where)
            return (await _lock(tx, id)).shown()

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> Toolset:
        """changes: fields of BundleSpec. Which tools an import brought is changed by importing anew."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await _lock(tx, id)
            if before.members is None and "members" in changes:
                raise Conflict("The tools of this toolset were imported together; import it anew to change them.")
            spec = replace(_spec_of(before), **changes)
            _check(spec)
            await self._may_share(principal, before.visibility, spec.visibility)
            if "members" in changes:
                await self._check_members(principal, tx, spec)
            await bundle_queries.update(tx, id, spec)
            return (await _lock(tx, id)).shown()

    async def list(
        self, principal: Principal, *, text: str = "", limit: int = 20, offset: int = 0
    ) -> tuple[list[Toolset], int]:
        """Toolsets of every kind that the caller's project sees, newest first, and how many there are."""
        principal.require("tools:read")
        project = principal.project_id
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await bundle_queries.listed(tx, project_id=project, ids=None, text=text, limit=limit, offset=offset)
            total = await bundle_queries.count(tx, project_id=project, text=text)
        return [row.shown() for row in rows], total

    async def of(self, principal: Principal, ids: Sequence[UUID]) -> list[Toolset]:
        """Those of these toolsets that are still there, in the order asked for."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await bundle_queries.listed(tx, project_id=None, ids=ids, text="", limit=1000, offset=0)
        known: dict[UUID, Toolset] = {row.id: row.shown() for row in rows}
        return [known[id] for id in dict.fromkeys(ids) if id in known]

    async def _may_share(self, principal: Principal, before: str, after: str) -> None:
        """Sharing with the workspace takes an admin, and whatever is curated an admin of the installation."""
        if before != after or after == "core":
            principal.require("identity:write")
        if "core" in (before, after) and self._is_home is not None and not await self._is_home(principal.workspace_id):
            raise Forbidden("Only admins of the installation's own workspace may make or change a core bundle.")

    async def _check_members(self, principal: Principal, tx: Transaction, spec: BundleSpec) -> None:
        await self._tools.check_names(principal, tx, spec.members)
        if await bundle_queries.expanded(tx, spec.members, ()) != list(dict.fromkeys(spec.members)):
            raise InvalidRequest("`tools` names another bundle; name its tools one by one.", field="tools")


async def require_toolsets(tx: Transaction, ids: Sequence[UUID]) -> None:
    """Raises InvalidRequest when one of these is no toolset of the workspace: a check for an agent's spec."""
    missing = set(ids) - set(await bundle_queries.known(tx, ids)) if ids else set[UUID]()
    if missing:
        raise InvalidRequest(
            f"There is no toolset '{min(missing)}' in this workspace; create it first, or leave it away.",
            field="toolset_ids",
        )


async def _lock(tx: Transaction, id: UUID) -> ToolsetRow:
    row = await bundle_queries.lock(tx, id)
    if row is None:
        raise ToolsetNotFound(f"There is no toolset '{id}' in this workspace.", toolset_id=str(id))
    return row


def _spec_of(row: ToolsetRow) -> BundleSpec:
    return BundleSpec(
        title=row.title,
        members=row.members or (),
        description=row.description,
        visibility=row.visibility,
        is_enabled=row.is_enabled,
        metadata=row.metadata,
    )


def _name_of(title: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:32].strip("-")
    return plain if plain[:1].isalpha() else f"set-{plain}"[:32].strip("-")


def _check(spec: BundleSpec) -> None:
    if not spec.title.strip() or len(spec.title) > LONGEST_TITLE or "\0" in spec.title:
        raise InvalidRequest(f"`name` has {len(spec.title)} characters; it needs 1 to {LONGEST_TITLE}.", field="name")
    if len(spec.description) > LONGEST_DESCRIPTION:
        raise InvalidRequest(f"`description` has more than {LONGEST_DESCRIPTION} characters.", field="description")
    if len(spec.members) > MOST_MEMBERS:
        raise InvalidRequest(f"`tools` names {len(spec.members)} tools; the most is {MOST_MEMBERS}.", field="tools")
    if spec.visibility not in _VISIBILITIES:
        raise InvalidRequest(
            f"`visibility` {spec.visibility[:50]!r} is none of {', '.join(_VISIBILITIES)}.", field="visibility"
        )
