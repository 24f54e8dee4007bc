"""A timing with a zone inside, in words or under the wrong key is refused with the lines to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.schedule_file import parse
from scheduler.timing import TimingError, build, parse_duration, zone_names

CRON = st.sampled_from(["0 9 * * *", "*/5 * * * *", "30 2 1,15 * *", "0 0 9 * * MON-FRI", "@daily", "0 12 L * ?"])
WITH_ZONE = st.sampled_from([
    "CRON_TZ={zone} {cron}", "TZ={zone} {cron}", "TZ='{zone}'  {cron}", "CRON_TZ={zone}; {cron}", "tz={zone} {cron}",
    "{cron} {zone}", "{cron}  ({zone})", "{cron} in {zone}", "{cron} tz={zone}", "{cron}, {zone}",
])  # fmt: skip


def refusal(kind: str, text: str) -> TimingError:
    with pytest.raises(TimingError) as refused:
        build(kind, text)
    return refused.value


@settings(max_examples=150, deadline=None)
@given(CRON, st.sampled_from(sorted(zone_names())), WITH_ZONE, st.booleans())
def test_a_zone_inside_an_expression_is_answered_with_both_lines(cron: str, zone: str, form: str, lower: bool) -> None:
    error = refusal("cron", form.format(cron=cron, zone=zone.lower() if lower else zone))
    assert error.field == "cron"
    assert "holds a time zone" in error.problem
    lines = parse("\n".join(error.remedy.removeprefix("write ").split(" and ")), "").data
    assert lines == {"timezone": zone, "cron": cron}
    build("cron", lines["cron"], zone=lines["timezone"])


@pytest.mark.parametrize(
    ("kind", "text", "remedy"),
    [
        ("cron", "0 9 * * * Europe/Berln", 'write timezone: Europe/Berlin and cron: "0 9 * * *"'),
        ("cron", "TZ=Mars/X @daily", 'write timezone: an IANA name such as Europe/Berlin and cron: "@daily"'),
        ("cron", "60 9 * * * UTC", "write timezone: UTC and leave it out of cron"),
        ("cron", "every day at noon in europe/berlin", 'write timezone: Europe/Berlin and cron: "0 12 * * *"'),
        ("at", "2026-12-24 18:00 Asia/Tokyo", 'write timezone: Asia/Tokyo and at: "2026-12-24 18:00"'),
        ("every", "10m UTC", "write timezone: UTC and every: 10m"),
    ],
)
def test_a_zone_beside_something_else_is_answered_too(kind: str, text: str, remedy: str) -> None:
    assert refusal(kind, text).remedy == remedy


MEANT = [
    ("cron", "every 10 minutes", "every: 10m"),
    ("every", "10 minutes", "every: 10m"),
    ("every", "every 5m", "every: 5m"),
    ("every", "hour", "every: 1h"),
    ("every", "1 hour and 30 minutes", "every: 1h30m"),
    ("every", "1hour30min", "every: 1h30m"),
    ("every", "15min", "every: 15m"),
    ("every", "10.minutes", "every: 10m"),
    ("every", "PT1H30M", "every: 1h30m"),
    ("every", "P1D", "every: 1d"),
    ("cron", "every ten minutes", "every: 10m"),
    ("cron", "every 24 hours", "every: 1d"),
    ("cron", "every half hour", "every: 30m"),
    ("cron", "rate(5 minutes)", "every: 5m"),
    ("cron", "10m", "every: 10m"),
    ("cron", "every weekday at 9am", 'cron: "0 9 * * 1-5"'),
    ("cron", "every mon, wed and fri at 9", 'cron: "0 9 * * 1,3,5"'),
    ("cron", "Monday to Friday at 17:30", 'cron: "30 17 * * 1-5"'),
    ("cron", "mon-fri @ 9am", 'cron: "0 9 * * 1-5"'),
    ("cron", "daily", 'cron: "0 0 * * *"'),
    ("cron", "hourly", 'cron: "0 * * * *"'),
    ("cron", "every day", 'cron: "0 0 * * *"'),
    ("every", "day at 3:15pm", 'cron: "15 15 * * *"'),
    ("every", "weekday at 9", 'cron: "0 9 * * 1-5"'),
    ("every", "*/5 * * * *", 'cron: "*/5 * * * *"'),
    ("at", "09:00", 'cron: "0 9 * * *"'),
    ("at", "30 2 * * *", 'cron: "30 2 * * *"'),
    ("cron", "2026-12-24 18:00", 'at: "2026-12-24T18:00"'),
    ("cron", "FREQ=DAILY;BYHOUR=9", 'rrule: "FREQ=DAILY;BYHOUR=9"'),
    ("cron", "Mon..Fri 09:00", 'cron: "0 9 * * MON-FRI"'),
    ("cron", "*-*-* 02:30:00", 'cron: "30 2 * * *"'),
    ("cron", "*:0/15", 'cron: "*/15 * * * *"'),
    ("cron", "cron(0 12 * * ? *)", 'cron: "0 12 * * ?"'),
    ("cron", "0 0 12 ? * MON-FRI *", 'cron: "0 0 12 ? * MON-FRI"'),
]


@pytest.mark.parametrize(("kind", "text", "line"), MEANT)
def test_words_and_foreign_spellings_are_answered_with_the_line_to_write(kind: str, text: str, line: str) -> None:
    error = refusal(kind, text)
    assert (error.field, error.remedy) == (kind, f"write {line}")
    ((key, value),) = parse(line, "").data.items()
    build(key, value)


COUNTS = {"second": "s", "minute": "m", "hour": "h", "day": "d", "week": "w"}


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 500),
    st.sampled_from(sorted(COUNTS)),
    st.booleans(),
    st.sampled_from([("cron", "every {}"), ("every", "{}"), ("every", "every {}"), ("cron", "Every  {}")]),
)
def test_an_interval_in_words_keeps_its_length(count: int, unit: str, plural: bool, form: tuple[str, str]) -> None:
    kind, words = form
    remedy = refusal(kind, words.format(f"{count} {unit}{'s' if plural else ''}")).remedy
    key, _, value = remedy.removeprefix("write ").partition(": ")
    if key == "cron":  # a day in words begins at midnight
        assert (count, unit, value) == (1, "day", '"0 0 * * *"')
    else:
        assert parse_duration(value) == parse_duration(f"{count}{COUNTS[unit]}")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("cron", "0 0 1 ? * 2 *"),  # Quartz and AWS count from Sunday 1
        ("cron", "Mon *-*-13 09:00"),  # systemd takes days that match both
        ("cron", "2027-01-01 *:00"),
        ("cron", "sometimes"),
        ("every", "often"),
    ],
)
def test_what_is_unclear_is_not_guessed(kind: str, text: str) -> None:
    assert not refusal(kind, text).remedy.startswith(("write cron:", "write every:", "write at:"))


def test_a_duration_in_words_is_answered_with_the_duration() -> None:
    with pytest.raises(TimingError, match=r"'10 minutes' is not a duration — write 10m$"):
        parse_duration("10 minutes")
