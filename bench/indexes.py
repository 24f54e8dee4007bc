"""What each index costs in Redis: ``python -m bench.indexes [--schedules 1000] [--runs 20] [--server PATH]``.

Adds up MEMORY USAGE of all keys twice: when the schedules were written, and after that many runs of each, one in ten
of them failed. Prints a Markdown table of bytes for each schedule and for each run.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

from bench.ledger import HOUR, TRACEBACK, closed
from bench.senders import private_redis
from scheduler.celeryapp import build
from scheduler.model import Entry
from scheduler.sending.decide import Decision
from scheduler.sending.dispatch import Dispatcher, Due
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import Client, connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from scheduler.up.redis_server import find_server

BATCH = 200
SUCCEED = closed("succeeded", result="3")
FAIL = closed("failed", reason="error", result="ValueError: x", traceback=TRACEBACK)
FIELDS = {"task": "scheduler.tasks.log_it", "args": [10, 20], "every": "1h", "overlap": "allow"}
MIN_BYTES = 0.5  #: for each schedule and each run; what costs less is left out


def names(count: int) -> list[str]:
    """As long as the names of real schedules."""
    return [f"nightly-report-{number:05}" for number in range(count)]


def sizes(client: Client) -> Counter[str]:
    """The bytes of all keys, by the kind of key: one for each schedule, or what it is called."""
    found: Counter[str] = Counter()
    for key in client.scan_iter(count=1000):
        found[kind(key)] += client.memory_usage(key, samples=0) or 0
    return found


def kind(key: str) -> str:
    """``redbeat:NAME`` for ``redbeat:nightly-report-00001``."""
    for prefix in ("redbeat::ledger:", "redbeat::history:", "redbeat:nightly"):
        if key.startswith(prefix):
            return f"{prefix.removesuffix('nightly')}NAME"
    return key.partition("\x06")[0]


def run_all(dispatcher: Dispatcher, ledger: Ledger, schedules: list[str], number: int, due: datetime) -> None:
    """One run of each schedule, from sent to ended."""
    store = Store(ledger.client, ledger.keys)
    for start in range(0, len(schedules), BATCH):
        batch = [
            Due(entry, entries.job(entry), Decision((due,), (), due + HOUR), entry.due)
            for entry in store.read(schedules[start : start + BATCH])
        ]
        dispatcher.commit(dispatcher.arguments(batch, "ours"))
    for at, name in enumerate(schedules):
        (run,) = ledger.runs(name, 1)
        (FAIL if (at + number) % 10 == 0 else SUCCEED)(ledger, run)
    ledger.client.delete("celery")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--schedules", type=int, default=1000)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--server", default=find_server(Path()))
    chosen = options.parse_args()
    logging.disable(logging.INFO)
    with private_redis(chosen.server) as url:
        settings = Settings(redis_url=url)
        client, keys = connect(settings), Keys(settings.key_prefix)
        client.set(keys.lock, "ours")
        store, ledger = Store(client, keys), Ledger(client, keys, settings)
        dispatcher = Dispatcher(build(settings), client, keys, settings)
        due = from_seconds(float(int(time.time() - chosen.runs * HOUR.total_seconds())))
        schedules, nothing = names(chosen.schedules), sizes(client)
        writes = [Write(name, None, Entry(name, "admin", FIELDS, due=due)) for name in schedules]
        for start in range(0, len(writes), BATCH):
            store.write(writes[start : start + BATCH])
        stored = sizes(client) - nothing
        for number in range(chosen.runs):
            run_all(dispatcher, ledger, schedules, number, due + number * HOUR)
        ran = sizes(client) - stored
    print("| key | bytes for each schedule | bytes for each run |\n|---|---|---|")
    runs = chosen.schedules * chosen.runs
    for name in sorted(stored | ran, key=lambda it: -(stored[it] + ran[it])):
        each, more = stored[name] / chosen.schedules, ran[name] / runs
        if max(each, more) >= MIN_BYTES:
            print(f"| `{name}` | {each:,.0f} | {more:,.0f} |")
    print(f"| all keys | {sum(stored.values()) / chosen.schedules:,.0f} | {sum(ran.values()) / runs:,.0f} |")
    print(f"\n{chosen.schedules:,} schedules, {chosen.runs} runs each, load {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main()
