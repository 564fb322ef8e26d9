"""What every backend's sandbox does alike, because its agent does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from pathlib import Path

from glia.sandboxes import asking
from glia.sandboxes.asking import Stream
from glia.sandboxes.types import FileInfo, SandboxId, SandboxSpec
from glia.sandboxes.wire import Ends


class Served(ABC):
    def __init__(self, id: SandboxId, spec: SandboxSpec) -> None:
        self._id, self._spec = id, spec

    @property
    def id(self) -> SandboxId:
        return self._id

    @property
    def spec(self) -> SandboxSpec:
        return self._spec

    @abstractmethod
    async def dial(self) -> Ends:
        """A new connection to the agent. Raises SandboxGone, SandboxPaused, AgentFailed."""

    @abstractmethod
    async def check_quota(self) -> None:
        """Raises WorkspaceFull where nobody but us holds the quota."""

    async def signal(self, pid: int, signal: int) -> None:
        await asking.signal(self.dial, pid, signal)

    # --- Files --------------------------------------------------------------------------------------------------------

    async def put(self, path: str, data: bytes | AsyncIterable[bytes], *, mode: int = 0o644) -> int:
        await self.check_quota()
        return await asking.put(self.dial, path, data, mode)

    async def get(self, path: str, *, offset: int = 0, limit: int | None = None) -> AsyncGenerator[bytes]:
        async with aclosing(asking.get(self.dial, path, offset, limit)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def list(self, path: str = ".", *, depth: int = 1, limit: int = 1000) -> list[FileInfo]:
        return await asking.list_(self.dial, path, depth, limit)

    async def stat(self, path: str) -> FileInfo:
        return await asking.stat(self.dial, path)

    async def make_directory(self, path: str) -> None:
        await asking.simple(self.dial, "mkdir", path, what=f"making the folder {path!r}")

    async def move(self, source: str, target: str) -> None:
        await asking.simple(self.dial, "move", source, target, what=f"moving {source!r} to {target!r}")

    async def remove(self, path: str) -> None:
        await asking.simple(self.dial, "remove", path, what=f"removing {path!r}")

    async def tar_out(self, path: str = ".") -> AsyncGenerator[bytes]:
        async with aclosing(asking.tar_out(self.dial, path)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def tar_in(self, chunks: AsyncIterable[bytes], path: str = ".") -> int:
        await self.check_quota()
        return await asking.tar_in(self.dial, chunks, path)

    async def snapshot(self, target: Path, *, most_bytes: int | None = None) -> int:
        most = 2 * self._spec.limits.disk_bytes if most_bytes is None else most_bytes
        return await asking.snapshot(self.dial, target, most)

    async def restore(self, source: Path) -> None:
        await asking.restore(self.dial, source)

    async def connect(self, port: int) -> Stream:
        return await asking.connect(self.dial, port)
