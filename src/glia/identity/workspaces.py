"""A workspace and its projects, as those inside see them."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

from glia.identity import audit, queries
from glia.identity.errors import ProjectNotFound, SlugTaken, WorkspaceNotFound
from glia.identity.types import Principal, Project, Workspace
from glia.kit.db import Database
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.kit.slugs import slug_of

LONGEST_NAME = 200


class Workspaces:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, principal: Principal, id: UUID | None = None) -> Workspace:
        """The caller's own workspace, which is the only one it can see."""
        principal.require("workspaces:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.workspace(tx, id or principal.workspace_id)
        if found is None:
            raise WorkspaceNotFound(f"There is no workspace '{id}' that this key opens.", workspace_id=str(id))
        return found

    async def rename(self, principal: Principal, id: UUID, name: str) -> Workspace:
        """Its slug stays, because commands and scripts name it."""
        principal.require("identity:write")
        name = checked_name(name)
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.workspace(tx, id)
            if found is None:
                raise WorkspaceNotFound(f"There is no workspace '{id}' that this key opens.", workspace_id=str(id))
            await queries.rename_workspace(tx, id, name)
            await audit.record(tx, principal, "workspace.renamed", f"workspace:{id}", name=name, old_name=found.name)
        return replace(found, name=name)

    async def list(self, principal: Principal) -> list[Workspace]:
        return [await self.get(principal)]

    async def project(self, principal: Principal, id: UUID) -> Project:
        principal.require("workspaces:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            found = await queries.project(tx, id)
        if found is None:
            raise ProjectNotFound(f"There is no project '{id}' in this workspace.", project_id=str(id))
        return found

    async def projects(self, principal: Principal, window: Window) -> Page[Project]:
        principal.require("workspaces:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.projects(tx, window)
        return page_of(rows, window, lambda project: project.id)

    async def create_project(self, principal: Principal, name: str, *, slug: str | None = None) -> Project:
        """slug: made from the name when not given. Raises SlugTaken."""
        principal.require("identity:write")
        name = checked_name(name)
        wanted = slug_of(name, "project") if slug is None else slug
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,99}", wanted):
            raise InvalidRequest(
                f"`slug` {wanted[:100]!r} may hold lower-case letters, digits, `.`, `_` and `-`, at most 100 of them.",
                field="slug",
            )
        async with self._db.transaction(principal.workspace_id) as tx:
            made = await queries.insert_project(
                tx, new_id(), workspace_id=principal.workspace_id, name=name, slug=wanted
            )
            if made is None:
                raise SlugTaken(f"There is already a project with the slug {wanted!r}; choose another.", slug=wanted)
            await audit.record(tx, principal, "project.created", f"project:{made.id}", slug=made.slug)
        return made


def checked_name(name: str) -> str:
    """The name without spaces around it; raises InvalidRequest when it is empty or too long."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidRequest(
            f"`name` has {len(name)} characters; it must have between 1 and {LONGEST_NAME}.", field="name"
        )
    return checked_text(name, "name")


def checked_text(text: str, field: str) -> str:
    """Raises InvalidRequest for the one character that PostgreSQL cannot keep."""
    if "\x00" in text:
        raise InvalidRequest(f"`{field}` holds a NUL character; leave it away.", field=field)
    return text
