"""Virtual files: write, read, list, search, copy, move, delete; and who did."""

from __future__ import annotations

import builtins
from uuid import UUID

from glia.files.service import Files
from glia.identity.types import Principal
from glia.kit.db import Database, Transaction
from glia.kit.errors import NotFound
from glia.kit.pages import Page, Window, page_of
from glia.virtual_files import queries
from glia.virtual_files.errors import FileTooLarge, InvalidPath, PathTaken, TreeFull, VirtualFileNotFound
from glia.virtual_files.paths import above, folder_of, media_type_of, path_of
from glia.virtual_files.types import (
    LARGEST_FILE_BYTES,
    LARGEST_SEARCHED_BYTES,
    LARGEST_TREE_BYTES,
    MOST_FILES,
    MOST_FOUND,
    Access,
    Action,
    Content,
    Hit,
    Tree,
    VirtualFile,
)

_LONGEST_EXCERPT = 200


class VirtualFiles:
    def __init__(self, db: Database, files: Files, *, by: str | None = None) -> None:
        """by: who is named in the log of accesses; None for the principal that asks."""
        self._db = db
        self._files = files
        self._by = by

    def as_agent(self, agent_id: UUID) -> VirtualFiles:
        """The same files, touched by an agent in one of its runs."""
        return VirtualFiles(self._db, self._files, by=f"agent:{agent_id}")

    async def write(
        self,
        principal: Principal,
        tree: Tree,
        path: str,
        content: bytes,
        *,
        media_type: str | None = None,
        must_be_new: bool = False,
    ) -> VirtualFile:
        """media_type: told from the path and the content when not given. must_be_new: PathTaken when it is there.

        Raises InvalidPath, FileTooLarge, TreeFull.
        """
        principal.require("files:write")
        path = path_of(path)
        _check_size(path, len(content))
        kind = media_type or media_type_of(path, content)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, tree)
            before = await queries.get(tx, tree, path)
            if before is not None and must_be_new:
                raise PathTaken(f"There is a file {path!r} already; write to it, or choose another path.", field="path")
            await _check_room(tx, tree, path, before, len(content))
            where = {"workspace_id": principal.workspace_id, "project_id": principal.project_id}
            kept = await self._files.write_bytes(tx, content, **where, name=path, media_type=kind)
            action: Action = "create" if before is None else "write"
            await queries.note(tx, tree, path, action, workspace_id=principal.workspace_id, by=self._name(principal))
            now = Content(kept.id, kind, len(content))
            if before is None:
                return await queries.insert(tx, tree, path, now, **where)
            written = await queries.replace(tx, before.id, now)
            await self._files.delete(tx, before.file_id)
            return written

    async def stat(self, principal: Principal, tree: Tree, path: str) -> VirtualFile:
        principal.require("files:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, tree)
            return await _get(tx, tree, path_of(path))

    async def read(self, principal: Principal, tree: Tree, path: str) -> tuple[VirtualFile, bytes]:
        """The file and its whole content, at most 100 MiB of it in memory."""
        principal.require("files:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, tree)
            file = await _get(tx, tree, path_of(path))
            await queries.note(
                tx, tree, file.path, "read", workspace_id=principal.workspace_id, by=self._name(principal)
            )
            return file, await self._files.read_bytes(tx, file.file_id)

    async def list(
        self, principal: Principal, tree: Tree, folder: str = "/", *, limit: int = MOST_FILES
    ) -> builtins.list[VirtualFile]:
        """Everything below a folder, by path; a file's own path gives that file."""
        principal.require("files:read")
        folder = folder_of(folder)
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, tree)
            found = await queries.list_below(tx, tree, folder, limit=limit)
            itself = None if found or folder == "/" else await queries.get(tx, tree, folder)
        return found if itself is None else [itself]

    async def search(
        self, principal: Principal, tree: Tree, query: str, folder: str = "/", *, limit: int = 50
    ) -> builtins.list[Hit]:
        """Files whose path or text holds the query; case does not count. Of texts over 1 MiB only the path counts.

        limit: at most 200.
        """
        principal.require("files:read")
        wanted = query.strip().lower()
        if not wanted:
            raise InvalidPath("`query` is empty; give the words to look for.", field="query")
        hits: list[Hit] = []
        for file in await self.list(principal, tree, folder):
            if wanted in file.path.lower():
                hits.append(Hit(file, None, file.path))
            elif file.is_text and file.size_bytes <= LARGEST_SEARCHED_BYTES:
                async with self._db.transaction(principal.workspace_id) as tx:
                    content = await self._files.read_bytes(tx, file.file_id)
                if hit := _hit(file, content, wanted):
                    hits.append(hit)
            if len(hits) >= min(limit, MOST_FOUND):
                break
        return hits

    async def copy(self, principal: Principal, tree: Tree, source: str, target: str) -> VirtualFile:
        """Raises PathTaken when there is something at the target."""
        file, content = await self.read(principal, tree, source)
        return await self.write(
            principal, tree, path_of(target, "target"), content, media_type=file.media_type, must_be_new=True
        )

    async def move(self, principal: Principal, tree: Tree, source: str, target: str) -> VirtualFile:
        """Raises PathTaken when there is something at the target."""
        principal.require("files:write")
        source, target = path_of(source), path_of(target, "target")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, tree)
            file = await _get(tx, tree, source)
            if await queries.get(tx, tree, target) is not None:
                raise PathTaken(f"There is a file {target!r} already; choose another path.", field="target")
            await _check_place(tx, tree, target)
            moved = await queries.move(tx, file.id, target)
            await queries.note(
                tx,
                tree,
                source,
                "move",
                workspace_id=principal.workspace_id,
                by=self._name(principal),
                other_path=target,
            )
            return moved

    async def delete(self, principal: Principal, tree: Tree, path: str) -> None:
        principal.require("files:write")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, tree)
            file = await _get(tx, tree, path_of(path))
            await self._files.delete(tx, file.file_id)  # takes the row in the tree with it
            await queries.note(
                tx, tree, file.path, "delete", workspace_id=principal.workspace_id, by=self._name(principal)
            )

    async def accesses(
        self, principal: Principal, agent_id: UUID, window: Window, *, path: str | None = None
    ) -> Page[Access]:
        """Who touched the files of an agent and of its sessions, newest first."""
        principal.require("files:read")
        async with self._db.transaction(principal.workspace_id) as tx:
            await _require_tree(tx, Tree(agent_id))
            rows = await queries.accesses(tx, agent_id, window, path=None if path is None else path_of(path))
        return page_of(rows, window, lambda access: access.id)

    def _name(self, principal: Principal) -> str:
        return self._by or principal.name


async def _require_tree(tx: Transaction, tree: Tree) -> None:
    if not await queries.has_tree(tx, tree):
        what = f"agent '{tree.agent_id}'"
        raise NotFound(
            f"There is no {what} in this workspace."
            if tree.session_id is None
            else f"There is no {what} with a session '{tree.session_id}' in this workspace."
        )


async def _get(tx: Transaction, tree: Tree, path: str) -> VirtualFile:
    file = await queries.get(tx, tree, path)
    if file is None:
        raise VirtualFileNotFound(f"There is no file {path!r} in this agent's files.", path=path)
    return file


def _check_size(path: str, size_bytes: int) -> None:
    if size_bytes > LARGEST_FILE_BYTES:
        raise FileTooLarge(f"{path!r} has {size_bytes} bytes; a file may have {LARGEST_FILE_BYTES}.", field="content")


async def _check_room(tx: Transaction, tree: Tree, path: str, before: VirtualFile | None, size_bytes: int) -> None:
    if before is None:
        await _check_place(tx, tree, path)
    total = await queries.sum_of(tx, tree.agent_id)
    if before is None and total.files >= MOST_FILES:
        raise TreeFull(f"This agent has {total.files} files, the most; delete some.")
    grown = total.size_bytes - (0 if before is None else before.size_bytes) + size_bytes
    if grown > LARGEST_TREE_BYTES:
        raise TreeFull(f"The agent's files would have {grown} bytes; the most is {LARGEST_TREE_BYTES}. Delete some.")


async def _check_place(tx: Transaction, tree: Tree, path: str) -> None:
    if other := await queries.taken(tx, tree, path, above(path)):
        raise PathTaken(f"{path!r} cannot be a file beside {other!r}: one of them would be a folder.", field="path")


def _hit(file: VirtualFile, content: bytes, wanted: str) -> Hit | None:
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        at = line.lower().find(wanted)
        if at >= 0:
            start = max(0, at - _LONGEST_EXCERPT // 4)
            return Hit(file, number, line[start : start + _LONGEST_EXCERPT])
    return None
