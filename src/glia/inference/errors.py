"""What can go wrong with inference tools."""

from __future__ import annotations

from glia.kit.errors import NotFound


class InferenceToolNotFound(NotFound):
    code = "inference_tool_not_found"
