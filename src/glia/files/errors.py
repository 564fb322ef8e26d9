"""What can go wrong with files."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class FileMissing(NotFound):
    code = "file_not_found"


class FileChanged(Conflict):
    """The file on disk was written to while it was being stored."""

    code = "file_changed"
