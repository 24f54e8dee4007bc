"""What a run costs in Redis: MEMORY USAGE of a schedule's ledger, for each of its rows.

``python bench/ledger.py [--server PATH]`` prints a Markdown table. Rows are as long as those of the first schedule of
the README: its name and its task's have 6 and 22 characters.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bench.senders import private_redis
from scheduler.celeryapp import build
from scheduler.model import Entry, Reason, Run
from scheduler.sending.decide import Decision, Skip
from scheduler.sending.dispatch import Dispatcher, Due
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from scheduler.up.redis_server import find_server

NAME = "log-it"
HOUR = timedelta(hours=1)
TRACEBACK = "\n".join(f'  File "/srv/project/tasks.py", line {line}, in build' for line in range(40))
Settle = Callable[[Ledger, Run], object]


def closed(outcome: str, **details: str) -> Settle:
    """A worker that takes a run and ends it so."""

    def settle(ledger: Ledger, run: Run) -> None:
        ledger.claim(run, "worker-1.example.com:12345", "0" * 32)
        ledger.close(run.id, outcome, token="0" * 32, **details)  # type: ignore[arg-type]

    return settle


ROWS: dict[str, Settle | None] = {
    "queued": lambda ledger, run: None,
    "succeeded, result `3`": closed("succeeded", result="3"),
    "failed, traceback of 40 lines": closed("failed", reason="error", result="ValueError: x", traceback=TRACEBACK),
    "a stretch of skips, whatever its count": None,
}


def measure(settings: Settings, settle: Settle | None, rows: int) -> float:
    """Bytes for each of that many rows."""
    app = build(settings)
    client, keys = connect(settings), Keys(settings.key_prefix)
    client.flushall()
    client.set(keys.lock, "ours")
    store, ledger = Store(client, keys), Ledger(client, keys, settings)
    dispatcher = Dispatcher(app, client, keys, settings)
    due = from_seconds(float(int(time.time())))
    fields = {"task": "scheduler.tasks.log_it", "args": [10, 20], "every": "1h", "overlap": "allow"}
    store.write([Write(NAME, None, Entry(NAME, "admin", fields, due=due))])
    for number in range(rows):
        entry = store.get(NAME)
        skips = (Skip(Reason.MISSED, due, due, 1, f"beat was down {number:05}-13:00 UTC"),) if settle is None else ()
        decision = Decision(() if skips else (due,), skips, due + HOUR)
        dispatcher.commit(dispatcher.arguments([Due(entry, entries.job(entry), decision, entry.due)], "ours"))
        due += HOUR
        if settle is not None:
            (run,) = ledger.runs(NAME, 1)
            settle(ledger, run)
    assert len(ledger.runs(NAME, 2 * rows)) == rows
    return float(client.memory_usage(keys.ledger(NAME), samples=0)) / rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=150)
    options.add_argument("--server", default="")
    chosen = options.parse_args()
    logging.getLogger("scheduler").setLevel(logging.ERROR)
    print("| row | bytes |\n|---|---|")
    with private_redis(chosen.server or find_server(Path())) as url:
        for row, settle in ROWS.items():
            print(f"| {row} | {measure(Settings(redis_url=url), settle, chosen.rows):,.0f} |")


if __name__ == "__main__":
    main()
