"""The part of the agent that serves files; see `main.py`. Everything happens with the rights of the sandbox, so links
and `..` lead nowhere that its own code could not go."""

from __future__ import annotations

import errno
import os
import stat

from .link import CHUNK, Failed, Link, packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from tarfile import TarFile, TarInfo
    from typing import Any


def facts(path: bytes) -> list[object]:
    found = os.lstat(path)
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
    target = os.readlink(path) if kind == "symlink" else b""
    return [path, kind, found.st_size, int(found.st_mtime * 1e6), stat.S_IMODE(found.st_mode), target]


def show(link: Link, path: bytes) -> None:
    link.done(*facts(path))


def list_(link: Link, path: bytes, depth: bytes, limit: bytes) -> None:
    left = int(limit)
    if not os.path.isdir(path):
        os.lstat(path)
        raise OSError(errno.ENOTDIR, "not a folder")
    for entry in entries(path, int(depth)):
        left -= 1
        if left < 0:
            raise Failed("E2BIG", "too many files")
        try:
            link.send(b"n", packed(facts(entry)))
        except FileNotFoundError:  # gone since it was listed
            continue
    link.done()


def entries(path: bytes, depth: int) -> Iterator[bytes]:
    with os.scandir(path) as scanned:
        found = sorted((entry.path, entry.is_dir(follow_symlinks=False)) for entry in scanned)
    for name, is_directory in found:
        yield name
        if is_directory and depth > 1:
            try:
                yield from entries(name, depth - 1)
            except PermissionError:
                continue


def put(link: Link, path: bytes, mode: bytes) -> None:
    """A link in the way is replaced, not followed; readers see the old bytes or the new ones."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    if not name or (os.path.isdir(path) and not os.path.islink(path)):
        raise OSError(errno.EISDIR, "a folder")
    beside = os.path.join(folder, b".%d.part" % os.getpid())
    size = 0
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        for content in contents(link):
            write_all(fd, content)
            size += len(content)
        os.fchmod(fd, int(mode) & 0o777)
        os.rename(beside, path)
    except OSError:
        os.unlink(beside)
        raise
    link.done(size)


def contents(link: Link) -> Iterator[bytes]:
    while True:
        kind, content = link.frame()
        if kind == b"e":
            return
        yield content


def write_all(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]


def get(link: Link, path: bytes, offset: bytes, limit: bytes) -> None:
    # Without O_NONBLOCK the opening of a FIFO would wait for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise Failed("ENOTFILE", "not a regular file")
    os.lseek(fd, int(offset), os.SEEK_SET)
    left = int(limit)
    while left > 0 and (data := os.read(fd, min(CHUNK, left))):
        link.send(b"d", data)
        left -= len(data)
    link.done()


def make_directory(link: Link, path: bytes) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except FileExistsError:
        raise OSError(errno.ENOTDIR, "a file") from None
    link.done()


def move(link: Link, source: bytes, target: bytes) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.rename(source, target)
    link.done()


def remove(link: Link, path: bytes) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        empty(path)
        os.rmdir(path)
    else:
        os.unlink(path)
    link.done()


def empty(path: bytes) -> None:
    """Goes down step by step, so that no depth of folders is too deep for a path or for the stack."""
    here = os.getcwd()
    os.chdir(path)
    depth = 0
    while True:
        below = clear_folder()
        if below is not None:
            os.chdir(below)
            depth += 1
        elif depth:
            name = os.stat(".").st_ino
            os.chdir("..")
            depth -= 1
            remove_inode(name)
        else:
            break
    os.chdir(here)


def clear_folder() -> bytes | None:
    """Deletes what is no folder, here, and names a folder to go into."""
    below = None
    with os.scandir(b".") as scanned:
        for entry in scanned:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            try:
                os.rmdir(entry.path)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                os.chmod(entry.path, 0o700)
                below = entry.path
    return below


def remove_inode(inode: int) -> None:
    with os.scandir(b".") as scanned:
        for entry in scanned:
            if entry.inode() == inode:
                os.rmdir(entry.path)
                return


# --- Archives ---------------------------------------------------------------------------------------------------------


class Outgoing:
    """A file for tarfile to write to."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def write(self, data: bytes) -> int:
        for start in range(0, len(data), CHUNK):
            self.link.send(b"d", data[start : start + CHUNK])
        return len(data)


class Incoming:
    """A file for tarfile to read from."""

    def __init__(self, link: Link) -> None:
        self.chunks = contents(link)
        self.rest = b""

    def read(self, size: int) -> bytes:
        while len(self.rest) < size:
            chunk = next(self.chunks, b"")
            if not chunk:
                break
            self.rest += chunk
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


def tar_out(link: Link, path: bytes) -> None:
    import tarfile

    top = os.fsdecode(path)
    os.stat(top)
    out: Any = Outgoing(link)  # tarfile says that it wants more than it uses
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as tar:
        if os.path.isdir(top):
            for name in sorted(os.listdir(top)):
                add(tar, os.path.join(top, name), name)
        else:
            add(tar, top, os.path.basename(top))
    link.done()


def add(tar: TarFile, top: str, name: str) -> None:
    pending = [(top, name)]
    while pending:
        path, name = pending.pop()
        try:
            member = tar.gettarinfo(path, name)
        except FileNotFoundError:
            continue
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            continue
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        if member.isreg():
            add_file(tar, path, member)
            continue
        tar.addfile(member)
        if member.isdir():
            readable(path, member.mode | 0o500)
            pending += [
                (os.path.join(path, below), f"{name}/{below}") for below in sorted(os.listdir(path), reverse=True)
            ]


def add_file(tar: TarFile, path: str, member: TarInfo) -> None:
    readable(path, member.mode | 0o400)
    with open(path, "rb") as file:
        member.size = min(member.size, os.fstat(file.fileno()).st_size)
        tar.addfile(member, file)


def readable(path: str, mode: int) -> None:
    """Our own files may be closed to ourselves; an archive without them would not be one."""
    if not os.access(path, os.R_OK):
        os.chmod(path, mode)


def tar_in(link: Link, path: bytes, is_restore: bytes) -> None:
    """is_restore: the folder is emptied first, and links may point anywhere, as the archive is one of ours."""
    import tarfile

    top = os.path.realpath(os.fsdecode(path))
    os.makedirs(top, exist_ok=True)
    if int(is_restore):
        empty(os.fsencode(top))
    count = 0
    try:
        source: Any = Incoming(link)
        with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK) as tar:
            for member in tar:
                unpack(tar, member, top, may_point_out=bool(int(is_restore)))
                count += 1
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise Failed("ETAR", f"no readable archive: {error}") from None
    link.done(count)


def unpack(tar: TarFile, member: TarInfo, top: str, *, may_point_out: bool) -> None:
    place = inside(top, member.name, member)
    if place == top:
        return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    if os.path.realpath(os.path.dirname(place)) != os.path.dirname(place):
        raise Failed("ETAR", f"{member.name!r} lies behind a link")
    if member.isdir():
        os.makedirs(place, exist_ok=True)
        os.chmod(place, member.mode & 0o777 | 0o700)
        return
    if os.path.lexists(place):
        os.unlink(place)
    if member.issym():
        if not may_point_out:
            inside(top, os.path.join(os.path.dirname(place), member.linkname), member, is_link=True)
        os.symlink(member.linkname, place)
    elif member.islnk():
        os.link(inside(top, member.linkname, member), place, follow_symlinks=False)
    elif member.isreg():
        copy(tar, member, place)
    else:
        raise Failed("ETAR", f"{member.name!r} is a device or a pipe")


def inside(top: str, name: str, member: TarInfo, *, is_link: bool = False) -> str:
    """The place a name means, or a refusal when it lies elsewhere."""
    parts = name.split("/")
    if not is_link and (name.startswith("/") or ".." in parts or "\0" in name):
        raise Failed("ETAR", f"{member.name!r} leads out of the folder")
    if is_link and member.linkname.startswith("/"):
        raise Failed("ETAR", f"{member.name!r} is a link that leads out of the folder")
    place = os.path.normpath(os.path.join(top, name))
    if place != top and not place.startswith(top.rstrip("/") + "/"):
        raise Failed("ETAR", f"{member.name!r} leads out of the folder")
    return place


def copy(tar: TarFile, member: TarInfo, place: str) -> None:
    source = tar.extractfile(member)
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    while source is not None and (data := source.read(CHUNK)):
        write_all(fd, data)
    os.fchmod(fd, member.mode & 0o777)
    os.close(fd)
    os.utime(place, (member.mtime, member.mtime))


OPERATIONS = {
    b"stat": show,
    b"list": list_,
    b"put": put,
    b"get": get,
    b"mkdir": make_directory,
    b"move": move,
    b"remove": remove,
    b"tar_out": tar_out,
    b"tar_in": tar_in,
}
