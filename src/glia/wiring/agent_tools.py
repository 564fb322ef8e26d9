"""Tools that agents get when they name them, beside those that every agent has."""

from __future__ import annotations

from collections.abc import Sequence

from glia.tools.types import Tool
from glia.virtual_files.service import VirtualFiles
from glia.virtual_files.tools import filesystem


def agent_tools(virtual_files: VirtualFiles) -> Sequence[Tool]:
    return [filesystem(virtual_files)]
