"""Counters of all schedules together, written in the same steps as the ledger. See ``_counters.lua``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate

from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.records import read_or

BOUNDS_S = ("0.1", "0.5", "1", "2.5", "5", "10", "30", "60", "300", "900", "3600", "14400", "86400", "+Inf")


@dataclass
class Histogram:
    """How many took up to each of BOUNDS_S and longer than the bound before; ``sum_s`` is all of them, in seconds."""

    counts: Counter[str] = field(default_factory=Counter)
    sum_s: float = 0.0

    @property
    def cumulative(self) -> list[tuple[str, float]]:
        """Each bound with how many took at most that long, as Prometheus counts."""
        bounds = [bound if bound == "+Inf" else str(float(bound)) for bound in BOUNDS_S]
        return [*zip(bounds, map(float, accumulate(self.counts[bound] for bound in BOUNDS_S)), strict=True)]


@dataclass
class Counters:
    """What was counted since Redis began to; a schedule's removal takes nothing away."""

    due: int = 0  #: due instants that were sent or skipped
    sent: int = 0  #: runs handed over to a queue, manual ones too
    skipped: Counter[str] = field(default_factory=Counter)  #: due instants by reason
    ended: Counter[str] = field(default_factory=Counter)  #: runs by outcome
    lateness: Histogram = field(default_factory=Histogram)  #: from the due instant to the start of the first attempt
    duration: dict[str, Histogram] = field(default_factory=dict)  #: from first start to end, by outcome

    @property
    def started(self) -> int:
        """Runs that a worker began, each counted once."""
        return self.lateness.counts.total()

    def add(self, name: str, by: int) -> None:
        """Take in a field of the hash; one that a later version writes is left out."""
        kind, _, rest = name.partition(":")
        outcome, _, bound = rest.partition(":")
        match kind:
            case "due":
                self.due += by
            case "sent":
                self.sent += by
            case "skipped":
                self.skipped[rest] += by
            case "started":
                self.lateness.counts[rest] += by
            case "late_ms":
                self.lateness.sum_s += by / 1000
            case "took_ms":
                self.duration.setdefault(rest, Histogram()).sum_s += by / 1000
            case "ended":
                self.ended[outcome] += by
                if bound:
                    self.duration.setdefault(outcome, Histogram()).counts[bound] += by


def counters(client: Client, keys: Keys) -> Counters:
    """Read them; takes one round trip, however many schedules there are."""
    sums = Counters()
    for name, text in sorted(client.hgetall(keys.counters).items()):
        sums.add(name, read_or(0, int, text))
    return sums
