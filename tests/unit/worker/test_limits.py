"""How long a run may take to end once it was asked to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.app.task import Context

from scheduler.sending.headers import KILL_AFTER_HEADER
from scheduler.worker.limits import kill_after


@pytest.mark.parametrize(
    ("hard", "soft", "seconds"), [(70, 60, 10.0), (60, 60, 15.0), (None, 60, 15.0), (60, None, 15.0)]
)
def test_a_task_keeps_the_time_between_its_own_two_limits_unless_its_schedule_says_another(
    hard: float | None, soft: float | None, seconds: float
) -> None:
    task = SimpleNamespace(time_limit=hard, soft_time_limit=soft)
    assert kill_after(Context(), task) == seconds
    assert kill_after(Context(headers={KILL_AFTER_HEADER: 3}), task) == 3.0
