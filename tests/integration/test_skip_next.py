"""Skipping the next run: once, exactly that one, and the ledger says by whom."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

import pytest

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.snapshot import is_worth_keeping
from scheduler.changes.undo import undo
from scheduler.errors import Exit, NotFound, RefusedChange
from scheduler.model import Entry, SkipNext, run_id
from scheduler.sending.upcoming import due_instants
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store, Write
from tests.support.beats import GOOD, lead, runs_sent, write_file
from tests.support.schedules import HOUR, MINUTE, SECOND, declared, entry_of
from tests.support.shell import Shell, add
from tests.support.shop import Shop


@pytest.fixture
def job(store: Store) -> Entry:
    add(store)
    return store.get("job")


def next_of(store: Store) -> datetime:
    entry = store.get("job")
    return next(due_instants(entry, entries.job(entry), from_seconds(time.time())))


def test_the_next_run_is_left_out_and_the_one_after_is_the_next(store: Store, job: Entry) -> None:
    due = next_of(store)
    changes.skip(store, "job", by="ann", note="inventory")
    found = store.get("job").skip
    assert found is not None
    assert (found.by, found.note, from_seconds(found.due)) == ("ann", "inventory", due)
    assert abs(found.at - time.time()) < 60
    assert next_of(store) == due + HOUR


def test_a_skipped_run_is_not_sent_and_stands_in_the_ledger_with_who_and_why(
    shop: Shop, client: Client, now: datetime
) -> None:
    shop.add(late=MINUTE)
    entry = shop.store.get("job")
    marked = replace(entry, skip=SkipNext("ann", 1.0, now.timestamp(), "inventory"))
    shop.store.write([Write("job", entry, marked)])
    shop.commit("job", at=now)
    shop.commit("job", at=now + MINUTE)
    sent, left_out = shop.ledger.runs("job")
    assert (left_out.due, left_out.outcome, left_out.reason) == (now.timestamp(), "skipped", "by request")
    assert left_out.detail == "requested by ann: inventory"
    assert runs_sent(client) == [sent.id] == [run_id("job", now + MINUTE)]
    assert shop.store.get("job").skip is None, "it is over"


def test_it_survives_a_reload_an_edit_a_rename_and_a_restart(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    marked = changes.skip(store, "job", by="ann").skip
    write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))
    lead(beat)
    changes.edit(store, "job", store.get("job").fields | {"queue": "slow"}, tasks=None, by="bob")
    assert store.get("job").skip == marked
    write_file(settings, GOOD.replace("job:", "new:").replace("every: 1h", "every: 1h, renamed_from: job"))
    lead(beat)
    beat.close()
    lead(beat)
    assert store.get("new").skip == marked


def test_it_goes_when_the_schedule_goes(beat: Scheduler, settings: Settings, store: Store) -> None:
    two = GOOD.replace("{job:", "{b: {task: scheduler.tasks.log_it, every: 1h, args: [1, 2]}, job:")
    write_file(settings, two)
    lead(beat)
    changes.skip(store, "b", by="ann")
    write_file(settings, GOOD)
    lead(beat)
    write_file(settings, two)
    lead(beat)
    assert store.get("b").skip is None


def test_it_is_kept_in_the_snapshot(store: Store, job: Entry, client: Client) -> None:
    changes.skip(store, "job", by="ann")
    stored = client.hgetall(store.keys.entry("job")) | {"origin": "file"}
    assert is_worth_keeping(stored)
    assert not is_worth_keeping(stored | {"skip": ""})


def test_it_can_be_undone_once(store: Store, job: Entry) -> None:
    due = next_of(store)
    changes.skip(store, "job", by="ann")
    changes.unskip(store, "job", by="bob")
    assert next_of(store) == due
    with pytest.raises(NotFound, match=r"^'job' skips no run: there is nothing to undo$"):
        changes.unskip(store, "job", by="bob")
    assert [(line["change"], line["by"]) for line in store.audit.lines()] == [("unskip", "bob"), ("skip", "ann")]


def test_only_one_run_is_skipped_at_a_time(store: Store, job: Entry) -> None:
    changes.skip(store, "job", by="ann")
    with pytest.raises(RefusedChange, match=r"^'job' already skips .* UTC: undo that first$"):
        changes.skip(store, "job", by="bob")


def test_what_has_no_next_run_cannot_be_skipped(store: Store, job: Entry) -> None:
    changes.pause(store, "job", by="ann")
    with pytest.raises(NotFound, match=r"^'job' has no next run: there is nothing to skip$"):
        changes.skip(store, "job", by="ann")


def test_a_run_that_the_timing_no_longer_has_is_not_waited_for(store: Store, job: Entry) -> None:
    changes.skip(store, "job", by="ann")
    changes.edit(store, "job", {"task": "scheduler.tasks.fail", "at": "2099-01-01 00:00"}, tasks=None, by="ann")
    assert next_of(store).year == 2099
    changes.skip(store, "job", by="ann")


def test_a_skipped_run_uses_up_none_of_max_runs(store: Store) -> None:
    entry = entry_of(declared(every="1h", max_runs=2), "admin", now=from_seconds(time.time()))
    store.write([Write("job", None, entry)])
    due = next_of(store)
    changes.skip(store, "job", by="ann")
    marked = store.get("job")
    assert list(due_instants(marked, entries.job(marked), due - SECOND)) == [due + HOUR, due + 2 * HOUR]


def test_the_command_skips_and_takes_it_back(shell: Shell, store: Store, job: Entry) -> None:
    due = next_of(store)
    said = shell("skip", "job", "--note", "inventory")
    assert said.code == Exit.OK
    assert said.out == (
        f"skipping job at {due:%Y-%m-%d %H:%M:%S} UTC; `python3 -m scheduler skip job --undo` reverts this\n"
    )
    assert shell("skip", "job").code == Exit.PROBLEMS
    assert shell("next", "job", "-n", "1").out.splitlines()[1] == f"{due + HOUR:%Y-%m-%d %H:%M:%S} UTC"
    assert shell("skip", "job", "--undo").out == "job: the next run is no longer skipped\n"
    assert shell("skip", "job", "--json").json["skip"]["by"].startswith("cli ")
    assert shell("skip", "nobody").code == Exit.NO_INPUT


def test_the_line_in_the_audit_log_undoes_it(store: Store, job: Entry) -> None:
    due = next_of(store)
    changes.skip(store, "job", by="ann")
    undo(store, store.audit.lines()[0]["id"], tasks=None, by="bob")
    assert next_of(store) == due
    assert store.audit.lines()[0]["why"].startswith("undo of skip by ann")
    undo(store, store.audit.lines()[0]["id"], tasks=None, by="cyd")
    assert next_of(store) == due + HOUR
    assert store.audit.lines()[0]["why"].startswith("undo of unskip by bob")


def test_a_skip_that_was_taken_back_comes_back_only_for_the_same_run(store: Store, job: Entry) -> None:
    changes.skip(store, "job", by="ann")
    changes.unskip(store, "job", by="ann")
    other = {key: value for key, value in job.fields.items() if key != "every"} | {"cron": "30 * * * *"}
    changes.edit(store, "job", other, tasks=None, by="ann")  # never on the hour, as `every: 1h` always is
    line = store.audit.lines()[1]["id"]
    with pytest.raises(RefusedChange, match="is not the next run of 'job'"):
        undo(store, line, tasks=None, by="bob")
