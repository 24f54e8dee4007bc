"""Jobs that RQ's cron scheduler enqueues a second: ``rq_cron.py URL COUNT``, at first and once more."""

from __future__ import annotations

import json
import operator
import sys
import time
from datetime import UTC, datetime, timedelta

from redis import Redis
from rq.cron import CronScheduler  # type: ignore[import-not-found]

HOUR = 3600


def main(url: str, count: int) -> None:
    cron = CronScheduler(Redis.from_url(url), logging_level="ERROR")
    for number in range(count):
        cron.register(operator.add, "work", args=(number, 20), interval=HOUR)
    rates = []
    for _ in range(2):
        began = time.perf_counter()
        sent = cron.enqueue_jobs()
        rates.append(len(sent) / (time.perf_counter() - began))
        for job in cron.get_jobs():
            job.set_enqueue_time(datetime.now(UTC) - timedelta(seconds=HOUR + 1))
    print(json.dumps(rates))


main(sys.argv[1], int(sys.argv[2]))
