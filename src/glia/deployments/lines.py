"""Lines and their levels, from whatever a program writes. Pure rules."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from glia.deployments.node_queries import NewLine

LONGEST_LINE_BYTES = 16 * 1024
_CUT = " … (cut)"
_LEVELS = {
    "trace": 0, "debug": 0, "info": 1, "information": 1, "notice": 1, "warn": 2, "warning": 2,
    "error": 3, "err": 3, "fatal": 3, "critical": 3, "panic": 3, "severe": 3, "emerg": 3, "alert": 3,
}  # fmt: skip
_WORDS = "|".join(_LEVELS)
# `ERROR: …`, `[warn] …`, `level=error …`, or either behind a time.
_PREFIX = re.compile(
    rf"^(?:[0-9T:.,/+Z \-]{{6,40}}\s*)?(?:[\[(<]\s*({_WORDS})\s*[\])>]|({_WORDS})(?=[:\s|\]]|$))", re.IGNORECASE
)
_PAIR = re.compile(rf"(?:^|\s)(?:level|lvl|severity)=\"?({_WORDS})\b", re.IGNORECASE)
_NUMBERS = ((50, 3), (40, 2), (30, 1))
"""Levels of loggers that write numbers, least first: 30 is info, 40 warn, 50 error."""


def level_of(line: str) -> int:
    """0 debug, 1 info, 2 warn, 3 error; info when the line does not say."""
    if line.startswith("{") and (found := _json_level(line)) is not None:
        return found
    match = _PREFIX.match(line[:200]) or _PAIR.search(line[:1000])
    if match is None:
        return 1
    return _LEVELS[next(group for group in match.groups() if group).lower()]


def _json_level(line: str) -> int | None:
    try:
        fields: Any = orjson.loads(line)  # whatever a program writes
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    fields = cast(dict[str, Any], fields)
    said: Any = next((fields[name] for name in ("level", "lvl", "severity", "levelname") if name in fields), None)
    if isinstance(said, str):
        return _LEVELS.get(said.lower())
    if isinstance(said, int) and not isinstance(said, bool):
        return next((level for number, level in _NUMBERS if said >= number), 0)
    return None


class Splitter:
    """Turns pieces of output, cut anywhere, into lines. A line beyond the cap is cut, and its rest thrown away."""

    def __init__(self) -> None:
        self._rest = b""
        self._at = 0.0
        self._is_cut = False

    def feed(self, at: float, data: bytes) -> list[NewLine]:
        """at: seconds since 1970; a line has the time of its last piece."""
        found: list[NewLine] = []
        *whole, rest = data.split(b"\n")
        for part in whole:
            line = self._ended(at, part)
            if line is not None:
                found.append(line)
        if rest:
            self._at = at
            if not self._is_cut:
                self._rest += rest[: LONGEST_LINE_BYTES + 1 - len(self._rest)]
                self._is_cut = len(self._rest) > LONGEST_LINE_BYTES
        return found

    @property
    def has_rest(self) -> bool:
        return bool(self._rest)

    def flush(self) -> list[NewLine]:
        """What was written without a line's end."""
        line = self._ended(self._at, b"")
        return [] if line is None else [line]

    def _ended(self, at: float, part: bytes) -> NewLine | None:
        text = self._rest + (b"" if self._is_cut else part[: LONGEST_LINE_BYTES + 1])
        is_cut = self._is_cut or len(text) > LONGEST_LINE_BYTES
        self._rest, self._is_cut = b"", False
        shown = text[:LONGEST_LINE_BYTES].rstrip(b"\r").decode("utf-8", "replace").replace("\0", "�")
        if not shown:
            return None
        if is_cut:
            shown += _CUT
        moment = datetime.fromtimestamp(at, UTC) if 0 <= at < 2**33 else datetime.now(UTC)
        return NewLine(moment, level_of(shown), shown)
