"""What an application declares in `beat_schedule` is never dropped in silence."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from celery import Celery
from celery.schedules import crontab

from scheduler import schedule_file
from scheduler.beat.scheduler import Scheduler
from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.validate import validate
from tests.support.beats import GOOD, lead, messages, write_file
from tests.support.shell import JOB, Shell

THEIRS = {
    "compress": {"task": "scheduler.tasks.log_it", "schedule": crontab(hour=2, minute=0), "args": (1, 2)},
    "warm up": {"task": "scheduler.tasks.log_it", "schedule": 900.0, "args": (3, 4), "options": {"expires": 600.0}},
}
LEFT = "the application's beat_schedule holds 2 schedules not in the file (compress, warm up), and nothing runs them"


def test_beat_and_status_name_the_schedules_that_nothing_runs(
    celery: Celery,
    beat: Scheduler,
    settings: Settings,
    shell: Shell,
    caplog: pytest.LogCaptureFixture,
) -> None:
    celery.conf.beat_schedule = THEIRS
    write_file(settings, GOOD)
    with caplog.at_level(logging.WARNING, "scheduler"):
        lead(beat)
    assert [LEFT in line for line in messages(caplog)] == [True]
    assert f"problem   {LEFT}" in shell("status").out


PROJECT = """
from celery import Celery
from celery.schedules import crontab

app = Celery("theirs")
app.conf.timezone = "America/New_York"
app.conf.beat_schedule = {
    "compress": {"task": "theirs.compress", "schedule": crontab(hour=2, minute=0)},
    "warm up": {"task": "theirs.compress", "schedule": 900.0, "options": {"expires": 600.0}},
    "then": {"task": "theirs.compress", "schedule": 60, "options": {"link": []}},
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


def test_check_says_so_and_import_prints_a_file_that_check_accepts(shell: Shell, project: dict[str, str]) -> None:
    shell.file(JOB)
    said = shell.apart("check", **project)
    assert (said.code, said.err) == (Exit.OK, "")
    assert "beat_schedule holds 3 schedules not in the file (compress, warm up, then), and nothing runs" in said.out
    printed = shell.apart("import", "beat-schedule", **project)
    assert "schedule 'then': the application's beat_schedule: it has the option 'link'" in printed.err
    assert printed.err.endswith("2 schedules, 1 to convert by hand\n")
    assert "  # beat_schedule 'warm up' of theirs:app\n  warm-up:\n" in printed.out
    valid = validate(schedule_file.parse(printed.out, "printed.yaml"), tasks=None)
    assert valid.problems == ()
    compress, warm = (valid.declared[name].schedule for name in ("compress", "warm-up"))
    assert (compress.cron, compress.timezone, compress.overlap) == ("0 2 * * *", "America/New_York", "allow")
    assert (warm.every, str(warm.expires)) == ("15m", "0:10:00")
