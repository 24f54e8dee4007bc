# ruff: noqa: E501 - a row of a table is one line
"""Timings in English, and English as timings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scheduler.timing import TimingError, build, from_words
from tests.support.timings import kept_between

CRON_WORDS = [
    ("30 2 * * 1-5", "At 02:30 on weekdays"),
    ("30 2 * * *", "At 02:30 every day"),
    ("30 2,14 * * *", "At 02:30 and 14:30 every day"),
    ("15 30 2 * * *", "At 02:30:15 every day"),
    ("*/15 * * * *", "Every 15 minutes"),
    ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45 on weekdays"),
    ("*/20 3 * * 0,6", "At 03:00, 03:20 and 03:40 on weekends"),
    ("* 3 * * *", "Every minute from 03:00 to 03:59"),
    ("* * * * *", "Every minute"),
    ("*/7 * * * *", "At minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
    ("*/10 */2 * * *", "Every 10 minutes in the hours 00, 02, 04, 06, 08, 10, 12, 14, 16, 18, 20 and 22"),
    ("0 * * * *", "Every hour"),
    ("5 * * * *", "Every hour at minute 5"),
    ("30 5 * * * *", "Every hour at minute 5 and second 30"),
    ("0 */3 * * *", "Every 3 hours"),
    ("53 */3 * * *", "Every 3 hours at minute 53"),
    ("0 9-17 * * 1-5", "Every hour from 09:00 to 17:00 on weekdays"),
    ("5,35 * * * *", "At minutes 5 and 35 of every hour"),
    ("*/10 * * * * *", "Every 10 seconds"),
    ("* 30 2 * * *", "Every second in the minute of 02:30"),
    ("* 0,30 * * * 1", "Every second in minutes 0 and 30 of every hour on Mondays"),
    ("0 17 * * 5L", "At 17:00 on the last Friday of the month"),
    ("0 9 * 3 FRI#2", "At 09:00 on the second Friday of March"),
    ("0 0 * * MON#1,WED", "At 00:00 on Wednesdays and on the first Monday of the month"),
    ("0 9 25 12 *", "At 09:00 on 25 December"),
    ("0 9 1,15 * *", "At 09:00 on the 1st and 15th of the month"),
    ("0 9 1,22 3,6 *", "At 09:00 on the 1st and 22nd of March and June"),
    ("0 0 L * *", "At 00:00 on the last day of the month"),
    ("0 0 L-2 * *", "At 00:00 on the third to last day of the month"),
    ("0 0 LW * *", "At 00:00 on the last weekday of the month"),
    ("0 0 15W * *", "At 00:00 on the weekday nearest the 15th of the month"),
    ("0 0 13 * 5", "At 00:00 on the 13th of the month or on Fridays"),
    ("1 2 3 4 5", "At 02:01 on the 3rd of the month or on Fridays, in April"),
    ("0 0 */13 * MON", "At 00:00 on Mondays that are the 1st, 14th and 27th of the month"),
    ("0 0 1-31 * 1", "At 00:00 every day"),
    ("0 12 * 1-3 *", "At 12:00 every day in January, February and March"),
    ("@weekly", "At 00:00 on Sundays"),
    ("@every 10m", "Every 10 minutes"),
]
OTHER_WORDS = [
    ("every", "15m", "Every 15 minutes"),
    ("every", "1h", "Every hour"),
    ("every", "1h30m", "Every 1 hour 30 minutes"),
    ("every", "1d", "Every 24 hours"),
    ("every", "2d", "Every 2 days"),
    ("every", "500ms", "Every 500 milliseconds"),
    ("at", "2026-12-24T18:00", "Once at 18:00 on 24 December 2026"),
    ("rrule", "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", "At 17:00 on the last Friday of the month"),
    ("rrule", "FREQ=DAILY;BYHOUR=9", "At 09:00 every day"),
    ("rrule", "DTSTART:20260105T090000 RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO",
     "At 09:00 on Mondays, every 2 weeks, counted from 5 January 2026"),
    ("rrule", "FREQ=HOURLY;INTERVAL=5", "Every 5 hours at minute 0, counted from 1 January 1970"),
    ("rrule", "FREQ=MINUTELY;BYHOUR=9,10;BYDAY=MO", "Every minute in the hours 09 and 10 on Mondays"),
    ("rrule", "FREQ=YEARLY;BYMONTH=1;BYDAY=1MO", "At 00:00 on the first Monday of the month in January"),
    ("rrule", "FREQ=YEARLY;BYYEARDAY=-1", "At 00:00 on the last day of the year"),
    ("rrule", "FREQ=YEARLY;BYWEEKNO=1", "At 00:00 in week 1 of the year"),
    ("rrule", "FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU,WE,TH,FR;BYHOUR=18",
     "At 18:00 on weekdays, only the last of each month"),
    ("rrule", "FREQ=DAILY;COUNT=10", "At 00:00 every day, 10 times"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), CRON_WORDS)
def test_a_cron_expression_in_words(text: str, words: str) -> None:
    assert build("cron", text).words() == words


@pytest.mark.parametrize(("kind", "text", "words"), OTHER_WORDS)
def test_any_other_timing_in_words(kind: str, text: str, words: str) -> None:
    assert build(kind, text).words() == words


def test_the_zone_is_named_unless_it_is_utc() -> None:
    assert build("cron", "30 2 * * 1-5", zone="America/New_York").words() == "At 02:30 on weekdays, New York time"
    assert (
        build("at", "2026-12-24T18:00Z", zone="Asia/Tokyo").words() == "Once at 03:00 on 25 December 2026, Tokyo time"
    )
    assert build("cron", "0 9 * * *", zone="America/Argentina/Buenos_Aires").words().endswith(", Buenos Aires time")
    assert build("cron", "0 9 * * *", zone="Etc/UTC").words() == "At 09:00 every day"
    assert build("every", "1h", zone="Asia/Tokyo").words() == "Every hour"


def test_bounds_exclusions_and_jitter_are_told() -> None:
    timing = build(
        "cron",
        "30 2 * * *",
        zone="Europe/Berlin",
        start=datetime(2026, 3, 1, tzinfo=UTC),
        end=datetime(2026, 5, 1, tzinfo=UTC),
        excluded=("2026-04-01",),
        jitter=timedelta(minutes=5),
    )
    assert timing.words() == (
        "At 02:30 every day, Berlin time, from 01:00 on 1 March 2026 until 02:00 on 1 May 2026, "
        "except on 2026-04-01, up to 5m later"
    )
    weekend = build("cron", "0 9 * * *", excluded=("FREQ=WEEKLY;BYDAY=SA,SU",))
    assert weekend.words() == "At 09:00 every day, except on the days of its calendars"


GRAMMAR = [
    ("every weekday at 9", "cron", "0 9 * * 1-5"),
    ("weekdays at 9:30", "cron", "30 9 * * 1-5"),
    ("every 15 minutes", "every", "15m"),
    ("Every 1 hour 30 minutes", "every", "1h30m"),
    ("every 90m", "every", "1h30m"),
    ("every hour", "every", "1h"),
    ("every 2 days", "every", "2d"),
    ("last friday of the month at 17:00", "cron", "0 17 * * 5L"),
    ("at 17:00 on the last friday of the month.", "cron", "0 17 * * 5L"),
    ("first and third monday of the month at 8", "cron", "0 8 * * 1#1,1#3"),
    ("every day at 9 and 17", "cron", "0 9,17 * * *"),
    ("daily at midnight", "cron", "0 0 * * *"),
    ("at noon", "cron", "0 12 * * *"),
    ("every monday, wednesday and friday at 5pm", "cron", "0 17 * * 1,3,5"),
    ("weekends at 12am", "cron", "0 0 * * 0,6"),
    ("on 25 december at noon", "cron", "0 12 25 12 *"),
    ("december 25 at 9 am", "cron", "0 9 25 12 *"),
    ("every year on 1 january at 9", "cron", "0 9 1 1 *"),
    ("the 1st and 15th of the month at 9", "cron", "0 9 1,15 * *"),
    ("every month on the 1st at 6am", "cron", "0 6 1 * *"),
    ("on the 3rd of march and june at 9", "cron", "0 9 3 3,6 *"),
    ("last day of the month at 23:59", "cron", "59 23 L * *"),
    ("third to last day of the month at 3", "cron", "0 3 L-2 * *"),
    ("weekday nearest the 15th of the month at 9", "cron", "0 9 15W * *"),
    ("every monday at 9 in january and march", "cron", "0 9 * 1,3 1"),
    ("on the 13th of the month or on fridays at 0:00", "cron", "0 0 13 * 5"),
    ("every 15 minutes on weekdays", "cron", "*/15 * * * 1-5"),
    ("every 15 minutes from 9:00 to 17:45 on weekdays", "cron", "*/15 9-17 * * 1-5"),
    ("every hour from 9 to 17", "cron", "0 9-17 * * *"),
    ("every hour from 9:30 to 17:30 on mondays", "cron", "30 9-17 * * 1"),
    ("every hour at minute 5", "cron", "5 * * * *"),
    ("every 2 hours on weekdays", "cron", "0 */2 * * 1-5"),
    ("every 30 seconds on sundays", "cron", "*/30 * * * * 0"),
    ("at minutes 5 and 35 of every hour", "cron", "5,35 * * * *"),
    ("once at 18:00 on 24 December 2026", "at", "2026-12-24T18:00"),
    ("2026-12-24 18:00", "at", "2026-12-24T18:00"),
]


@pytest.mark.parametrize(("said", "kind", "text"), GRAMMAR)
def test_english_is_read(said: str, kind: str, text: str) -> None:
    assert from_words(said) == (kind, text)
    build(kind, text)


EXAMPLES = (
    "write it like: every 15 minutes · every weekday at 9 · last friday of the month at 17:00 · on 25 december at noon"
)
REFUSED = [
    ("", f"there is no sentence — {EXAMPLES}"),
    ("tomorrow", f"'tomorrow' is not understood — {EXAMPLES}"),
    ("tomorrow at 9", f"'tomorrow at 9' is not understood — {EXAMPLES}"),
    ("every fortnight at 9", f"'every fortnight at 9' is not understood — {EXAMPLES}"),
    ("every 2 weeks on monday at 9", f"'every 2 weeks on monday at 9' is not understood — {EXAMPLES}"),
    ("every monday or 5 at 9", f"'every monday or 5 at 9' is not understood — {EXAMPLES}"),
    ("first friday and 3rd of the month at 9", f"'first friday and 3rd of the month at 9' is not understood — {EXAMPLES}"),
    ("every day", "'every day' has no time of day — add one: every day at 9"),
    ("every weekday", "'every weekday' has no time of day — add one: every weekday at 9"),
    ("last friday of the month", "'last friday of the month' has no time of day — add one: last friday of the month at 9"),
    ("every 90 minutes on weekdays", "'every 90 minutes on weekdays' cannot be written as one cron expression — use a number that divides an hour, or leave out the days"),
    ("every 5 hours on weekdays", "'every 5 hours on weekdays' cannot be written as one cron expression — use a number that divides a day, or leave out the days"),
    ("every 15 minutes between 9 and 17", "'every 15 minutes between 9 and 17' does not end at a run — end at the last run, such as 17:45"),
    ("every 15 minutes from 9:30 to 17:45", "'every 15 minutes from 9:30 to 17:45' has hours that one cron expression cannot express — write every hour from 9:00 to 17:00"),
    ("every day at 9:00 and 17:30", "'every day at 9:00 and 17:30' has times that one cron expression cannot express — create one schedule for each"),
    ("at 25:00 every day", "'at 25:00 every day' has an invalid time of day '25:00' — use 0:00 to 23:59, or 1am to 12pm"),
    ("at 13pm every day", "'at 13pm every day' has an invalid time of day '13pm' — use 0:00 to 23:59, or 1am to 12pm"),
    ("every hour at minute 60", "'every hour at minute 60' has a minute out of range — use 0 to 59"),
    ("every 15 minutes at minute 5", "'every 15 minutes at minute 5' gives the minute twice — write every hour at minute 5"),
    ("once on 24 december 2026", "'once on 24 december 2026' has no time of day — add one: once at 18:00 on 24 december 2026"),
    ("at 9 " + "x" * 1_000_000, f"the sentence is 1,000,005 characters long — {EXAMPLES}"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "message"), REFUSED)
def test_what_the_grammar_does_not_know_is_refused_with_a_remedy(said: str, message: str) -> None:
    with pytest.raises(TimingError) as refusal:
        from_words(said)
    assert str(refusal.value) == message
    assert refusal.value.field == "words"


EXPRESSIONS = st.tuples(
    st.sampled_from(["0", "30", "*/15", "5,35", "*", "0,30", "7", "10-20/5"]),
    st.sampled_from(["2", "*", "*/3", "9-17", "8,20", "0-5", "*/5", "23"]),
    st.sampled_from(["*", "*", "1,15", "L", "LW", "15W", "L-2", "25", "*/2", "31"]),
    st.sampled_from(["*", "*", "1,3", "12", "4-6"]),
    st.sampled_from(["*", "*", "1-5", "0,6", "FRI", "5L", "MON#1", "1,3", "TUE#2,TUEL"]),
).map(" ".join)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(EXPRESSIONS)
def test_words_that_the_grammar_reads_mean_the_same(text: str) -> None:
    try:
        timing = build("cron", text)
        again = build(*from_words(timing.words()))
    except TimingError:
        assume(False)
    after, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    assert list(islice(kept_between(again, after, until), 60)) == list(islice(kept_between(timing, after, until), 60))
    assert again.words() == timing.words()


ONLY_SAID = ("in the hours", "on Wednesdays and on", "second", "that are")


@pytest.mark.parametrize(
    "words",
    [words for _, words in CRON_WORDS if "second Friday" in words or not any(part in words for part in ONLY_SAID)],
)
def test_most_words_can_be_read_back(words: str) -> None:
    assert build(*from_words(words)).words() == words
