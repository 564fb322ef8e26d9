"""Toolsets: tools made in bulk from an OpenAPI document, kept together, imported anew, removed together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Conflict, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.outbound import Outbound, OutboundFailed, OutboundRefused, Timeouts
from glia.kit.pages import Page, Window, page_of
from glia.tools import queries, toolset_queries
from glia.tools.custom import check_headers, origin
from glia.tools.errors import ToolsetNameTaken, ToolsetNotFound
from glia.tools.http import Secrets, opened, sealed
from glia.tools.mcp.names import EVERY, SEPARATOR, is_server_name
from glia.tools.openapi import LARGEST_DOCUMENT_BYTES, Choice, Imported, Reading, parse_document, read_tools
from glia.tools.rows import headers_context, tool_of, values_of
from glia.tools.toolset_queries import Member, ToolsetRow
from glia.tools.types import CustomTool, ImportOutcome, OpenApiImport, Permission, Tool, Toolset

_FETCH = Timeouts(connect_seconds=5, idle_seconds=15, total_seconds=30)
_REDIRECTS = 3
_MOST_NAMESAKES = 20


class Toolsets:
    """Also a ToolSource: `<toolset>__*` stands for all tools of a toolset."""

    def __init__(self, db: Database, outbound: Outbound, secrets: Secrets) -> None:
        self._db = db
        self._outbound = outbound
        self._secrets = secrets

    async def import_openapi(self, principal: Principal, wish: OpenApiImport, *, dry_run: bool) -> ImportOutcome:
        """Makes, renews and removes tools so that they are those of the document.

        dry_run: tells what would be done, and does nothing. Raises InvalidRequest, which says what is wrong with the
        document; operations that cannot be tools are named in the outcome instead.
        """
        principal.require("tools:write")
        _check(wish)
        text = wish.document if wish.document is not None else await self._fetch(str(wish.url))
        reading = await asyncio.to_thread(_read, text, wish)
        async with self._db.transaction(principal.workspace_id) as tx:
            if await toolset_queries.is_mcp_server(tx, wish.name):
                raise ToolsetNameTaken(
                    f"There is an MCP server named {wish.name!r}; choose another name.", field="name"
                )
            row = await toolset_queries.named(tx, wish.name)
            if row is not None and row.members is not None:
                raise ToolsetNameTaken(f"There is a bundle named {wish.name!r}; choose another name.", field="name")
            headers = self._headers(row, wish, reading)
            old = {
                member.operation: member
                for member in ([] if row is None else await toolset_queries.members(tx, row.id))
            }
            reading = await _with_free_names(tx, reading, None if row is None else row.id)
            plan = _Plan(reading, old, wish.permission, wish.timeout_seconds)
            if dry_run:
                return plan.outcome(None)
            id = await self._keep(tx, principal, wish, reading, headers)
            await self._apply(tx, principal, id, plan, headers)
            return plan.outcome((await _get(tx, id)).shown())

    async def get(self, principal: Principal, id: UUID) -> Toolset:
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            return (await _get(tx, id)).shown()

    async def list(self, principal: Principal, window: Window) -> Page[Toolset]:
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            rows = await toolset_queries.list_page(tx, window)
        return page_of([row.shown() for row in rows], window, lambda toolset: toolset.id)

    async def tools(self, principal: Principal, id: UUID) -> Sequence[CustomTool]:
        """All of them, by name."""
        principal.require("tools:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            row = await _get(tx, id)
            return [tool.shown() for tool in await toolset_queries.tools_of(tx, [row.name])]

    async def delete(self, principal: Principal, id: UUID) -> None:
        """With its tools. Agents that still name them get a clear error when they are next run."""
        principal.require("tools:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            visibility = await toolset_queries.delete(tx, id)
            if visibility is None:
                raise _missing(id)
            if visibility == "core":
                principal.require("identity:write")

    async def resolve(self, principal: Principal, names: Sequence[str]) -> dict[str, list[Tool]]:
        wanted = _toolsets_in(names)
        if not wanted:
            return {}
        async with self._db.transaction(principal.workspace_id) as tx:
            there = await toolset_queries.names(tx, list(wanted.values()))
            rows = await toolset_queries.tools_of(tx, there)
        tools = [tool_of(row, self._outbound, self._secrets) for row in rows]
        return {
            name: [tool for tool in tools if tool.name.startswith(toolset + SEPARATOR)]
            for name, toolset in wanted.items()
            if toolset in there
        }

    async def known(self, principal: Principal, tx: Transaction, names: Sequence[str]) -> set[str]:
        wanted = _toolsets_in(names)
        there = await toolset_queries.names(tx, list(wanted.values())) if wanted else []
        return {name for name, toolset in wanted.items() if toolset in there}

    async def suggestions(self, principal: Principal, tx: Transaction) -> list[str]:
        return [f"{name}{SEPARATOR}{EVERY}" for name in await toolset_queries.names(tx)]

    async def _fetch(self, url: str) -> bytes:
        try:
            answer = await self._outbound.request(
                "GET",
                url,
                headers={"Accept": "application/json, application/yaml, text/yaml, */*;q=0.5"},
                timeouts=_FETCH,
                largest_body_bytes=LARGEST_DOCUMENT_BYTES,
                redirects=_REDIRECTS,
            )
        except (OutboundRefused, OutboundFailed) as error:
            raise InvalidRequest(f"`url` gave no document. {error.message}", field="url") from None
        if answer.status != 200:
            raise InvalidRequest(f"`url` answered with status {answer.status}.", field="url")
        return answer.body

    def _headers(self, row: ToolsetRow | None, wish: OpenApiImport, reading: Reading) -> dict[str, str]:
        """What was given, else what an earlier import kept, which goes to no other host."""
        if wish.headers is not None:
            return dict(wish.headers)
        if row is None or row.sealed_headers is None:
            return {}
        if origin(row.base_url) != origin(reading.base_url):
            raise InvalidRequest(
                f"The toolset moves to {origin(reading.base_url)}; give `headers` anew, or {{}} for none.",
                field="headers",
            )
        return opened(row.sealed_headers, self._secrets, _context(row.workspace_id, row.id))

    async def _keep(
        self, tx: Transaction, principal: Principal, wish: OpenApiImport, reading: Reading, headers: Mapping[str, str]
    ) -> UUID:
        id = await toolset_queries.upsert(
            tx,
            new_id(),
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            name=wish.name,
            title=reading.title,
            base_url=reading.base_url,
            source_url=wish.url,
        )
        kept = sealed(headers, self._secrets, _context(principal.workspace_id, id))
        await toolset_queries.set_headers(tx, id, kept, list(headers))
        return id

    async def _apply(
        self, tx: Transaction, principal: Principal, id: UUID, plan: _Plan, headers: Mapping[str, str]
    ) -> None:
        await toolset_queries.remove(tx, [member.id for member in plan.leaving])
        # Two tools may have changed names with each other, so all are out of the way before any gets its own.
        await tx.execute("update tools set name = id::text where toolset_id = %(id)s", id=id)
        for imported, member in plan.staying:
            kept = sealed(headers, self._secrets, headers_context(principal.workspace_id, member.id))
            await queries.update(tx, member.id, values_of(imported.spec, kept, tuple(headers)))
        for imported in plan.coming:
            tool_id = new_id()
            kept = sealed(headers, self._secrets, headers_context(principal.workspace_id, tool_id))
            where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
            if not await queries.insert(tx, tool_id, values_of(imported.spec, kept, tuple(headers)), **where):
                raise Conflict(f"Another tool was just named {imported.spec.name!r}; import again.")
            await toolset_queries.adopt(tx, tool_id, id, imported.key)


class _Plan:
    """Which tools come, stay and leave. A tool that stays keeps its permission unless another one is asked for."""

    def __init__(
        self, reading: Reading, old: Mapping[str, Member], permission: Permission | None, timeout_seconds: float
    ) -> None:
        self.skipped = reading.skipped
        self.coming: list[Imported] = []
        self.staying: list[tuple[Imported, Member]] = []
        for tool in reading.tools:
            member = old.get(tool.key)
            kept = permission or (member.permission if member else Permission.ALWAYS)
            spec = replace(tool.spec, permission=kept, timeout_seconds=timeout_seconds)
            if member is None:
                self.coming.append(Imported(tool.key, spec))
            else:
                self.staying.append((Imported(tool.key, spec), member))
        present = {tool.key for tool in reading.tools}
        self.leaving = [member for operation, member in old.items() if operation not in present]

    def outcome(self, toolset: Toolset | None) -> ImportOutcome:
        staying = [imported for imported, _ in self.staying]
        return ImportOutcome(
            toolset=toolset,
            tools=tuple(imported.spec for imported in (*self.coming, *staying)),
            created=tuple(imported.spec.name for imported in self.coming),
            updated=tuple(imported.spec.name for imported in staying),
            removed=tuple(member.name for member in self.leaving),
            skipped=self.skipped,
        )


def _read(text: str | bytes, wish: OpenApiImport) -> Reading:
    choice = Choice(include=wish.include, exclude=wish.exclude, tags=wish.tags, effects=wish.effects)
    return read_tools(parse_document(text), wish.name, choice, base_url=wish.base_url, source_url=wish.url)


async def _with_free_names(tx: Transaction, reading: Reading, toolset_id: UUID | None) -> Reading:
    """Names that tools outside the toolset have get a number."""
    names = {tool.spec.name for tool in reading.tools}
    numbered = [_numbered(name, number) for name in names for number in range(2, _MOST_NAMESAKES)]
    taken = await toolset_queries.taken_names(tx, [*names, *numbered], except_of=toolset_id)
    tools: list[Imported] = []
    for tool in reading.tools:
        name = tool.spec.name
        if name in taken:
            free = (_numbered(name, number) for number in range(2, _MOST_NAMESAKES))
            name = next((one for one in free if one not in taken and one not in names), name)
            names.add(name)
        tools.append(Imported(tool.key, replace(tool.spec, name=name)))
    return replace(reading, tools=tuple(tools))


def _numbered(name: str, number: int) -> str:
    return f"{name[:60]}_{number}"


def _toolsets_in(names: Sequence[str]) -> dict[str, str]:
    """The names that stand for a whole toolset, and which."""
    ending = SEPARATOR + EVERY
    return {name: name.removesuffix(ending) for name in names if name.endswith(ending)}


def _check(wish: OpenApiImport) -> None:
    if not is_server_name(wish.name):
        raise InvalidRequest(
            f"`name` {wish.name[:80]!r} must be lower-case letters, digits, `-` and single `_`, from a letter on, at"
            " most 32 of them.",
            field="name",
        )
    if (wish.document is None) == (wish.url is None):
        raise InvalidRequest("Give either `document` or `url`.", field="document")
    if not 1 <= wish.timeout_seconds <= 600:
        raise InvalidRequest(
            f"`timeout_seconds` is {wish.timeout_seconds}; it must be between 1 and 600.", field="timeout_seconds"
        )
    check_headers(wish.headers or {}, "headers")


def _context(workspace_id: UUID, id: UUID) -> str:
    return f"toolsets.headers:{workspace_id}:{id}"


async def _get(tx: Transaction, id: UUID) -> ToolsetRow:
    row = await toolset_queries.get(tx, id)
    if row is None:
        raise _missing(id)
    return row


def _missing(id: UUID) -> ToolsetNotFound:
    return ToolsetNotFound(f"There is no toolset '{id}' in this workspace.", toolset_id=str(id))
