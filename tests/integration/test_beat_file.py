"""The beat that leads loads the schedule file, and keeps the last good one."""

from __future__ import annotations

import gc
import logging
import time
from datetime import datetime

import pytest

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.changes import checked
from scheduler.model import Declared, Entry, run_id
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.store import Store
from tests.support.beats import (
    GOOD,
    add_due,
    arguments,
    lead,
    messages,
    put,
    runs_sent,
    schedule_data,
    sent,
    theirs,
    write_file,
)
from tests.support.polling import until
from tests.support.schedules import SECOND

GOOD_JOB = "task: scheduler.tasks.log_it, every: 1h, args: [1, 2]"


def test_a_beat_that_becomes_leader_loads_the_file(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    assert store.get("job").origin == "file"
    facts = store.file_facts()
    assert (facts["path"], facts["summary"], facts["problems"]) == (str(settings.file), "1 add", "")


def test_a_file_that_did_not_change_is_not_loaded_again(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    before = schedule_data(beat.client, beat.context.keys)
    lead(beat)
    assert schedule_data(beat.client, beat.context.keys) == before


def test_a_change_of_the_file_governs_the_next_tick(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))
    lead(beat)
    assert store.get("job").fields["args"] == [3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "schedules:\n  job: {task: scheduler.tasks.log",
        "- a",
        "schedules: {}",
        "schedules: {job: {every: 1h}}",
        "\0",
    ],
    ids=["empty", "cut short", "a list", "without schedules", "without a task", "no text"],
)
def test_a_bad_file_keeps_the_last_good_schedules_and_tells_why(
    beat: Scheduler, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    good = store.get("job")
    write_file(settings, text)
    with caplog.at_level(logging.INFO, "scheduler"):
        lead(beat)
    assert store.all() == {"job": good}
    assert store.file_facts()["problems"]
    (line,) = messages(caplog)
    assert line.startswith(f"Rejected {settings.file}, the last good schedules keep running. Errors: ")


def test_a_link_to_itself_in_place_of_the_file_is_rejected_and_the_last_good_schedules_run(
    beat: Scheduler, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    good = store.get("job")
    settings.file.unlink()
    settings.file.symlink_to(settings.file)
    with caplog.at_level(logging.INFO, "scheduler"):
        lead(beat)
    assert store.all() == {"job": good}
    (line,) = messages(caplog)
    assert "cannot be read: too many levels of symbolic links" in line
    settings.file.unlink()
    lead(beat)
    assert "cannot be read: no such file" in store.file_facts()["problems"], "the reason is the one that is true now"


def test_a_file_that_meets_a_fault_of_ours_is_rejected_and_beat_goes_on_leading(
    beat: Scheduler, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(settings, GOOD)
    lead(beat)

    def fault(*_: object, **__: object) -> None:
        raise TypeError("unhashable type: 'list'")

    monkeypatch.setattr(checked, "validate", fault)
    write_file(settings, GOOD + "\n")
    lead(beat)
    assert store.names() == ["job"]
    said = store.file_facts()["problems"]
    assert said.startswith(
        f"{settings.file}:1:1: cannot be checked: TypeError: unhashable type: 'list' — this is a fault"
    )
    assert " in test_beat_file.py:" in said
    monkeypatch.undo()
    write_file(settings, GOOD + "\n\n")
    lead(beat)
    assert store.file_facts()["problems"] == ""


def test_a_file_that_is_gone_keeps_the_last_good_schedules(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD)
    lead(beat)
    settings.file.unlink()
    lead(beat)
    assert store.names() == ["job"]
    assert "no such file or directory" in store.file_facts()["problems"]


def test_a_file_that_is_mended_takes_its_problems_away(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, "- a")
    lead(beat)
    assert store.file_facts()["problems"]
    write_file(settings, GOOD)
    lead(beat)
    assert store.file_facts()["problems"] == ""
    assert store.names() == ["job"]


def test_a_task_that_is_not_registered_is_refused_at_load(beat: Scheduler, settings: Settings, store: Store) -> None:
    write_file(settings, GOOD.replace("log_it", "log_in"))
    lead(beat)
    assert store.names() == []
    assert (
        "unknown task 'scheduler.tasks.log_in' — did you mean 'scheduler.tasks.log_it'?"
        in store.file_facts()["problems"]
    )


def test_an_entry_that_stands_in_no_index_stops_neither_the_file_nor_the_others(
    beat: Scheduler, settings: Settings, store: Store, just_now: datetime
) -> None:
    """The file cannot make it, because it is there, nor change it, because it is not found."""
    write_file(settings, GOOD)
    lead(beat)
    beat.client.zrem(beat.context.keys.schedule, beat.context.keys.entry("job"))
    write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))
    add_due(store, just_now, "other")
    lead(beat)
    assert runs_sent(beat.client) == [run_id("other", just_now)]
    until(lambda: lead(beat) is None or "job" in store.names(), 60, "the schedule of the file is not back")
    assert store.get("job").fields["args"] == [3, 4]


def test_schedules_of_the_page_and_of_other_programs_survive_a_load(
    beat: Scheduler, settings: Settings, store: Store, just_now: datetime
) -> None:
    add_due(store, just_now, "page")
    put(beat.client, beat.context.keys, "theirs", theirs(just_now))
    write_file(settings, GOOD)
    lead(beat)
    assert store.names() == ["job", "page", "theirs"]


def test_an_entry_of_the_file_that_was_damaged_is_back_with_the_next_load(
    beat: Scheduler, settings: Settings, store: Store
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    beat.client.hset(beat.context.keys.entry("job"), mapping={"meta": "[", "fields": "["})
    beat.file.forget()
    lead(beat)
    assert store.get("job").error == ""
    assert store.get("job").fields["args"] == [1, 2]


def test_schedules_of_the_file_come_back_after_everything_was_lost(
    beat: Scheduler, settings: Settings, store: Store, client: Client
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    client.flushall()
    assert not beat.lease.renew(beat.client)
    lead(beat)
    assert store.names() == ["job"]


def test_after_everything_was_lost_nothing_is_sent_as_it_was_before(
    beat: Scheduler, settings: Settings, store: Store, client: Client, just_now: datetime
) -> None:
    add_due(store, just_now)
    lead(beat)
    lead(beat)  # now beat knows that nothing due is left, and that Redis still has all of it
    client.flushall()
    add_due(store, from_seconds(time.time()) - SECOND, args=[3, 4])
    assert not beat.lease.renew(beat.client)
    lead(beat)
    assert arguments(sent(client)[-1]) == ([3, 4], {})


def test_a_change_of_an_included_file_governs_the_next_tick(beat: Scheduler, settings: Settings, store: Store) -> None:
    included = settings.file.parent / "schedules.d" / "more.yaml"
    included.parent.mkdir()
    included.write_text(GOOD.replace("job", "more"))
    write_file(settings, f"include: schedules.d/*.yaml\n{GOOD}")
    lead(beat)
    loaded = store.file_facts()
    lead(beat)
    assert store.file_facts() == loaded, "nothing changed, so it is read once"
    before = loaded["digest"]
    assert store.names() == ["job", "more"]
    included.write_text(GOOD.replace("job", "other"))
    lead(beat)
    assert store.names() == ["job", "other"]
    included.write_text("schedules: {more: {task: scheduler.tasks.log_it, every: 1")
    lead(beat)
    assert store.names() == ["job", "other"]
    facts = store.file_facts()
    assert facts["problems"].startswith(f"{included}:1:19: ")
    assert facts["digest"] != before
    included.rename(included.with_suffix(".off"))
    lead(beat)
    assert store.names() == ["job"]


def test_a_load_keeps_nothing_of_its_schedules_in_memory_but_their_names(beat: Scheduler, settings: Settings) -> None:
    write_file(settings, "schedules:\n" + "".join(f"  n{number}: {{{GOOD_JOB}}}\n" for number in range(300)))
    before = kept_schedules()
    lead(beat)
    assert len(beat.context.file.names.split()) == 300
    assert kept_schedules() <= before
    assert gc.isenabled()


def kept_schedules() -> int:
    gc.collect()
    return sum(type(one) in (Declared, Entry) for one in gc.get_objects())


def test_a_load_that_takes_long_tells_again_and_again_that_it_goes_on(
    beat: Scheduler, settings: Settings, store: Store
) -> None:
    write_file(settings, "schedules:\n" + "".join(f"  n{number}: {{{GOOD_JOB}}}\n" for number in range(50)))
    told: list[int] = []
    checked = changes.check(settings.file, None, progress=lambda: told.append(1))
    assert len(told) > 50
    store.write(changes.file.writes(changes.plan_for(store, checked), "test"))
    told.clear()
    changes.plan_for(store, checked, progress=lambda: told.append(1))
    assert len(told) == 100  # what is stored, and what the file has
