"""What can go wrong with memories."""

from __future__ import annotations

from glia.kit.errors import NotFound


class MemoryNotFound(NotFound):
    code = "memory_not_found"
