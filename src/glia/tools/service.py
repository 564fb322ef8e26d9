"""Tools: the built-in ones, the user's own, and which of them a run may call."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound
from glia.kit.pages import Page, Window, page_of
from glia.tools import bundle_queries as bundles
from glia.tools import queries
from glia.tools.builtin import BUILT_IN
from glia.tools.counting import counted
from glia.tools.custom import check_spec, origin
from glia.tools.errors import ToolNameTaken, ToolNotFound
from glia.tools.functions import tool
from glia.tools.http import Secrets, sealed
from glia.tools.paying import held
from glia.tools.queries import ToolRow
from glia.tools.rows import headers_context, tool_of, values_of
from glia.tools.types import CustomTool, CustomToolSpec, Tool, ToolSource
from glia.tools.web_fetch import web_fetch

__all__ = [
    "BUILT_IN",
    "DEFAULT_TOOLS",
    "KNOWLEDGE_SEARCH",
    "MOST_TOOLS",
    "Secrets",
    "Tools",
    "held",
    "tool",
    "web_fetch",
]

KNOWLEDGE_SEARCH = "knowledge_search"
IF_THERE = "?"
"""Behind a name in an agent's `tools`: the tool is used once there is one of this name, and not missed before."""
DEFAULT_TOOLS = "default"
"""Among an agent's tools: all those that an agent has which names none."""
EVERY_TOOL = bundles.EVERY_TOOL
MOST_TOOLS = 128
"""Per agent; providers refuse more."""


class Tools:
    def __init__(
        self,
        db: Database,
        *,
        built_in: Sequence[Tool],
        outbound: Outbound,
        secrets: Secrets,
        sources: Sequence[ToolSource] = (),
    ) -> None:
        """built_in: from every slice that offers tools. secrets: seals the headers of custom tools.

        sources: asked for names that are neither built-in nor the workspace's own tools.
        """
        self._db = db
        self._built_in = {tool.name: counted(tool, tool.name) for tool in built_in}
        self._sources = tuple(sources)
        self._outbound = outbound
        self._secrets = secrets
        if len(self._built_in) != len(built_in):
            raise ValueError("Two built-in tools have the same name.")

    @property
    def built_in(self) -> tuple[Tool, ...]:
        return tuple(self._built_in.values())

    async def create(self, principal: Principal, spec: CustomToolSpec) -> CustomTool:
        """Raises InvalidRequest, ToolNameTaken."""
        principal.require("tools:write")
        self._check(spec)
        id = new_id()
        where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
        headers = sealed(spec.headers, self._secrets, headers_context(principal.workspace_id, id))
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.insert(tx, id, values_of(spec, headers, tuple(spec.headers)), **where):
                raise _taken(spec.name)
            return (await _get(tx, id)).shown()

    async def get(self, principal: Principal, id: UUID) -> CustomTool:
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return (await _get(tx, id)).shown()

    async def list(self, principal: Principal, window: Window) -> Page[CustomTool]:
        """The workspace's own tools; `built_in` has the others."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await queries.list_page(tx, window)
        return page_of([row.shown() for row in rows], window, lambda tool: tool.id)

    async def update(self, principal: Principal, id: UUID, changes: Mapping[str, Any]) -> CustomTool:
        """changes: fields of CustomToolSpec. Headers that are not given stay, unless the tool moves to another host."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            row = await queries.lock(tx, id)
            if row is None:
                raise _missing(id)
            spec = replace(_spec_of(row), **changes)
            self._check(spec)
            headers, names = row.sealed_headers, row.header_names
            if "headers" in changes:
                headers = sealed(spec.headers, self._secrets, headers_context(row.workspace_id, id))
                names = tuple(spec.headers)
            elif headers is not None and origin(spec.url) != origin(row.url):
                # Otherwise anyone who may edit the tool could have its secrets sent to a host of their own.
                raise InvalidRequest(
                    f"The tool moves to {origin(spec.url)}; give `http.headers` anew, or {{}} for none.",
                    field="http.headers",
                )
            if not await queries.update(tx, id, values_of(spec, headers, names)):
                raise _taken(spec.name)
            return (await _get(tx, id)).shown()

    async def delete(self, principal: Principal, id: UUID) -> None:
        """Agents that still name it get a clear error when they are next run."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            if not await queries.delete(tx, id):
                raise _missing(id)

    async def resolve(
        self,
        principal: Principal,
        names: tuple[str, ...] | None,
        *,
        has_knowledge: bool,
        toolset_ids: Sequence[UUID] = (),
    ) -> list[Tool]:
        """The tools of a run, for the engine. names: as the agent has them; None for the default built-in ones.

        toolset_ids: toolsets whose tools come besides; those that are gone or switched off bring none.

        Knowledge search comes exactly when the agent has knowledge. Raises ToolNotFound, which names every name
        that is no longer there.
        """
        given = (DEFAULT_TOOLS,) if names is None else names
        optional = {name.removesuffix(IF_THERE) for name in given if name.endswith(IF_THERE)}
        wanted = list(dict.fromkeys(name.removesuffix(IF_THERE) for name in given))
        if DEFAULT_TOOLS in wanted:
            at = wanted.index(DEFAULT_TOOLS)
            wanted[at : at + 1] = [tool.name for tool in self._built_in.values() if _is_offered(tool)]
        if toolset_ids or any(name.endswith(EVERY_TOOL) for name in wanted):
            async with self._db.transaction(principal.workspace_id) as tx:
                wanted = await bundles.expanded(tx, wanted, toolset_ids)
        wanted = [name for name in dict.fromkeys(wanted) if name != KNOWLEDGE_SEARCH]
        found = {name: [self._built_in[name]] for name in wanted if name in self._built_in}
        custom = [name for name in wanted if name not in found]
        if custom:
            async with self._db.transaction(principal.workspace_id) as tx:
                found |= {
                    row.name: [tool_of(row, self._outbound, self._secrets)] for row in await queries.named(tx, custom)
                }
        for source in self._sources:
            if rest := [name for name in custom if name not in found]:
                found |= {name: list(tools) for name, tools in (await source.resolve(principal, rest)).items()}
        if gone := [name for name in custom if name not in found and name not in optional]:
            raise ToolNotFound(
                f"The agent names tools that are not there: {', '.join(map(repr, gone))}. Create them again or take"
                " them out of the agent's `tools`.",
                names=gone,
            )
        search = [self._built_in[KNOWLEDGE_SEARCH]] if has_knowledge and KNOWLEDGE_SEARCH in self._built_in else []
        # One name may stand for several tools, and a tool may be named twice, by itself and with the others.
        named = {tool.name: tool for name in wanted for tool in found.get(name, ())}
        return (search + list(named.values()))[:MOST_TOOLS]

    async def check_names(self, principal: Principal, tx: Transaction, names: tuple[str, ...] | None) -> None:
        """For agents before they are kept. Raises InvalidRequest with the field `tools[2]` and near matches."""
        if names is None:
            return
        given, names = names, tuple(name for name in names if name != DEFAULT_TOOLS)
        if len(names) > MOST_TOOLS:
            raise InvalidRequest(f"`tools` names {len(names)} tools; the most is {MOST_TOOLS}.", field="tools")
        needed = [name for name in names if not name.endswith(IF_THERE)]
        if all(name in self._built_in for name in needed):
            return
        known = {*self._built_in, *(row.name for row in await queries.named(tx, needed))}
        for source in self._sources:
            known |= await source.known(principal, tx, [name for name in needed if name not in known])
        for index, name in enumerate(given):
            if name in needed and name not in known:
                raise await self._unknown(principal, tx, name, index)

    async def _unknown(self, principal: Principal, tx: Transaction, name: str, index: int) -> InvalidRequest:
        choices = [*self._built_in, *await queries.list_names(tx)]
        for source in self._sources:
            choices += await source.suggestions(principal, tx)
        near = difflib.get_close_matches(name, choices, n=3)
        hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"There are {', '.join(choices[:30])}."
        return InvalidRequest(f"There is no tool {name[:80]!r} in this workspace. {hint}", field=f"tools[{index}]")

    def _check(self, spec: CustomToolSpec) -> None:
        check_spec(spec)
        if spec.name in self._built_in or spec.name in (KNOWLEDGE_SEARCH, DEFAULT_TOOLS):
            raise ToolNameTaken(f"{spec.name!r} is a built-in tool; choose another name.", field="name")


def _is_offered(tool: Tool) -> bool:
    return tool.is_default and (tool.is_offered is None or tool.is_offered())


def _spec_of(row: ToolRow) -> CustomToolSpec:
    """Without headers: they stay sealed."""
    return CustomToolSpec(
        **{field.name: getattr(row, field.name) for field in fields(CustomToolSpec) if field.name != "headers"}
    )


async def _get(tx: Transaction, id: UUID) -> ToolRow:
    row = await queries.get(tx, id)
    if row is None:
        raise _missing(id)
    return row


def _missing(id: UUID) -> ToolNotFound:
    return ToolNotFound(f"There is no tool '{id}' in this workspace.", tool_id=str(id))


def _taken(name: str) -> ToolNameTaken:
    return ToolNameTaken(f"There is already a tool named {name!r}; choose another name.", field="name")
