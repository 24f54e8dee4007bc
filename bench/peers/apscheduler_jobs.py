"""How late APScheduler starts jobs: ``apscheduler_jobs.py COUNT EVERY TIMES``; the seconds of each run, sorted.

The first time that they are due does not count.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler  # type: ignore[import-not-found]


def main(count: int, every: int, times: int) -> None:
    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
    first = int(time.time()) + every
    late: list[float] = []
    start = datetime.fromtimestamp(first, UTC)

    def note() -> None:
        since = time.time() - first
        if since >= every:
            late.append(since % every)

    for _ in range(count):
        scheduler.add_job(note, "interval", seconds=every, start_date=start)
    scheduler.start()
    time.sleep(first + every * (times + 0.5) - time.time())
    scheduler.shutdown()
    assert len(late) == count * times
    print(json.dumps(sorted(late)))


main(*map(int, sys.argv[1:]))
