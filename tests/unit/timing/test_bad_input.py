# ruff: noqa: E501 - a row of a table is one line
"""Every refusal: which field, what is wrong, what to do, and that it takes no time."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.timing import TimingError, build, get_zone, parse_instant

FIELDS = "write five (minute hour day-of-month month day-of-week), or six with seconds first"
IMPOSSIBLE = "change the day-of-month or the month; L is the last day of any month"
CRON = [
    ("", f"cron '' has 0 fields — {FIELDS}"),
    ("30 2 * *", f"cron '30 2 * *' has 4 fields — {FIELDS}"),
    ("0 0 30 2 * * 2026", f"cron '0 0 30 2 * * 2026' has 7 fields — {FIELDS}"),
    ("60 * * * *", "minute '60' is out of range — use 0 to 59"),
    ("* 24 * * *", "hour '24' is out of range — use 0 to 23"),
    ("* * 0 * *", "day-of-month '0' is out of range — use 1 to 31"),
    ("* * 32 * *", "day-of-month '32' is out of range — use 1 to 31"),
    ("* * * 13 *", "month '13' is out of range — use 1 to 12"),
    ("* * * * 8", "day-of-week '8' is out of range — use 0 to 7"),
    ("60 * * * * *", "second '60' is out of range — use 0 to 59"),
    ("1-100000000 * * * *", "minute '1-100000000' is out of range — use 0 to 59"),
    ("-5 * * * *", "minute '-5' is empty — use 0 to 59"),
    ("5- * * * *", "minute '5-' is empty — use 0 to 59"),
    ("1,,2 * * * *", "minute '' is empty — use 0 to 59"),
    ("1.5 * * * *", "minute '1.5' is not a number — use 0 to 59"),
    ("30-10 * * * *", "minute '30-10' runs backwards — write 30-59,0-10, or swap the two"),
    ("* 22-6 * * *", "hour '22-6' runs backwards — write 22-23,0-6, or swap the two"),
    ("* * * * 5-0", "day-of-week '5-0' runs backwards — write 5-7: Sunday is 0 and 7"),
    ("* * * NOV-FEB *", "month 'NOV-FEB' runs backwards — write NOV-12,1-FEB, or swap the two"),
    ("*/0 * * * *", "minute '*/0' has a step of zero — use a step from 1 to 60"),
    ("*/61 * * * *", "minute '*/61' has a step larger than the field — use a step from 1 to 60"),
    ("* */25 * * *", "hour '*/25' has a step larger than the field — use a step from 1 to 24"),
    ("* * * * */8", "day-of-week '*/8' has a step larger than the field — use a step from 1 to 7"),
    ("*/x * * * *", "minute '*/X' has a step that is not a number — write it like */5"),
    ("*/ * * * *", "minute '*/' has a step that is not a number — write it like */5"),
    ("1/2/3 * * * *", "minute '1/2/3' has a step that is not a number — write it like */5"),
    ("* * * MON *", "month 'MON' is not a number or name — names of days belong in the day-of-week field, the last one"),
    ("* * * * JAN", "day-of-week 'JAN' is not a number or name — names of months belong in the month field, the last but one"),
    ("MON * * * *", "minute 'MON' is not a number — names of days belong in the day-of-week field, the last one"),
    ("* * * * MONDAY", "day-of-week 'MONDAY' is not a number or name — write MON"),
    ("* * * * TEU", "day-of-week 'TEU' is not a number or name — did you mean TUE?"),
    ("* * * FOO *", "month 'FOO' is not a number or name — use 1 to 12, or JAN to DEC"),
    ("* * * * L", "day-of-week 'L' names no day — write 5L or FRIL for the last Friday of the month"),
    ("* * * * MON#6", "day-of-week 'MON#6' is out of range — use #1 to #5, such as MON#1 for the first Monday"),
    ("* * * * 1#", "day-of-week '1#' is out of range — use #1 to #5, such as MON#1 for the first Monday"),
    ("* * L-31 * *", "day-of-month 'L-31' is out of range — use L, or L-1 to L-30"),
    ("* * 32W * *", "day-of-month '32W' is out of range — use 1 to 31"),
    ("L * * * *", "minute 'L' is not a number — use 0 to 59"),
    ("? * * * *", "minute '?' is not a number — use 0 to 59"),
    ("0 0 30 2 *", f"'0 0 30 2 *' never fires: none of its months has such a day — {IMPOSSIBLE}"),
    ("0 0 31 4,6,9,11 ?", f"'0 0 31 4,6,9,11 ?' never fires: none of its months has such a day — {IMPOSSIBLE}"),
    ("0 0 31 2 */2", f"'0 0 31 2 */2' never fires: none of its months has such a day — {IMPOSSIBLE}"),
    ("0 0 L-30 2 *", f"'0 0 L-30 2 *' never fires: none of its months has such a day — {IMPOSSIBLE}"),
    ("@reboot", "@reboot has no due instants — make it a systemd unit that starts with the machine"),
    ("@dayly", "cron '@dayly' is not known — did you mean @daily?"),
    ("@every", "cron '@every' has no duration — write it like @every 10m"),
    ("@every 0s", "every '0s' is too short — write 1ms or more, such as 30s"),
    ("@every never", "every 'never' is not a duration — write a number and a unit, such as 30s, 10m, 1h30m or 2d"),
    ("0 0\x00 * * *", "cron holds the character '\\x00' — use letters, digits and * / , - # ~ ? @"),
    ("0 0 * * *\n0 1 * * *", "cron holds the character '\\n' — use letters, digits and * / , - # ~ ? @"),
    ("٣ * * * *", "cron holds the character '٣' — use letters, digits and * / , - # ~ ? @"),
    ("* " * 600, "cron is 1,199 characters long — write at most 1000 characters"),
    ("*" * 1_048_576, "cron is 1,048,576 characters long — write at most 4,000 characters"),
]  # fmt: skip
UNIT = "write a number and a unit, such as 30s, 10m, 1h30m or 2d"
OTHER = [
    ("every", "", f"every is empty — {UNIT}"),
    ("every", "0s", "every '0s' is too short — write 1ms or more, such as 30s"),
    ("every", "0.5ms", "every '0.5ms' is too short — write 1ms or more, such as 30s"),
    ("every", "-5m", f"every '-5m' is negative — {UNIT}"),
    ("every", "nan", f"every 'nan' is not a duration — {UNIT}"),
    ("every", "infs", f"every 'infs' is not a duration — {UNIT}"),
    ("every", "1e9s", f"every '1e9s' is not a duration — {UNIT}"),
    ("every", "30", "every '30' has no unit — write 30s for seconds or 30m for minutes"),
    ("every", "30m1h", "every '30m1h' has its units out of order — write large units first, each once: 1h30m"),
    ("every", "1h1h", "every '1h1h' has its units out of order — write large units first, each once: 1h30m"),
    ("every", "365000d", "every '365000d' is longer than 100 years — write a shorter duration"),
    ("every", "9" * 50 + "d", f"every '{'9' * 40}' is not a duration — {UNIT}"),
    ("at", "tomorrow", "at 'tomorrow' is not a date and time — write it like 2026-12-24T18:00"),
    ("at", "2026-12-24", "at '2026-12-24' is not a date and time — write it like 2026-12-24T18:00"),
    ("at", "2026-02-30T09:00", "at '2026-02-30T09:00' does not exist — use a date and a time of day that exist"),
    ("at", "2026-02-20T25:00", "at '2026-02-20T25:00' does not exist — use a date and a time of day that exist"),
    ("rrule", "", "rrule is empty — write it like FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"),
    ("rrule", "FREQ=DAILY;BYHOUR=24", "rrule BYHOUR '24' is out of range — use 0 to 23"),
    ("rrule", "FREQ=DAILY;BYMONTHDAY=-32", "rrule BYMONTHDAY '-32' is out of range — use 1 to 31, or -31 to -1 from the end"),
    ("rrule", "FREQ=DAILY;BYHOUR=x", "rrule BYHOUR 'X' is not a number — use 0 to 23"),
    ("rrule", "FREQ=DAYLY", "rrule has FREQ=DAYLY — use YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY"),
    ("rrule", "FREQ=DAILY;INTERVALL=2", "rrule has an unknown part 'INTERVALL=2' — did you mean INTERVAL?"),
    ("rrule", "FREQ=DAILY;INTERVAL=0", "rrule INTERVAL '0' is out of range — use 1 to 1000000"),
    ("rrule", "FREQ=DAILY;FREQ=DAILY", "rrule has FREQ twice — write one list, separated by commas"),
    ("rrule", "FREQ=DAILY;COUNT=3;UNTIL=20300101", "rrule has both COUNT and UNTIL — keep one of them"),
    ("rrule", "FREQ=DAILY;COUNT=10000000", "rrule COUNT '10000000' is out of range — use 1 to 10000"),
    ("rrule", "FREQ=WEEKLY;BYDAY=1MO", "rrule BYDAY '1MO' counts weekdays — use FREQ=MONTHLY or FREQ=YEARLY with it"),
    ("rrule", "FREQ=WEEKLY;BYDAY=XX", "rrule BYDAY 'XX' is not a weekday — use MO, TU, WE, TH, FR, SA, SU"),
    ("rrule", "FREQ=DAILY;UNTIL=soon", "rrule has UNTIL 'SOON' — write it like 20261224T180000"),
    ("rrule", "FREQ=DAILY EXDATE:20260101", "rrule has a EXDATE — use one RRULE, and `except` for the days to leave out"),
    ("rrule", "RRULE:FREQ=DAILY RRULE:FREQ=DAILY", "rrule has two rules — make two schedules of it"),
    ("rrule", "DTSTART;TZID=Asia/Tokyo:20260101T090000 FREQ=DAILY",
     "rrule names another zone, ASIA/TOKYO — set `timezone`, which is UTC, and leave out TZID"),
    ("rrule", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
     "rrule 'FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30' never fires — change the text, or the start"),
    ("rrule", "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1",
     "rrule 'FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1' never fires — change the text, or the start"),
    ("solar", "sunset", "solar 'sunset' has 1 part — write an event, a latitude and a longitude: sunset 52.52 13.40"),
    ("sundial", "noon", "unknown kind of timing 'sundial' — use cron, every, at, rrule, solar"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), CRON)
def test_a_wrong_cron_expression_is_refused_with_field_and_remedy(text: str, message: str) -> None:
    with pytest.raises(TimingError) as refusal:
        build("cron", text)
    assert str(refusal.value) == message
    assert refusal.value.field == "cron"
    assert str(refusal.value) == f"{refusal.value.problem} — {refusal.value.remedy}"


@pytest.mark.parametrize(("kind", "text", "message"), OTHER)
def test_any_other_wrong_timing_is_refused_with_field_and_remedy(kind: str, text: str, message: str) -> None:
    with pytest.raises(TimingError) as refusal:
        build(kind, text)
    assert str(refusal.value) == message
    assert refusal.value.field == (kind if kind != "sundial" else "timing")


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("Europe/Berlni", "unknown time zone 'Europe/Berlni' — did you mean Europe/Berlin?"),
        ("europe/berlin", "unknown time zone 'europe/berlin' — did you mean Europe/Berlin?"),
        ("New York", "unknown time zone 'New York' — did you mean America/New_York?"),
        ("Berlin", "unknown time zone 'Berlin' — did you mean Europe/Berlin?"),
        ("", "unknown time zone '' — use an IANA name such as Europe/Berlin, America/New_York or UTC"),
        ("../../etc/passwd", "unknown time zone '../../etc/passwd' — use an IANA name such as Europe/Berlin, America/New_York or UTC"),
        ("Mars/Olympus", "unknown time zone 'Mars/Olympus' — use an IANA name such as Europe/Berlin, America/New_York or UTC"),
    ],
)  # fmt: skip
def test_an_unknown_zone_is_refused_with_the_nearest_name(zone: str, message: str) -> None:
    with pytest.raises(TimingError) as refusal:
        build("cron", "0 0 * * *", zone=zone)
    assert str(refusal.value) == message
    assert refusal.value.field == "timezone"
    with pytest.raises(TimingError, match="unknown time zone"):
        get_zone(zone)


JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def refused(kind: str, text: str, **given: object) -> tuple[str, str]:
    with pytest.raises(TimingError) as refusal:
        build(kind, text, **given)  # type: ignore[arg-type]
    return refusal.value.field, str(refusal.value)


def test_an_end_before_the_start_is_refused() -> None:
    assert refused("cron", "0 0 * * *", start=JULY, end=JUNE) == (
        "end",
        "end is before start — swap the two, or remove one",
    )


def test_a_timing_that_cannot_fire_between_start_and_end_is_refused() -> None:
    never = ("end", "the timing never fires before its end — move the end, or remove it")
    assert refused("cron", "0 0 25 12 *", start=JUNE, end=JULY) == never
    assert (
        refused("every", "60d", start=JUNE - timedelta(1), end=JUNE - timedelta(1), excluded=("2026-05-31",))[0]
        == "except"
    )
    assert refused("at", "2026-01-01T00:00", start=JUNE)[0] == "at"


def test_a_start_without_a_zone_is_refused() -> None:
    naive = datetime(2026, 6, 1)  # noqa: DTZ001 - that is the mistake
    message = "start 2026-06-01T00:00:00 has no time zone — add an offset, such as +00:00"
    assert refused("cron", "0 0 * * *", start=naive) == ("start", message)


def test_a_negative_jitter_is_refused() -> None:
    message = "jitter -30s is negative — write a duration such as 30s"
    assert refused("cron", "0 0 * * *", jitter=timedelta(seconds=-30)) == ("jitter", message)


def test_calendars_that_leave_no_day_are_refused() -> None:
    message = "the timing never fires: every due day is excluded — remove a calendar"
    assert refused("cron", "0 0 * * *", excluded=("RRULE:FREQ=DAILY",)) == ("except", message)
    assert refused("cron", "0 0 25 12 *", excluded=("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25",)) == ("except", message)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("Christmas", "except 'Christmas' is not a date — write it like 2026-12-25"),
        ("2026-02-30", "except '2026-02-30' does not exist — use a date that exists"),
        (
            "RRULE:FREQ=HOURLY",
            "except 'RRULE:FREQ=HOURLY' is a rule for times, not for days — use FREQ=DAILY or slower",
        ),
        ("RRULE:FREQ=YEARLY;BYMONTH=13", "except BYMONTH '13' is out of range — use 1 to 12"),
    ],
)
def test_a_calendar_item_that_is_no_day_is_refused(item: str, message: str) -> None:
    assert refused("cron", "0 0 * * *", excluded=(item,)) == ("except", message)


def test_an_instant_of_another_field_names_that_field() -> None:
    with pytest.raises(TimingError, match="start 'soon' is not a date and time") as refusal:
        parse_instant("soon", field="start")
    assert refusal.value.field == "start"


#: bench/limits.py measures how long they take.
HEAVY = [
    ("cron", "*/7," * 100_000),
    ("cron", "1-100000000 1-100000000 * * *"),
    ("cron", "~" * 999),
    ("every", "1h" * 400_000),
    ("every", "9" * 1_000_000),
    ("at", "2026" * 200_000),
    ("rrule", "FREQ=DAILY;" + "BYHOUR=1," * 100_000),
    ("rrule", "FREQ=DAILY;BYYEARDAY=366;BYDAY=MO;BYMONTHDAY=30"),
    ("rrule", "FREQ=SECONDLY;INTERVAL=999983;BYHOUR=3;BYMINUTE=3;BYSECOND=3;BYMONTH=2;BYMONTHDAY=29"),
    (
        "rrule",
        "FREQ=YEARLY;BYHOUR=0,1,2,3,4,5,6,7,8,9;BYMINUTE=0,1,2,3,4,5,6,7,8,9;BYSECOND=0,1,2,3,4,5,6;BYSETPOS=366",
    ),
    ("solar", "sunset " * 100_000),
]


@pytest.mark.parametrize(("kind", "text"), HEAVY)
def test_heavy_input_is_answered_in_bounded_memory(kind: str, text: str) -> None:
    tracemalloc.start()
    message = refusal_of(kind, text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(message) < 400
    assert peak < 16_000_000


def refusal_of(kind: str, text: str) -> str:
    try:
        build(kind, text)
    except TimingError as refusal:
        return str(refusal)
    return ""
