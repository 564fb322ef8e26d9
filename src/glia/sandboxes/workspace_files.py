"""The files inside a sandbox. Everything goes through its agent, which resolves paths inside: no link leads out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from uuid import UUID

from glia.identity.types import Principal
from glia.kit.errors import InvalidRequest
from glia.sandboxes.errors import NotAFile
from glia.sandboxes.live import Use
from glia.sandboxes.types import FileInfo

MOST_ENTRIES = 10_000
DEEPEST = 20
_LONGEST_PATH = 4_000


class WorkspaceFiles:
    """Paths are absolute, or relative to /workspace."""

    def __init__(self, use: Use) -> None:
        self._use = use

    async def list(
        self, principal: Principal, id: UUID, path: str, *, depth: int = 1, limit: int = 1_000
    ) -> Sequence[FileInfo]:
        """depth: 1 for the folder itself, more for what is below. Raises TooManyFiles beyond `limit`."""
        for name, value, largest in (("depth", depth, DEEPEST), ("limit", limit, MOST_ENTRIES)):
            if not 1 <= value <= largest:
                raise InvalidRequest(f"`{name}` is {value}; it must be between 1 and {largest}.", field=name)
        async with self._use(principal, id, "sandboxes:read") as live:
            return await live.box.list(checked(path), depth=depth, limit=limit)

    async def stat(self, principal: Principal, id: UUID, path: str) -> FileInfo:
        async with self._use(principal, id, "sandboxes:read") as live:
            return await live.box.stat(checked(path))

    async def read(
        self, principal: Principal, id: UUID, path: str, *, offset: int = 0, limit: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The content in chunks. Begin with `stat`, which says early what is wrong with the path."""
        async with self._use(principal, id, "sandboxes:read") as live:
            chunks = live.box.get(checked(path), offset=offset, limit=limit)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                await chunks.aclose()

    async def regular(self, principal: Principal, id: UUID, path: str) -> FileInfo:
        """As `stat`. Raises NotAFile for folders, pipes and devices; a link is followed inside when it is read."""
        found = await self.stat(principal, id, path)
        if found.kind not in {"file", "symlink"}:
            raise NotAFile(f"{path!r} is a {found.kind}, not a file.", field="path")
        return found

    async def write(
        self, principal: Principal, id: UUID, path: str, data: AsyncIterable[bytes] | bytes, *, mode: int = 0o644
    ) -> int:
        """Makes the folders it needs, and replaces a file of that name as one step; the bytes written."""
        if not 0 <= mode <= 0o777:
            raise InvalidRequest(f"`mode` is {mode:o}; it must be between 0 and 777, in octal.", field="mode")
        async with self._use(principal, id) as live:
            return await live.box.put(checked(path), data, mode=mode)

    async def make_directory(self, principal: Principal, id: UUID, path: str) -> None:
        async with self._use(principal, id) as live:
            await live.box.make_directory(checked(path))

    async def move(self, principal: Principal, id: UUID, source: str, target: str) -> None:
        async with self._use(principal, id) as live:
            await live.box.move(checked(source, "source"), checked(target, "target"))

    async def remove(self, principal: Principal, id: UUID, path: str) -> None:
        async with self._use(principal, id) as live:
            await live.box.remove(checked(path))

    async def tar_out(self, principal: Principal, id: UUID, path: str) -> AsyncGenerator[bytes, None]:
        async with self._use(principal, id, "sandboxes:read") as live:
            chunks = live.box.tar_out(checked(path))
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                await chunks.aclose()

    async def tar_in(self, principal: Principal, id: UUID, path: str, data: AsyncIterable[bytes]) -> int:
        """Unpacks a tar into a folder; the number of members. Raises TarRefused."""
        async with self._use(principal, id) as live:
            return await live.box.tar_in(data, checked(path))


def checked(path: str, field: str = "path") -> str:
    """Raises InvalidRequest for what is no path on any system; everything else is judged inside."""
    if not path or len(path.encode(errors="replace")) > _LONGEST_PATH or "\0" in path:
        raise InvalidRequest(
            f"`{field}` is {path[:100]!r}; give a path of at most {_LONGEST_PATH} bytes, absolute or below /workspace.",
            field=field,
        )
    return path
