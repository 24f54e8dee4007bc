"""The one way through: a file, the page and the command line change schedules by the same steps."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from scheduler import changes
from scheduler.changes import Checked, Invalid, Tasks
from scheduler.changes.plan import Plan
from scheduler.errors import Conflict, NotFound, RefusedChange
from scheduler.model import Entry
from scheduler.registry import signatures
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store, Write
from tests.support.schedules import HOUR, declared, entry_of

FIELDS: dict[str, Any] = {"task": "scheduler.tasks.log_it", "every": "1h", "args": [1, 2]}


@pytest.fixture
def tasks(celery: Celery) -> Tasks:
    return signatures(celery)


class Desk:
    """A schedule file, and somebody who loads it."""

    def __init__(self, path: Path, store: Store, tasks: Tasks) -> None:
        self.path = path
        self.store = store
        self.tasks = tasks

    def check(self, *schedules: str, top: str = "") -> Checked:
        body = ", ".join(schedules)
        self.path.write_text(f"{{{top}schedules: {{{body}}}}}")
        return changes.check(self.path, self.tasks)

    def load(self, *schedules: str, top: str = "", **options: Any) -> Plan:
        return changes.apply(self.store, self.check(*schedules, top=top), by="ann", **options)


def job(name: str = "job", more: str = "") -> str:
    return f"{name}: {{task: scheduler.tasks.log_it, every: 1h, args: [1, 2]{more}}}"


@pytest.fixture
def desk(settings: Settings, store: Store, tasks: Tasks) -> Desk:
    return Desk(settings.file, store, tasks)


def test_a_file_is_loaded_and_what_it_did_is_told(desk: Desk) -> None:
    assert desk.load(job("a"), job("b")).summary() == "2 add"
    assert desk.store.names() == ["a", "b"]
    assert desk.load(job("a"), job("b")).summary() == "no changes"


def test_every_change_of_a_load_is_an_audit_line_with_before_and_after(desk: Desk) -> None:
    desk.load(job())
    changes.edit(desk.store, "job", FIELDS | {"args": [3, 4]}, tasks=desk.tasks, by="bob", why="for today")
    desk.load(job(more=", queue: slow, retries: 3").replace("[1, 2]", "[5, 6]"))
    loaded, edited, added = desk.store.audit.lines()
    assert (added["change"], added["by"], added["before"]) == ("add", "ann", None)
    assert added["after"] == {"task": "scheduler.tasks.log_it", "every": "1h", "args": [1, 2]}
    assert (edited["change"], edited["by"], edited["why"], edited["schedule"]) == ("edit", "bob", "for today", "job")
    assert (edited["before"]["args"], edited["after"]["args"]) == ([1, 2], [3, 4])
    assert loaded["dropped"] == {"args": [3, 4]}
    assert abs(loaded["at"] - time.time()) < 60


def test_a_file_with_errors_changes_nothing_and_tells_all_of_them(desk: Desk) -> None:
    desk.load(job())
    with pytest.raises(Invalid) as caught:
        desk.load(job(), "x: {task: nothing, every: 1h}", "y: {task: scheduler.tasks.fail, corn: '* * * * *'}")
    assert [problem.schedule for problem in caught.value.problems] == ["x", "y", "y"]
    assert desk.store.names() == ["job"]


def test_a_file_that_would_remove_most_schedules_is_refused_unless_that_is_meant(desk: Desk) -> None:
    desk.load(job("a"), job("b"), job("c"))
    with pytest.raises(RefusedChange) as caught:
        desk.load(job("a"))
    assert str(caught.value) == (
        f"{desk.path} would remove 2 of 3 schedules, so nothing was changed: "
        f"if you mean it, run `python3 -m scheduler apply --allow-remove {desk.path}`"
    )
    assert desk.store.names() == ["a", "b", "c"]
    assert desk.load(job("a"), allow_remove=True).summary() == "2 remove"
    assert desk.store.names() == ["a"]


def test_a_file_that_ends_inside_a_line_removes_nothing_unless_that_is_meant(desk: Desk) -> None:
    text = "schedules:\n" + "".join(f"  {job(name)}\n" for name in "abc")
    desk.path.write_text(text)
    changes.apply(desk.store, changes.check(desk.path, None), by="ann")
    cut = text[: text.index("  c:")].rstrip("\n")
    desk.path.write_text(cut)
    with pytest.raises(
        RefusedChange, match="has no line break at its end, as if cut short, and would remove 1 of 3 schedules"
    ):
        changes.apply(desk.store, changes.check(desk.path, None), by="ann")
    assert desk.store.names() == ["a", "b", "c"]
    desk.path.write_text(cut + "\n")
    assert changes.apply(desk.store, changes.check(desk.path, None), by="ann").summary() == "1 remove"
    desk.path.write_text(cut[: cut.index("  b:")] + "  # and")
    done = changes.apply(desk.store, changes.check(desk.path, None), by="ann", allow_remove=True)
    assert done.summary() == "1 remove"


def test_a_schedule_that_left_the_file_can_be_read_in_the_audit_log(desk: Desk) -> None:
    desk.load(job("a"), job("b"))
    desk.load(job("a"))
    assert desk.store.audit.lines()[0]["before"]["args"] == [1, 2]


def test_a_conflict_changes_nothing_and_the_rest_of_the_file_is_loaded(desk: Desk) -> None:
    changes.create(desk.store, "job", FIELDS | {"args": [7, 8]}, tasks=desk.tasks, by="ann")
    assert desk.load(job(), job("other")).summary() == "1 add, 1 conflict"
    assert desk.store.get("job").origin == "admin"
    assert desk.store.names() == ["job", "other"]


def test_loading_with_a_lost_lock_changes_nothing(desk: Desk, client: Client, keys: Keys) -> None:
    client.set(keys.lock, "another's")
    with pytest.raises(Conflict):
        desk.load(job(), token="ours")
    assert desk.store.names() == []


def test_calendars_of_the_file_hold_for_the_page_too(desk: Desk) -> None:
    desk.load(job(), top='calendars: {free: ["2026-12-25"]}, ')
    changes.edit(desk.store, "job", FIELDS | {"except": ["free"]}, tasks=desk.tasks, by="ann")
    assert desk.store.get("job").fields["excluded"] == ["2026-12-25"]
    with pytest.raises(Invalid, match="unknown calendar 'fred' — did you mean 'free'\\?"):
        changes.edit(desk.store, "job", FIELDS | {"except": ["fred"]}, tasks=desk.tasks, by="ann")


# one schedule


def edit(desk: Desk, by: str = "bob", revision: int | None = None, **fields: Any) -> Entry:
    return changes.edit(desk.store, "job", FIELDS | fields, tasks=desk.tasks, by=by, revision=revision)


def test_an_edit_on_the_page_is_an_overlay_that_survives_a_reload(desk: Desk) -> None:
    desk.load(job())
    edit(desk, args=[3, 4])
    desk.load(job(), job("other"))
    found = desk.store.get("job")
    assert found.fields["args"] == [3, 4]
    assert found.overlay["args"].by == "bob"


@pytest.mark.parametrize(
    "wrong",
    [{"task": "nothing"}, {"args": [1]}, {"every": "soon"}, {"corn": "x"}, {"cron": "* * * * *"}, {"timezone": "Mars"}],
    ids=str,
)
def test_the_page_accepts_nothing_that_the_file_refuses(desk: Desk, wrong: dict[str, Any]) -> None:
    desk.load(job())
    before = desk.store.get("job")
    with pytest.raises(Invalid):
        edit(desk, **wrong)
    with pytest.raises(Invalid):
        changes.create(desk.store, "other", FIELDS | wrong, tasks=desk.tasks, by="bob")
    assert desk.store.all() == {"job": before}


def test_an_edit_of_what_somebody_else_changed_since_is_refused(desk: Desk) -> None:
    desk.load(job())
    opened = desk.store.get("job").revision
    edit(desk, by="ann", args=[3, 4], revision=opened)
    with pytest.raises(Conflict) as caught:
        edit(desk, args=[5, 6], revision=opened)
    assert str(caught.value) == "'job' has changed since you opened it: look at it again, then repeat your edit"
    assert desk.store.get("job").fields["args"] == [3, 4]


def test_a_schedule_that_is_not_there_is_named(desk: Desk) -> None:
    for act in (changes.pause, changes.resume, changes.remove):
        with pytest.raises(NotFound, match="no schedule is called 'nothing'"):
            act(desk.store, "nothing", by="ann")


def test_a_schedule_of_the_page_is_made_edited_and_removed(desk: Desk) -> None:
    made = changes.create(desk.store, "job", FIELDS, tasks=desk.tasks, by="ann")
    assert made.origin == "admin"
    edit(desk, args=[3, 4])
    assert desk.store.get("job").fields["args"] == [3, 4]
    assert desk.store.get("job").overlay == {}
    changes.remove(desk.store, "job", by="ann")
    assert desk.store.names() == []
    assert [line["change"] for line in desk.store.audit.lines()] == ["remove", "edit", "create"]


def test_a_name_that_is_taken_is_not_made_again(desk: Desk) -> None:
    desk.load(job())
    with pytest.raises(Conflict):
        changes.create(desk.store, "job", FIELDS, tasks=desk.tasks, by="ann")
    assert desk.store.get("job").origin == "file"


def test_a_schedule_of_the_file_is_removed_in_the_file(desk: Desk) -> None:
    desk.load(job())
    with pytest.raises(RefusedChange, match=r"^'job' is declared in the schedule file: remove it there, or pause it$"):
        changes.remove(desk.store, "job", by="ann")


def test_a_new_schedule_is_first_due_after_now(desk: Desk) -> None:
    before = from_seconds(time.time())
    due = changes.create(desk.store, "job", FIELDS, tasks=desk.tasks, by="ann").due
    assert due is not None
    assert before < due <= before + HOUR


def test_a_pause_says_who_when_why_and_until_when(desk: Desk) -> None:
    desk.load(job())
    until = from_seconds(time.time()) + HOUR
    changes.pause(desk.store, "job", by="ann", note="new disk", until=until)
    pause = desk.store.get("job").pause
    assert pause is not None
    assert (pause.by, pause.note, pause.until) == ("ann", "new disk", until.timestamp())
    assert abs(pause.at - time.time()) < 60


def test_a_pause_is_neither_an_edit_nor_lost_by_one(desk: Desk) -> None:
    desk.load(job())
    due = desk.store.get("job").due
    changes.pause(desk.store, "job", by="ann")
    edit(desk, args=[3, 4])
    desk.load(job(more=", queue: slow"))
    found = desk.store.get("job")
    assert found.pause is not None
    assert set(found.overlay) == {"args"}
    assert found.due == due


def test_a_pause_goes_when_the_schedule_goes(desk: Desk) -> None:
    desk.load(job(), job("b"))
    changes.pause(desk.store, "job", by="ann")
    desk.load(job("b"))
    desk.load(job(), job("b"))
    assert desk.store.get("job").pause is None


def test_a_pause_that_is_over_before_it_begins_is_refused(desk: Desk) -> None:
    desk.load(job())
    until = from_seconds(time.time()) - timedelta(seconds=1)
    with pytest.raises(RefusedChange, match=r"is in the past: give a later time$"):
        changes.pause(desk.store, "job", by="ann", until=until)
    assert desk.store.get("job").pause is None


def test_what_is_not_paused_cannot_be_resumed(desk: Desk) -> None:
    desk.load(job())
    with pytest.raises(NotFound, match=r"^'job' is not paused: there is nothing to resume$"):
        changes.resume(desk.store, "job", by="ann")


def test_a_resumed_schedule_is_looked_at_at_once(desk: Desk, client: Client, keys: Keys) -> None:
    desk.load(job())
    changes.pause(desk.store, "job", by="ann")
    changes.resume(desk.store, "job", by="bob")
    assert client.zscore(keys.schedule, keys.entry("job")) <= time.time()


def test_a_schedule_that_cannot_be_read_says_so_when_it_is_paused(desk: Desk, client: Client, keys: Keys) -> None:
    desk.load(job())
    client.hset(keys.entry("job"), "fields", "{}")
    with pytest.raises(RefusedChange, match=r"^'job' cannot be read: "):
        changes.pause(desk.store, "job", by="ann")


def test_changes_at_the_same_time_are_all_made(desk: Desk, settings: Settings, keys: Keys) -> None:
    """Each is computed anew from what the others left."""
    from concurrent.futures import ThreadPoolExecutor

    from scheduler.storage.client import connect

    desk.load(job())

    def pause(number: int) -> None:
        with connect(settings) as client:
            deadline = time.monotonic() + 30
            while True:
                try:
                    changes.pause(Store(client, keys), "job", by=str(number))
                except Conflict:
                    assert time.monotonic() < deadline, "never written"
                else:
                    return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(pause, range(8)))
    assert sorted(line["by"] for line in desk.store.audit.lines() if line["change"] == "pause") == list("01234567")


SECRET: dict[str, Any] = {"task": "scheduler.tasks.log_it", "every": "1h", "args": ["${A}", 1]}


def test_the_page_can_neither_add_nor_move_a_reference_but_keeps_those_of_the_file(store: Store) -> None:
    store.write([Write("job", None, entry_of(declared("job", **SECRET)))])
    for args in (["${B}", 1], [1, "${A}"], ["${file:/etc/passwd}", 1]):
        with pytest.raises(Invalid, match="only the schedule file may say"):
            changes.edit(store, "job", SECRET | {"args": args}, tasks=None, by="ann")
    assert changes.edit(store, "job", SECRET | {"args": ["${A}", 2]}, tasks=None, by="ann").fields["args"] == [
        "${A}",
        2,
    ]
    with pytest.raises(Invalid, match="only the schedule file may say"):
        changes.create(store, "other", SECRET, tasks=None, by="ann")
    assert store.names() == ["job"]
