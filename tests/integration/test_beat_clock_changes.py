"""The real beat over a real Redis, its clock led through 48 h around both clock changes of a year."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.celeryapp import build
from scheduler.model import read_run_id
from scheduler.sending.headers import RUN_HEADER
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from tests.support.beats import leading, leads
from tests.unit.timing.oracle import Expression, timeline

CRONS = (
    "* * * * *",
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "15 1 * * *",
    "0 0-23 * * *",
    "5 */2 * * *",
    "0 9 * * sun",
)
EVERY = {"every-90s": timedelta(seconds=90), "every-7h": timedelta(hours=7)}
# 24 h before each change. New York: -5 to -4 on 8 March, back on 1 November. Berlin: +1 to +2 on 29 March, back on
# 25 October. Lord Howe: +10:30 to +11 on 4 October, back on 5 April. UTC never changes.
PLACES = [
    ("America/New_York", datetime(2026, 3, 7, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, 6, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 28, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 2, 15, 30, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 3, 15, tzinfo=UTC)),
    ("UTC", datetime(2026, 3, 28, 1, tzinfo=UTC)),
]
HOURS = 48


@pytest.fixture
def beat(settings: Settings) -> Iterator[Scheduler]:
    made = Scheduler(build(settings), lazy=True)
    yield made
    made.close()
    made.client.close()


def declare(store: Store, zone: str) -> None:
    common = {"task": "scheduler.tasks.log_it", "args": [1, 2], "overlap": "allow", "timezone": zone}
    for number, cron in enumerate(CRONS):
        changes.create(store, f"cron-{number}", {**common, "cron": cron}, tasks=None, by="test")
    for name, every in EVERY.items():
        changes.create(store, name, {**common, "every": f"{every.total_seconds():.0f}s"}, tasks=None, by="test")


def expected(zone: str, start: datetime) -> Counter[tuple[str, float]]:
    ticks = timeline(zone, start, HOURS)[1:]
    instants = [(f"cron-{number}", Expression(cron).due(ticks)) for number, cron in enumerate(CRONS)]
    due = [(name, instant.timestamp()) for name, found in instants for instant in found]
    end = start + timedelta(hours=HOURS)
    for name, every in EVERY.items():
        step = every.total_seconds()
        first = (start.timestamp() // step + 1) * step
        due += [(name, first + k * step) for k in range(int((end.timestamp() - first) // step) + 1)]
    return Counter(pair for pair in due if pair[1] < end.timestamp())


def lead_through(beat: Scheduler, client: Client, keys: Keys, start: datetime) -> None:
    """Let time jump from one due instant to the next, as beat's sleep does."""
    end = start + timedelta(hours=HOURS)
    with time_machine.travel(start, tick=False) as clock:
        assert leads(beat)
        while True:
            [(_, score)] = client.zrangebyscore(keys.schedule, 0, "+inf", start=0, num=1, withscores=True)
            if score >= end.timestamp():
                return
            clock.move_to(score)
            while leading(beat).sender.send(()):
                continue


@pytest.mark.parametrize(("zone", "start"), PLACES, ids=[f"{zone}-{start:%b}" for zone, start in PLACES])
def test_every_due_instant_is_sent_exactly_once_through_both_clock_changes(
    zone: str, start: datetime, beat: Scheduler, store: Store, client: Client, keys: Keys
) -> None:
    with time_machine.travel(start, tick=False):
        declare(store, zone)
    lead_through(beat, client, keys, start)
    messages = [json.loads(text) for text in client.lrange("celery", 0, -1)]
    sent = Counter(read_run_id(message["headers"][RUN_HEADER]) for message in messages)
    assert sent == expected(zone, start)
