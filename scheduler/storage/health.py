"""The health of schedules, from the indexes that are written in the same steps as the ledger. See ``_health.lua``."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import NamedTuple

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import read_or, seconds
from scheduler.storage.scripts import script

INDEX_VERSION = "5"  #: of what Lua writes; a leader that meets another one rebuilds
REBUILD_INTERVAL_S = 3600  #: for so long the index may miss what an older release, which keeps none, wrote
NAMES_PER_STEP = 10  #: ledgers that one step of the rebuild reads, which holds up Redis for some ms
MAX_RUNS = 1_000_000  #: rows that the index by due instant holds, the newest ones; 0.16 GB
MAX_WENT_WRONG = 10_000  #: the same of the runs that failed or were lost
MAX_SKIPS = 100_000  #: the same of those that were skipped
MAX_AGE_S = 366 * 86_400  #: a row that was due longer ago is in none


@dataclass(frozen=True)
class Failing:
    """A schedule whose newest ended due instants failed or were lost."""

    name: str
    since: float  #: epoch seconds: when the first of them ended
    count: int  #: how many in a row
    newest: float = field(default=0.0, compare=False)  #: due instant of the last of them, epoch seconds; 0 if not known


class AllFailing(NamedTuple):
    """How many schedules are failing, and those that have failed longest."""

    total: int
    worst: list[Failing]


def failing(
    client: Client, keys: Keys, limit: int | None = None, expected: Collection[str] = frozenset()
) -> AllFailing:
    """The failing schedules, the one that has failed longest first; ``limit``, at least 1, bounds ``worst`` only.

    Those in ``expected``, which are expected to fail, are neither counted nor named. Takes two round trips, however
    many schedules there are.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.failing)
        pipe.zrange(keys.failing, 0, -1 if limit is None else limit + len(expected) - 1, withscores=True)
        if expected:
            pipe.zmscore(keys.failing, list(expected))
        total, everything, *scores = pipe.execute()
        total -= sum(at is not None for at in chain(*scores))
        since = [(name, at) for name, at in everything if name not in expected][:limit]
        for name, _ in since:
            pipe.hget(keys.ledger(name), ":health")
        healths = pipe.execute(raise_on_error=False)
    worst = [Failing(name, at, *read_health(text)) for (name, at), text in zip(since, healths, strict=True)]
    return AllFailing(total, worst)


def failing_of(client: Client, keys: Keys, names: Iterable[str]) -> dict[str, Failing]:
    """Those of these schedules that are failing; one round trip."""
    wanted = list(names)
    if not wanted:
        return {}
    with client.pipeline(transaction=False) as pipe:
        pipe.zmscore(keys.failing, wanted)
        for name in wanted:
            pipe.hget(keys.ledger(name), ":health")
        since, *healths = pipe.execute(raise_on_error=False)
    rows = zip(wanted, since, healths, strict=True)
    return {name: Failing(name, at, *read_health(text)) for name, at, text in rows if at is not None}


def read_health(health: object) -> tuple[int, float]:
    """How many failed in a row, and the newest of them.

    (1, 0.0) where the ledger has expired or is damaged, and where a run succeeded after the index was read.
    """
    try:
        _, newest, _, count = str(health).split()
        return max(1, int(count)), float(newest) if int(count) else 0.0
    except ValueError:
        return 1, 0.0


def read_well(health: object) -> tuple[float, int]:
    """The newest due instant that succeeded (epoch seconds, 0 for none), and how many failed or were lost since."""
    try:
        well, _, _, count = str(health).split()
        return max(0.0, float(well)), int(count)
    except ValueError:
        return 0.0, 0


def stuck(client: Client, keys: Keys, limit: int) -> dict[str, float]:
    """The first due instant (epoch seconds) whose run expired untaken, of each stuck schedule; ``limit`` at most."""
    return dict(client.zrange(keys.stuck, 0, limit - 1, withscores=True))


def slow(client: Client, keys: Keys, names: Iterable[str]) -> set[str]:
    """Those of these schedules whose newest run that was in time came before one that was slow."""
    wanted = list(names)
    with client.pipeline(transaction=False) as pipe:
        for name in wanted:
            pipe.exists(keys.entry(name))
            pipe.hexists(keys.ledger(name), ":slow")
        answers = iter(pipe.execute(raise_on_error=False))
    return {name for name in wanted if [next(answers), next(answers)] == [1, True]}


class Quarantined(NamedTuple):
    """Why beat set an entry aside, and when, in epoch seconds; None where that is not known."""

    error: str
    since: float | None = None


def quarantined(client: Client, keys: Keys, limit: int) -> tuple[int, dict[str, Quarantined]]:
    """How many entries beat set aside, and why, by name; ``limit``, at least 1, bounds the names."""
    with client.pipeline(transaction=False) as pipe:
        pipe.zcard(keys.quarantined)
        pipe.zrange(keys.quarantined, 0, limit - 1)
        total, names = pipe.execute()
        for name in names:
            pipe.hmget(keys.entry(name), "error", "error_at")
        answers = pipe.execute(raise_on_error=False)
    return total, {name: read_quarantined(answer) for name, answer in zip(names, answers, strict=True)}


def read_quarantined(answer: object) -> Quarantined:
    """From the two fields of the entry; another program's key may be in its place."""
    error, at = answer if isinstance(answer, list) else (answer, None)
    return Quarantined(str(error or ""), read_or(None, seconds, at) or None if at else None)


def is_fresh(client: Client, keys: Keys) -> bool:
    """Whether this version rebuilt the indexes within the last REBUILD_INTERVAL_S."""
    return bool(client.get(keys.indexed) == INDEX_VERSION)


def rebuild(client: Client, keys: Keys, progress: Callable[[int], None] = lambda count: None) -> None:
    """Write every index again from the ledgers and the entries, while the service runs.

    ``progress`` is told of so many schedules more. Counters are not in it: the rows that they counted may be trimmed.
    """
    for count in rebuild_steps(client, keys):
        progress(count)


def rebuild_steps(client: Client, keys: Keys) -> Iterator[int]:
    """The same in steps of some ms: after each, how many schedules it did. A schedule that is gone leaves the index."""
    recount = script(client, "recount")
    stored = {keys.name(key) for key, _ in client.zscan_iter(keys.schedule, count=1000)}
    indexes = (keys.failing, keys.stuck, keys.outcomes, keys.quarantined, keys.ended, keys.took)
    names = iter(stored.union(*(client.zrange(index, 0, -1) for index in indexes)))
    while step := list(islice(names, NAMES_PER_STEP)):
        recount(args=[keys.prefix, *step])
        yield len(step)
    bound(client, keys)
    yield 0  # for who must not say that they are whole, because a part is lost again
    client.set(keys.indexed, INDEX_VERSION, ex=REBUILD_INTERVAL_S)


def bound(client: Client, keys: Keys) -> None:
    """Bound the indexes of runs; a row that its ledger trims leaves them at once, without this."""
    with client.pipeline(transaction=False) as pipe:
        for index, most in ((keys.runs, MAX_RUNS), (keys.went_wrong, MAX_WENT_WRONG), (keys.skips, MAX_SKIPS)):
            pipe.zremrangebyrank(index, 0, -most - 1)
            pipe.zremrangebyscore(index, "-inf", time.time() - MAX_AGE_S)
        pipe.execute()
