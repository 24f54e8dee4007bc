"""The state of every schedule from the indexes, as ``rows.state`` finds it from an entry and its last run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass

from scheduler.status.catalogue import View
from scheduler.status.rows import OVERDUE_AFTER_S, STATES, State
from scheduler.storage.entries import NEVER
from scheduler.storage.outcomes import last_outcomes
from scheduler.storage.store import Store

OF_OUTCOMES: dict[str, State] = {
    "new": "new",
    "queued": "queued",
    "running": "running",
    "succeeded": "ok",
    "failed": "failed",
    "lost": "lost",
    "skipped": "skipped",
    "stopped": "stopped",
    "unreadable": "unreadable",
}
OPEN = ("queued", "running")  #: before `finished` and `overdue`


@dataclass(frozen=True)
class AllStates:
    """The states of all schedules of a view."""

    view: View
    usual: State  #: of those that are not in ``others``
    others: dict[str, State]
    modes: dict[str, int]  #: how many are on, paused, off and finished: what a person decided, or the timing

    def only(self, names: Iterable[str], state: str) -> list[str]:
        """Those of these names that have this state."""
        if state == self.usual:
            return [name for name in names if name not in self.others]
        wanted = {name for name, other in self.others.items() if other == state}
        return [name for name in names if name in wanted]

    def counts(self, names: Set[str]) -> dict[str, int]:
        """How many of these names, all of the view, have each state, worst first; without the states that none has."""
        tally = Counter(map(self.others.__getitem__, self.others.keys() & names))
        tally[self.usual] = len(names) - tally.total()
        return {state: tally[state] for state in STATES if tally[state]}


def all_states(store: Store, view: View) -> AllStates:
    """The states now. Reads at most half of the names, and none of the entries."""
    client, keys, now = store.client, store.keys, time.time()
    usual_outcome, listed = last_outcomes(client, keys, len(view.names))
    usual = OF_OUTCOMES[usual_outcome]
    others: dict[str, State] = {}
    for outcome, names in listed.items():
        others |= dict.fromkeys(names, OF_OUTCOMES[outcome])
    with client.pipeline(transaction=False) as pipe:
        pipe.zrangebyscore(keys.schedule, 0, f"({now - OVERDUE_AFTER_S}")
        pipe.zrangebyscore(keys.schedule, NEVER, NEVER)
        overdue, finished = pipe.execute()
    ended: tuple[tuple[list[str], State], ...] = ((overdue, "overdue"), (finished, "finished"))
    for members, state in ended:
        others |= {name: state for name in map(keys.name, members) if others.get(name, usual) not in OPEN}
    stored = view.kept
    modes = count_modes(view, (name for name in map(keys.name, finished) if name in stored), now)
    for name, kept in view.held.items():
        if kept.is_quarantined:
            others[name] = "quarantined"
        elif kept.paused_until > now:
            others[name] = "paused"
        elif not kept.is_enabled:
            others[name] = "disabled"
    return AllStates(view, usual, {name: it for name, it in others.items() if it != usual and name in stored}, modes)


def count_modes(view: View, finished: Iterable[str], now: float) -> dict[str, int]:
    """How many have each mode; paused comes before off, and both before finished. A quarantined one is not finished."""
    modes = {
        name: "paused" if kept.paused_until > now else "off" for name, kept in view.held.items() if kept.is_off(now)
    }
    tally = Counter([*modes.values(), *("finished" for name in finished if name not in view.held)])
    return {mode: tally[mode] for mode in ("paused", "off", "finished")} | {"on": len(view.names) - tally.total()}
