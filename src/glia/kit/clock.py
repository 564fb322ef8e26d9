"""Wall time for records, monotonic time for waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def monotonic() -> float:
    return time.monotonic()


def wire_time(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z`, as every surface shows times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
