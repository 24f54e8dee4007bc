"""Past due instants that a person wants to run: each once, in order, beside what beat sends."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest

from scheduler.beat.scheduler import Scheduler
from scheduler.changes import backfills
from scheduler.errors import Exit, NotFound, RefusedChange
from scheduler.model import Run, run_id
from scheduler.storage.audit import Audit
from scheduler.storage.backfills import Backfills, Only
from scheduler.storage.client import Client
from scheduler.storage.instants import to_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.outcomes import OUTCOMES
from scheduler.storage.store import Store, Write
from tests.support.beats import add_due, lead, leading, runs_sent
from tests.support.health import assert_every_index_is_the_scan
from tests.support.schedules import HOUR, declared, entry_of
from tests.support.shell import Shell

BEGAN = 24  #: hours before now


class Past:
    """An hourly schedule, and its due instants by how many hours ago they were."""

    def __init__(self, beat: Scheduler, store: Store, ledger: Ledger, now: datetime) -> None:
        self.beat, self.store, self.ledger = beat, store, ledger
        self.next = now + HOUR / 2
        add_due(store, self.next, start=(self.next - BEGAN * HOUR).isoformat())

    def hours_ago(self, hours: int) -> datetime:
        return self.next - hours * HOUR

    def run_id(self, hours: int) -> str:
        return run_id("job", self.hours_ago(hours))

    def plan(self, first: int, last: int = 1, only: Only = "missed", at_once: int = 10) -> backfills.Plan:
        dues = self.hours_ago(first), self.hours_ago(last)
        return backfills.plan(self.store, self.ledger, "job", *dues, only, at_once, "ann")

    def fill(self, first: int, last: int = 1, only: Only = "missed", at_once: int = 10) -> list[str]:
        """Begin it; returns the ids of what beat sends at once."""
        backfills.begin(self.store, self.plan(first, last, only, at_once))
        return self.tick()

    def tick(self) -> list[str]:
        before = runs_sent(self.store.client)
        while not lead(self.beat):
            pass
        return runs_sent(self.store.client)[len(before) :]

    def rename(self, new: str, name: str = "job") -> None:
        """As loading a file with `renamed_from` does; the new name is free."""
        with suppress(NotFound):
            self.store.write([Write(new, self.store.get(new), None)])
        entry = self.store.get(name)
        self.store.write([Write(name, entry, None, moved_to=new), Write(new, None, replace(entry, name=new))])

    def end(self, identity: str, outcome: str = "succeeded") -> None:
        run = replace(self.ledger.get(identity), outcome="running")
        assert self.ledger.claim(run, "worker", identity) == "claimed"
        self.ledger.close(identity, outcome, token=identity)  # type: ignore[arg-type]

    def skips(self, first: int, count: int) -> None:
        """A stretch of missed due instants, as beat writes it."""
        row = {"due": repr(to_seconds(self.hours_ago(first))), "outcome": "skipped", "reason": "missed"}
        row |= {"until": repr(to_seconds(self.hours_ago(first - count + 1))), "count": str(count), "detail": ""}
        key = self.ledger.keys.ledger("job")
        self.ledger.client.zadd(self.ledger.keys.runs, {self.run_id(first): float(row["until"])})
        self.ledger.client.zadd(self.ledger.keys.outcomes, {"job": OUTCOMES.index("skipped")})
        self.ledger.client.hset(key, mapping={self.run_id(first): json.dumps(row), ":last": self.run_id(first)})

    def loses(self, first: int, count: int) -> None:
        """A stretch that Redis forgot, as beat writes it."""
        self.skips(first, count)
        ledger, identity = self.ledger.keys.ledger("job"), self.run_id(first)
        row = json.loads(self.ledger.client.hget(ledger, identity)) | {"outcome": "lost", "reason": "forgotten"}
        self.ledger.client.hset(ledger, identity, json.dumps(row))

    def compare_indexes(self) -> None:
        assert_every_index_is_the_scan(self.store.client, self.store.keys, self.ledger, self.store)

    def rows(self) -> list[tuple[str, int]]:
        """Outcome and count of each row, the oldest first."""
        return [(row.outcome, row.count) for row in reversed(self.ledger.runs("job", 1000))]


@pytest.fixture
def past(beat: Scheduler, store: Store, ledger: Ledger, now: datetime) -> Past:
    return Past(beat, store, ledger, now)


def test_due_instants_of_a_time_before_the_schedule_run_in_order_and_as_many_at_once_as_asked_for(past: Past) -> None:
    assert past.fill(4, 1, at_once=2) == [past.run_id(4), past.run_id(3)]
    assert past.tick() == []
    past.end(past.run_id(4))
    assert past.tick() == [past.run_id(2)]
    for hours in (3, 2):
        past.end(past.run_id(hours))
    assert past.tick() == [past.run_id(1)]
    past.end(past.run_id(1))
    assert past.tick() == []
    found, ended = Backfills(past.store.client, past.store.keys).get("job")
    assert (found.state, found.sent, found.total, ended) == ("done", 4, 4, {"succeeded": 4})
    run = past.ledger.get(past.run_id(4))
    assert (run.backfill, run.by, run.manual, run.due) == (True, "ann", False, to_seconds(past.hours_ago(4)))


@pytest.mark.parametrize(
    ("only", "expected"), [("missed", [6, 5, 1]), ("failed", [4, 3]), ("all", [6, 5, 4, 3, 1])], ids=str
)
def test_what_succeeded_or_is_under_way_does_not_run_again(past: Past, only: Only, expected: list[int]) -> None:
    for hours, outcome in ((4, "failed"), (3, "lost"), (2, "succeeded")):
        past.fill(hours, hours, "missed")
        past.end(past.run_id(hours), outcome)
        past.tick()
    past.skips(6, 2)
    assert past.fill(6, 1, only) == [past.run_id(hours) for hours in expected]
    backfills.stop(past.store, "job", "ann")
    if only == "all":
        assert past.plan(6, 1, only).runs == ()


def test_a_second_backfill_of_the_same_stretch_runs_nothing_also_when_the_rows_are_trimmed(past: Past) -> None:
    for identity in past.fill(3):
        past.end(identity)
    past.tick()
    past.ledger.client.delete(past.ledger.keys.ledger("job"))
    assert past.plan(3).runs == ()
    assert len(past.plan(5).runs) == 2


def test_what_ran_under_the_name_before_a_rename_does_not_run_again(past: Past) -> None:
    for identity in past.fill(4, 3):
        past.end(identity)
    past.tick()
    past.rename("new")
    planned = backfills.plan(past.store, past.ledger, "new", past.hours_ago(5), past.hours_ago(2), "missed", 10, "ann")
    assert [*planned.runs] == [past.hours_ago(5), past.hours_ago(2)]
    assert (planned.left, planned.unknown) == (2, 0)
    backfills.begin(past.store, planned)
    assert past.tick() == [run_id("new", past.hours_ago(5)), run_id("new", past.hours_ago(2))]


@pytest.mark.parametrize("new", ["new", 'neu "ü"'])
def test_a_backfill_goes_on_under_the_new_name(past: Past, new: str) -> None:
    first, second = past.fill(4, at_once=2)
    past.end(first)
    past.rename(new)
    past.end(second, "failed")
    assert past.tick() == [run_id(new, past.hours_ago(hours)) for hours in (2, 1)]
    kept = Backfills(past.store.client, past.store.keys)
    found, ended = kept.get(new)
    assert (found.name, found.state, found.sent, ended) == (new, "running", 4, {"succeeded": 1, "failed": 1})
    assert [one.name for one, _ in kept.all()] == [new]
    for hours in (2, 1):
        past.end(run_id(new, past.hours_ago(hours)))
    assert past.tick() == []
    assert kept.get(new)[0].state == "done"


def test_a_stopped_backfill_is_resumed_under_the_new_name_also_where_another_schedule_had_that_and_a_backfill(
    past: Past,
) -> None:
    for identity in past.fill(3):
        past.end(identity)
    past.tick()
    past.rename("other")
    past.rename("gone", "other")
    add_due(past.store, past.next, start=(past.next - BEGAN * HOUR).isoformat())
    [waits] = past.fill(2, at_once=1)
    backfills.stop(past.store, "job", "ann")
    past.rename("gone")
    kept = Backfills(past.store.client, past.store.keys)
    assert [(one.name, one.state, counts) for one, counts in kept.all()] == [("gone", "stopped", {})]
    past.end(waits)
    backfills.resume(past.store, "gone", "ann")
    assert past.tick() == [run_id("gone", past.hours_ago(1))]


def test_a_backfill_that_another_program_wrote_is_left_as_it_is_by_a_rename(past: Past) -> None:
    client, keys = past.store.client, past.store.keys
    client.hset(keys.backfills, "job", "[1]")
    past.rename("new")
    assert client.hgetall(keys.backfills) == {"job": "[1]"}
    client.delete(keys.backfills)
    client.set(keys.backfills, "theirs")
    past.rename("newer", "new")
    assert past.store.get("newer").due == past.next


def test_what_is_left_of_a_stretch_that_redis_forgot_is_no_skip(past: Past) -> None:
    past.loses(6, 5)
    assert past.fill(4, 3, "failed") == [past.run_id(4), past.run_id(3)]
    assert past.rows() == [("lost", 2), ("queued", 1), ("queued", 1), ("lost", 1)]
    backfills.stop(past.store, "job", "ann")
    past.loses(12, 5)
    assert past.fill(12, 12, "failed") == [past.run_id(12)]
    assert not past.ledger.client.zcard(past.ledger.keys.skips)


def test_a_stretch_of_skips_says_only_what_is_left_of_it(past: Past) -> None:
    past.skips(6, 5)
    assert past.rows() == [("skipped", 5)]
    assert past.fill(4, 3) == [past.run_id(4), past.run_id(3)]
    assert past.rows() == [("skipped", 2), ("queued", 1), ("queued", 1), ("skipped", 1)]
    assert past.ledger.get(past.run_id(6)).until == to_seconds(past.hours_ago(5))
    assert past.ledger.client.hget(past.ledger.keys.ledger("job"), ":last") == past.run_id(2)
    past.compare_indexes()


def test_a_run_of_a_backfill_holds_up_no_run_of_its_schedule(past: Past, client: Client) -> None:
    (identity,) = past.fill(1)
    run = replace(past.ledger.get(identity), outcome="running")
    assert past.ledger.claim(run, "worker", "token") == "claimed"
    assert not client.hget(past.ledger.keys.ledger("job"), ":open")


def test_what_beat_has_yet_to_decide_is_left_out(past: Past) -> None:
    assert len(past.plan(3, -5).runs) == 3
    with pytest.raises(RefusedChange, match="no due instant of 'job' is between these times and past"):
        past.plan(0, -5)
    with pytest.raises(NotFound):
        backfills.plan(past.store, past.ledger, "x", past.next, past.next, "all", 1, "ann")


def test_a_day_that_a_calendar_excludes_stays_out(past: Past) -> None:
    closed = past.hours_ago(36).date()
    fields = {"every": "1h", "except_": ("holidays",), "start": past.hours_ago(72).isoformat()}
    wanted = declared("closed", {"holidays": (closed.isoformat(),)}, **fields)
    past.store.write([Write("closed", None, entry_of(wanted, "admin", now=past.hours_ago(1)))])
    plan = backfills.plan(past.store, past.ledger, "closed", past.hours_ago(72), past.next, "missed", 100, "ann")
    days = {due.date() for due in plan.runs}
    assert (closed in days, len(days) >= 2) == (False, True)
    backfills.begin(past.store, plan)
    assert past.tick() == [run_id("closed", due) for due in plan.runs]


def test_more_due_instants_than_a_backfill_may_have_are_refused_with_a_time_to_end_at(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfills, "MAX_INSTANTS", 3)
    end = past.hours_ago(3).isoformat(timespec="seconds")
    with pytest.raises(RefusedChange, match="more than 3 due instants") as refused:
        past.plan(5)
    assert end in str(refused.value)


def test_it_stops_goes_on_and_ends_with_its_schedule(past: Past) -> None:
    (first,) = past.fill(3, at_once=1)
    with pytest.raises(RefusedChange, match="has a running backfill"):
        past.fill(3)
    backfills.stop(past.store, "job", "bob", "too much")
    past.end(first)
    assert past.tick() == []
    backfills.resume(past.store, "job", "bob")
    assert past.tick() == [past.run_id(2)]
    past.store.write([Write("job", past.store.get("job"), None)])
    past.tick()
    found, _ = Backfills(past.store.client, past.store.keys).get("job")
    assert (found.state, "schedule" in found.why) == ("stopped", True)


def test_a_backfill_takes_no_more_places_of_a_group_than_there_are(past: Past, client: Client) -> None:
    client.hset(past.store.keys.file, "groups", json.dumps({"warehouse": 2}))
    entry = past.store.get("job")
    past.store.write([Write("job", entry, replace(entry, fields=entry.fields | {"group": "warehouse"}))])
    assert past.fill(3) == [past.run_id(3), past.run_id(2)]
    past.end(past.run_id(3))
    assert past.tick() == [past.run_id(1)]
    assert client.zcard(past.store.keys.group("warehouse")) == 2


def test_a_redis_that_came_back_with_older_data_stops_it_and_runs_nothing_twice(past: Past, client: Client) -> None:
    backfills_ = Backfills(client, past.store.keys)
    (first,) = past.fill(3, at_once=1)
    before = client.hget(past.store.keys.backfills, "job")
    past.end(first)
    assert past.tick() == [past.run_id(2)]
    client.hset(past.store.keys.backfills, "job", before)
    assert past.tick() == []
    assert backfills_.get("job")[0].why.startswith("Redis came back with older data")


def test_a_failed_run_that_succeeds_in_a_backfill_makes_its_schedule_well(past: Past, client: Client) -> None:
    (identity,) = past.fill(1)
    past.end(identity, "failed")
    past.tick()
    assert client.zscore(past.store.keys.failing, "job")
    assert past.fill(1, only="failed") == [identity]
    past.end(identity)
    assert client.zscore(past.store.keys.failing, "job") is None
    attempts = past.ledger.get(identity).attempts
    assert [(it.number, it.outcome) for it in attempts] == [(1, "failed"), (2, "succeeded")]
    past.compare_indexes()


def test_rows_of_a_backfill_stay_until_they_have_ended_and_failures_longest(past: Past, client: Client) -> None:
    keep = Ledger(client, past.store.keys, replace(past.ledger.settings, keep_runs=2))
    past.ledger = keep
    for hours in range(20, 8, -1):
        (identity,) = past.fill(hours, hours)
        past.end(identity, "failed" if hours == 20 else "succeeded")
        past.tick()
    past.fill(8, 3)
    runs: list[Run] = keep.runs("job", 1000)
    assert sum(run.outcome == "queued" for run in runs) == 6
    assert past.run_id(20) in {run.id for run in runs}
    past.compare_indexes()


def test_one_that_an_older_release_began_goes_on_and_a_tick_reads_only_those_that_run(
    past: Past, client: Client
) -> None:
    its = Backfills(client, past.store.keys)
    backfills.begin(past.store, past.plan(2))
    assert client.smembers(past.store.keys.open_backfills) == {"job"}
    client.delete(past.store.keys.open_backfills)
    assert past.tick() == [past.run_id(2), past.run_id(1)]
    for hours in (2, 1):
        past.end(past.run_id(hours))
    past.tick()
    assert its.get("job")[0].state == "done"
    assert not its.running(["job"])
    past.fill(3)
    assert list(its.running()) == ["job"]
    backfills.stop(past.store, "job", "ann")
    assert not its.running()


def test_the_command_line_shows_what_would_run_begins_it_and_shows_how_far_it_is(past: Past, shell: Shell) -> None:
    first, last = (past.hours_ago(hours).isoformat() for hours in (3, 2))
    dry = shell("backfill", "job", "--from", first, "--to", last, "--dry-run")
    assert (dry.code, dry.out.partition(" from ")[0]) == (Exit.OK, "would run 2 due instants")
    assert shell("backfill", "job", "--dry-run").code == Exit.USAGE
    assert shell("backfill", "job").code == Exit.NO_INPUT
    assert shell("backfill", "job", "--from", first, "--to", last).code == Exit.OK
    past.tick()
    shown = json.loads(shell("backfill", "job", "--json").out)
    assert (shown["state"], shown["total"], shown["under_way"]) == ("running", 2, [past.run_id(3)])
    assert "backfill of job: running, 1 of 2 sent, none ended" in shell("list").out
    assert json.loads(shell("status", "--json").out)["backfills"] == [shown]
    assert shell("backfill", "job", "--stop").code == Exit.OK
    assert shell("backfill", "job", "--stop").code == Exit.PROBLEMS
    assert shell("backfill", "job", "--wait").code == Exit.PROBLEMS
    lines = Audit(past.store.client, past.store.keys).lines(2)
    assert [line["change"] for line in lines] == ["stop backfill", "backfill"]


def test_a_leader_keeps_nothing_of_backfills_that_ended(past: Past) -> None:
    sent = past.fill(2)
    sender = leading(past.beat).backfills
    assert sender.names
    for identity in sent:
        past.end(identity)
    past.tick()
    past.tick()
    assert (sender.names, sender.lost) == ({}, {})
