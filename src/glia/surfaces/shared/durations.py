"""Durations in requests."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from glia.kit.clock import now

_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhd])+", re.ASCII)
_PART: Final = re.compile(r"([0-9]+)([smhd])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_SECONDS: Final = 3650 * 86_400


def ago(text: str) -> datetime | None:
    """When it was so long ago: `15s`, `30m`, `1h`, `2d` or `1h30m`, ten years at most. None for what is no duration."""
    if len(text) > 100 or not _DURATION.fullmatch(text):
        return None
    seconds = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    return now() - timedelta(seconds=min(seconds, _LONGEST_SECONDS))
