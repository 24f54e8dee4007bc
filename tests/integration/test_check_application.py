"""`check` with an application says what the start of beat and worker would say."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.errors import Exit
from tests.support.shell import JOB, Shell

PROJECT = """
from celery import Celery

app = Celery("theirs")
app.conf.update(task_acks_late=False, worker_pool="threads", task_routes={"theirs.routed": {"queue": "quick"}})
app.conf.beat_schedule = {
    "limited": {"task": "theirs.work", "schedule": 60, "options": {"time_limit": 30}},
    "elsewhere": {"task": "theirs.work", "schedule": 60, "options": {"queue": "reports"}},
    "routed": {"task": "theirs.routed", "schedule": 60},
    "pickled": {"task": "theirs.pickled", "schedule": 60},
    "unknown": {"task": "theirs.wrok", "schedule": 60},
}


@app.task(name="theirs.work")
def work():
    return "w"


@app.task(name="theirs.routed")
def routed():
    return "r"


@app.task(name="theirs.pickled", serializer="pickle")
def pickled():
    return "p"


@app.task(name="theirs.called", serializer="yaml")
def called():
    return "c"
"""
WARNINGS = (
    "The application's task_acks_late is True here, not False: a run is acknowledged when it has ended",
    "task 'theirs.called' sends its messages as 'yaml', and workers accept JSON only — remove serializer=",
    "no worker takes from queue 'quick', to which 'routed' would go — start one for it, celery-worker@quick for",
    "no worker takes from queue 'reports', to which 'elsewhere' would go — start one for it, celery-worker@reports",
)
ERRORS = (
    "schedule 'pickled': the application's beat_schedule: task 'theirs.pickled' sends its messages as 'pickle'",
    "schedule 'unknown': the application's beat_schedule: unknown task 'theirs.wrok' — did you mean 'theirs.work'?",
    "the application's worker_pool 'threads' cannot keep the timeout of 'limited' — start this worker with --pool=",
)


def theirs(directory: Path, text: str) -> dict[str, str]:
    (directory / "theirs.py").write_text(text)
    return {"SCHEDULER_CELERY_APP": "theirs:app", "PYTHONPATH": str(directory)}


def test_check_names_settings_queues_pools_serializers_and_tasks(shell: Shell, tmp_path: Path) -> None:
    shell.file(JOB)
    said = shell.apart("check", **theirs(tmp_path, PROJECT))
    assert said.code == Exit.PROBLEMS
    for line in WARNINGS:
        assert f"warning: {line}" in said.out
    for line in ERRORS:
        assert line in said.err


ENDS = {
    "a time limit that no worker can read": (
        "@app.task(name='t', time_limit='soon')\ndef t(): ...",
        "task t has time_limit='soon': give it a number of seconds",
    ),
    "a module that cannot be imported": ("app.conf.include = ['no_such_module']", "No module named 'no_such_module'"),
    "old and new names of settings": (
        "app.config_from_object({'CELERY_TIMEZONE': 'UTC', 'imports': ()})",
        "which Celery does not mix: rename CELERY_TIMEZONE to timezone",
    ),
}


@pytest.mark.parametrize(("text", "line"), ENDS.values(), ids=ENDS.keys())
def test_what_would_end_a_worker_ends_check_with_the_same_line(
    shell: Shell, tmp_path: Path, text: str, line: str
) -> None:
    shell.file(JOB)
    said = shell.apart("check", **theirs(tmp_path, f"from celery import Celery\napp = Celery('theirs')\n{text}\n"))
    assert (said.code, said.err.count("\n")) == (Exit.CONFIG, 1)
    assert line in said.err
