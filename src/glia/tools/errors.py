"""What can go wrong with tools."""

from __future__ import annotations

from glia.kit.errors import Conflict, InvalidRequest, NotFound


class InvalidArguments(InvalidRequest):
    """The model called a tool with arguments it does not take. The message is written for the model to act on."""

    code = "invalid_arguments"


class ToolNotFound(NotFound):
    code = "tool_not_found"


class ToolNameTaken(Conflict):
    code = "tool_name_taken"


class McpServerNotFound(NotFound):
    code = "mcp_server_not_found"


class McpServerNameTaken(Conflict):
    code = "mcp_server_name_taken"


class ToolsetNameTaken(Conflict):
    code = "toolset_name_taken"


class ToolsetNotFound(NotFound):
    code = "toolset_not_found"
