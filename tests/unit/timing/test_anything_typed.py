"""Whatever is typed: an answer or a TimingError, never another exception, never a long wait."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.cli.crontab.jobs import Owner
from scheduler.cli.crontab.reader import read_crontab
from scheduler.timing import TimingError, build, from_redbeat, from_words, parse_duration, parse_instant

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALPHABETS = {
    "cron": "0123456789*/,-#~?LWMONTUEJAFB @every\t",
    "every": "0123456789.smhdw ",
    "at": "0123456789-:TZ+ .",
    "rrule": "FREQ=DAILYWEKMONTHSBU;PCX0123456789,-:TZ ",
    "solar": "sunetrio_lar0123456789.- ",
}
RULE_PARTS = st.sampled_from(
    [
        "BYMONTH=2", "BYMONTHDAY=30", "BYMONTHDAY=-31", "BYDAY=MO", "BYDAY=5FR", "BYHOUR=3", "BYMINUTE=59",
        "BYSECOND=1", "BYYEARDAY=366", "BYWEEKNO=53", "BYSETPOS=-1", "INTERVAL=7", "INTERVAL=999983", "COUNT=3",
        "WKST=SU",
    ]
)  # fmt: skip
WORDS = st.text("evrymondatfischu,0123456789: ", max_size=20) | st.sampled_from(
    [
        "every",
        "at",
        "on",
        "the",
        "last",
        "first",
        "friday",
        "day",
        "9",
        "17:30",
        "15",
        "minutes",
        "or",
        "and",
        "of month",
    ]
)
RULES = st.tuples(
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"]),
    st.lists(RULE_PARTS, max_size=5, unique=True),
).map(lambda parts: f"FREQ={parts[0]};{';'.join(parts[1])}")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats()
    | st.text("0123456789*/,-monfri", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("every", "relative", "minute", "hour", "day_of_week", "day_of_month", "month_of_year", "freq", "dtstart")
MORE_KEYS = (
    "dtstart_tz",
    "interval",
    "count",
    "until",
    "byhour",
    "byweekday",
    "bysetpos",
    "wkst",
    "event",
    "lat",
    "lon",
)


def ask(kind: str, text: str) -> None:
    try:
        timing = build(kind, text)
    except TimingError:
        return
    due = timing.next_due(NOW)
    assert due is None or due > NOW
    assert timing.words()


@pytest.mark.parametrize("kind", ALPHABETS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_text_of_any_kind(kind: str, data: st.DataObject) -> None:
    ask(kind, data.draw(st.text(ALPHABETS[kind], max_size=30) | st.text(max_size=30)))


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RULES)
def test_any_rule_is_answered(text: str) -> None:
    ask("rrule", text)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from((*KEYS, *MORE_KEYS)), JSON),
    st.sampled_from(["interval", "crontab", "rrule", "solar"]),
)
def test_any_json_from_redbeat(given_fields: dict[str, Any], kind: str) -> None:
    try:
        timing = from_redbeat({"__type__": kind, **given_fields}, "Europe/Berlin")
    except TimingError:
        return
    due = timing.next_due(NOW)
    assert due is None or due > NOW
    assert timing.words()


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS))
def test_any_words(words: list[str]) -> None:
    try:
        kind, text = from_words(" ".join(words))
    except TimingError:
        return
    ask(kind, text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_duration_instant_or_crontab(text: str) -> None:
    for read in (parse_duration, parse_instant, from_words):
        try:
            read(text)
        except TimingError:
            continue
    jobs, left = read_crontab(text, Owner("ann", "/"))
    assert len(jobs) + len(left) <= 2 * len(text.splitlines())
