"""What a load of the schedule file leaves in Redis beside the entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from scheduler.changes import settled
from scheduler.changes.checked import Checked
from scheduler.changes.followed import is_followed, place_of
from scheduler.changes.plan import Plan
from scheduler.events import emit
from scheduler.model import Declared
from scheduler.model.alerts import SERVICE
from scheduler.storage import uses
from scheduler.storage.instants import clock
from scheduler.storage.store import Store


def note_applied(
    store: Store,
    checked: Checked,
    done: Plan,
    *,
    is_leaders: bool,
    settles: tuple[str, int] | None = None,
    queue_of: Callable[[Declared], str] | None = None,
) -> None:
    """Store facts about the applied file. If it is the leader's file, this clears its earlier problems.

    ``settles`` are circumstances under which the load need not be repeated, and the counter of changes after it.
    """
    now = str(clock().timestamp())
    facts = {"calendars": json.dumps(checked.calendars), "applied": now, "settled": ""}
    facts["inherited"] = json.dumps(checked.validated.inherited)
    facts["groups"] = json.dumps(checked.validated.groups) if checked.validated.groups else ""
    if is_leaders or is_followed(store.file_facts(), checked.path):
        conflicts = [str(change) for change in done.changes if change.kind == "conflict"]
        conflicts += [str(problem) for problem in checked.notes() if problem.severity == "error"]
        facts |= place_of(checked.path)
        facts |= {"digest": checked.digest, "read": now, "summary": done.summary()}
        facts |= {"state": "applied", "problems": "\n".join(conflicts), "imports": json.dumps(checked.imports)}
        facts |= alert_facts(checked)
        if queue_of:
            used = [*used_by(checked, queue_of)]
            facts |= {"queues": uses.queues_as_json(used), "tasks": uses.tasks_as_json(used)}
        if settles and not (conflicts or checked.notes() or checked.brought.sources):
            facts["settled"] = settled_by(checked, facts, *settles).as_json()
    store.note_file(facts)


def settled_by(checked: Checked, facts: dict[str, str], circumstances: str, revision: int) -> settled.Settled:
    """What the next start of the leader compares."""
    count, stored = len(checked.declared), settled.facts_digest(facts)
    return settled.Settled(circumstances, checked.digest, checked.patterns, stored, revision, count)


def note_settled(store: Store, path: Path) -> None:
    """Store that the file was loaded, where that would change nothing."""
    now, summary = str(clock().timestamp()), Plan().summary()
    store.note_file(place_of(path) | {"read": now, "applied": now, "summary": summary})
    emit("file.applied", file=path, summary=summary)


def used_by(checked: Checked, queue_of: Callable[[Declared], str]) -> Iterator[tuple[str, str, str]]:
    """Each schedule that is on, with the queue that its runs go to and their task."""
    known: dict[tuple[str, str | None], str] = {}  # of 100,000 schedules, a router is not asked for each
    for name, it in checked.declared.items():
        if it.schedule.enabled:
            same = it.schedule.call.task, it.schedule.sent_to
            if same not in known:
                known[same] = queue_of(it)
            if known[same]:
                yield name, known[same], same[0]


def alert_facts(checked: Checked) -> dict[str, str]:
    """Who is told of what, and which schedules are expected to fail: the list of problems needs these without sinks."""
    alerts, declared = checked.validated.alerts, checked.declared.items()
    pings = {name: it.schedule.ping for name, it in declared if it.schedule.ping}
    if checked.validated.ping:
        pings[SERVICE] = checked.validated.ping
    own = {name: it.schedule.alerts for name, it in declared if it.schedule.alerts}
    expected = sorted(name for name, alerts_of_it in own.items() if alerts_of_it.off)
    return {
        "alerts": json.dumps(alerts.stored(own, pings)) if alerts.sinks or pings else "",
        "expected_to_fail": json.dumps(expected) if expected else "",
    }
