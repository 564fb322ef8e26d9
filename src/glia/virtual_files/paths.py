"""Paths of virtual files: absolute, without `.` and `..`, never longer than the database keeps."""

from __future__ import annotations

import mimetypes

from glia.virtual_files.errors import InvalidPath
from glia.virtual_files.types import LONGEST_PATH

_LONGEST_NAME = 255
_MORE_TYPES = {".md": "text/markdown", ".yaml": "application/yaml", ".yml": "application/yaml"}


def path_of(text: str, field: str = "path") -> str:
    """`notes//a.txt` becomes `/notes/a.txt`. Raises InvalidPath."""
    path = folder_of(text, field)
    if path == "/":
        raise InvalidPath(f"`{field}` {text[:100]!r} names no file; write it as `/notes/today.md`.", field=field)
    return path


def folder_of(text: str, field: str = "path") -> str:
    """Like `path_of`, and `/` is allowed."""
    names = [name for name in text.split("/") if name and name != "."]
    if ".." in names or any(not char.isprintable() for char in text):
        raise InvalidPath(
            f"`{field}` {text[:100]!r} may hold neither `..` nor control characters; write it as `/notes/today.md`.",
            field=field,
        )
    if any(len(name.encode(errors="replace")) > _LONGEST_NAME for name in names):
        raise InvalidPath(f"`{field}` has a name of more than {_LONGEST_NAME} bytes; use a shorter one.", field=field)
    path = "/" + "/".join(names)
    if len(path) > LONGEST_PATH:
        raise InvalidPath(f"`{field}` has {len(path)} characters; the most is {LONGEST_PATH}.", field=field)
    return path


def above(path: str) -> list[str]:
    """The folders that hold a path: `/a` and `/a/b` for `/a/b/c.txt`."""
    names = path.split("/")[1:-1]
    return ["/" + "/".join(names[: count + 1]) for count in range(len(names))]


def media_type_of(path: str, content: bytes) -> str:
    """By the name's ending; otherwise text when it can be read as such."""
    ending = "." + path.rpartition(".")[2].lower()
    known = _MORE_TYPES.get(ending) or mimetypes.guess_type(path)[0]
    if known:
        return known
    if b"\0" in content[:4096]:
        return "application/octet-stream"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "text/plain"
