"""Sending, idling, loading and lateness: this service and stock RedBeat in turn, in one run, on one Redis.

    python bench/dispatch.py [--entries 10000] [--rounds 3] [--server PATH] [--skip-idle] [--skip-load] …

Prints Markdown tables. Read the ratios: absolute rates move with the machine and its load.
"""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import redis
from celery.schedules import schedule as interval

from bench.senders import HOUR, TASK, Limit, Ours, Stock, private_redis, redis_cpu
from scheduler import changes
from scheduler.changes.plan import Plan, plan_file
from scheduler.model import Declared
from scheduler.storage.client import Client
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import read_run
from scheduler.storage.store import Store
from scheduler.up.redis_server import find_server


def timed(sender: Stock | Ours, count: int, client: Client) -> tuple[float, float, float]:
    """Messages a second, and CPU µs a message in this process and in Redis."""
    sender.prepare(count)
    client.delete("celery")
    began, used, served = time.perf_counter(), time.process_time(), redis_cpu(client)
    sender.send()
    took, used, served = time.perf_counter() - began, time.process_time() - used, redis_cpu(client) - served
    sent = client.llen("celery")
    assert sent == count, f"{sender.name} sent {sent} of {count}"
    return count / took, used / count * 1e6, served / count * 1e6


def bench_sending(url: str, count: int, rounds: int) -> None:
    client = redis.Redis.from_url(url)
    stock, ours = Stock(url), Ours(url)
    limit = Limit(url, ours.scheduler.lease.token)
    senders: list[Stock | Ours] = [stock, ours, limit]
    results: dict[str, list[tuple[float, float, float]]] = {sender.name: [] for sender in senders}
    first = timed(ours, count, client)
    for _ in range(rounds):
        for sender in senders:
            results[sender.name].append(timed(sender, count, client))
    base = statistics.median(rate for rate, _, _ in results[stock.name])
    print(f"\n## {count} entries due in one second, median of {rounds} rounds\n")
    print("| sender | messages/s | × stock | CPU µs/message, beat | CPU µs/message, Redis |\n|---|---|---|---|---|")
    line("this service, first time after a start", [first], base)
    for name, found in results.items():
        line(name, found, base)


def line(name: str, found: Sequence[tuple[float, float, float]], stock: float) -> None:
    rate, ours, served = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"| {name} | {rate:,.0f} | {rate / stock:.1f} | {ours:.0f} | {served:.0f} |")


def bench_idle(url: str) -> None:
    """Beat with nothing due, listening as it does in production."""
    client = redis.Redis.from_url(url)
    client.config_set("appendonly", "no")  # or writing a million schedules takes a gigabyte of disk
    print("\n## Idle, 20 s\n\n| stored schedules | Redis commands/s | CPU % of beat | MB of beat | MB of Redis |")
    print("|---|---|---|---|---|")
    for count in (1_000, 100_000, 1_000_000):
        client.flushall()
        ours = Ours(url)
        store_many(ours, count)
        before = -1_000
        while processed(client) - before > 1_000:  # the first ticks read everything once
            before = processed(client)
            ours.scheduler.tick()
        commands, used, began = processed(client), time.process_time(), time.monotonic()
        while time.monotonic() < began + 20:
            ours.scheduler.tick()
        took = time.monotonic() - began
        commands, used = processed(client) - commands, time.process_time() - used
        stored = int(client.info("memory")["used_memory"]) / 1e6
        print(f"| {count:,} | {commands / took:.1f} | {used / took * 100:.2f} | {own_memory():.0f} | {stored:,.0f} |")


def store_many(ours: Ours, count: int) -> None:
    """Copies of one entry, none of them due within the hour."""
    client, store = ours.scheduler.client, ours.scheduler.context.store
    fields = ours.declared("job-0", from_seconds(time.time() + HOUR).isoformat()).fields()
    changes.create(store, "job-0", fields, tasks=None, by="bench")
    stored, due = client.hgetall("redbeat:job-0"), client.zscore("redbeat::schedule", "redbeat:job-0")
    with client.pipeline(transaction=False) as pipe:
        for number in range(1, count):
            pipe.hset(f"redbeat:job-{number}", mapping=stored)
            pipe.zadd("redbeat::schedule", {f"redbeat:job-{number}": due})
            if number % 10_000 == 0:
                pipe.execute()
        pipe.execute()


def own_memory() -> float:
    """Resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def processed(client: Client) -> int:
    return int(client.info("stats")["total_commands_processed"])


def bench_load(url: str) -> None:
    """From a validated file to Redis: the first load, and a second with nothing changed; stock from configuration."""
    client = redis.Redis.from_url(url)
    print("\n## Loading\n")
    print("| schedules | sender | first load, s | CPU s | again, unchanged, s | CPU s | longest step in Redis, s |")
    print("|---|---|---|---|---|---|---|")
    for count in (10_000, 100_000):
        client.flushall()
        stock = Stock(url)
        conf = {f"job-{n}": {"task": TASK, "schedule": interval(HOUR), "args": [10, 20]} for n in range(count)}
        stock.app.conf.beat_schedule = conf
        compare(client, count, stock.name, stock.scheduler.setup_schedule)
        client.flushall()
        ours = Ours(url)
        wanted = {f"job-{n}": ours.declared(f"job-{n}", "2026-01-01 00:00") for n in range(count)}
        compare(client, count, ours.name, load, ours.scheduler.context.store, wanted)


def compare(client: Client, count: int, name: str, work: Callable[..., object], *arguments: object) -> None:
    """One row: the same work twice, its processor time here and in Redis, and how long Redis served nobody else."""
    client.config_set("slowlog-log-slower-than", 20_000)
    client.slowlog_reset()
    parts = []
    for _ in range(2):
        used = time.process_time() + redis_cpu(client)
        parts += [f"{seconds(work, *arguments):.1f}", f"{time.process_time() + redis_cpu(client) - used:.1f}"]
    longest = max((int(one["duration"]) for one in client.slowlog_get(1000)), default=0) / 1e6
    print(f"| {count:,} | {name} | {' | '.join(parts)} | {longest:.2f} |", flush=True)


def load(store: Store, wanted: dict[str, Declared]) -> Plan:
    found = plan_file(store.all(), wanted, changes.clock())
    store.write(changes.file.writes(found, "bench"))
    return found


def seconds(work: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def bench_lateness(url: str, schedules: int = 500, duration: float = 130.0) -> None:
    """How long after its due instant a run is in its queue, with as many schedules every second and every minute."""
    client = redis.Redis.from_url(url, decode_responses=True)
    client.flushall()
    ours = Ours(url)
    start = from_seconds(float(int(time.time()) + 10)).isoformat()
    for every in ("1s", "1m"):
        fields = ours.declared("job", start).fields() | {"every": every}
        for number in range(schedules):
            changes.create(ours.scheduler.context.store, f"{every}-{number}", fields, tasks=None, by="bench")
    end = time.monotonic() + duration
    while time.monotonic() < end:
        ours.scheduler.tick()
    print(f"\n## Lateness of {schedules} schedules every second and {schedules} every minute, {duration:.0f} s\n")
    print("| schedules | runs | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|")
    runs = list(every_run(client))
    for every in ("1s", "1m"):
        late = sorted(run.sent - run.due for run in runs if run.id.startswith(every))
        p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
        print(f"| every {every} | {len(late):,} | {p50 * 1000:.0f} | {p99 * 1000:.0f} | {late[-1] * 1000:.0f} |")


def every_run(client: Client) -> Iterator[Any]:
    for key in client.scan_iter(Keys().ledger("*"), count=1000):
        rows = client.hgetall(key)
        found = (read_run(run_id, text) for run_id, text in rows.items() if not run_id.startswith(":"))
        yield from (run for run in found if run.sent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    for part in ("sending", "idle", "load", "lateness"):
        parser.add_argument(f"--skip-{part}", action="store_true")
    parser.add_argument("--server", default=find_server(Path()), help="the Redis or Valkey that both use")
    chosen = parser.parse_args()
    print(f"On {chosen.server}")
    logging.disable(logging.INFO)
    with private_redis(chosen.server) as url:
        if not chosen.skip_sending:
            bench_sending(url, chosen.entries, chosen.rounds)
        if not chosen.skip_lateness:
            bench_lateness(url)
        if not chosen.skip_load:
            bench_load(url)
        if not chosen.skip_idle:
            bench_idle(url)
    return 0


if __name__ == "__main__":
    sys.exit(main())
