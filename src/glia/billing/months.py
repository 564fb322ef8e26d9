"""Months as bills know them: of UTC, named by their first day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def month_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)


def month_before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def month_after(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def bounds_of(month: date) -> tuple[datetime, datetime]:
    """Its beginning, and that of the next."""
    return midnight(month), midnight(month_after(month))


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def hour_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
