"""What an application declares in `beat_schedule` runs as its schedules, and none is dropped in silence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab

from scheduler import changes, schedule_file
from scheduler.beat.scheduler import Scheduler
from scheduler.errors import Exit, RefusedChange
from scheduler.settings import Settings
from scheduler.storage.store import Store
from scheduler.validate import validate
from tests.support.beats import GOOD, lead, messages, write_file
from tests.support.shell import JOB, Shell

THEIRS: dict[str, dict[str, Any]] = {
    "compress": {"task": "scheduler.tasks.log_it", "schedule": crontab(hour=2, minute=0), "args": (1, 2)},
    "warm up": {"task": "scheduler.tasks.log_it", "schedule": 900.0, "args": (3, 4), "options": {"expires": 600.0}},
}
BOTH = GOOD.replace("}}", "}, compress: {task: scheduler.tasks.fail, every: 1h}}")


@pytest.fixture
def led(celery: Celery, beat: Scheduler, settings: Settings) -> Scheduler:
    """A beat whose application has schedules of its own."""
    celery.conf.beat_schedule = dict(THEIRS)
    write_file(settings, GOOD.replace("schedules:", "timezone: Asia/Tokyo\ndefaults: {retries: 2}\nschedules:"))
    lead(beat)
    return beat


def load_again(beat: Scheduler, celery: Celery, **schedules: Any) -> None:
    """Change the application and load it again, as beat does after a deployment."""
    celery.conf.beat_schedule = schedules
    beat.file.forget()
    lead(beat)


def origins(store: Store) -> dict[str, str]:
    return {name: entry.origin for name, entry in store.all().items()}


def test_they_are_schedules_of_the_application_under_the_files_defaults(led: Scheduler, store: Store) -> None:
    assert origins(store) == {"job": "file", "compress": "app", "warm-up": "app"}
    compress, warm = store.get("compress"), store.get("warm-up")
    assert (compress.fields["cron"], compress.fields.get("timezone", "UTC")) == ("0 2 * * *", "UTC")
    assert (warm.fields["every"], warm.fields["expires"], warm.fields["retries"]) == ("15m", "10m", 2)
    assert warm.due is not None


def test_one_that_leaves_the_code_is_removed_and_one_that_changes_keeps_the_pages_change(
    led: Scheduler, celery: Celery, store: Store
) -> None:
    changes.edit(store, "warm-up", store.get("warm-up").fields | {"priority": 4}, tasks=None, by="ann")
    changed = THEIRS["warm up"] | {"args": (7, 8)}
    load_again(led, celery, **{"warm up": changed})
    assert origins(store) == {"job": "file", "warm-up": "app"}
    warm = store.get("warm-up")
    assert (warm.fields["args"], warm.fields["priority"], [*warm.overlay]) == ([7, 8], 4, ["priority"])
    with pytest.raises(RefusedChange, match="declared in the application's beat_schedule"):
        changes.remove(store, "warm-up", by="ann")


def test_the_files_schedule_of_the_same_name_counts_and_its_history_stays(
    led: Scheduler, settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    changes.pause(store, "compress", by="ann")
    write_file(settings, BOTH)
    with caplog.at_level(logging.WARNING, "scheduler"):
        lead(led)
    compress = store.get("compress")
    assert (compress.origin, compress.fields["task"]) == ("file", "scheduler.tasks.fail")
    assert compress.pause is not None
    assert [line for line in messages(caplog) if "compress" in line and "the file's counts" in line]
    write_file(settings, GOOD)
    lead(led)
    assert origins(store)["compress"] == "app"


def test_what_cannot_be_loaded_is_a_problem_and_leaves_everything_else_and_itself_as_it_was(
    led: Scheduler, celery: Celery, store: Store, shell: Shell
) -> None:
    unknown = THEIRS["warm up"] | {"task": "scheduler.tasks.log_in"}
    linked = {"task": "scheduler.tasks.log_it", "schedule": 5, "args": (1, 2), "options": {"eta": 5}}
    load_again(led, celery, **{**THEIRS, "warm up": unknown, "linked": linked})
    assert origins(store) == {"job": "file", "compress": "app", "warm-up": "app"}
    assert store.get("warm-up").fields["task"] == "scheduler.tasks.log_it"
    said = shell("status").out
    assert "schedule 'warm-up': the application's beat_schedule: unknown task 'scheduler.tasks.log_in'" in said
    assert "schedule 'linked': the application's beat_schedule: it has the option 'eta'" in said


def test_an_application_needs_no_file_until_there_was_one(
    celery: Celery, beat: Scheduler, store: Store, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    celery.conf.beat_schedule = dict(THEIRS)
    lead(beat)
    assert origins(store) == {"compress": "app", "warm-up": "app"}
    assert [line for line in messages(caplog) if "only the schedules of the application run" in line]
    write_file(settings, GOOD)
    lead(beat)
    settings.file.unlink()
    lead(beat)
    assert origins(store) == {"job": "file", "compress": "app", "warm-up": "app"}
    assert "cannot be read" in store.file_facts()["problems"]


def test_a_command_that_does_not_see_the_application_removes_none_of_its_schedules(
    led: Scheduler, store: Store, settings: Settings, shell: Shell
) -> None:
    said = shell("apply")
    assert "set SCHEDULER_CELERY_APP and SCHEDULER_IMPORTS as beat has them" in said.err
    assert len(store.names()) == 3


def test_a_load_that_would_remove_most_of_them_is_refused(led: Scheduler, celery: Celery, store: Store) -> None:
    load_again(led, celery)
    assert len(store.names()) == 3
    assert "would remove 2 of 3 schedules" in store.file_facts()["problems"]


PROJECT = """
from celery import Celery
from celery.schedules import crontab

app = Celery("theirs")
app.conf.timezone = "America/New_York"
app.conf.beat_schedule = {
    "compress": {"task": "theirs.compress", "schedule": crontab(hour=2, minute=0)},
    "warm up": {"task": "theirs.compress", "schedule": 900.0, "options": {"expires": 600.0}},
    "then": {"task": "theirs.compress", "schedule": 60, "options": {"eta": 5}},
}


@app.task(name="theirs.compress")
def compress():
    return "c"
"""


@pytest.fixture
def project(tmp_path: Path) -> dict[str, str]:
    """The environment of an application that has its own schedules."""
    (tmp_path / "theirs.py").write_text(PROJECT)
    return {"SCHEDULER_CELERY_APP": "theirs:app", "PYTHONPATH": str(tmp_path)}


def test_check_says_what_cannot_be_loaded_and_import_prints_a_file_that_check_accepts(
    shell: Shell, project: dict[str, str]
) -> None:
    shell.file(JOB)
    said = shell.apart("check", **project)
    assert said.code == Exit.PROBLEMS
    assert said.err.startswith("schedule 'then': the application's beat_schedule: it has the option 'eta'")
    printed = shell.apart("import", "beat-schedule", **project)
    assert "schedule 'then': the application's beat_schedule: it has the option 'eta'" in printed.err
    assert printed.err.endswith("2 schedules, 1 to convert by hand\n")
    assert "  # beat_schedule 'warm up' of theirs:app\n  warm-up:\n" in printed.out
    valid = validate(schedule_file.parse(printed.out, "printed.yaml"), tasks=None)
    assert valid.problems == ()
    compress, warm = (valid.declared[name].schedule for name in ("compress", "warm-up"))
    assert (compress.cron, compress.timezone, compress.overlap) == ("0 2 * * *", "America/New_York", "allow")
    assert (warm.every, str(warm.expires)) == ("15m", "0:10:00")
