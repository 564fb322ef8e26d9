"""What can go wrong with memories."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class MemoryNotFound(NotFound):
    code = "memory_not_found"


class ConflictNotFound(NotFound):
    code = "conflict_not_found"


class BlockNotFound(NotFound):
    code = "memory_block_not_found"


class LabelTaken(Conflict):
    code = "label_taken"


class VersionConflict(Conflict):
    """Someone else changed it in the meantime."""

    code = "version_conflict"


class NothingToUndo(Conflict):
    code = "nothing_to_undo"
