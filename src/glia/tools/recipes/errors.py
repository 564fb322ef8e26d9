"""What can go wrong with recipes."""

from __future__ import annotations

from glia.kit.errors import Conflict, NotFound


class ToolVersionNotFound(NotFound):
    code = "tool_version_not_found"


class ToolVersionTaken(Conflict):
    code = "tool_version_taken"
