"""A soak: many due instants a second while beats, workers and Redis are killed, and an account of every instant.

``python bench/soak.py [--minutes 30] [--rate 300] [--seed N]`` prints a Markdown table. Each body notes its run in a
file outside Redis; at the end every due instant is held against the ledger and that file. It fails at the first instant
that is not in the ledger, or whose body ran twice although its run succeeded.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from bench.start import memory
from tests.chaos.accounts import reckon
from tests.chaos.processes import Process, running_launcher
from tests.chaos.service import Service
from tests.chaos.service import service as run_service

PAUSE_S = (5.0, 30.0)  #: between two kills
QUIET = "--loglevel=WARNING"


class Soak:
    """A leader, a standby and two workers, and what happens to them."""

    def __init__(self, service: Service, dice: random.Random) -> None:
        self.service = service
        self.dice = dice
        self.beats = [service.leads(service.beat()), service.beat()]
        self.workers = [self.worker(), self.worker()]
        self.most = {"beat": 0.0, "worker": 0.0}  #: MB

    def worker(self) -> Process:
        return self.service.worker("--concurrency=2", QUIET)

    def kill_leader(self) -> None:
        """The standby takes over when the lease ends."""
        self.beats[0].kill()
        self.beats = [self.service.leads(self.beats[1]), self.service.beat()]

    def stop_leader(self) -> None:
        self.beats[0].stop()
        self.beats = [self.service.leads(self.beats[1]), self.service.beat()]

    def kill_worker(self) -> None:
        """Its main process alone."""
        self.workers[0].kill()
        self.workers = [self.workers[1], self.worker()]

    def kill_machine(self) -> None:
        """A worker with its children."""
        self.workers[0].kill_all()
        self.workers = [self.workers[1], self.worker()]

    def kill_child(self) -> None:
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.dice.choice(self.workers[0].children()), signal.SIGKILL)

    def restart_redis(self) -> None:
        """Nothing is lost: it appends each write to the disk before it answers."""
        self.service.redis.kill()
        self.service.redis.start(*self.service.redis_options)

    def part_clients(self) -> None:
        self.service.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def measure(self) -> None:
        """Note the most memory that a beat and a worker had; a process that was killed starts small again."""
        for kind, processes in (("beat", self.beats), ("worker", self.workers)):
            sizes = [memory(one.pid, "VmRSS") for one in processes]
            self.most[kind] = max(self.most[kind], *sizes)

    def row(self, seconds: float) -> str:
        """A table row of what Redis keeps; it keeps every ledger row, because the account at the end needs all."""
        client, keys = self.service.client, self.service.keys
        used = int(client.info("memory")["used_memory"])
        rows = sum(client.hlen(keys.ledger(name)) for name in self.service.declared)
        redis = f"{client.dbsize():,} | {used / 1e6:,.0f} | {used / max(rows, 1):,.0f}"
        return f"| {seconds:,.0f} | {redis} | {self.most['beat']:.0f} | {self.most['worker']:.0f} |"

    def run(self, seconds: float) -> Counter[str]:
        """Kill one thing after the other, and print ten table rows; returns how often each happened."""
        happened: Counter[str] = Counter()
        ways: list[Callable[[], None]] = [
            self.kill_leader,
            self.stop_leader,
            self.kill_worker,
            self.kill_machine,
            self.kill_child,
            self.restart_redis,
            self.part_clients,
        ]
        began = time.monotonic()
        print("| seconds | keys | MB of Redis | bytes of Redis for each row | most MB of a beat | of a worker |")
        print("|---|---|---|---|---|---|")
        tenths = 0
        while (rest := began + seconds - time.monotonic()) > 0:
            time.sleep(min(rest, self.dice.uniform(*PAUSE_S)))
            self.measure()
            if (passed := time.monotonic() - began) * 10 >= (tenths + 1) * seconds:
                tenths = int(passed * 10 / seconds)
                print(self.row(passed), flush=True)
            way = self.dice.choice(ways)
            way()
            happened[way.__name__.replace("_", " ")] += 1
        self.beats[1].kill()  # it may have been started just now, and take no signals yet
        self.service.end(self.beats[0])
        return happened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=300, help="due instants a second")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    with running_launcher() as launcher, run_service(launcher, "always") as service:
        service.declare(options.rate)
        service.load()
        happened = Soak(service, random.Random(options.seed)).run(options.minutes * 60)
        outcomes = reckon(service)
    print(f"{sum(outcomes.values())} due instants, each explained and none doubled; seed {options.seed}\n")
    print("| | number |\n|---|---|")
    for name, number in (*sorted(outcomes.items()), *sorted(happened.items())):
        print(f"| {name} | {number} |")


if __name__ == "__main__":
    main()
