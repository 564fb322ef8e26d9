"""Moments in requests."""

from __future__ import annotations

from datetime import UTC, datetime

from glia.kit.errors import InvalidRequest

_EARLIEST, _LATEST = datetime(1970, 3, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def moment_of(text: str, field: str) -> datetime:
    """Reads ISO 8601 with a time zone. Raises InvalidRequest."""
    # In a URL an unescaped `+02:00` arrives as ` 02:00`.
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise InvalidRequest(
            f"`{field}` {text[:100]!r} is not a time; write it as `2031-05-01T08:00:00Z`.", field=field
        ) from None
    if moment.tzinfo is None:
        raise InvalidRequest(f"`{field}` names no time zone; add `Z` for UTC.", field=field)
    if not _EARLIEST <= moment <= _LATEST:
        raise InvalidRequest(f"`{field}` {text[:100]!r} must lie between 1970 and 9999.", field=field)
    return moment.astimezone(UTC)
