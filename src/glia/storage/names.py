"""Names of objects: what is made of what clients send, and what a pathname means."""

from __future__ import annotations

import unicodedata
from uuid import UUID

from glia.kit.errors import InvalidRequest

LONGEST_NAME = 900
"""Bytes in UTF-8: with the workspace's id before it, S3's longest key holds it."""

_LONGEST_PART = 255


def clean_name(text: str, workspace_id: UUID) -> str:
    """A path without `.`, `..`, empty parts, control characters and backslashes; folders stay.

    The workspace's own id in front is taken away, so that a pathname may be given too. Raises InvalidRequest when
    nothing is left, or too much.
    """
    given = unicodedata.normalize("NFC", text).replace("\\", "/").removeprefix(f"{workspace_id}/")
    parts = [_clean_part(part) for part in given.split("/")]
    name = "/".join(part for part in parts if part and part not in (".", ".."))
    if not name:
        raise InvalidRequest(
            f"`filename` {text[:100]!r} names no file; send one such as `report.pdf`.", field="filename"
        )
    if len(name.encode()) > LONGEST_NAME or any(len(part.encode()) > _LONGEST_PART for part in name.split("/")):
        raise InvalidRequest(
            f"`filename` is too long: {LONGEST_NAME} bytes in all and {_LONGEST_PART} between slashes is the most.",
            field="filename",
        )
    return name


def _clean_part(part: str) -> str:
    """Also without what browsers and shells read as something else."""
    kept = "".join("_" if character in '<>:"|?*#%' else character for character in part if _is_shown(character))
    return kept.strip().rstrip(".") if kept.strip() not in (".", "..") else ""


def _is_shown(character: str) -> bool:
    """Neither control nor formatting characters: those that turn text around make `exe.gpj` out of `jpg.exe`."""
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def name_in(pathname: str, workspace_id: UUID) -> str | None:
    """The object's path inside the workspace; None when the pathname is of another one."""
    owner, slash, name = pathname.partition("/")
    try:
        is_own = UUID(owner) == workspace_id
    except ValueError:
        return pathname or None  # inside the workspace: the id may be left away
    return name or None if slash and is_own else None
