"""A start with nothing changed loads nothing, and says what a load would say; after any change, the file is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from celery import Celery
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from redbeat.schedulers import get_redis

import scheduler
from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.changes import settled
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.problems.facts import Facts
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from scheduler.storage.workers import Worker, report
from tests.support.beats import lead, leading, running_beat, write_file
from tests.support.schedules import SECOND

EVERY_HOUR: dict[str, Any] = {"task": "scheduler.tasks.log_it", "args": [1, 2], "every": "1h"}
MANY = 600  #: more than one step of a change holds
FILE = """
include: more/*.yaml
calendars: {holidays: [2099-12-25]}
schedules:
  nightly: {task: scheduler.tasks.log_it, args: [1, 2], cron: 30 2 * * *, except: [holidays]}
  few: {task: scheduler.tasks.log_it, args: [1, "${DAY}"], every: 1h, max_runs: 5}
"""
INCLUDED = "schedules: {weekly: {task: scheduler.tasks.log_it, args: [5, 6], cron: 0 0 * * 0}}\n"


@dataclass
class Place:
    """A service whose file was loaded; its beat may start again."""

    celery: Celery
    settings: Settings
    store: Store
    client: Client
    keys: Keys
    loads: list[str]

    def restart(self) -> bool:
        """Let beat start again; whether it loaded the file."""
        self.loads.clear()
        with running_beat(self.celery) as beat:
            self.tick(beat)
            return bool(self.loads)

    def tick(self, beat: Scheduler) -> None:
        for _ in range(3):
            lead(beat)
        indexes = leading(beat).indexes
        if indexes.thread:
            indexes.thread.join()

    def told(self) -> tuple[dict[str, str], list[str]]:
        """What pages and commands show of the file and the service, without times."""
        facts = {name: text for name, text in self.store.file_facts().items() if name not in ("read", "applied")}
        found = problems.with_kinds(Facts(self.store, self.settings))
        return facts, [problem.sentence for _, problem in found]


@pytest.fixture
def place(
    celery: Celery, settings: Settings, store: Store, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    write_file(settings, FILE)
    (settings.file.parent / "more").mkdir()
    (settings.file.parent / "more" / "one.yaml").write_text(INCLUDED)
    made, load = Place(celery, settings, store, client, keys, []), changes.load_for_beat

    def noted(*arguments: Any, **options: Any) -> list[str] | None:
        made.loads.append("load")
        return load(*arguments, **options)

    monkeypatch.setattr(changes, "load_for_beat", noted)
    assert made.restart()
    yield made
    get_redis(celery).close()


def test_a_start_with_nothing_changed_loads_nothing_and_says_the_same(place: Place) -> None:
    said = place.told()
    before = place.store.all()
    applied = place.store.file_facts()["applied"]
    place.client.hset(place.keys.file, "settled", "")
    assert place.restart()
    whole = place.told()
    assert not place.restart()
    assert place.told() == whole
    assert whole[1] == said[1]
    assert place.store.all() == before
    assert place.store.file_facts()["summary"] == "no changes"
    assert place.store.file_facts()["applied"] > applied


def test_the_first_load_of_many_schedules_is_the_last_one(place: Place) -> None:
    many = "".join(f"  s{n}: {{task: scheduler.tasks.log_it, args: [1, 2], every: 1h}}\n" for n in range(MANY))
    write_file(place.settings, f"schedules:\n{many}")
    place.client.delete(*place.client.keys(f"{place.keys.prefix}*"))
    assert place.restart()
    assert not place.restart()
    assert len(place.store.names()) == MANY


def test_what_beat_sends_does_not_matter(place: Place) -> None:
    entry = place.store.get("nightly")
    place.store.write([Write("nightly", entry, replace(entry, due=from_seconds(time.time()) - SECOND))])
    assert place.restart()  # which sends it
    assert place.client.llen("celery") == 1
    assert not place.restart()


def test_a_file_that_lost_schedules_after_such_a_start_is_not_applied_before_it_has_settled(place: Place) -> None:
    with running_beat(place.celery) as beat:
        place.tick(beat)
        assert set(beat.file.names.split()) == {"nightly", "few", "weekly"}
        beat.file.settled_without = 60.0
        place.loads.clear()
        write_file(place.settings, FILE.replace("  nightly", "  renamed"))
        lead(beat)
        assert place.loads
        assert place.store.names() == ["few", "nightly", "weekly"]


def change_the_text(place: Place) -> None:
    write_file(place.settings, FILE.replace("5}", "6}"))


def change_an_included_file(place: Place) -> None:
    (place.settings.file.parent / "more" / "one.yaml").write_text(INCLUDED.replace("5, 6", "7, 8"))


def add_an_included_file(place: Place) -> None:
    (place.settings.file.parent / "more" / "two.yaml").write_text(INCLUDED.replace("weekly", "second"))


def take_an_included_file_away(place: Place) -> None:
    (place.settings.file.parent / "more" / "one.yaml").unlink()


def edit_on_the_page(place: Place) -> None:
    changes.edit(place.store, "nightly", EVERY_HOUR, tasks=None, by="ann")


def create_on_the_page(place: Place) -> None:
    changes.create(place.store, "page", EVERY_HOUR, tasks=None, by="ann")


def pause_on_the_page(place: Place) -> None:
    changes.pause(place.store, "weekly", by="ann")


def delete_with_redbeat(place: Place) -> None:
    RedBeatSchedulerEntry.from_key(place.keys.entry("weekly"), app=place.celery).delete()


def replace_with_redbeat(place: Place) -> None:
    delete_with_redbeat(place)
    entry = RedBeatSchedulerEntry("weekly", "scheduler.tasks.log_it", schedule(3600), args=[9, 9], app=place.celery)
    entry.save()


def lose_redis(place: Place) -> None:
    place.client.flushall()


def lose_an_entry(place: Place) -> None:
    place.client.delete(place.keys.entry("nightly"))


def quarantine_an_entry(place: Place) -> None:
    place.client.hset(place.keys.entry("nightly"), "error", "it is damaged")


def load_another_file_by_hand(place: Place) -> None:
    place.store.note_file({"calendars": '{"holidays": []}', "applied": str(time.time())})


def refuse_a_file(place: Place) -> None:
    place.store.note_file({"state": "rejected", "problems": "it is wrong"})


def let_a_worker_have_another_task(place: Place) -> None:
    report(place.client, place.keys, Worker("w", time.time(), 60.0, ("celery",), ("theirs.task",)))


def declare_in_the_application(place: Place) -> None:
    place.celery.conf.beat_schedule = {"own": {"task": "scheduler.tasks.log_it", "schedule": 3600, "args": (1, 2)}}


def change_the_applications_zone(place: Place) -> None:
    place.celery.scheduler_zone = "Asia/Tokyo"


def damage_the_note(place: Place) -> None:
    place.client.hset(place.keys.file, "settled", '{"patterns": 3}')


def upgrade(place: Place) -> None:
    """Made undone by the fixture below."""
    scheduler.__version__ += ".post1"
    settled.code.cache_clear()


@pytest.fixture
def same_version() -> Iterator[None]:
    before = scheduler.__version__
    yield
    scheduler.__version__ = before
    settled.code.cache_clear()


@pytest.mark.usefixtures("same_version")
@pytest.mark.parametrize(
    "change",
    [
        change_the_text, change_an_included_file, add_an_included_file, take_an_included_file_away, edit_on_the_page,
        create_on_the_page, pause_on_the_page, delete_with_redbeat, replace_with_redbeat, lose_redis, lose_an_entry,
        quarantine_an_entry, load_another_file_by_hand, refuse_a_file, let_a_worker_have_another_task,
        declare_in_the_application, change_the_applications_zone, damage_the_note, upgrade,
    ],
    ids=lambda change: change.__name__,
)  # fmt: skip
def test_after_any_change_the_file_is_loaded(place: Place, change: Callable[[Place], None]) -> None:
    change(place)
    assert place.restart()
