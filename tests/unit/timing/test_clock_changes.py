# ruff: noqa: E501 - a row of a table is one line
"""What runs around clock changes, one numbered table per family of zones, every time with its offset.

A row is: what it shows, the expression, the instant that is asked about, and the due instants after it.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from scheduler.timing import build, get_zone

Row = tuple[str, str, str, str]

TABLES: dict[str, list[Row]] = {
    # 2026-03-08: 01:59:59 -05:00 is followed by 03:00:00 -04:00
    # 2026-11-01: 01:59:59 -04:00 is followed by 01:00:00 -05:00
    "America/New_York": [
        ("001 fixed, in the gap: right after it", "30 2 * * *", "2026-03-07T12:00-05:00", "08T03:00-04:00 09T02:30-04:00"),
        ("002 fixed, at the gap's end: as ever", "0 3 * * *", "2026-03-07T12:00-05:00", "08T03:00-04:00 09T03:00-04:00"),
        ("003 fixed, three in the gap: one run", "0,20,40 2 * * *", "2026-03-08T00:00-05:00", "08T03:00-04:00 09T02:00-04:00"),
        ("004 fixed, in the gap and at its end: one run", "0 2,3 * * *", "2026-03-08T00:00-05:00", "08T03:00-04:00 09T02:00-04:00"),
        ("005 0 0-23 is fixed", "0 0-23 * * *", "2026-03-08T00:30-05:00", "08T01:00-05:00 08T03:00-04:00 08T04:00-04:00"),
        ("006 wildcard hour: elapsed hours", "0 * * * *", "2026-03-08T00:30-05:00", "08T01:00-05:00 08T03:00-04:00 08T04:00-04:00"),
        ("007 wildcard, in the gap: not made up", "30 */2 * * *", "2026-03-08T00:00-05:00", "08T00:30-05:00 08T04:30-04:00"),
        ("008 wildcard minute: not made up", "*/30 2 * * *", "2026-03-08T00:00-05:00", "09T02:00-04:00 09T02:30-04:00"),
        ("009 quarters of an hour go on", "*/15 * * * *", "2026-03-08T01:30-05:00", "08T01:45-05:00 08T03:00-04:00 08T03:15-04:00"),
        ("010 only on Sundays: the gap is on a Sunday", "30 2 * * 0", "2026-03-07T12:00-05:00", "08T03:00-04:00 15T02:30-04:00"),
        ("011 only on Mondays: the gap is not", "30 2 * * 1", "2026-03-07T12:00-05:00", "09T02:30-04:00 16T02:30-04:00"),
        ("012 the first instant after the gap is not before itself", "30 2 * * *", "2026-03-08T03:00-04:00", "09T02:30-04:00"),
        ("013 a second before it, it is still to come", "30 2 * * *", "2026-03-08T01:59:59-05:00", "08T03:00-04:00"),
        ("014 fixed, repeated: the first pass", "30 1 * * *", "2026-10-31T12:00-04:00", "01T01:30-04:00 02T01:30-05:00"),
        ("015 asked in the second pass, before its reading: tomorrow", "30 1 * * *", "2026-11-01T01:10-05:00", "02T01:30-05:00"),
        ("016 asked in the second pass, after its reading: tomorrow", "30 1 * * *", "2026-11-01T01:40-05:00", "02T01:30-05:00"),
        ("017 fixed, after the repeated hour: once", "0 2 * * *", "2026-10-31T12:00-04:00", "01T02:00-05:00 02T02:00-05:00"),
        ("018 0 0-23 does not run in the second pass", "0 0-23 * * *", "2026-11-01T00:30-04:00", "01T01:00-04:00 01T02:00-05:00"),
        ("019 wildcard hour: both passes", "0 * * * *", "2026-11-01T00:30-04:00", "01T01:00-04:00 01T01:00-05:00 01T02:00-05:00"),
        ("020 wildcard minute: both passes", "*/30 1 * * *", "2026-11-01T00:30-04:00", "01T01:00-04:00 01T01:30-04:00 01T01:00-05:00 01T01:30-05:00 02T01:00-05:00"),
        ("021 quarters of an hour: every elapsed quarter", "*/15 * * * *", "2026-11-01T01:30-04:00", "01T01:45-04:00 01T01:00-05:00 01T01:15-05:00"),
        ("022 six fields, fixed, in the gap", "15 30 2 * * *", "2026-03-08T00:00-05:00", "08T03:00-04:00 09T02:30:15-04:00"),
        ("023 six fields, every second of a skipped minute: one run", "* 30 2 * * *", "2026-03-08T00:00-05:00", "08T03:00-04:00 09T02:30-04:00 09T02:30:01-04:00"),
        ("024 six fields, wildcard: both passes", "30 59 * * * *", "2026-11-01T00:00-04:00", "01T00:59:30-04:00 01T01:59:30-04:00 01T01:59:30-05:00"),
        ("025 ? in a day field changes nothing", "30 2 ? * *", "2026-03-07T12:00-05:00", "08T03:00-04:00"),
    ],
    # 2026-03-29: 01:59:59 +01:00 is followed by 03:00:00 +02:00
    # 2026-10-25: 02:59:59 +02:00 is followed by 02:00:00 +01:00
    "Europe/Berlin": [
        ("031 fixed, in the gap", "30 2 * * *", "2026-03-28T12:00+01:00", "29T03:00+02:00 30T02:30+02:00"),
        ("032 wildcard, in the gap", "0 */2 * * *", "2026-03-29T00:00+01:00", "29T04:00+02:00"),
        ("033 fixed, repeated", "30 2 * * *", "2026-10-24T12:00+02:00", "25T02:30+02:00 26T02:30+01:00"),
        ("034 wildcard, repeated", "0 */2 * * *", "2026-10-25T00:00+02:00", "25T02:00+02:00 25T02:00+01:00 25T04:00+01:00"),
        ("035 the last Sunday is the last Sunday", "30 2 * * 0L", "2026-03-01T00:00+01:00", "29T03:00+02:00 26T02:30+02:00"),
    ],
    # 2026-03-29: 00:59:59 +00:00 is followed by 02:00:00 +01:00 (summer is standard time by law)
    # 2026-10-25: 01:59:59 +01:00 is followed by 01:00:00 +00:00
    "Europe/Dublin": [
        ("041 fixed, in the gap", "30 1 * * *", "2026-03-28T12:00+00:00", "29T02:00+01:00 30T01:30+01:00"),
        ("042 fixed, repeated", "30 1 * * *", "2026-10-24T12:00+01:00", "25T01:30+01:00 26T01:30+00:00"),
    ],
    # 2026-10-04: 01:59:59 +10:30 is followed by 02:30:00 +11:00
    # 2026-04-05: 01:59:59 +11:00 is followed by 01:30:00 +10:30
    "Australia/Lord_Howe": [
        ("051 fixed, in the half-hour gap", "15 2 * * *", "2026-10-03T12:00+10:30", "04T02:30+11:00 05T02:15+11:00"),
        ("052 fixed, after it", "45 2 * * *", "2026-10-03T12:00+10:30", "04T02:45+11:00"),
        ("053 hours have half an hour more", "0 * * * *", "2026-10-04T00:30+10:30", "04T01:00+10:30 04T03:00+11:00"),
        ("054 quarters of an hour go on", "*/15 * * * *", "2026-10-04T01:30+10:30", "04T01:45+10:30 04T02:30+11:00 04T02:45+11:00"),
        ("055 fixed, in the repeated half hour", "45 1 * * *", "2026-04-04T12:00+11:00", "05T01:45+11:00 06T01:45+10:30"),
        ("056 fixed, in the half hour that is not repeated", "15 1 * * *", "2026-04-04T12:00+11:00", "05T01:15+11:00 06T01:15+10:30"),
        ("057 wildcard, in the repeated half hour", "45 * * * *", "2026-04-05T01:00+11:00", "05T01:45+11:00 05T01:45+10:30 05T02:45+10:30"),
    ],
    # 2018-11-03: 23:59:59 -03:00 is followed by 01:00:00 -02:00 on the 4th
    # 2018-02-17: 23:59:59 -02:00 is followed by 23:00:00 -03:00 on the 17th
    "America/Sao_Paulo": [
        ("061 midnight is skipped", "0 0 * * *", "2018-11-03T12:00-03:00", "04T01:00-02:00 05T00:00-02:00"),
        ("062 on Sundays only: the skipped hour is Sunday's", "30 0 * * 0", "2018-11-03T12:00-03:00", "04T01:00-02:00 11T00:30-02:00"),
        ("063 the last hour of the day is repeated", "30 23 * * *", "2018-02-17T12:00-02:00", "17T23:30-02:00 18T23:30-03:00"),
        ("064 midnight comes once", "0 0 * * *", "2018-02-17T12:00-02:00", "18T00:00-03:00 19T00:00-03:00"),
        ("065 wildcard, through the repeated hour", "30 * * * *", "2018-02-17T23:00-02:00", "17T23:30-02:00 17T23:30-03:00 18T00:30-03:00"),
    ],
    # 2026-03-07: 23:59:59 -05:00 is followed by 01:00:00 -04:00 on the 8th
    # 2025-11-02: 00:59:59 -04:00 is followed by 00:00:00 -05:00
    "America/Havana": [
        ("071 midnight is skipped", "0 0 * * *", "2026-03-07T12:00-05:00", "08T01:00-04:00 09T00:00-04:00"),
        ("072 midnight is repeated", "0 0 * * *", "2025-11-01T12:00-04:00", "02T00:00-04:00 03T00:00-05:00"),
        ("073 only the first of both, then in December", "15 0 2 * *", "2025-11-01T12:00-04:00", "02T00:15-04:00 02T00:15-05:00"),
    ],
    # 2026-04-23: 23:59:59 +02:00 is followed by 01:00:00 +03:00 on the 24th
    # 2026-10-29: 23:59:59 +03:00 is followed by 23:00:00 +02:00 on the 29th
    "Africa/Cairo": [
        ("081 the skipped midnight begins a Friday", "0 0 * * FRI", "2026-04-23T12:00+02:00", "24T01:00+03:00 01T00:00+03:00"),
        ("082 the repeated hour ends a Thursday", "30 23 * * THU", "2026-10-29T12:00+03:00", "29T23:30+03:00 05T23:30+02:00"),
    ],
    # 2026-03-29: 00:59:59 +00:00 is followed by 03:00:00 +02:00
    # 2026-10-25: 02:59:59 +02:00 is followed by 01:00:00 +00:00
    "Antarctica/Troll": [
        ("091 fixed, two skipped hours: one run", "30 1,2 * * *", "2026-03-28T12:00+00:00", "29T03:00+02:00 30T01:30+02:00"),
        ("092 wildcard, two skipped hours", "0 * * * *", "2026-03-29T00:00+00:00", "29T03:00+02:00 29T04:00+02:00"),
        ("093 fixed, two repeated hours", "30 1,2 * * *", "2026-10-25T00:00+02:00", "25T01:30+02:00 25T02:30+02:00 26T01:30+00:00"),
        ("094 wildcard, two repeated hours", "0 */2 * * *", "2026-10-25T01:00+02:00", "25T02:00+02:00 25T02:00+00:00 25T04:00+00:00"),
    ],
    # 2026-02-15: 02:59:59 +01:00 is followed by 02:00:00 +00:00, for Ramadan
    # 2026-03-22: 01:59:59 +00:00 is followed by 03:00:00 +01:00
    "Africa/Casablanca": [
        ("101 fixed, repeated as Ramadan begins", "30 2 * * *", "2026-02-14T12:00+01:00", "15T02:30+01:00 16T02:30+00:00"),
        ("102 fixed, skipped as it ends", "30 2 * * *", "2026-03-21T12:00+00:00", "22T03:00+01:00 23T02:30+01:00"),
        ("103 wildcard, as Ramadan begins", "0 * * * *", "2026-02-15T01:30+01:00", "15T02:00+01:00 15T02:00+00:00 15T03:00+00:00"),
    ],
    # 2025-02-23: 02:59:59 +01:00 is followed by 02:00:00 +00:00; 2025-04-06: 01:59:59 +00:00 by 03:00:00 +01:00
    "Africa/El_Aaiun": [
        ("111 fixed, repeated as Ramadan begins", "30 2 * * *", "2025-02-22T12:00+01:00", "23T02:30+01:00 24T02:30+00:00"),
        ("112 fixed, skipped as it ends", "30 2 * * *", "2025-04-05T12:00+00:00", "06T03:00+01:00 07T02:30+01:00"),
    ],
    # 2011-12-29: 23:59:59 -10:00 is followed by 00:00:00 +14:00 on the 31st
    # 2011-04-02: 03:59:59 -10:00 is followed by 03:00:00 -11:00
    "Pacific/Apia": [
        ("121 a day that the date line took is not made up", "0 12 * * *", "2011-12-28T13:00-10:00", "29T12:00-10:00 31T12:00+14:00"),
        ("122 nor is its midnight", "0 0 30 12 *", "2011-12-28T13:00-10:00", "30T00:00+14:00"),
        ("123 elapsed hours go on", "0 * * * *", "2011-12-29T22:30-10:00", "29T23:00-10:00 31T00:00+14:00 31T01:00+14:00"),
        ("124 a common change there", "30 3 * * *", "2011-04-02T00:00-10:00", "02T03:30-10:00 03T03:30-11:00"),
    ],
    # 1993-08-20: 23:59:59 -12:00 is followed by 00:00:00 +12:00 on the 22nd
    "Pacific/Kwajalein": [
        ("131 a day that the date line took is not made up", "30 6 * * *", "1993-08-20T00:00-12:00", "20T06:30-12:00 22T06:30+12:00"),
    ],
    # 2026-04-05: 03:44:59 +13:45 is followed by 02:45:00 +12:45
    # 2026-09-27: 02:44:59 +12:45 is followed by 03:45:00 +13:45
    "Pacific/Chatham": [
        ("141 wildcard, through the repeated hour", "53 */3 * * *", "2026-04-05T00:00+13:45", "05T00:53+13:45 05T03:53+12:45 05T06:53+12:45"),
        ("142 fixed, repeated", "50 2 * * *", "2026-04-04T12:00+13:45", "05T02:50+13:45 06T02:50+12:45"),
        ("143 fixed, at the turn: not reached in the first pass", "45 3 * * *", "2026-04-04T12:00+13:45", "05T03:45+12:45 06T03:45+12:45"),
        ("144 fixed, in the gap", "0 3 * * *", "2026-09-26T12:00+12:45", "27T03:45+13:45 28T03:00+13:45"),
        ("145 hours are an hour apart, beside the gap too", "0 * * * *", "2026-09-27T01:30+12:45", "27T02:00+12:45 27T04:00+13:45"),
    ],
    # 2015-08-14: 23:59:59 +09:00 is followed by 23:30:00 +08:30 on the 14th
    # 2018-05-04: 23:29:59 +08:30 is followed by 00:00:00 +09:00 on the 5th
    "Asia/Pyongyang": [
        ("151 half an hour is repeated before midnight", "45 23 * * *", "2015-08-14T12:00+09:00", "14T23:45+09:00 15T23:45+08:30"),
        ("152 half an hour is skipped before midnight", "45 23 * * *", "2018-05-04T12:00+08:30", "05T00:00+09:00 05T23:45+09:00"),
    ],
    # no change at all
    "UTC": [
        ("161 every day", "30 2 * * *", "2026-03-08T02:30+00:00", "09T02:30+00:00 10T02:30+00:00"),
    ],
}  # fmt: skip
ROWS = [pytest.param(zone, *row[1:], id=f"{row[0]} ({zone})") for zone, rows in TABLES.items() for row in rows]


@pytest.mark.parametrize(("zone", "text", "after", "expected"), ROWS)
def test_due_instants_around_a_clock_change(zone: str, text: str, after: str, expected: str) -> None:
    timing = build("cron", text, zone=zone)
    instant = datetime.fromisoformat(after)
    for wanted in expected.split():
        due = timing.next_due(instant)
        assert due is not None
        shown = due.astimezone(get_zone(zone)).isoformat(timespec="seconds")
        assert shown[8:].replace(":00-", "-").replace(":00+", "+") == wanted
        instant = due
