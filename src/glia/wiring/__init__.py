"""The composition root: builds every service by hand. Nothing happens on import, nothing is found by magic."""

from __future__ import annotations

from glia.wiring.build import build
from glia.wiring.house import House

__all__ = ["House", "build"]
