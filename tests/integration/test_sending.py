"""Several batches in one go, some on their way while the next is prepared: no run is lost or doubled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from scheduler import changes
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.sender import MAX_BATCH, MAX_IN_FLIGHT
from scheduler.errors import Conflict, NotFound
from scheduler.model import Entry
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.ledger import Ledger
from scheduler.storage.lock import LostLock
from scheduler.storage.store import Store, Write
from tests.support.beats import LOG_IT, lead, leading, leads, put, runs_sent, theirs
from tests.support.polling import until
from tests.support.schedules import SECOND, declared, entry_of


def fill(store: Store, count: int, due: datetime, **fields: Any) -> list[str]:
    """So many schedules that are all due at this instant; returns their names."""
    fields = {"task": LOG_IT, "args": [1, 2], "every": "1h", "start": due.isoformat(), "overlap": "allow"} | fields
    wanted = [declared(f"s{number}", **fields) for number in range(count)]
    store.write([Write(one.name, None, entry_of(one, "admin", now=due - SECOND)) for one in wanted])
    return [one.name for one in wanted]


def before_each(beat: Scheduler, name: str, do: Callable[[int], object]) -> None:
    """Do something, told the how manieth time it is, before each call of this step of the dispatcher."""
    step, times = getattr(leading(beat).sender.dispatcher, name), [0]

    def counted(argument: Any) -> Any:
        times[0] += 1
        answer = step(argument) if name == "replies" else None
        do(times[0])
        return answer if name == "replies" else step(argument)

    setattr(leading(beat).sender.dispatcher, name, counted)


def test_what_was_not_on_its_way_when_the_lock_was_lost_is_sent_by_the_next_that_leads(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    fill(store, 5 * MAX_BATCH, just_now)

    def take_the_lock(times: int) -> None:
        if times == 3:
            # The second batch travels over another connection, and beat has not asked for its answer yet.
            until(lambda: len(runs_sent(beat.client)) == 2 * MAX_BATCH, 30, "Redis took the second batch")
            beat.client.set(beat.context.keys.lock, "another beat's")

    # Redis knows the script already, or it takes the second batch only when beat asks for its answer.
    beat.client.script_load(leading(beat).sender.dispatcher._commit.text)
    before_each(beat, "post", take_the_lock)
    role = leading(beat)
    with pytest.raises(LostLock):
        role.tick()
    assert len(runs_sent(beat.client)) == 2 * MAX_BATCH
    beat.demote()
    beat.client.delete(beat.context.keys.lock)
    lead(beat)
    runs = runs_sent(beat.client)
    assert len(runs) == len(set(runs)) == 5 * MAX_BATCH


def test_an_answer_is_lost_while_an_entry_of_the_next_batch_is_set_aside(
    beat: Scheduler, store: Store, just_now: datetime
) -> None:
    fill(store, (MAX_IN_FLIGHT + 1) * MAX_BATCH, just_now)
    odd = [f"s{MAX_BATCH}x", f"s{MAX_BATCH + 7}x", f"s{2 * MAX_BATCH - 1}x"]
    for name in odd:
        put(
            beat.client,
            beat.context.keys,
            name,
            theirs(just_now, options={"serializer": "morse"}),
            just_now.timestamp(),
        )

    def lose(times: int) -> None:
        if times in (1, 3):
            raise AWAY[0]("the answer was lost")

    before_each(beat, "replies", lose)
    for _ in range(6):
        try:
            lead(beat)
        except AWAY as error:
            beat.wait_for_redis(error)
    runs = runs_sent(beat.client)
    assert len(runs) == len(set(runs)) == (MAX_IN_FLIGHT + 1) * MAX_BATCH
    assert all(store.get(name).error for name in odd)


def test_edits_pauses_and_their_ends_between_two_steps_lose_and_double_nothing(
    beat: Scheduler, store: Store, ledger: Ledger, just_now: datetime
) -> None:
    names = fill(store, MAX_BATCH + 50, just_now, every="1s", catch_up="all")
    assert leads(beat)
    over = threading.Event()
    meddling = [threading.Thread(target=meddle, args=(beat.settings, beat, names, over)) for _ in range(2)]
    for thread in meddling:
        thread.start()
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        lead(beat)
    over.set()
    for thread in meddling:
        thread.join()
    for name in names:
        if store.get(name).pause is not None:
            changes.resume(store, name, by="ann")
    lead(beat)
    runs = runs_sent(beat.client)
    assert len(runs) == len(set(runs))
    for name in names:
        entry, rows = store.get(name), ledger.runs(name, 1000)
        assert entry.due is not None
        assert sum(row.count for row in rows) == round((entry.due - just_now).total_seconds()), rows


def meddle(settings: Settings, beat: Scheduler, names: list[str], over: threading.Event) -> None:
    """What people do on the page, as fast as it goes."""
    with connect(settings) as client:
        store = Store(client, beat.context.keys)
        acts: list[Callable[[str], Entry]] = [
            lambda name: changes.pause(store, name, by="ann", until=from_seconds(time.time() + 0.3)),
            lambda name: changes.resume(store, name, by="ann"),
            lambda name: changes.acts.change_entry(store, name, "ann", "edit", edited),
        ]
        while not over.is_set():
            try:
                random.choice(acts)(random.choice(names))
            except (Conflict, NotFound):
                continue  # somebody was faster, or there is nothing to resume


def edited(entry: Entry) -> Entry:
    return replace(entry, fields=entry.fields | {"args": [random.randrange(9), 2]})


def test_an_entry_that_is_met_while_redis_is_away_for_a_moment_is_not_set_aside(
    beat: Scheduler, store: Store, just_now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(beat.client, beat.context.keys, "theirs", theirs(just_now), just_now.timestamp())

    def away(*_: Any) -> bool:
        raise AWAY[0]("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(beat.context.store, "adopt", away)
        with pytest.raises(AWAY):
            lead(beat)
    assert store.get("theirs").error == ""
    lead(beat)
    assert len(runs_sent(beat.client)) == 1
