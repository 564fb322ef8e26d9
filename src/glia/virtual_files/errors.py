"""What can go wrong with virtual files."""

from __future__ import annotations

from glia.kit.errors import Conflict, InvalidRequest, NotFound, TooLarge


class VirtualFileNotFound(NotFound):
    code = "virtual_file_not_found"


class PathTaken(Conflict):
    """There is something at the path already, or a file stands where a folder would have to be."""

    code = "path_taken"


class InvalidPath(InvalidRequest):
    code = "invalid_path"


class FileTooLarge(TooLarge):
    code = "file_too_large"


class TreeFull(Conflict):
    code = "tree_full"
