"""When a schedule fires. Pure: every moment goes in and comes out in UTC.

Cron times are wall-clock times of a zone. One that a clock change skips fires once, at the next moment that exists; one
that happens twice fires the first time. Schedules of every hour follow real hours instead, so that a clock change
neither adds nor takes away an hour's firing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from glia.kit.errors import InvalidRequest
from glia.triggers.types import At, Cron, Interval, Schedule

SHORTEST_INTERVAL_SECONDS = 1
LONGEST_INTERVAL_SECONDS = 366 * 24 * 3600
LONGEST_CRON = 200
_MOST_COUNTED = 100

# What cronsim calls a field, and what may stand there.
_FIELDS = {
    "minute": "minutes are 0 to 59",
    "hour": "hours are 0 to 23",
    "day-of-month": "days are 1 to 31 and must exist in one of the months",
    "month": "months are 1 to 12 or JAN to DEC",
    "day-of-week": "weekdays are 0 to 7 or SUN to SAT",
}


def next_after(schedule: Schedule, after: datetime) -> datetime | None:
    """The first firing later than `after`, in UTC; None when there is none any more."""
    match schedule:
        case Cron():
            return next(_cron_times(schedule, after), None)
        case Interval():
            return _interval_after(schedule, after)
        case At(at=at):
            return at.astimezone(UTC) if at > after else None


def times_after(schedule: Schedule, after: datetime, count: int) -> list[datetime]:
    """Up to `count` firings later than `after`."""
    found: list[datetime] = []
    if isinstance(schedule, Cron):
        return list(islice(_cron_times(schedule, after), count))
    moment = next_after(schedule, after)
    while moment is not None and len(found) < count:
        found.append(moment)
        moment = next_after(schedule, moment)
    return found


def missed_between(schedule: Schedule, first: datetime, now: datetime) -> int:
    """How many firings lie after `first` and not after `now`; counting ends at 100."""
    if isinstance(schedule, Interval):
        return min(_MOST_COUNTED, max(0, int((now - first).total_seconds() // schedule.every_seconds)))
    return sum(moment <= now for moment in times_after(schedule, first, _MOST_COUNTED))


def zone_of(name: str) -> ZoneInfo:
    """Raises InvalidRequest with names that are like it."""
    try:
        if name.isascii() and name not in {"localtime", "Factory", "posixrules"} and "." not in name:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    import difflib

    known = available_timezones()
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "IANA names look like 'Europe/Berlin'."
    if not known:
        hint = "this machine has no time zone database; install the system's `tzdata`."
    raise InvalidRequest(
        f"`when.timezone` {name[:100]!r} is no time zone that this server knows; {hint}", field="when.timezone"
    )


def check(schedule: Schedule, now: datetime) -> None:
    """Raises InvalidRequest that names the field and what is wrong with it."""
    match schedule:
        case Cron():
            _check_cron(schedule, now)
        case Interval(every_seconds=every):
            if not SHORTEST_INTERVAL_SECONDS <= every <= LONGEST_INTERVAL_SECONDS:
                raise InvalidRequest(
                    f"`when.every_seconds` is {every}; it must be between {SHORTEST_INTERVAL_SECONDS} and"
                    f" {LONGEST_INTERVAL_SECONDS}.",
                    field="when.every_seconds",
                )
        case At(at=at):
            if at <= now:
                raise InvalidRequest(f"`when.at` {at.isoformat()} has passed; name a time to come.", field="when.at")


def _check_cron(schedule: Cron, now: datetime) -> None:
    text = schedule.cron
    fields = text.split()
    if len(text) > LONGEST_CRON or len(fields) != 5:
        raise InvalidRequest(
            f"`when.cron` {text[:100]!r} has {len(fields)} fields; it needs five: minute, hour, day of month, month,"
            " day of week.",
            field="when.cron",
        )
    zone_of(schedule.timezone)
    try:
        CronSim(text, now.replace(tzinfo=None))
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        given = fields[list(_FIELDS).index(name)] if name in _FIELDS else text
        raise InvalidRequest(
            f"`when.cron` {text!r}: {given!r} is no {name}; {_FIELDS.get(name, 'see the guide on triggers')}.",
            field="when.cron",
        ) from None
    if next_after(schedule, now) is None:
        raise InvalidRequest(f"`when.cron` {text!r} never fires; there is no such day.", field="when.cron")


def _cron_times(schedule: Cron, after: datetime) -> Iterator[datetime]:
    zone = zone_of(schedule.timezone)
    local = after.astimezone(zone)
    times = CronSim(schedule.cron, local.replace(tzinfo=None, fold=0))
    if times.hours == set(range(24)):
        fields = schedule.cron.split()
        times = CronSim(" ".join([fields[0], "*", *fields[2:]]), local)
    last = after
    for time in times:
        moment = time.astimezone(UTC) if time.tzinfo else _moment(time, zone)
        # Two skipped times share the moment they are put off to, and the second of a doubled hour looks like the first.
        if moment > last:
            yield moment
            last = moment


def _moment(local: datetime, zone: ZoneInfo) -> datetime:
    """The first moment that the zone's clocks show this time; else the first one behind the gap that it fell into."""
    while True:
        moment = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None, fold=0) == local:
            return moment
        local += timedelta(minutes=1)


def _interval_after(schedule: Interval, after: datetime) -> datetime | None:
    first = (schedule.starts_at or after + timedelta(seconds=schedule.every_seconds)).astimezone(UTC)
    if first > after:
        return first
    every = timedelta(seconds=schedule.every_seconds)
    return first + ((after - first) // every + 1) * every
