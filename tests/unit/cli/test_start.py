"""`check` beside an application: to which queue the runs of a schedule would go."""

from __future__ import annotations

from celery import Celery

from scheduler.application.queues import queue_of
from tests.support.schedules import declared


def test_a_program_goes_where_the_application_routes_the_builtin_task() -> None:
    app = Celery("theirs", set_as_current=False)
    app.conf.update(task_routes={"scheduler.tasks.run_*": {"queue": "programs"}, "reports.*": {"queue": "reports"}})
    assert queue_of(app, declared(shell="echo a")) == "programs"
    assert queue_of(app, declared(command=["a"], queue="own")) == "own"
    assert queue_of(app, declared(task="reports.build")) == "reports"
