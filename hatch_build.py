"""Builds the console into the wheel and the source distribution. GLIA_SKIP_CONSOLE=1 leaves it out."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, and only where there is something to build."""
        build = self._build()
        return [build.NODE] if self._is_needed(build) and build.find_npm() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build = self._build()
        if version != "editable" and self._is_needed(build):
            build.build()

    def _is_needed(self, build: Any) -> bool:
        """An unpacked source distribution brings the console built."""
        is_unpacked = (Path(self.root) / "PKG-INFO").is_file() and build.is_built()
        return not is_unpacked and os.environ.get("GLIA_SKIP_CONSOLE") != "1"

    def _build(self) -> Any:
        """Glia itself is not installed where a wheel is built, so its one file is loaded from here."""
        file = Path(self.root) / "src" / "glia" / "console" / "build.py"
        spec = importlib.util.spec_from_file_location("glia_console_build", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
