"""The reckoning of a schedule that is due each second: the ledger's rows against the bodies that began."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from tests.support.polling import until
from tests.systemd.host import Host

SCHEDULER = "celery-scheduler"
OPEN = ("queued", "running")
#: How often a body may have begun, by the outcome of its run.
BODIES = {"succeeded": (1,), "skipped": (0,), "failed": (0, 1), "lost": (0, 1)}


class Body(NamedTuple):
    """One that began, as it noted outside Redis."""

    run_id: str
    host: str
    at: float  #: epoch seconds, on a clock that is right


def bodies(hosts: Iterable[Host], name: str = "tick") -> list[Body]:
    """Those of the schedule, in the order in which they began; a line that a power cut tore is none."""
    lines = [
        (line.split(), host)
        for host in hosts
        for line in host.shell("cat /var/lib/celery-worker/ticks", check=False).splitlines()
    ]
    found = [Body(words[0], host.name, float(words[1]) - host.ahead) for words, host in lines if len(words) == 2]
    return sorted((body for body in found if body.run_id.startswith(f"{name}@")), key=lambda body: body.at)


def rows(host: Host, name: str = "tick") -> list[dict[str, Any]]:
    """What the ledger says of the schedule, newest first."""
    found: list[dict[str, Any]] = json.loads(host.shell(f"{SCHEDULER} history {name} -n 10000 --json"))
    return found


def settles(host: Host, name: str = "tick", seconds: float = 60) -> None:
    """Let no further run begin, and wait until each one has ended."""
    host.shell(f"{SCHEDULER} pause {name} --note reckoning")
    try:
        until(lambda: not still_open(host, name), seconds, f"each run of {name} has ended")
    except AssertionError:
        print(still_open(host, name))
        raise


def still_open(host: Host, name: str) -> list[dict[str, Any]]:
    return [row for row in rows(host, name) if row["outcome"] in OPEN]


def seconds_of(row: dict[str, Any]) -> range:
    """The due instants that a row accounts for: one, or a stretch of equal skips."""
    first = int(datetime.fromisoformat(row["due"]).timestamp())
    assert row["count"] == 1 or datetime.fromisoformat(row["until"]).timestamp() == first + row["count"] - 1, row
    return range(first, first + row["count"])


def reckon(told: list[dict[str, Any]], began: list[Body], torn: tuple[float, float] = (0, 0)) -> Counter[str]:
    """Hold every due instant to its account; returns how many there are of each outcome. Call it when all has ended.

    Where a Redis that wrote in some span gave way to one that knew nothing of that, a body that began there may begin
    once more, or be told of as skipped.
    """
    instants = sorted(second for row in told for second in seconds_of(row))
    assert instants == list(range(instants[0], instants[-1] + 1)), f"not each second once: {told}"
    excused = {body.run_id for body in began if torn[0] <= body.at <= torn[1]}
    counts = Counter(body.run_id for body in began)
    for row in told:
        count = counts.pop(row["id"], 0)
        if row["reason"] == "forgotten":  # a stretch of runs, each with its own id
            spans = set(seconds_of(row))
            excused |= {body.run_id for body in began if int(body.at) in spans or int(body.at) - 1 in spans}
            continue
        starts = [body for body in began if body.run_id == row["id"]]
        assert row["id"] in excused or count in BODIES[row["outcome"]], f"{starts} of {row}"
    assert not counts.keys() - excused, f"bodies of runs that the ledger does not know: {counts}"
    return Counter(outcome for row in told for outcome in [row["outcome"]] * row["count"])
