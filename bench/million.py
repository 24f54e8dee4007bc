"""What a million runs leave in Redis: ``python bench/million.py [--runs N] [--schedules N] [--server PATH]``.

Each run is sent, claimed and closed by the scripts that beat and workers use, only in pipelines; a hundredth of them
fail, and a hundredth are skipped. Prints a Markdown table: keys and bytes must stop growing.
"""

from __future__ import annotations

import argparse
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.ledger import TRACEBACK
from bench.senders import private_redis
from scheduler.celeryapp import build
from scheduler.model import Entry, Reason, run_id
from scheduler.sending.commit_arguments import Words
from scheduler.sending.decide import Decision, Skip
from scheduler.sending.dispatch import Dispatcher, Due
from scheduler.sending.headers import task_id
from scheduler.settings import Settings
from scheduler.storage import entries
from scheduler.storage.client import connect
from scheduler.storage.instants import from_seconds, to_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.scripts import script
from scheduler.storage.store import Store, Write
from scheduler.up.redis_server import find_server

BATCH = 100  #: entries in one step, as beat has them
FIELDS = {"task": "scheduler.tasks.log_it", "args": [10, 20], "every": "1m", "overlap": "allow"}
MINUTE = timedelta(minutes=1)
PATIENCE_S = 60.0  #: seconds that Redis may take for a pipeline on a busy machine
RARE = 100  #: of so many runs one fails, and one is skipped


class Soak:
    """Schedules that are all due in each round."""

    def __init__(self, settings: Settings, schedules: int) -> None:
        self.client, self.keys = connect(settings), Keys(settings.key_prefix)
        self.client.connection_pool.connection_kwargs["socket_timeout"] = PATIENCE_S
        self.dispatcher = Dispatcher(build(settings), self.client, self.keys, settings)
        self.ledger = Ledger(self.client, self.keys, settings)
        self.claim, self.close = (script(self.client, name) for name in ("claim", "close"))
        for one in (self.claim, self.close):
            self.client.script_load(one.text)
        self.client.set(self.keys.lock, "ours")
        self.due, self.runs = from_seconds(float(int(time.time()))), 0
        store = Store(self.client, self.keys)
        names = [f"schedule-{number:05}" for number in range(schedules)]
        store.write([Write(name, None, Entry(name, "file", FIELDS, FIELDS, due=self.due)) for name in names])
        self.entries = [(entry, entries.job(entry)) for entry in store.read(names)]

    def round(self) -> None:
        """One run of each schedule, from sent to closed."""
        for start in range(0, len(self.entries), BATCH):
            batch, ids = [], []
            for entry, job in self.entries[start : start + BATCH]:
                self.runs += 1
                is_skipped = self.runs % RARE == 1
                skips = (Skip(Reason.MISSED, self.due, self.due, 1, "beat was down"),) if is_skipped else ()
                decision = Decision(() if is_skipped else (self.due,), skips, self.due + MINUTE)
                batch.append(Due(entry, job, decision, self.due))
                ids += [] if is_skipped else [run_id(entry.name, self.due)]
            assert not self.dispatcher.commit(self.dispatcher.arguments(batch, "ours"))
            self.work(ids)
        self.due += MINUTE

    def work(self, ids: list[str]) -> None:
        """What a worker does with these runs."""
        self.client.delete("celery")
        with self.client.pipeline(transaction=False) as pipe:
            for number, identity in enumerate(ids):
                pipe.evalsha(self.claim.sha, 0, *self.claimed(identity))
                failed = ("failed", "reason", "error", "result", "ValueError: x", "traceback", TRACEBACK)
                outcome, *more = failed if number == RARE // 2 else ("succeeded", "result", "3")
                asked = (self.keys.prefix, identity, outcome, "t" * 32, 0, 0, 0, "finished", time.time(), *more)
                pipe.evalsha(self.close.sha, 0, *asked)
            pipe.execute()

    def claimed(self, identity: str) -> Words:
        now, due, task = time.time(), to_seconds(self.due), FIELDS["task"]
        worker = "celery@worker-1.example.com"
        return [*self.ledger.limits, identity, now, worker, now + 30, due, str(task), task_id(identity), "t" * 32, 0]

    def row(self, began: datetime) -> str:
        """What is there now."""
        used, keys = int(self.client.info("memory")["used_memory"]), self.client.dbsize()
        rows = sum(self.client.hlen(self.keys.ledger(entry.name)) for entry, _ in self.entries)
        index = self.client.zcard(self.keys.runs)
        took = (datetime.now(UTC) - began).total_seconds()
        counts = " | ".join(f"{count:,}" for count in (self.runs, round(took), keys, rows, index))
        return f"| {counts} | {used / 1e6:,.0f} | {used / len(self.entries) / 1000:,.1f} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1_000_000)
    options.add_argument("--schedules", type=int, default=2_000)
    options.add_argument("--server", default="")
    chosen = options.parse_args()
    logging.getLogger("scheduler").setLevel(logging.ERROR)
    with private_redis(chosen.server or find_server(Path())) as url:
        soak, began = Soak(Settings(redis_url=url), chosen.schedules), datetime.now(UTC)
        print("| runs | seconds | keys | rows of ledgers | runs in the index | MB of Redis | KB of each schedule |")
        print("|---|---|---|---|---|---|---|")
        print(soak.row(began), flush=True)
        for part in range(1, 11):
            while soak.runs < chosen.runs * part / 10:
                soak.round()
            print(soak.row(began), flush=True)


if __name__ == "__main__":
    main()
