"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """what: what is so. why: why it matters. how: how to fix it. The latter two are empty when all is well."""

    level: Literal["ok", "warning", "problem"]
    what: str
    why: str = ""
    how: str = ""


def ok(what: str) -> Finding:
    return Finding("ok", what)


def warning(what: str, why: str, how: str) -> Finding:
    return Finding("warning", what, why, how)


def problem(what: str, why: str, how: str) -> Finding:
    return Finding("problem", what, why, how)
