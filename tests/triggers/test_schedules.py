"""When schedules fire, clock changes included. Every expectation is written in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from glia.kit.errors import InvalidRequest
from glia.triggers import schedules
from glia.triggers.types import At, Cron, Interval

NOW = datetime(2030, 6, 1, 12, tzinfo=UTC)


def times(cron: str, zone: str, after: str, count: int) -> list[str]:
    found = schedules.times_after(Cron(cron, zone), datetime.fromisoformat(after), count)
    assert found == sorted(set(found))
    return [moment.strftime("%d %H:%M") for moment in found]


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        # Skipped: fires once, at the first moment behind the gap.
        ("30 2 * * *", "America/New_York", "2030-03-09T12:00Z", ["10 07:00", "11 06:30"]),
        ("30 2 * * *", "Europe/Berlin", "2030-03-30T12:00Z", ["31 01:00", "01 00:30"]),
        ("0 2 * * *", "Europe/Berlin", "2030-03-30T12:00Z", ["31 01:00", "01 00:00"]),
        ("15,45 2 * * *", "Europe/Berlin", "2030-03-30T12:00Z", ["31 01:00", "01 00:15"]),
        ("*/15 2 * * *", "Europe/Berlin", "2030-03-30T12:00Z", ["31 01:00", "01 00:00"]),
        ("0 */2 * * *", "Europe/Berlin", "2030-03-30T22:30Z", ["30 23:00", "31 01:00", "31 02:00", "31 04:00"]),
        ("10 2 * * *", "Australia/Lord_Howe", "2030-10-05T00:00Z", ["05 15:30", "06 15:10"]),
        ("30 0 * * *", "Africa/Cairo", "2030-04-24T12:00Z", ["24 22:30", "25 22:00", "26 21:30"]),
        # A whole day was skipped when Samoa changed sides.
        ("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00Z", ["29 19:00", "30 10:00", "30 19:00"]),
        # Doubled: fires once, the first time.
        ("30 1 * * *", "America/New_York", "2030-11-02T12:00Z", ["03 05:30", "04 06:30"]),
        ("30 2 * * *", "Europe/Berlin", "2030-10-26T12:00Z", ["27 00:30", "28 01:30"]),
        ("*/20 2 * * *", "Europe/Berlin", "2030-10-26T12:00Z", ["27 00:00", "27 00:20", "27 00:40", "28 01:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2030-04-06T00:00Z", ["06 14:45", "07 15:15"]),
        # Asked in the second of the two hours, what has fired in the first does not fire again.
        ("45 2 * * *", "Europe/Berlin", "2030-10-27T01:10Z", ["28 01:45"]),
        # Every hour means every real hour.
        ("0 * * * *", "Europe/Berlin", "2030-03-30T23:30Z", ["31 00:00", "31 01:00", "31 02:00"]),
        ("0 0-23 * * *", "Europe/Berlin", "2030-10-26T23:30Z", ["27 00:00", "27 01:00", "27 02:00"]),
        ("*/30 * * * *", "America/New_York", "2030-11-03T05:15Z", ["03 05:30", "03 06:00", "03 06:30", "03 07:00"]),
        # No clock change in sight.
        ("0 9 * * 1-5", "Asia/Kolkata", "2030-06-01T00:00Z", ["03 03:30", "04 03:30"]),
        ("0 0 29 2 *", "UTC", "2030-01-01T00:00Z", ["29 00:00", "29 00:00"]),
        ("0 12 1 * MON", "UTC", "2030-06-01T13:00Z", ["03 12:00", "10 12:00"]),
    ],
)
def test_cron_follows_the_clocks_of_its_zone(cron: str, zone: str, after: str, expected: list[str]):
    assert times(cron, zone, after, len(expected)) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/10 0-3 * * *", "5 1,2,3 * * *"])
def test_a_year_of_a_schedule_read_one_by_one_is_the_year_read_at_once(zone: str, cron: str):
    after = datetime(2030, 1, 1, tzinfo=UTC)
    at_once = schedules.times_after(Cron(cron, zone), after, 400)

    one_by_one = [after]
    while len(one_by_one) <= 400:
        following = schedules.next_after(Cron(cron, zone), one_by_one[-1])
        assert following is not None
        one_by_one.append(following)

    assert one_by_one[1:] == at_once


def test_a_daily_time_fires_once_on_every_day_of_a_year():
    found = schedules.times_after(Cron("30 2 * * *", "Europe/Berlin"), datetime(2029, 12, 31, 12, tzinfo=UTC), 365)

    days = {(moment + timedelta(hours=2)).date() for moment in found}
    assert len(days) == 365


def test_an_interval_counts_from_its_start_and_not_from_its_last_firing():
    schedule = Interval(90, NOW)

    assert schedules.next_after(schedule, NOW - timedelta(hours=1)) == NOW
    assert schedules.next_after(schedule, NOW) == NOW + timedelta(seconds=90)
    assert schedules.next_after(schedule, NOW + timedelta(seconds=100)) == NOW + timedelta(seconds=180)


def test_one_time_has_no_next():
    assert schedules.next_after(At(NOW), NOW - timedelta(seconds=1)) == NOW
    assert schedules.next_after(At(NOW), NOW) is None


def test_missed_times_are_counted():
    hour = timedelta(hours=1)
    assert schedules.missed_between(Cron("*/10 * * * *"), NOW, NOW + hour) == 6
    assert schedules.missed_between(Interval(10, NOW), NOW, NOW + hour / 2) == 100
    assert schedules.missed_between(Interval(1, NOW), NOW, NOW + hour / 60) == 60
    assert schedules.missed_between(At(NOW), NOW, NOW + hour) == 0


@pytest.mark.parametrize(
    ("cron", "zone", "field", "words"),
    [
        ("61 * * * *", "UTC", "when.cron", "'61' is no minute"),
        ("* 24 * * *", "UTC", "when.cron", "'24' is no hour"),
        ("* * 0 * *", "UTC", "when.cron", "'0' is no day-of-month"),
        ("* * * 13 *", "UTC", "when.cron", "'13' is no month"),
        ("* * * * 8", "UTC", "when.cron", "'8' is no day-of-week"),
        ("*/0 * * * *", "UTC", "when.cron", "'*/0' is no minute"),
        ("x * * * *", "UTC", "when.cron", "'x' is no minute"),
        ("* * * *", "UTC", "when.cron", "has 4 fields"),
        ("* * * * * *", "UTC", "when.cron", "has 6 fields"),
        ("", "UTC", "when.cron", "has 0 fields"),
        ("0 0 30 2 *", "UTC", "when.cron", "no day-of-month"),
        ("0 0 31 4,6 *", "UTC", "when.cron", "no day-of-month"),
        ("* * * * *", "Europe/Berlln", "when.timezone", "'Europe/Berlin'"),
        ("* * * * *", "Europe", "when.timezone", "no time zone"),
        ("* * * * *", "../../etc/passwd", "when.timezone", "no time zone"),
        ("* * * * *", "", "when.timezone", "no time zone"),
        ("* * * * *", "localtime", "when.timezone", "no time zone"),
        ("* * * * *", "x" * 5000, "when.timezone", "no time zone"),
    ],
)
def test_what_is_wrong_with_a_cron_schedule_is_named(cron: str, zone: str, field: str, words: str):
    with pytest.raises(InvalidRequest) as refused:
        schedules.check(Cron(cron, zone), NOW)

    assert refused.value.field == field
    assert words in refused.value.message
