"""How long Celery's own scheduler takes to start: ``persistent.py DIRECTORY COUNT``, the first time and again."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from celery import Celery
from celery.beat import PersistentScheduler
from celery.schedules import schedule


def main(directory: str, count: int) -> None:
    file = Path(directory, "celerybeat-schedule")
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    took = []
    for _ in range(2):
        app = Celery("stock", set_as_current=False)
        app.conf.beat_schedule = {
            f"job-{number}": {"task": "tasks.log_it", "schedule": schedule(3600.0), "args": [10, 20]}
            for number in range(count)
        }
        began = time.perf_counter()
        scheduler = PersistentScheduler(app, schedule_filename=str(file))
        scheduler.sync()
        took.append(time.perf_counter() - began)
        scheduler.close()
    print(json.dumps(took))


main(sys.argv[1], int(sys.argv[2]))
