"""How the cost of sending grows with what is stored and with what is due: ``python -m bench.growth``.

    python -m bench.growth [--most 1000000] [--server PATH] [--draw]

Measures the processor time of beat and Redis for each due instant. From 1,000 to ``--most`` schedules are stored, and 1
to 100,000 of them are due at once; each figure is the median of some rounds. Writes growth.json and draws growth.svg
from it; ``--draw`` only draws.
A million schedules take 1.6 GB of Redis and some minutes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis

from bench.chart import Line, draw
from bench.dispatch import store_many, timed
from bench.senders import Ours, private_redis
from scheduler.up.redis_server import find_server

DATA = Path(__file__).with_suffix(".json")
PICTURE = Path(__file__).with_suffix(".svg")
STORED = (1_000, 10_000, 100_000, 1_000_000)
ROUNDS = {1: 9, 100: 5, 10_000: 2, 100_000: 1}  #: of each number that is due at once
NAMES = {1: "1 due", 100: "100 due at once", 10_000: "10,000 due at once", 100_000: "100,000 due at once"}


def measured(url: str, stored: int) -> Iterator[dict[str, Any]]:
    """A point for each number of due schedules among so many stored ones."""
    client = redis.Redis.from_url(url)
    client.flushall()
    ours = Ours(url)
    store_many(ours, stored)
    for due, rounds in ROUNDS.items():
        if due > stored:
            return
        timed(ours, due, client)  # builds the messages' templates
        costs = [sum(timed(ours, due, client)[1:]) for _ in range(rounds)]
        yield {"stored": stored, "due": due, "us": round(statistics.median(costs))}


def measure(server: str, most: int) -> Iterator[dict[str, Any]]:
    """What is known after each point, so that a run that is ended early leaves what it has."""
    points: list[dict[str, Any]] = []
    with private_redis(server) as url:
        redis.Redis.from_url(url).config_set("appendonly", "no")  # or a million schedules take a gigabyte of disk
        for stored in STORED:
            for point in measured(url, stored) if stored <= most else ():
                points.append(point)
                print(f"{point['stored']:>9,} stored, {point['due']:>7,} due: {point['us']:,} µs", flush=True)
                yield {"day": time.strftime("%Y-%m-%d"), "load": round(os.getloadavg()[0], 1), "points": points}


def picture(data: dict[str, Any]) -> str:
    """The chart of this data, as SVG text."""
    lines: dict[str, Line] = {}
    for due, name in NAMES.items():
        line = [(point["stored"], point["us"]) for point in data["points"] if point["due"] == due]
        lines |= {name: line} if line else {}
    title = "Sending costs what is due, not what is stored"
    return draw(title, "schedules stored", "processor time of beat and Redis for each due instant, µs", lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=100_000, help="stored schedules")
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    parser.add_argument("--server", default=find_server(Path()))
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    for data in () if chosen.draw else measure(chosen.server, chosen.most):
        DATA.write_text(json.dumps(data, indent=1) + "\n", "utf-8")
    PICTURE.write_text(picture(json.loads(DATA.read_text("utf-8"))), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
