"""Programs on this machine: downloaded once, checked, kept under their digest, never changed."""

from __future__ import annotations

import asyncio
import hashlib
import platform
import secrets
import shutil
import tarfile
import time
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from uuid import UUID

from glia.deployments.checks import EXECUTABLES
from glia.deployments.errors import BinaryRefused
from glia.deployments.planning import DOWNLOAD_SECONDS
from glia.identity.types import system_principal
from glia.kit.errors import GliaError, Unavailable
from glia.kit.outbound import Outbound, OutboundRefused
from glia.storage.service import Objects

_UNNEEDED_SECONDS = 3600.0  # a download that has just ended is not yet known to the database
_REDIRECTS = 5
_MOST_MEMBERS = 50_000
_ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
_ENTRIES = {
    "python": ("main.py", "app.py", "__main__.py", "server.py"),
    "node": ("index.js", "main.js", "server.js", "app.js", "index.mjs", "main.mjs"),
}
_PROGRAM = "program"


@dataclass(frozen=True)
class Wanted:
    """sha256: what it must be. workspace_id, project_id: whose objects `storage://` means."""

    workspace_id: UUID
    project_id: UUID
    runtime: str
    url: str
    sha256: str | None


@dataclass(frozen=True)
class Kept:
    """size_bytes: of what it takes on disk, unpacked."""

    digest: str
    size_bytes: int
    folder: Path


class Binaries:
    def __init__(self, folder: Path, outbound: Outbound, objects: Objects, *, most_bytes: int) -> None:
        """folder: one that the users of sandboxes may pass through."""
        self._folder = folder
        self._outbound, self._objects, self._most = outbound, objects, most_bytes
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, wanted: Wanted) -> Kept:
        """From this machine when the digest is known and here. Raises BinaryRefused, OutboundRefused: trying again
        does not help; other GliaErrors: it may."""
        key = wanted.sha256 or wanted.url
        async with self._locks.setdefault(key, asyncio.Lock()):
            kept = await asyncio.to_thread(self._known, wanted)
            return kept or await self._download(wanted)

    def keep_only(self, digests: Collection[str]) -> None:
        """Removes programs that nobody needs any more, and what was left of downloads that were killed. Blocking."""
        for place in self._folder.iterdir() if self._folder.is_dir() else ():
            is_old = time.time() - place.stat().st_mtime > _UNNEEDED_SECONDS
            if is_old and place.name.partition("-")[0] not in digests:
                shutil.rmtree(place, ignore_errors=True)

    def _place(self, wanted: Wanted, digest: str) -> Path:
        kind = "executable" if wanted.runtime in EXECUTABLES else wanted.runtime
        return self._folder / f"{digest}-{kind}"

    def _known(self, wanted: Wanted) -> Kept | None:
        if wanted.sha256 is None or not (place := self._place(wanted, wanted.sha256)).is_dir():
            return None
        return Kept(wanted.sha256, _size(place), place)

    async def _download(self, wanted: Wanted) -> Kept:
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        beside = self._folder / f"new-{secrets.token_hex(8)}"
        beside.mkdir(mode=0o755)
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                digest = await self._write(wanted, beside / _PROGRAM)
            if wanted.sha256 is not None and digest != wanted.sha256:
                raise BinaryRefused(
                    f"The download of {wanted.url!r} has the sha256 {digest}, and {wanted.sha256} was expected."
                )
            await asyncio.to_thread(_unpack, wanted.runtime, beside, self._most)
            place = self._place(wanted, digest)
            if not place.is_dir():
                beside.chmod(0o755)
                beside.rename(place)
            return Kept(digest, await asyncio.to_thread(_size, place), place)
        except TimeoutError:
            raise Unavailable(f"The download of {wanted.url!r} took longer than {DOWNLOAD_SECONDS:g} s.") from None
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    async def _write(self, wanted: Wanted, target: Path) -> str:
        digest, size = hashlib.sha256(), 0
        with target.open("xb") as file:
            async with self._opened(wanted) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    self._check_size(wanted.url, size)
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
        if not size:
            raise BinaryRefused(f"{wanted.url!r} is empty.")
        return digest.hexdigest()

    def _check_size(self, url: str, size: int) -> None:
        if size > self._most:
            raise BinaryRefused(f"{url!r} is larger than {self._most} bytes, the most allowed.")

    def _opened(self, wanted: Wanted) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._stored(wanted) if wanted.url.startswith("storage://") else self._fetched(wanted.url)

    @asynccontextmanager
    async def _stored(self, wanted: Wanted) -> AsyncGenerator[AsyncIterator[bytes]]:
        principal = system_principal(wanted.workspace_id, wanted.project_id)
        try:
            found = await self._objects.get(principal, wanted.url.removeprefix("storage://").lstrip("/"))
        except GliaError as error:
            if error.status >= 500:
                raise
            raise BinaryRefused(error.message) from error
        async with aclosing(self._objects.read(found)) as chunks:
            yield chunks

    @asynccontextmanager
    async def _fetched(self, url: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        try:
            async with self._outbound.stream("GET", url, redirects=_REDIRECTS) as response:
                if response.status in (408, 425, 429) or response.status >= 500:
                    raise Unavailable(f"{url!r} answered {response.status}.")
                if response.status != 200:
                    raise BinaryRefused(f"{url!r} answered {response.status}; it must be there for everybody.")
                said = response.headers.get("content-length") or "0"
                self._check_size(url, int(said) if said.isdecimal() else 0)
                yield response.chunks()
        except OutboundRefused as error:
            raise BinaryRefused(error.message) from error


def _size(folder: Path) -> int:
    return sum(place.stat().st_size for place in folder.rglob("*") if place.is_file())


def command_of(runtime: str, kept: Kept, command: tuple[str, ...], at: str) -> tuple[tuple[str, ...], str]:
    """The command line, and the sandbox's template. at: where the folder is seen. Raises BinaryRefused."""
    if runtime in EXECUTABLES:
        return (f"{at}/{_PROGRAM}", *command), "shell"
    interpreter, template = ("python3", "python") if runtime == "python" else ("node", "nodejs")
    flags = ("-u",) if runtime == "python" else ()
    script = kept.folder / _PROGRAM
    if script.is_file():
        name = _PROGRAM
    elif command:
        name, command = command[0], command[1:]
        if not _is_inside(kept.folder, name):
            raise BinaryRefused(f"The archive has no {name!r}, which `command` names as its entry point.")
    else:
        name = next((entry for entry in _ENTRIES[runtime] if (kept.folder / entry).is_file()), "")
        if not name:
            raise BinaryRefused(
                f"The archive has none of {', '.join(_ENTRIES[runtime])}; name its entry point in `command`."
            )
    return (interpreter, *flags, f"{at}/{name}", *command), template


def _is_inside(folder: Path, name: str) -> bool:
    return ".." not in PurePosixPath(name).parts and not name.startswith("/") and (folder / name).is_file()


def _unpack(runtime: str, folder: Path, most_bytes: int) -> None:
    """Leaves the program in the folder, readable by all and writable by none. Raises BinaryRefused."""
    program = folder / _PROGRAM
    with program.open("rb") as file:
        head = file.read(64)
    if runtime in EXECUTABLES:
        _check_executable(head)
        program.chmod(0o755)
        return
    is_zip, is_tar = head.startswith(b"PK\x03\x04"), head.startswith(b"\x1f\x8b")
    if not is_zip and not is_tar:
        if b"\0" in head:
            raise BinaryRefused("The download is neither a script nor an archive of the kind zip or tar.gz.")
        program.chmod(0o644)
        return
    packed = program.rename(folder.with_name(f"{folder.name}.packed"))
    try:
        (_unzip if is_zip else _untar)(packed, folder, most_bytes)
        for place in folder.rglob("*"):
            if place.is_dir():
                place.chmod(0o755)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BinaryRefused(f"The archive cannot be unpacked: {error}.") from error
    finally:
        packed.unlink()


def _check_executable(head: bytes) -> None:
    if head.startswith(b"#!"):
        return
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        raise BinaryRefused("The download is no executable: it begins neither as an ELF file nor with #!.")
    machine = int.from_bytes(head[18:20], "little" if head[5] == 1 else "big")
    expected = _ELF_MACHINES.get(platform.machine())
    if expected is not None and machine != expected:
        raise BinaryRefused(f"The executable is for another kind of processor; this machine is {platform.machine()}.")


def _target(folder: Path, name: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > 500:
        raise BinaryRefused(f"The archive has a member {name[:100]!r}, which would lie outside of it.")
    return folder / path


def _unzip(source: Path, folder: Path, most_bytes: int) -> None:
    with zipfile.ZipFile(source) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise BinaryRefused(f"The archive has more than {_MOST_MEMBERS} members.")
        left = most_bytes
        for member in members:
            target = _target(folder, member.filename)
            if member.is_dir():
                target.mkdir(mode=0o755, parents=True, exist_ok=True)
                continue
            with archive.open(member) as content:
                left = _copy(content.read, target, left)
            target.chmod(0o755 if member.external_attr >> 16 & 0o100 else 0o644)


def _untar(source: Path, folder: Path, most_bytes: int) -> None:
    with tarfile.open(source, "r:gz") as archive:
        left = most_bytes
        for count, member in enumerate(archive):
            if count >= _MOST_MEMBERS:
                raise BinaryRefused(f"The archive has more than {_MOST_MEMBERS} members.")
            target = _target(folder, member.name)
            if member.isdir():
                target.mkdir(mode=0o755, parents=True, exist_ok=True)
            elif member.isfile() and (content := archive.extractfile(member)) is not None:
                left = _copy(content.read, target, left)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
            else:
                raise BinaryRefused(f"The archive has a member {member.name[:100]!r} that is neither file nor folder.")


class _Read(Protocol):
    def __call__(self, size: int, /) -> bytes: ...


def _copy(read: _Read, target: Path, left: int) -> int:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with target.open("wb") as file:
        while chunk := read(1024 * 1024):
            left -= len(chunk)
            if left < 0:
                raise BinaryRefused("The archive unpacks to more than what is allowed.")
            file.write(chunk)
    return left
