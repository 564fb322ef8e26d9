"""Counts tool calls for Prometheus."""

from __future__ import annotations

import time
from dataclasses import replace

from glia.kit import telemetry
from glia.tools.types import Tool, ToolContext, ToolResult

CUSTOM = "custom"
"""What all tools of workspaces are counted as: their names are many, and nobody else's business."""
MCP = "mcp"
"""What all tools of MCP servers are counted as, for the same reasons."""


def counted(tool: Tool, label: str) -> Tool:
    """The same tool, whose calls are counted under the label."""
    seconds = telemetry.tool_seconds.labels(label)
    call_itself = tool.call

    async def call(context: ToolContext, arguments: str) -> ToolResult:
        started = time.monotonic()
        outcome = "failed"
        try:
            result = await call_itself(context, arguments)
            outcome = "unknown" if result.is_unknown else "error" if result.is_error else "ok"
            return result
        finally:
            seconds.observe(time.monotonic() - started)
            telemetry.tool_calls.labels(label, outcome).inc()

    return replace(tool, call=call)
