"""Everything beside stock: ``python -m bench [--peers] [--quick] [--only WORDS] [--server PATH] [--write]``.

Each row takes turns with stock on one append-only Redis until the ratio is stable, or says that it is not. With
``--peers``, the other side is what else people use, from the package index. With ``--write``, the table of
bench/README.md is written again. With ``--quick``, a minute or two, each ratio must stay within a generous bound, or
the command ends with 1.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from bench import peers
from bench.rows import GROUPS, Group, Pair, Place, Row
from bench.senders import private_redis
from bench.worker import write_modules
from scheduler.up.redis_server import find_server

ROUNDS, QUICK_ROUNDS = 5, 3
STABLE = 0.15  #: how far the middle half of all ratios may lie apart, as a part of their median
TABLE = Path(__file__).with_name("README.md")
END = "<!-- end -->"
HEAD = "| what | unit | this service | {} | ratio | goal | rounds | load |\n|" + "---|" * 8 + "\n"


def is_stable(found: Sequence[float]) -> bool:
    """Whether more rounds would hardly move the median."""
    if len(found) < ROUNDS:
        return False
    low, middle, high = statistics.quantiles(found, n=4, method="inclusive")
    return high - low <= STABLE * middle


def measured(group: Group, place: Place) -> list[list[Pair]]:
    """As many rounds as it takes, of each row."""
    found: list[list[Pair]] = [[] for _ in group.rows]
    for _ in range(QUICK_ROUNDS if place.is_quick else group.most):
        for pairs, pair in zip(found, group.measure(place), strict=True):
            pairs.append(pair)
        is_well = all(row.reaches(ratio_of(pairs), row.bound) for row, pairs in zip(group.rows, found, strict=True))
        if (place.is_quick and is_well) or all(is_stable(ratios(pairs)) for pairs in found):
            break
    return found


def ratios(pairs: Sequence[Pair]) -> list[float]:
    return [pair.ours / pair.stock for pair in pairs]


def ratio_of(pairs: Sequence[Pair]) -> float:
    """The median of the ratios of the rounds: both sides of a round had about the same machine."""
    return statistics.median(ratios(pairs))


def line(row: Row, pairs: Sequence[Pair], load: float) -> str:
    """One row of the table."""
    ours, stock = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = ratio_of(pairs)
    sign = "≥" if row.is_more_better else "≤"
    goal = f"{sign} {row.goal:g}{'' if row.reaches(ratio, row.goal) else ', not reached'}"
    sure = "" if len(pairs) < ROUNDS or is_stable(ratios(pairs)) else ", not stable"
    figures = f"{ours:,.3g} | {stock:,.3g} | {ratio:.2f}" if ours < 100 else f"{ours:,.0f} | {stock:,.0f} | {ratio:.2f}"
    return f"| {row.name} | {row.unit} | {figures} | {goal} | {len(pairs)}{sure} | {load:.1f} |\n"


@contextmanager
def opened(server: str, *, is_quick: bool) -> Iterator[Place]:
    with private_redis(server) as url, tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_modules(url, Path(name))
        yield Place(url, redis.Redis.from_url(url), Path(name), is_quick)


def write(table: str, command: str) -> None:
    """Put the table in the place of the one that this command wrote before."""
    begin, text = f"<!-- {command} -->\n", TABLE.read_text("utf-8")
    before, _, rest = text.partition(begin)
    TABLE.write_text(f"{before}{begin}{table}{END}{rest.partition(END)[2]}", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, and an exit code of 1 for a ratio out of bounds")
    parser.add_argument("--peers", action="store_true", help="beside RQ, APScheduler and Celery's own scheduler")
    parser.add_argument("--only", default="", help="rows whose names have this in them")
    parser.add_argument("--write", action="store_true", help="write the table into bench/README.md")
    parser.add_argument("--server", default=find_server(Path()), help="the Redis or Valkey that both use")
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    table, is_well = HEAD.format("peer" if chosen.peers else "stock"), True
    print(f"On {chosen.server}, {os.cpu_count()} cores, Python {sys.version.split()[0]}\n\n{table}", end="")
    with opened(chosen.server, is_quick=chosen.quick) as place:
        for group in peers.GROUPS if chosen.peers else GROUPS:
            if not any(chosen.only in row.name for row in group.rows):
                continue
            for row, pairs in zip(group.rows, measured(group, place), strict=True):
                table += line(row, pairs, os.getloadavg()[0])
                print(table.splitlines()[-1], flush=True)
                is_well = is_well and row.reaches(ratio_of(pairs), row.bound)
    if chosen.write:
        write(table, "python -m bench --peers" if chosen.peers else "python -m bench")
    return 0 if is_well or not chosen.quick else 1


if __name__ == "__main__":
    sys.exit(main())
