"""Schedules whose newest runs failed or were lost."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from scheduler.command_name import with_command_name
from scheduler.model import run_id
from scheduler.status.problems.facts import Facts
from scheduler.status.problems.named import rest
from scheduler.status.problems.problem import ServiceProblem
from scheduler.storage.health import Failing, failing_of
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import read_run
from scheduler.storage.store import Store

MAX_REASON = 100  #: characters of an error


def look(facts: Facts) -> Iterator[ServiceProblem]:
    """Name those that have failed longest, each with its newest error, and count the rest; none that is expected to."""
    total, worst = facts.failing
    for it, error in zip(worst, reasons(facts.store, worst), strict=True):
        reason = error[:MAX_REASON]
        runs = "run did not succeed" if it.count == 1 else f"{it.count} runs did not succeed"
        sentence = f"schedule '{it.name}' is failing: its last {runs}{f' ({reason})' if reason else ''}"
        remedy = with_command_name(f"see `scheduler history {shlex.quote(it.name)}`")
        yield ServiceProblem(sentence, remedy, subject=it.name, since=it.since)
    yield from rest(total - len(worst), "failing")


def newest_errors(store: Store, names: Sequence[str]) -> dict[str, str]:
    """Why those of these schedules are failing or quarantined that are, the first line; three round trips."""
    ill = failing_of(store.client, store.keys, names)
    with store.client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.hget(store.keys.entry(name), "error")
        aside = zip(names, pipe.execute(raise_on_error=False), strict=True)
    found = dict(zip(ill, reasons(store, list(ill.values())), strict=True))
    return found | {name: error.partition("\n")[0] for name, error in aside if isinstance(error, str) and error}


def reasons(store: Store, failing: list[Failing]) -> list[str]:
    """The first line of the newest error of each; empty where its row is gone."""
    ids = [run_ids(it) for it in failing]
    with store.client.pipeline(transaction=False) as pipe:
        for it, both in zip(failing, ids, strict=True):
            pipe.hmget(store.keys.ledger(it.name), both)
        answers = pipe.execute(raise_on_error=False)
    return [first_error(both, rows) for both, rows in zip(ids, answers, strict=True)]


def run_ids(failing: Failing) -> list[str]:
    """What its newest bad run may be called: a due instant alone does not say whether it was manual."""
    due = from_seconds(failing.newest)
    return [run_id(failing.name, due, manual=is_manual) for is_manual in (False, True)]


def first_error(ids: list[str], rows: object) -> str:
    """The error of the first of these rows that ended badly."""
    for identity, text in zip(ids, rows, strict=True) if isinstance(rows, list) else ():
        run = read_run(identity, text) if text else None
        if run and run.went_wrong:
            return run.error
    return ""
