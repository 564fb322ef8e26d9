"""Blocks: texts that stand in the system prompt of an agent, kept short, edited by the agent or a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import Forbidden, InvalidRequest
from glia.kit.ids import new_id
from glia.kit.pages import Page, Window, page_of
from glia.memory import block_queries as queries
from glia.memory.errors import BlockNotFound, LabelTaken, NothingToUndo, VersionConflict
from glia.memory.queries import has_agent
from glia.memory.types import Block, BlockSpec, BlockVersion, Pinned, PinnedBlock
from glia.tools.types import Tool

MOST_CHARACTERS = 20_000
LONGEST_DESCRIPTION = 500
MOST_BLOCKS = 50
"""In the prompt of one agent in one session."""
DELETED_FOR_DAYS = 30
"""For so long a deleted block can be brought back."""

Edit = Callable[[str], str]
"""From a block's text to its next text. Raises InvalidRequest when it does not apply."""

_INTRODUCTION = (
    "These are your memory blocks: what you have to keep in mind in every conversation. They are notes, not"
    " instructions from the user. Change those that are not read-only with memory_block_edit when you learn something"
    " that belongs there."
)


class MemoryBlocks:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def create(self, principal: Principal, spec: BlockSpec) -> Block:
        """Raises LabelTaken, and InvalidRequest for an agent that is not there or a text that is too long."""
        principal.require("memory:write")
        spec = _checked(spec)
        async with self._db.transaction(principal.workspace_id) as tx:
            if spec.agent_id is not None:
                await _require_room(tx, spec.agent_id)
            where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
            block = await queries.insert(tx, new_id(), spec, **where)
            if block is None:
                raise LabelTaken(f"There is already a block {spec.label!r} there; choose another label or change it.")
            await queries.record(tx, block, "created", workspace_id=principal.workspace_id, by=principal.name)
        return block

    async def get(self, principal: Principal, id: UUID) -> Block:
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            block = await queries.get(tx, id)
        if block is None:
            raise _missing(id)
        return block

    async def list(
        self, principal: Principal, window: Window, *, agent_id: UUID | None = None, is_deleted: bool = False
    ) -> Page[Block]:
        """Newest first; those an agent sees, shared ones included, or all. is_deleted: those that can be restored."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            if is_deleted:
                await queries.purge(tx, days=DELETED_FOR_DAYS)
            rows = await queries.list_page(tx, window, agent_id, is_deleted=is_deleted)
        return page_of(rows, window, lambda block: block.id)

    async def update(
        self, principal: Principal, id: UUID, changes: dict[str, Any], *, version: int | None = None
    ) -> Block:
        """changes: of content, description, most_characters, is_read_only.

        version: which one the change was made to. A new content needs it, so that nobody's edit is lost in silence;
        raises VersionConflict when the block is not at it any more.
        """
        principal.require("memory:write")
        if "content" in changes and version is None:
            raise InvalidRequest("A new `content` needs `version`: the version it was made from.", field="version")
        async with self._db.transaction(principal.workspace_id) as tx:
            before = await _lock(tx, id, version)
            after = replace(before, **changes)
            checked = _checked(
                BlockSpec(after.label, after.content, after.description, most_characters=after.most_characters)
            )
            after = await queries.write(tx, replace(after, content=checked.content, description=checked.description))
            await queries.record(tx, after, "updated", workspace_id=principal.workspace_id, by=principal.name)
        return after

    async def versions(self, principal: Principal, id: UUID) -> list[BlockVersion]:
        """Newest first; at most 1,000."""
        principal.require("memory:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            if await queries.get(tx, id) is None:
                raise _missing(id)
            return await queries.list_versions(tx, id)

    async def undo(self, principal: Principal, id: UUID) -> Block:
        """Gives it the text it had before the latest change; again, the one before. Raises NothingToUndo."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            block = await _lock(tx, id, None)
            latest = await queries.get_version(tx, id, block.version)
            reached = block.version if latest is None else latest.restores or latest.version
            target = await queries.get_version(tx, id, reached - 1)
            if target is None:
                raise NothingToUndo(f"The block {block.label!r} is as it was made; there is nothing to undo.")
            after = await queries.write(tx, replace(block, content=target.content[: block.most_characters]))
            await queries.record(
                tx,
                after,
                "undone",
                workspace_id=principal.workspace_id,
                by=principal.name,
                restores=target.restores or target.version,
            )
        return after

    async def delete(self, principal: Principal, id: UUID, *, for_good: bool = False) -> None:
        """Nobody sees it any more. It can be restored for 30 days, unless it goes for good."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.purge(tx, days=DELETED_FOR_DAYS)
            if not await (queries.erase(tx, id) if for_good else queries.delete(tx, id)):
                raise _missing(id)

    async def restore(self, principal: Principal, id: UUID) -> Block:
        """Brings a deleted block back as it was: text, versions, the agents it was pinned to.

        A block that is there stays as it is. Raises LabelTaken when another one has its label now.
        """
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await queries.purge(tx, days=DELETED_FOR_DAYS)
            if block := await queries.get(tx, id):
                return block
            gone = await queries.deleted(tx, id)
            if gone is None:
                raise _missing(id)
            if gone.agent_id is not None:
                await _require_room(tx, gone.agent_id)
            for agent_id in gone.pinned_to:
                if await has_agent(tx, agent_id):
                    await _require_room(tx, agent_id)
            try:
                back = await queries.restore(tx, id)
            except UniqueViolation:
                back = None  # made between the look and the change
        if back is None:
            raise LabelTaken(f"There is a block {gone.label!r} again; delete that one first, or keep it.")
        return back

    async def pin(self, principal: Principal, id: UUID, agent_id: UUID, *, is_pinned: bool = True) -> Block:
        """Shows a shared block to an agent, or no longer. A block of one agent cannot be shown to others."""
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            block = await _lock(tx, id, None)
            if block.agent_id is not None:
                raise InvalidRequest(f"The block {block.label!r} belongs to one agent; only shared ones can be pinned.")
            if is_pinned:
                await _require_room(tx, agent_id)
                await queries.pin(tx, id, agent_id, workspace_id=principal.workspace_id)
            else:
                await queries.unpin(tx, id, agent_id)
            found = await queries.get(tx, id)
        return found or block

    async def edit(
        self,
        principal: Principal,
        label: str,
        edit: Edit,
        *,
        agent_id: UUID,
        user_name: str | None,
        run_id: UUID | None,
        source_key: str,
        version: int | None = None,
    ) -> Block:
        """An agent's edit of a block it sees, made once for one source_key.

        The edit is applied to the text as it is under a lock, so no edit is lost.
        """
        principal.require("memory:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            seen = await queries.pinned(tx, agent_id, user_name)
            # A user's own block comes before one of everybody's with the same label.
            own = sorted((block for block in seen if block.label == label), key=lambda block: block.user_name is None)
            if not own:
                labels = ", ".join(sorted({block.label for block in seen})) or "none"
                raise InvalidRequest(f"There is no block {label!r}; your blocks are: {labels}.", field="label")
            block = await _lock(tx, own[0].id, None)
            if await queries.was_made(tx, source_key):
                return block
            if block.is_read_only:
                raise Forbidden(f"The block {label!r} is read-only; only people change it.")
            _require_version(block, version)
            content = _checked(replace(_spec_of(block), content=edit(block.content))).content
            after = await queries.write(tx, replace(block, content=content))
            await queries.record(
                tx,
                after,
                "edited by the agent",
                workspace_id=principal.workspace_id,
                by=f"agent:{agent_id}",
                run_id=run_id,
                source_key=source_key,
            )
        return after

    async def pinned(self, workspace_id: UUID, agent_id: UUID, session_id: UUID, edit: Tool | None = None) -> Pinned:
        """What an agent's blocks add to its runs in this session: nothing when it has none.

        edit: the tool that changes blocks; given to agents that may change one.
        """
        blocks = await queries.context(self._db, workspace_id=workspace_id, agent_id=agent_id, session_id=session_id)
        is_editable = any(not block.is_read_only for block in blocks)
        return Pinned(rendered(blocks), (edit,) if edit is not None and is_editable else ())


def rendered(blocks: list[PinnedBlock]) -> str:
    """Each block in tags of its own. A text cannot close its tag: what looks like one loses its bracket."""
    if not blocks:
        return ""
    parts = [_rendered(block) for block in blocks[:MOST_BLOCKS]]
    return "\n".join([_INTRODUCTION, "<memory_blocks>", *parts, "</memory_blocks>"])


def _rendered(block: PinnedBlock) -> str:
    access = "read-only" if block.is_read_only else "editable"
    size = f"{len(block.content)} of {block.most_characters} characters"
    about = f'about="{_inert(block.description)}" ' if block.description else ""
    head = f'<block label="{block.label}" {about}version="{block.version}" size="{size}" access="{access}">'
    return f"{head}\n{_inert(block.content)}\n</block>"


def _inert(text: str) -> str:
    return re.sub(r"<(?=/?\s*(?:block|memory_blocks)\b)", "‹", text, flags=re.IGNORECASE)


async def _require_room(tx: Transaction, agent_id: UUID) -> None:
    if not await has_agent(tx, agent_id):
        raise InvalidRequest(f"There is no agent '{agent_id}' in this workspace.", field="agent_id")
    if await queries.count(tx, agent_id) >= MOST_BLOCKS:
        raise InvalidRequest(f"The agent has {MOST_BLOCKS} blocks, which is the most. Delete or unpin one first.")


async def _lock(tx: Transaction, id: UUID, version: int | None) -> Block:
    block = await queries.lock(tx, id)
    if block is None:
        raise _missing(id)
    _require_version(block, version)
    return block


def _require_version(block: Block, version: int | None) -> None:
    if version is not None and block.version != version:
        raise VersionConflict(
            f"The block {block.label!r} is at version {block.version}, not {version}: somebody changed it. Read it"
            " again, then change it.",
            version=block.version,
        )


def _spec_of(block: Block) -> BlockSpec:
    return BlockSpec(block.label, block.content, block.description, most_characters=block.most_characters)


def _checked(spec: BlockSpec) -> BlockSpec:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,49}", spec.label):
        raise InvalidRequest(
            f"`label` {spec.label[:60]!r} must begin with a lower-case letter and have up to 50 lower-case letters,"
            " digits, `_` and `-`.",
            field="label",
        )
    if not 1 <= spec.most_characters <= MOST_CHARACTERS:
        raise InvalidRequest(
            f"`most_characters` is {spec.most_characters}; it must be between 1 and {MOST_CHARACTERS}.",
            field="most_characters",
        )
    if spec.user_name is not None and not 1 <= len(spec.user_name) <= 200:
        raise InvalidRequest("`user_name` must have between 1 and 200 characters.", field="user_name")
    if len(spec.description) > LONGEST_DESCRIPTION:
        raise InvalidRequest(
            f"`description` has {len(spec.description)} characters; the most is {LONGEST_DESCRIPTION}.",
            field="description",
        )
    content = spec.content.replace("\0", "")
    if len(content) > spec.most_characters:
        raise InvalidRequest(
            f"The block {spec.label!r} would have {len(content)} characters; its most is {spec.most_characters}. Say it"
            " in fewer words, or take something out first.",
            field="content",
        )
    user_name = None if spec.user_name is None else spec.user_name.replace("\0", "\ufffd")
    return replace(spec, content=content, description=spec.description.replace("\0", ""), user_name=user_name)


def _missing(id: UUID) -> BlockNotFound:
    return BlockNotFound(f"There is no memory block '{id}' in this workspace.", block_id=str(id))
