"""What becomes of each due instant of an entry that is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scheduler.model import Entry, Pause, Reason, SkipNext
from scheduler.sending.decide import (
    GRACE,
    MAX_RUNS_PER_TICK,
    Decision,
    Leaderless,
    Skip,
    decide,
    decide_on_time,
)
from scheduler.sending.decide import MAX_MISSED_COUNTED as MOST
from scheduler.sending.moved_clock import after_new_zone_rules
from scheduler.storage import entries
from scheduler.storage.entries import Job
from scheduler.storage.instants import EPOCH
from tests.support.schedules import DAY, HOUR, MINUTE, NOON, SECOND, declared, entry_of
from tests.support.timings import due_between

FREE = {"free": ("2026-03-02", "2026-03-04")}


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return NOON.replace(hour=hour, minute=minute, second=second)


def decided(now: datetime, since: datetime = NOON, away: Any = None, entry: Any = None, **fields: Any) -> Decision:
    """The decision at `now` over a schedule whose next due instant was computed at `since`."""
    made = entry_of(declared(calendars=FREE, **fields), now=since, **(entry or {}))
    return decide(made, entries.job(made), now, away)


def missed(decision: Decision) -> int:
    return sum(skip.count for skip in decision.skips if skip.reason == "missed")


def test_nothing_is_due_before_its_time() -> None:
    assert decided(NOON + 59 * SECOND) == Decision(due=NOON + MINUTE)


def test_an_instant_that_is_met_on_time_runs() -> None:
    assert decided(NOON + MINUTE) == Decision((NOON + MINUTE,), (), NOON + 2 * MINUTE)


def test_an_instant_that_is_met_within_the_grace_runs_whatever_catch_up_says() -> None:
    assert decided(NOON + HOUR + GRACE, every="1h", catch_up="none").runs == (NOON + HOUR,)


def test_several_instants_within_the_grace_all_run() -> None:
    assert decided(NOON + 3 * SECOND, every="1s", catch_up="none").runs == tuple(NOON + n * SECOND for n in (1, 2, 3))


def test_catch_up_none_skips_what_was_missed() -> None:
    decision = decided(at(15, 30), every="1h", catch_up="none")
    assert decision.runs == ()
    assert decision.skips == (Skip(Reason.MISSED, at(13), at(15), 3),)
    assert decision.due == at(16)


def test_catch_up_latest_runs_the_latest_and_skips_the_others() -> None:
    decision = decided(at(15, 30), every="1h")
    assert decision.runs == (at(15),)
    assert decision.skips == (Skip(Reason.MISSED, at(13), at(14), 2),)


def test_catch_up_latest_runs_nothing_old_when_one_is_on_time() -> None:
    decision = decided(at(15), every="1h")
    assert decision.runs == (at(15),)
    assert missed(decision) == 2


def test_catch_up_all_runs_every_missed_instant() -> None:
    assert decided(at(15, 30), every="1h", catch_up="all").runs == (at(13), at(14), at(15))


@pytest.mark.parametrize(("policy", "runs"), [("none", 0), ("latest", 1), ("all", 2)])
def test_what_is_older_than_the_window_is_never_caught_up(policy: str, runs: int) -> None:
    decision = decided(at(18, 30), every="1h", catch_up=policy, catch_up_window="2h")
    assert len(decision.runs) == runs
    assert missed(decision) == 6 - runs


def test_latest_runs_nothing_when_even_the_latest_is_older_than_the_window() -> None:
    decision = decided(NOON + 23 * HOUR, cron="0 13 * * *", catch_up_window="6h")
    assert (decision.runs, missed(decision)) == ((), 1)


def test_the_reason_of_what_was_missed_names_when_beat_was_down() -> None:
    decision = decided(at(15, 30), every="1h", away=Leaderless(at(12, 58), at(14, 11)), catch_up="none")
    assert [(skip.detail, skip.count) for skip in decision.skips] == [
        ("beat was down 12:58–14:11 UTC", 2),
        ("", 1),
    ]


def test_a_beat_that_lived_through_it_does_not_call_itself_down() -> None:
    away = Leaderless(at(12, 58), at(13, 1), was_down=False)
    decision = decided(at(13, 2), every="1h", away=away, catch_up="none")
    [skip] = decision.skips
    assert skip.detail == "no beat led 12:58:00–13:01:00 UTC: Redis did not answer, or this machine stood still"


def test_the_reason_names_the_days_when_beat_was_down_for_long() -> None:
    decision = decided(NOON + 2 * DAY + HOUR, cron="0 13 * * *", away=Leaderless(NOON, NOON + 2 * DAY), catch_up="none")
    assert decision.skips[0].detail == "beat was down 2026-03-02 12:00–2026-03-04 12:00 UTC"


def test_the_reason_says_so_when_no_beat_ever_led() -> None:
    decision = decided(at(15, 30), every="1h", away=Leaderless(EPOCH, at(15, 20)), catch_up="none")
    assert decision.skips[0].detail == "no beat led before 2026-03-02 15:20 UTC"


def test_a_disabled_schedule_runs_nothing_and_is_not_looked_at_again() -> None:
    assert decided(at(15), enabled=False) == Decision(due=None)


def test_a_finished_schedule_stays_finished() -> None:
    assert decided(at(15), entry={"due": None}) == Decision(due=None)


def test_a_paused_schedule_neither_runs_nor_forgets_where_it_was() -> None:
    decision = decided(at(15), entry={"pause": Pause("ann", 0.0)})
    assert decision == Decision(due=NOON + MINUTE)


def test_a_pause_that_has_not_ended_holds_everything() -> None:
    decision = decided(at(15), entry={"pause": Pause("ann", 0.0, until=at(16).timestamp())})
    assert decision == Decision(due=NOON + MINUTE)


def test_a_pause_that_ended_is_recorded_with_its_note_and_never_fires_off_grid() -> None:
    pause = Pause("ann", 0.0, "new disk", until=at(15, 30).timestamp())
    decision = decided(at(15, 30), every="1h", catch_up="all", entry={"pause": pause})
    skip = Skip(Reason.PAUSED, at(13), at(15), 3, "paused by ann: new disk")
    assert decision == Decision((), (skip,), at(16), resumed=True)


def test_what_fell_due_after_the_end_of_a_pause_is_caught_up() -> None:
    pause = Pause("ann", 0.0, until=at(14, 30).timestamp())
    decision = decided(at(15, 30), every="1h", entry={"pause": pause})
    assert decision.runs == (at(15),)
    assert [skip.reason for skip in decision.skips] == ["paused"]


def test_a_pause_that_ends_before_the_next_due_instant_changes_nothing_else() -> None:
    pause = Pause("ann", 0.0, until=at(12, 20).timestamp())
    assert decided(at(12, 30), every="1h", entry={"pause": pause}) == Decision(due=at(13), resumed=True)


def test_an_interval_of_redbeat_keeps_its_grid_when_a_pause_ends_before_it_is_due() -> None:
    definition = {"task": "t", "schedule": {"__type__": "interval", "every": 3600.0, "relative": False}}
    pause = Pause("ann", 0.0, until=at(12, 20).timestamp())
    entry = Entry("theirs", "redbeat", definition, due=at(13), pause=pause)
    assert decide(entry, entries.job(entry), at(12, 30)).due == at(13)


def test_an_instant_on_an_excluded_day_is_skipped_as_excluded() -> None:
    decision = decided(NOON + 2 * DAY + HOUR, cron="0 13 * * *", except_=["free"], catch_up="none")
    assert decision.runs == ()
    assert [(skip.reason, skip.first, skip.count) for skip in decision.skips] == [
        ("excluded", at(13), 1),
        ("missed", at(13) + DAY, 1),
        ("excluded", at(13) + 2 * DAY, 1),
    ]


def test_a_schedule_is_finished_after_its_last_run() -> None:
    decision = decided(NOON + MINUTE, max_runs=3, entry={"total_run_count": 2})
    assert decision == Decision((NOON + MINUTE,), due=None, if_unsent=NOON + 2 * MINUTE)


def test_catching_up_never_runs_more_than_max_runs() -> None:
    decision = decided(at(15, 30), every="1h", catch_up="all", max_runs=2)
    assert decision == Decision((at(13), at(14)), due=None, if_unsent=at(15))


def test_a_one_off_runs_once_and_is_finished() -> None:
    assert decided(at(18), at="2026-03-02 18:00") == Decision((at(18),), (), None)


def test_a_one_off_that_was_missed_by_more_than_the_window_is_recorded_and_finished() -> None:
    decision = decided(NOON + 3 * DAY, at="2026-03-02 18:00")
    assert (decision.runs, decision.due, missed(decision)) == ((), None, 1)


def test_an_instant_with_jitter_is_sent_later_but_is_still_the_same_instant() -> None:
    entry = entry_of(declared(every="1h", jitter="10m"))
    job = entries.job(entry)
    sent = job.timing.send_at(at(13))
    assert sent > at(13)
    assert decide(entry, job, sent - timedelta(microseconds=1)).runs == ()
    assert decide(entry, job, sent).runs == (at(13),)


def run_through(entry: Entry, job: Job, now: datetime) -> list[Decision]:
    """Tick after tick until nothing is due any more."""
    decisions = []
    while entry.due is not None and job.timing.send_at(entry.due) <= now:
        decision = decide(entry, job, now)
        runs = entry.total_run_count + len(decision.runs)
        assert decision.due is None or decision.due > entry.due, "no progress"
        pause = None if decision.resumed else entry.pause
        last = decision.runs[-1] if decision.runs else entry.last_run_at
        entry = replace(entry, due=decision.due, total_run_count=runs, pause=pause, last_run_at=last)
        decisions.append(decision)
        assert len(decisions) < 500
    return decisions


@pytest.mark.parametrize("seconds", [MOST - 1, MOST, MOST + 1, 2 * MOST, 2 * MOST + 7])
def test_however_many_were_missed_latest_gives_one_run_at_the_very_latest(seconds: int) -> None:
    entry = entry_of(declared(every="1s"))
    decisions = run_through(entry, entries.job(entry), NOON + (seconds + 60) * SECOND)
    runs = [run for decision in decisions for run in decision.runs]
    # What is younger than the grace is on time, and runs.
    assert runs == [NOON + (seconds + 60 - n) * SECOND for n in range(15, -1, -1)]
    assert sum(missed(decision) for decision in decisions) == seconds + 60 - 16


@pytest.mark.parametrize("count", [MOST, MOST + 5])
def test_however_many_were_missed_latest_runs_the_very_latest_that_is_late(count: int) -> None:
    entry = entry_of(declared(every="1m", catch_up_window="4w"))
    decisions = run_through(entry, entries.job(entry), NOON + count * MINUTE + 30 * SECOND)
    assert [run for decision in decisions for run in decision.runs] == [NOON + count * MINUTE]
    assert sum(missed(decision) for decision in decisions) == count - 1


def test_catch_up_all_goes_on_in_the_next_tick_where_this_one_stopped() -> None:
    entry = entry_of(declared(every="1m", catch_up="all"))
    job = entries.job(entry)
    first = decide(entry, job, NOON + 250 * MINUTE)
    assert len(first.runs) == MAX_RUNS_PER_TICK
    assert first.due == NOON + (MAX_RUNS_PER_TICK + 1) * MINUTE
    decisions = run_through(entry, job, NOON + 250 * MINUTE)
    assert [run for decision in decisions for run in decision.runs] == [NOON + n * MINUTE for n in range(1, 251)]


def test_a_day_that_is_excluded_behind_the_first_hundred_is_counted_once() -> None:
    entry = entry_of(
        declared(cron="*/10 * * * *", catch_up="all", catch_up_window="1w", except_=["free"], calendars=FREE)
    )
    decisions = run_through(entry, entries.job(entry), NOON + 3 * DAY)
    excluded = sum(skip.count for decision in decisions for skip in decision.skips if skip.reason == "excluded")
    assert excluded == 6 * 12 - 1 + 6 * 24


def test_a_stretch_of_skips_ends_where_something_ran() -> None:
    entry = entry_of(
        declared(cron="0 13 * * *", catch_up="all", catch_up_window="1w", except_=["free"], calendars=FREE)
    )
    (decision,) = run_through(entry, entries.job(entry), NOON + 3 * DAY)
    assert [skip.count for skip in decision.skips] == [1, 1]
    assert decision.runs == (at(13) + DAY,)


def test_what_a_stock_beat_sent_meanwhile_is_not_sent_again() -> None:
    decision = decided(at(15, 30), every="1h", catch_up="all", entry={"last_run_at": at(14, 0, 2)})
    assert decision.runs == (at(15),)
    assert decision.skips == (Skip(Reason.ELSEWHERE, at(13), at(14), 2),)


TIMINGS = st.sampled_from(
    [{"every": "7m"}, {"every": "90m"}, {"cron": "*/20 * * * *"}, {"cron": "15 6 * * *"}, {"at": "2026-03-03 09:00"}]
)
POLICIES = st.fixed_dictionaries(
    {
        "catch_up": st.sampled_from(["none", "latest", "all"]),
        "catch_up_window": st.sampled_from(["1s", "3h", "30d"]),
        "jitter": st.sampled_from(["0s", "5m"]),
        "except_": st.sampled_from([[], ["free"]]),
    }
)
SPANS = st.integers(0, 4 * 24 * 3600).map(lambda seconds: seconds * SECOND)


ON_AN_EXCLUDED_DAY = {"catch_up": "none", "catch_up_window": "1s", "jitter": "0s", "except_": ["free"]}


@given(TIMINGS, POLICIES, st.integers(-90, 90), st.booleans())
@example({"every": "7m"}, ON_AN_EXCLUDED_DAY, 0, False)
@example({"every": "7m"}, ON_AN_EXCLUDED_DAY | {"except_": []}, 0, False)
def test_what_is_due_once_and_on_time_is_decided_as_anything_else(
    timing: dict[str, str], policies: dict[str, Any], late: int, ran: bool
) -> None:
    entry = entry_of(declared(calendars=FREE, **timing, **policies))
    job = entries.job(entry)
    due = entry.due
    assert due is not None
    entry = replace(entry, last_run_at=due if ran else None)
    now = job.timing.send_at(due) + late * SECOND
    decision = decide_on_time(replace(entry, due=NOON), job, due, now)
    assert decision in (None, decide(entry, job, now))
    if timing.keys() == {"every"} and (late, ran, policies["jitter"], policies["except_"]) == (0, False, "0s", []):
        assert decision is not None


@given(TIMINGS, POLICIES, SPANS, st.none() | SPANS, st.none() | st.integers(1, 5))
def test_every_due_instant_is_in_exactly_one_run_or_skip(
    timing: dict[str, str], policies: dict[str, Any], late: timedelta, paused: timedelta | None, most: int | None
) -> None:
    fields = timing | policies | ({"max_runs": most} if most else {})
    pause = None if paused is None else Pause("ann", 0.0, until=(NOON + paused).timestamp())
    entry = entry_of(declared(calendars=FREE, **fields), pause=pause)
    job = entries.job(entry)
    now = NOON + max(late, paused or late)
    decisions = run_through(entry, job, now)
    for decision in decisions[:-1]:
        assert len(decision.runs) == MAX_RUNS_PER_TICK
    due = [instant for instant in due_between(job.timing, NOON, now) if job.timing.send_at(instant) <= now]
    runs = [run for decision in decisions for run in decision.runs]
    finished = most is not None and len(runs) == most
    due = [instant for instant in due if not finished or instant <= runs[-1]]
    accounted = list(runs)
    for skip in (skip for decision in decisions for skip in decision.skips):
        covered = [instant for instant in due if skip.first <= instant <= skip.last]
        assert len(covered) == skip.count
        accounted += covered
    assert sorted(accounted) == due
    if decisions and not finished:
        following = decisions[-1].due
        assert following == job.timing.next_due(due[-1])


BERLIN_NIGHT = datetime(2026, 7, 1, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, 01:30 in London, 03:30 in Helsinki


@pytest.mark.parametrize(
    ("cron", "zone", "shift", "due", "ran", "moved"),
    [
        ("0 2 * * *", "Europe/London", HOUR, "2026-07-02T00:00", "2026-07-01T00:00", "2026-07-02T01:00"),
        ("0 3 * * *", "Europe/London", HOUR, "2026-07-01T01:00", "2026-06-30T01:00", "2026-07-01T02:00"),
        ("0 3 * * *", "Europe/Helsinki", -HOUR, "2026-07-01T01:00", "2026-06-30T01:00", "2026-07-01T00:00"),
        ("0 2 * * *", "Europe/Helsinki", -HOUR, "2026-07-02T00:00", "2026-07-01T00:00", "2026-07-01T23:00"),
        ("0 * * * *", "Europe/London", HOUR, "2026-07-01T01:00", "2026-07-01T00:00", None),
        ("*/15 * * * *", "Europe/Helsinki", -HOUR, "2026-07-01T00:45", "2026-07-01T00:30", None),
        ("0 2 1 1 *", "Europe/London", HOUR, "2027-01-01T01:00", "2026-01-01T01:00", "2027-01-01T02:00"),
        ("0 2 * * *", "Europe/London", HOUR, "2026-07-01T00:00", "2026-06-30T00:00", "2026-07-01T01:00"),
    ],
    ids=[
        "ran today, and does not run again an hour later",
        "has yet to run today",
        "its time has passed by the new rules, so it falls due at once",
        "ran today, and runs tomorrow by the new rules",
        "hourly",
        "every quarter of an hour",
        "yearly",
        "was due when no beat led, and falls due by the new rules",
    ],
)
def test_a_due_instant_follows_new_rules_of_its_zone(
    cron: str, zone: str, shift: timedelta, due: str, ran: str, moved: str | None
) -> None:
    entry = entry_of(declared("job", cron=cron, timezone=zone), due=datetime.fromisoformat(f"{due}+00:00"))
    entry = replace(entry, last_run_at=datetime.fromisoformat(f"{ran}+00:00"))
    after = after_new_zone_rules(entry, entries.job(entry), BERLIN_NIGHT, shift)
    assert (after and after.due) == (moved and datetime.fromisoformat(f"{moved}+00:00"))


def test_a_run_that_is_to_be_skipped_is_skipped_when_new_zone_rules_move_it() -> None:
    due = datetime(2026, 7, 2, 0, tzinfo=UTC)
    entry = entry_of(declared("job", cron="0 2 * * *", timezone="Europe/London"), due=due)
    entry = replace(entry, skip=SkipNext("ann", 0.0, due.timestamp()))
    after = after_new_zone_rules(entry, entries.job(entry), BERLIN_NIGHT, HOUR)
    assert after
    assert after.skip
    assert after.due
    assert after.skip.due == after.due.timestamp() == due.timestamp() + 3600
