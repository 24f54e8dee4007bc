"""In which order a search finds schedules, from the indexes alone, a page at a time."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any, get_args

import pytest

from scheduler import changes
from scheduler.model import Outcome, Run, run_id
from scheduler.status import search
from scheduler.status.catalogue import Catalogue
from scheduler.status.place import Place
from scheduler.status.read_model import Status
from scheduler.status.search import Found, Sort
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store, Write
from tests.support.schedules import HOUR, NOON, SECOND, declared, entry_of

NAMES = ("daily", "flaky", "hourly", "new", "off", "over", "paused")


def end(ledger: Ledger, name: str, minute: int, took: int, outcome: Outcome = "succeeded") -> None:
    due = NOON + timedelta(minutes=minute)
    ledger.claim(Run(run_id(name, due), name, due.timestamp(), "running", task="t"), "host:1", "token")
    times: dict[str, Any] = {"started": due.timestamp(), "finished": (due + took * SECOND).timestamp()}
    assert ledger.close(run_id(name, due), outcome, token="token", **times)


@pytest.fixture
def found(store: Store, ledger: Ledger) -> Found:
    """Schedules of which each is first by something."""
    soon = changes.clock() + HOUR
    dues = dict(zip(NAMES, (soon + 3 * HOUR, soon, soon + HOUR, soon + 2 * HOUR, soon, None, soon), strict=True))
    own = {"off": {"enabled": False}, "flaky": {"alerts": {"off": "until May"}}}
    for name, due in dues.items():
        store.write([Write(name, None, entry_of(declared(name, **own.get(name, {})), due=due))])  # type: ignore[arg-type]
    changes.pause(store, "paused", by="ann")
    end(ledger, "daily", 0, 300)
    end(ledger, "flaky", 3, 20, "failed")
    end(ledger, "hourly", 1, 1)
    end(ledger, "hourly", 2, 2)
    end(ledger, "over", 2, 5, "failed")
    return Found(store, Catalogue(store).look())


ORDERS: dict[Sort, list[str]] = {
    "attention": ["over", "daily", "flaky", "hourly", "new", "off", "paused"],
    "name": sorted(NAMES),
    "next": ["flaky", "hourly", "new", "daily", "off", "over", "paused"],
    "last": ["daily", "flaky", "over", "hourly", "new", "off", "paused"],
    "duration": ["daily", "flaky", "over", "hourly", "new", "off", "paused"],
}


@pytest.mark.parametrize("most", [0, search.MAX_ASKED], ids=["whole index", "asked"])
@pytest.mark.parametrize("sort", get_args(Sort))
def test_each_order_is_the_same_however_many_there_are_and_its_pages_have_no_gap(
    found: Found, store: Store, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, sort: Sort, most: int
) -> None:
    monkeypatch.setattr(search, "MAX_ASKED", most)
    monkeypatch.setattr(search, "STEP", 3)
    assert [place.name for place in found.ordered(sort)] == ORDERS[sort]
    after, paged = None, []
    while page := list(islice(found.ordered(sort, after), 2)):
        paged += [place.name for place in page]
        after = Place.read(str(page[-1]))
    assert paged == ORDERS[sort]
    narrow = Found(store, found.view, state="failing")
    assert [place.name for place in narrow.ordered(sort)] == [
        name for name in ORDERS[sort] if name in ("flaky", "over")
    ]


def test_the_order_by_next_run_is_that_of_the_rows(found: Found, store: Store, ledger: Ledger) -> None:
    rows = {row.name: row.next for row in Status(store, ledger).rows()}
    shown = [rows[place.name] for place in found.ordered("next")]
    instants = [instant for instant in shown if instant]
    assert shown == [*sorted(instants), *[None] * (len(shown) - len(instants))]
    assert len(instants) == 4


def test_a_run_that_ends_moves_its_schedule_to_the_front(found: Found, ledger: Ledger) -> None:
    end(ledger, "new", 9, 400)
    for sort in ("last", "duration"):
        assert next(found.ordered(sort)).name == "new"
    end(ledger, "new", 10, 1)
    assert next(found.ordered("duration")).name == "daily"
