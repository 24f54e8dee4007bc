"""What comes back by itself after Redis lost keys: all of them, or any one, and what the copy on disk is good for."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import time_machine
from celery import Celery

from scheduler import changes
from scheduler.beat import backup, outside, roster, sender
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.snapshot import NAME, Snapshot
from scheduler.errors import NotFound
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.status.read_model import Status
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.beats import lead as one_tick
from tests.support.beats import lead_through_a_loss, leading, leads, running_beat, runs_sent, stand_by, standing_by
from tests.support.schedules import HOUR, SECOND, declared, entry_of

LOG_IT = "scheduler.tasks.log_it"
FILE = f"""
schedules:
  nightly: {{task: {LOG_IT}, args: [1, 2], every: 1h}}
  weekly: {{task: {LOG_IT}, args: [5, 6], cron: 0 0 * * 0}}
"""
EVERY_HOUR: dict[str, Any] = {"task": LOG_IT, "args": [1, 2], "every": "1h"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tick looks around and writes."""
    monkeypatch.setattr(outside, "LOOK_INTERVAL_S", 1e-9)
    monkeypatch.setattr(backup, "WRITE_INTERVAL_S", 0.0)
    monkeypatch.setattr(backup, "WRITE_SHARE", 0.0)


def lead(beat: Scheduler) -> None:
    """A few ticks, of which the last would wait."""
    assert [one_tick(beat) for _ in range(4)][-1] > 0


@pytest.fixture
def shop(beat: Scheduler, settings: Settings, store: Store) -> Scheduler:
    """A beat that leads over two schedules of a file, one with an overlay, one paused, and one made on the page."""
    settings.file.write_text(FILE)
    lead(beat)
    changes.create(store, "page", EVERY_HOUR, tasks=None, by="ann")
    changes.edit(store, "nightly", EVERY_HOUR | {"args": [3, 4]}, tasks=None, by="ann", why="for now")
    changes.pause(store, "weekly", by="bob", note="until the disk is replaced")
    lead(beat)
    return beat


def lose_everything(beat: Scheduler) -> None:
    """As FLUSHALL does; the thread that renews the lease finds out within seconds."""
    beat.client.flushall()
    assert not beat.lease.renew(beat.client)


def is_as_before(store: Store) -> bool:
    """Whether file, overlay, pause and the page's schedule are all there."""
    found = store.all()
    return (
        list(found) == ["nightly", "page", "weekly"]
        and found["nightly"].fields["args"] == [3, 4]
        and found["nightly"].overlay["args"].by == "ann"
        and found["weekly"].pause is not None
        and found["weekly"].pause.note == "until the disk is replaced"
        and found["page"].origin == "admin"
        and not any(entry.error for entry in found.values())
    )


def on_disk(settings: Settings) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((settings.state_dir / NAME).read_text())
    return body


def test_everything_is_back_after_flushall_without_a_restart(
    shop: Scheduler, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    assert is_as_before(store)
    lose_everything(shop)
    with caplog.at_level(logging.ERROR, "scheduler"):
        lead(shop)
    assert is_as_before(store)
    (told,) = [record for record in caplog.records if record.name == "scheduler"]
    assert told.getMessage().startswith("Redis lost all its data: 3 schedules are back from ")
    assert told.getMessage().endswith("the runs that waited in queues and the history of all runs are gone")
    assert told.levelno == logging.ERROR


def of_beat(store: Store, ledger: Ledger) -> list[str]:
    """The problems of the service; no worker runs here."""
    return [it.sentence for it in Status(store, ledger).overview().problems if it.subject != "workers"]


def test_the_loss_is_a_problem_that_status_shows_for_a_day(shop: Scheduler, store: Store, ledger: Ledger) -> None:
    assert not of_beat(store, ledger)
    lose_everything(shop)
    lead(shop)
    (sentence,) = of_beat(store, ledger)
    assert "Redis lost all its data" in sentence
    assert 86_000 < shop.client.ttl(shop.context.keys.notice("loss")) <= 86_400


def test_a_beat_that_starts_over_an_empty_redis_has_them_from_the_disk(
    shop: Scheduler, celery: Celery, store: Store, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    shop.close()
    client.flushall()
    with running_beat(celery) as next_beat, caplog.at_level(logging.ERROR, "scheduler"):
        lead(next_beat)
    assert is_as_before(store)
    assert "Redis lost all its data" in caplog.text


def test_a_first_start_over_an_empty_redis_is_no_loss(
    beat: Scheduler, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.file.write_text(FILE)
    with caplog.at_level(logging.WARNING, "scheduler"):
        lead(beat)
    assert not caplog.records


def test_what_was_made_after_the_loss_is_not_overwritten(shop: Scheduler, store: Store) -> None:
    lose_everything(shop)
    changes.create(store, "page", EVERY_HOUR | {"args": [8, 8]}, tasks=None, by="ann")
    lead(shop)
    assert store.get("page").fields["args"] == [8, 8]
    assert store.get("nightly").fields["args"] == [3, 4]


def test_what_was_removed_before_the_loss_stays_away(shop: Scheduler, store: Store) -> None:
    changes.remove(store, "page", by="ann")
    lead(shop)
    lose_everything(shop)
    lead(shop)
    assert store.names() == ["nightly", "weekly"]


def test_a_pause_that_ended_before_the_loss_stays_ended(shop: Scheduler, store: Store) -> None:
    changes.resume(store, "weekly", by="bob")
    lead(shop)
    lose_everything(shop)
    lead(shop)
    pause = store.get("weekly").pause
    assert pause is None or (pause.until is not None and pause.until <= time.time())


def test_entries_of_other_programs_are_back_too(shop: Scheduler, store: Store, client: Client, keys: Keys) -> None:
    schedule = {"__type__": "interval", "every": 3600.0, "relative": False}
    definition = {"name": "theirs", "task": LOG_IT, "args": [1, 2], "kwargs": {}, "options": {}, "schedule": schedule}
    client.hset(keys.entry("theirs"), "definition", json.dumps(definition | {"enabled": True}))
    client.zadd(keys.schedule, {keys.entry("theirs"): 1.0})
    lead(shop)
    lead(shop)
    lose_everything(shop)
    lead(shop)
    entry = store.get("theirs")
    assert (entry.origin, entry.error) == ("redbeat", "")
    assert json.loads(client.hget(keys.entry("theirs"), "definition"))["args"] == [1, 2]


def test_an_entry_that_is_lost_right_after_it_was_changed_is_back(
    shop: Scheduler, store: Store, client: Client, keys: Keys
) -> None:
    changes.edit(store, "page", EVERY_HOUR | {"args": [7, 7]}, tasks=None, by="ann")
    client.delete(keys.entry("page"))
    lead(shop)
    assert store.get("page").origin == "admin"


KEYS: dict[str, Callable[[Keys], str]] = {
    "an entry of the file": lambda keys: keys.entry("weekly"),
    "an entry with an overlay": lambda keys: keys.entry("nightly"),
    "an entry of the page": lambda keys: keys.entry("page"),
    "the index": lambda keys: keys.schedule,
    "the lock": lambda keys: keys.lock,
    "the marker": lambda keys: keys.marker,
    "the counter of changes": lambda keys: keys.revision,
    "what became of the file": lambda keys: keys.file,
    "who leads": lambda keys: keys.leader,
    "when a beat led last": lambda keys: keys.last_led,
}


@pytest.mark.parametrize("what", KEYS)
def test_the_loss_of_any_one_key_is_mended_within_three_ticks(
    what: str, shop: Scheduler, store: Store, client: Client, keys: Keys
) -> None:
    assert client.delete(KEYS[what](keys)) == 1
    for _ in range(3):
        if leads(shop):
            one_tick(shop)
        else:
            shop.demote()
    assert is_as_before(store)
    assert set(store.names()) == {keys.name(key) for key, score in client.zrange(keys.schedule, 0, -1, withscores=True)}


def test_a_change_whose_name_got_lost_with_an_answer_of_redis_is_in_the_copy(
    shop: Scheduler, settings: Settings, store: Store
) -> None:
    changes.create(store, "later", EVERY_HOUR, tasks=None, by="ann")
    with shop.client.pipeline(transaction=False) as pipe:
        leading(shop).losses.mend(shop.lease.token).ask(pipe)
        pipe.execute()  # the answers reach nobody
    lead(shop)
    assert "later" in on_disk(settings)["entries"]


def test_a_change_that_waits_to_be_written_is_written_although_everything_is_compared_again(
    shop: Scheduler, settings: Settings, store: Store
) -> None:
    shop.context.backup.next_write = float("inf")
    changes.create(store, "later", EVERY_HOUR, tasks=None, by="ann")
    lead(shop)
    leading(shop).losses.marker = None
    shop.context.backup.next_write = 0.0
    lead(shop)
    assert "later" in on_disk(settings)["entries"]


@pytest.mark.parametrize("now", ["", "0", "no number"])
def test_a_lost_counter_of_changes_never_gives_a_number_twice(
    now: str, shop: Scheduler, store: Store, client: Client
) -> None:
    before = max(entry.revision for entry in store.all().values())
    client.delete(shop.context.keys.revision)
    if now:
        client.set(shop.context.keys.revision, now)
    lead(shop)
    changes.edit(store, "page", EVERY_HOUR | {"args": [5, 5]}, tasks=None, by="ann")
    assert store.get("page").revision > before


@pytest.fixture
def ticking(shop: Scheduler, store: Store) -> Iterator[Callable[[float], list[float]]]:
    """A schedule that is due each second; moves the clock by so many seconds, lets beat lead, tells what was sent."""
    now = from_seconds(time.time())
    fields: dict[str, Any] = EVERY_HOUR | {"every": "1s", "overlap": "allow", "catch_up": "all"}
    store.write([Write("tick", None, entry_of(declared("tick", **fields), "admin", now=now))])
    with time_machine.travel(now, tick=False) as clock:

        def move(seconds: float) -> list[float]:
            clock.shift(seconds)
            lead(shop)
            return [datetime.fromisoformat(run.rpartition("@")[2]).timestamp() for run in runs_sent(shop.client)]

        yield move


def are_in_a_row(instants: list[float]) -> bool:
    return instants == [instants[0] + step for step in range(len(instants))]


def test_after_flushall_no_instant_is_sent_twice_and_what_fell_due_meanwhile_is_caught_up(
    shop: Scheduler, ticking: Callable[[float], list[float]]
) -> None:
    before = ticking(2)
    lose_everything(shop)
    instants = before + ticking(3)
    assert len(instants) == 5
    assert are_in_a_row(instants)


def test_an_instant_that_falls_due_before_anyone_notices_a_flushall_runs_all_the_same(
    shop: Scheduler, ticking: Callable[[float], list[float]]
) -> None:
    before = ticking(2)
    with time_machine.travel(time.time() + 1, tick=False):
        shop.client.flushall()  # the lease was renewed just before: only the tick can notice
        lead_through_a_loss(shop)
    instants = before + ticking(2)
    assert len(instants) == 4
    assert are_in_a_row(instants)


def test_a_schedule_that_went_out_right_before_a_flushall_has_a_row_and_the_others_of_that_tick_run(
    shop: Scheduler, store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = from_seconds(time.time())
    names = {f"job{number}" for number in range(4)}
    for name in names:
        job = declared(name, **EVERY_HOUR, start=(now + SECOND).isoformat())
        store.write([Write(name, None, entry_of(job, "admin", now=now))])
    lead(shop)
    # A Redis that does not know the script yet sends nothing before its answer is read.
    shop.client.script_load(leading(shop).sender.dispatcher._commit.text)
    monkeypatch.setattr(sender, "MAX_BATCH", 2)
    posts, post = [], Dispatcher.post

    def lost_after_the_first_batch(dispatcher: Dispatcher, arguments: Any) -> Any:
        posts.append(arguments)
        if len(posts) == 2:
            assert runs_sent(shop.client), "the first batch"
            shop.client.flushall()
        return post(dispatcher, arguments)

    monkeypatch.setattr(Dispatcher, "post", lost_after_the_first_batch)
    with time_machine.travel(now + SECOND, tick=False):
        lead_through_a_loss(shop)
        rows = {name: [(run.outcome, run.reason) for run in ledger.runs(name)] for name in names}
    assert sorted(map(repr, rows.values())) == 2 * [repr([("lost", "forgotten")])] + 2 * [repr([("queued", "")])]


def test_after_the_loss_of_one_entry_no_instant_is_sent_twice_and_none_is_left_out(
    shop: Scheduler, ticking: Callable[[float], list[float]]
) -> None:
    ticking(2)
    shop.client.delete(shop.context.keys.entry("tick"))
    instants = ticking(3)
    assert len(instants) == 5
    assert are_in_a_row(instants)


def test_a_schedule_with_a_number_of_runs_does_not_begin_again(shop: Scheduler, store: Store) -> None:
    now = from_seconds(time.time())
    due = now + SECOND
    fields = EVERY_HOUR | {"max_runs": 1, "start": due.isoformat()}
    with time_machine.travel(now, tick=False) as clock:
        store.write([Write("once", None, entry_of(declared("once", **fields), "admin", now=now, due=due))])
        lead(shop)  # the copy has it as it was before its run
        clock.shift(2)
        lead(shop)
        assert store.get("once").total_run_count == 1
        lead(shop)
        lose_everything(shop)
        lead(shop)
        assert store.get("once").total_run_count == 1


def test_while_the_file_is_broken_its_schedules_come_back_from_the_copy(
    shop: Scheduler, settings: Settings, store: Store
) -> None:
    settings.file.write_text("schedules: {nightly: [")
    lead(shop)
    lead(shop)
    lose_everything(shop)
    lead(shop)
    assert is_as_before(store)


def test_the_copy_is_only_for_its_owner_and_complete_at_any_time(shop: Scheduler, settings: Settings) -> None:
    path = settings.state_dir / NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert settings.state_dir.stat().st_mode & 0o777 == 0o700
    assert on_disk(settings)["entries"].keys() == {"nightly", "page", "weekly"}
    assert [entry.name for entry in settings.state_dir.iterdir()] == [NAME]


def test_the_copy_holds_nothing_that_the_file_says_already(beat: Scheduler, settings: Settings, store: Store) -> None:
    settings.file.write_text(FILE)
    lead(beat)
    assert on_disk(settings)["entries"] == {}


def test_nothing_is_written_while_nothing_changes(shop: Scheduler, settings: Settings) -> None:
    before = (settings.state_dir / NAME).stat().st_ino
    for _ in range(3):
        lead(shop)
    assert (settings.state_dir / NAME).stat().st_ino == before


@pytest.mark.parametrize("content", ['{"format": 1, "entries": {"pa', "[]", '{"format": 99}', "\x00"])
def test_a_copy_that_cannot_be_read_is_kept_aside_and_stops_nobody(
    content: str, beat: Scheduler, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.state_dir.mkdir()
    (settings.state_dir / NAME).write_text(content)
    settings.file.write_text(FILE)
    lead(beat)
    assert beat.context.store.names() == ["nightly", "weekly"]
    assert (settings.state_dir / "snapshot.aside.json").read_text() == content
    assert "Ignored the snapshot and moved it to" in caplog.text


def test_a_copy_of_another_redis_is_kept_aside_and_not_used(
    shop: Scheduler, celery: Celery, settings: Settings, store: Store, client: Client
) -> None:
    shop.close()
    client.flushall()
    elsewhere = replace(Snapshot.of(settings), redis="redis://elsewhere:6379/0 redbeat:")
    elsewhere.write()
    with running_beat(celery) as next_beat:
        lead(next_beat)
    assert store.names() == ["nightly", "weekly"]
    assert "page" in json.loads((settings.state_dir / "snapshot.aside.json").read_text())["entries"]


def test_a_directory_that_cannot_be_written_is_said_once_and_shown_and_stops_nobody(
    celery: Celery, settings: Settings, store: Store, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    settings.state_dir.write_text("a file is in the way")
    settings.file.write_text(FILE)
    with running_beat(celery) as beat, caplog.at_level(logging.ERROR, "scheduler"):
        for _ in range(3):
            lead(beat)
        assert beat.context.store.names() == ["nightly", "weekly"]
        assert caplog.text.count("Cannot write the snapshot to") == 1
        assert "set SCHEDULER_STATE_DIR" in caplog.text
        assert "Cannot write the snapshot" in of_beat(store, ledger)[0]
        settings.state_dir.unlink()
        beat.context.backup.next_write = 0.0
        lead(beat)
        assert not of_beat(store, ledger)


def test_a_full_disk_is_said_with_the_path_of_the_snapshot(
    celery: Celery, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    settings.file.write_text(FILE)
    with running_beat(celery) as beat, caplog.at_level(logging.ERROR, "scheduler"):
        monkeypatch.setattr(os, "fsync", full)
        lead(beat)
        path = beat.context.backup.snapshot.path
        assert f"Cannot write the snapshot to {path}: No space left on device" in caplog.text


def test_a_standby_writes_no_copy_and_lets_the_one_that_led_lead_again(
    shop: Scheduler, settings: Settings, celery: Celery, store: Store
) -> None:
    with running_beat(celery) as other:
        other.context.backup.settings = replace(settings, state_dir=settings.state_dir.with_name("other"))
        assert not leads(other)
        stand_by(other)
        lose_everything(shop)
        assert not leads(other)
        assert 0 < stand_by(other) <= 1
        lead(shop)
        assert is_as_before(store)
        assert not other.context.backup.settings.state_dir.exists()


def test_a_standby_leads_when_the_one_that_led_does_not_come_back(
    shop: Scheduler, celery: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_beat(celery) as other:
        assert not leads(other)
        stand_by(other)
        lose_everything(shop)
        assert not leads(other)
        standing_by(other).giving_way_since -= other.lease.seconds
        assert leads(other)


def commands(client: Client) -> int:
    """How many Redis has carried out, those within scripts included."""
    return int(client.info("stats")["total_commands_processed"])


@pytest.fixture
def fill(beat: Scheduler, store: Store) -> Callable[[int], None]:
    """Store so many more schedules, none of them due, and let beat find them; only its own ticks send commands then."""
    beat.settings.file.write_text("schedules: {}")
    beat.lease.seconds = 3600.0  # so that its thread renews nothing meanwhile

    def add(number: int) -> None:
        later = from_seconds(time.time()) + HOUR
        wanted = [declared(f"s{number}-{index}", **EVERY_HOUR) for index in range(number)]
        store.write([Write(one.name, None, entry_of(one, "admin", now=later)) for one in wanted])
        lead(beat)
        indexes = leading(beat).indexes
        indexes.looked_at = float("inf")
        if indexes.thread:
            indexes.thread.join()

    return add


def test_a_tick_costs_the_same_whatever_is_stored(
    beat: Scheduler, fill: Callable[[int], None], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "LOOK_INTERVAL_S", float("inf"))  # which has its own test
    costs = []
    for number in (400, 4000):
        fill(number)
        role = leading(beat)  # every look that it makes from time to time belongs to each of the two
        role.lost_runs.messages.next_look = role.groups_at = role.probed_at = 0.0
        before = commands(client)
        one_tick(beat)
        costs.append(commands(client) - before)
    assert costs[0] == costs[1] < 40


def test_a_look_for_what_other_programs_did_reads_a_few_entries_however_many_are_stored(
    beat: Scheduler, fill: Callable[[int], None], client: Client
) -> None:
    for number in (400, 4000):
        fill(number)
        costs = []
        for _ in range(number // roster.ENTRIES_PER_SWEEP):
            before = commands(client)
            leading(beat).sender.look_around()
            costs.append(commands(client) - before)
        assert max(costs) < 2 * roster.ENTRIES_PER_SWEEP


def test_an_entry_that_neither_the_file_nor_the_copy_holds_leaves_the_index(
    beat: Scheduler, store: Store, client: Client, keys: Keys
) -> None:
    client.zadd(keys.schedule, {keys.entry("ghost"): time.time() - 1})
    lead(beat)
    with pytest.raises(NotFound):
        store.get("ghost")
    assert store.names() == []
