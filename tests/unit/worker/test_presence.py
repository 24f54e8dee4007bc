"""What a worker reports of itself."""

from __future__ import annotations

from celery import Celery
from celery.concurrency import prefork, solo

from scheduler.worker.presence import slots_of


def test_a_pool_that_has_ended_has_no_slots_and_ends_no_thread() -> None:
    app = Celery(set_as_current=False)
    assert slots_of(solo.TaskPool(1, app=app)) == 1
    assert slots_of(prefork.TaskPool(4, app=app)) == 0, "it is not started, as after its end"
