"""The wall clock is set ahead and back under the real beat: nothing is sent twice, or waits longer than it must."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery import Celery

from scheduler import changes
from scheduler.beat import wall_clock
from scheduler.beat.scheduler import Scheduler
from scheduler.model import Run, read_run_id
from scheduler.settings import Settings
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import lead, leading, running_beat, runs_sent
from tests.support.schedules import DAY, HOUR, MINUTE, NOON, SECOND, declared, entry_of

LONG = 100 * DAY
FIELDS: dict[str, Any] = {"task": "scheduler.tasks.log_it", "args": [1, 2], "overlap": "allow", "expires": "7d"}


class Clock:
    """Wall time as the test wants it; the steady clock goes on by itself, so that a move of it is what time does."""

    def __init__(self, beat: Scheduler, travel: time_machine.Traveller) -> None:
        self.beat = beat
        self.travel = travel

    @property
    def now(self) -> datetime:
        return from_seconds(time.time())

    def go_on(self, length: timedelta, step: timedelta = MINUTE / 6) -> None:
        """Time passes, as fast as the test likes, and beat leads through it."""
        end = self.now + length
        while self.now < end:
            self.travel.shift(step)
            leading(self.beat).clock.wall = time.time()  # it passed; it was not set
            lead(self.beat)

    def set(self, by: timedelta) -> None:
        """Somebody sets the clock."""
        self.travel.shift(by)
        lead(self.beat)


@pytest.fixture
def clock(beat: Scheduler, settings: Settings, store: Store) -> Iterator[Clock]:
    """A beat that leads over a job of each minute."""
    settings.file.write_text("schedules: {}")
    with time_machine.travel(NOON + SECOND, tick=False) as travel:
        lead(beat)
        add(store, "minutely", every="1m")
        yield Clock(beat, travel)


def add(store: Store, name: str, **fields: Any) -> None:
    now = from_seconds(time.time())
    store.write([Write(name, None, entry_of(declared(name, **FIELDS, **fields), "admin", now=now))])


def minutes(beat: Scheduler, name: str = "minutely") -> list[float]:
    """Which minutes after noon were sent, in the order of sending."""
    found = [read_run_id(run) for run in runs_sent(beat.client)]
    return [(due - NOON.timestamp()) / 60 for schedule, due in found if schedule == name]


def span(first: int, last: int) -> list[float]:
    return [float(minute) for minute in range(first, last + 1)]


def rows(ledger: Ledger, outcome: str) -> list[Run]:
    return [run for run in reversed(ledger.runs("minutely", 1000)) if run.outcome == outcome]


def test_nothing_but_time_that_passes_sends_each_minute_once(clock: Clock) -> None:
    clock.go_on(10 * MINUTE)
    assert minutes(clock.beat) == span(1, 10)


@pytest.mark.parametrize(("catch_up", "caught_up"), [("none", []), ("latest", [70.0]), ("all", span(11, 70))])
def test_a_step_ahead_is_handled_as_catch_up_says_and_every_instant_has_a_row(
    clock: Clock, store: Store, ledger: Ledger, catch_up: str, caught_up: list[float]
) -> None:
    store.write([Write("minutely", store.get("minutely"), None)])
    add(store, "minutely", every="1m", catch_up=catch_up)
    clock.go_on(10 * MINUTE)
    clock.set(HOUR + 20 * SECOND)
    assert minutes(clock.beat)[10:] == caught_up
    missed = sum(run.count for run in rows(ledger, "skipped"))
    assert len(minutes(clock.beat)) + missed == 70
    clock.go_on(5 * MINUTE)
    assert minutes(clock.beat)[-5:] == span(71, 75)


def test_a_step_back_over_what_was_sent_repeats_nothing_and_goes_on_when_the_time_comes(clock: Clock) -> None:
    clock.go_on(30 * MINUTE)
    clock.set(-20 * MINUTE)
    clock.go_on(20 * MINUTE)
    assert minutes(clock.beat) == span(1, 30)
    clock.go_on(2 * MINUTE)
    assert minutes(clock.beat) == span(1, 32)


@pytest.mark.parametrize("length", [HOUR, LONG])
def test_a_clock_that_was_wrong_for_ten_minutes_does_not_stop_the_service_until_then(
    clock: Clock, length: timedelta
) -> None:
    clock.go_on(10 * MINUTE)
    clock.set(length)
    clock.go_on(10 * MINUTE)
    ahead = len(minutes(clock.beat))
    clock.set(-length)
    clock.go_on(10 * MINUTE)
    assert minutes(clock.beat)[ahead:] == span(21, 30)


def test_what_was_sent_while_the_clock_was_ahead_is_not_sent_again_when_that_time_comes(clock: Clock) -> None:
    clock.go_on(10 * MINUTE)
    clock.set(HOUR)
    clock.go_on(10 * MINUTE)
    clock.set(-HOUR)
    clock.go_on(70 * MINUTE)
    sent = Counter(minutes(clock.beat))
    assert max(sent.values()) == 1
    missing = set(span(1, 90)) - set(sent)
    assert missing <= set(span(11, 20)), "those that passed while the clock was wrong"


def test_a_schedule_that_was_sent_more_often_than_the_ledger_keeps_is_not_repeated_either(
    clock: Clock, store: Store
) -> None:
    clock.go_on(MINUTE)
    add(store, "often", every="1s")
    clock.set(HOUR)
    clock.go_on(10 * MINUTE, step=5 * SECOND)
    assert len(minutes(clock.beat, "often")) > 5 * clock.beat.settings.keep_runs
    clock.set(-HOUR)
    clock.go_on(61 * MINUTE + 30 * SECOND)
    assert max(Counter(minutes(clock.beat, "often")).values()) == 1


def accounted(ledger: Ledger) -> Counter[float]:
    """How often the ledger has each minute after noon, in whatever row."""
    counts: Counter[float] = Counter()
    rows = ledger.runs("minutely", 1000)
    assert {row.id for row in ledger.between(0, 9e12, 10_000) if row.schedule == "minutely"} == {row.id for row in rows}
    for row in rows:
        first, last = (round((at - NOON.timestamp()) / 60) for at in (row.due, row.until or row.due))
        assert row.count == last - first + 1
        counts.update(span(first, last))
    return counts


@pytest.mark.parametrize("catch_up", ["none", "latest", "all"])
@pytest.mark.parametrize("restarts", [False, True])
def test_after_a_clock_that_was_ahead_the_ledger_has_each_instant_once(
    clock: Clock, store: Store, ledger: Ledger, celery: Celery, catch_up: str, restarts: bool
) -> None:
    store.write([Write("minutely", store.get("minutely"), None)])
    add(store, "minutely", every="1m", catch_up=catch_up)
    clock.go_on(10 * MINUTE)
    clock.set(HOUR + 20 * SECOND)
    clock.go_on(10 * MINUTE)
    clock.set(-HOUR)
    with ExitStack() as stack:
        if restarts:
            clock.beat.close()
            clock.beat = stack.enter_context(running_beat(celery))
        clock.go_on(70 * MINUTE)
        assert accounted(ledger) == Counter(span(1, 90))
        assert max(Counter(minutes(clock.beat)).values()) == 1


def test_a_clock_that_was_ahead_twice_leaves_one_row_for_each_instant(
    clock: Clock, store: Store, ledger: Ledger
) -> None:
    store.write([Write("minutely", store.get("minutely"), None)])
    add(store, "minutely", every="1m", catch_up="none")
    clock.go_on(10 * MINUTE)
    for _ in range(2):
        clock.set(20 * HOUR)
        clock.go_on(10 * MINUTE)
        clock.set(-20 * HOUR)
        clock.go_on(10 * MINUTE)
    assert max(accounted(ledger).values()) == 1
    assert set(span(1, 50)) <= set(accounted(ledger))


def test_a_one_off_that_ran_while_the_clock_was_ahead_does_not_run_again(clock: Clock, store: Store) -> None:
    add(store, "once", at=(NOON + 30 * MINUTE).isoformat())
    clock.go_on(MINUTE)
    clock.set(29 * MINUTE)
    assert minutes(clock.beat, "once") == [30.0]
    clock.set(-29 * MINUTE)
    clock.go_on(40 * MINUTE)
    assert minutes(clock.beat, "once") == [30.0]


@pytest.mark.parametrize("seconds", [-50, -1, 1, 50])
def test_a_small_step_is_waited_for(clock: Clock, seconds: int) -> None:
    clock.go_on(10 * MINUTE)
    clock.set(seconds * SECOND)
    clock.go_on(10 * MINUTE)
    assert minutes(clock.beat) in (span(1, 19), span(1, 20))


def test_a_beat_that_starts_after_the_clock_was_set_back_goes_on_too(clock: Clock, celery: Celery) -> None:
    clock.go_on(10 * MINUTE)
    clock.set(LONG)
    clock.go_on(5 * MINUTE)
    ahead = len(minutes(clock.beat))
    clock.beat.lease.hold_on(clock.beat.client)
    clock.beat.close()
    clock.travel.shift(-LONG)
    with running_beat(celery) as clock.beat:
        lead(clock.beat)
        clock.go_on(5 * MINUTE)
        assert minutes(clock.beat)[ahead:] == span(16, 20)


def test_a_first_start_with_a_wrong_clock_goes_on_when_the_clock_is_right(clock: Clock, celery: Celery) -> None:
    clock.beat.close()
    clock.beat.client.flushall()
    clock.travel.shift(LONG)
    with running_beat(celery) as clock.beat:
        clock.beat.settings.file.write_text(
            "schedules: {minutely: {task: scheduler.tasks.log_it, args: [1, 2], every: 1m, overlap: allow}}"
        )
        lead(clock.beat)
        clock.go_on(2 * MINUTE)
        ahead = len(minutes(clock.beat))
        clock.set(-LONG)
        clock.go_on(2 * MINUTE)
        assert minutes(clock.beat)[ahead:] == span(3, 4)


def test_what_is_lost_after_the_clock_was_set_back_falls_due_now_and_not_ahead(clock: Clock, store: Store) -> None:
    clock.go_on(MINUTE)
    clock.set(LONG)
    clock.set(-LONG)
    clock.beat.client.delete(clock.beat.context.keys.entry("minutely"))
    leading(clock.beat).outside.looked_at = 0.0
    lead(clock.beat)
    clock.go_on(2 * MINUTE)
    assert store.get("minutely").due == NOON + 4 * MINUTE


def test_a_pause_survives_every_step(clock: Clock, store: Store) -> None:
    changes.pause(store, "minutely", by="ann")
    clock.set(LONG)
    clock.set(-LONG)
    clock.go_on(5 * MINUTE)
    assert minutes(clock.beat) == []
    assert store.get("minutely").pause is not None


def test_a_running_run_is_not_lost_by_a_step_of_the_leaders_clock(clock: Clock, ledger: Ledger) -> None:
    clock.go_on(MINUTE)
    (run_id,) = runs_sent(clock.beat.client)
    name, due = read_run_id(run_id)
    assert ledger.claim(Run(run_id, name, due, "running"), "worker", "token") == "claimed"
    for _ in range(3):
        clock.set(2 * HOUR)
        assert ledger.get(run_id).outcome == "running"
        ledger.renew([run_id])
    assert ledger.get(run_id).outcome == "running"


def test_steps_at_random_never_send_an_instant_twice(clock: Clock) -> None:
    chosen = random.Random(7)
    for _ in range(25):
        clock.go_on(chosen.randrange(1, 6) * MINUTE)
        clock.set(timedelta(minutes=chosen.randrange(-180, 180)))
    assert max(Counter(minutes(clock.beat)).values()) == 1


@pytest.mark.parametrize("text", ["", "[", "[]", '{"handled": 3}', '{"handled": [["x"]], "since": null}'])
def test_what_somebody_else_wrote_over_its_memory_stops_nobody(clock: Clock, celery: Celery, text: str) -> None:
    clock.beat.client.set(clock.beat.context.keys.clock, text)
    clock.beat.close()
    with running_beat(celery) as clock.beat:
        clock.go_on(2 * MINUTE)
        assert minutes(clock.beat) == span(1, 2)


def test_a_step_is_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    clock.set(HOUR)
    clock.set(-HOUR)
    # Between the two steps, real time passes and the wall clock of the test does not move.
    [ahead] = re.findall(r"The system clock jumped ahead (\d+) s", caplog.text)
    [back] = re.findall(r"The system clock jumped back (\d+) s", caplog.text)
    assert 3500 < int(ahead) <= 3600 <= int(back) < 3700
    assert wall_clock.MIN_STEP_S == 60.0
