"""Stock RedBeat on the same keys; as a program (``-m tests.chaos.stock_app name``) it saves an entry with its API."""

from __future__ import annotations

import os
import sys

from celery import Celery
from celery.schedules import schedule as interval
from redbeat import RedBeatSchedulerEntry

TASK = "tests.chaos.bodies.note"


def redbeat_url() -> str:
    return os.environ["SCHEDULER_REDIS_URL"].replace("redis+socket:", "unix:")


app = Celery("stock", broker=os.environ["SCHEDULER_REDIS_URL"], include=["tests.chaos.bodies"])
app.conf.update(
    redbeat_redis_url=redbeat_url(),
    redbeat_lock_timeout=15,
    beat_max_loop_interval=1,
    beat_scheduler="redbeat.RedBeatScheduler",
    timezone="UTC",
)


def save(name: str) -> None:
    """An entry that is due each second."""
    RedBeatSchedulerEntry(name, TASK, interval(1.0), app=app).save()


if __name__ == "__main__":
    save(sys.argv[1])
