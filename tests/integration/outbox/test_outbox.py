"""Runs for a broker that is not the schedule's Redis: committed first, published after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from celery import Celery, signals
from kombu.entity import Queue

from scheduler import celeryapp
from scheduler.beat import outbox
from scheduler.beat.scheduler import Scheduler
from scheduler.model import Run
from scheduler.sending import broker as door
from scheduler.sending.dispatch import Dispatcher
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.store import Store
from tests.integration.outbox.conftest import FallDue
from tests.support.beats import lead, leading, leads, running_beat, runs_sent
from tests.support.brokers import Broker, Rabbit
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("brokers")
ONLY_RABBIT = pytest.mark.parametrize("running_broker", [Rabbit], ids=["rabbitmq"], indirect=True, scope="session")


def ids(ledger: Ledger, name: str) -> list[str]:
    """The runs of a schedule, oldest first."""
    return [run.id for run in reversed(ledger.runs(name))]


def drain(beat: Scheduler, client: Client, keys: Keys) -> None:
    """Tick until the outbox is empty."""

    def is_empty() -> bool:
        lead(beat)
        return not client.exists(keys.outbox)

    until(is_empty, 60, "the outbox is empty")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The names of the events, in their order."""
    caplog.set_level("DEBUG", "scheduler")

    class Names(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter([record.event for record in caplog.records if hasattr(record, "event")])

    return Names()


def test_what_is_due_reaches_the_broker_in_order(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_BATCH", 3)
    fall_due("job", instants=7)
    lead(beat)
    assert [message.run for message in broker.take()] == ids(ledger, "job")
    assert len(ids(ledger, "job")) == 7


def test_a_message_is_what_celery_makes_of_the_run(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger
) -> None:
    fall_due("job", args=["x"], timeout="90s", expires="1h", retries=2, queue="reports")
    lead(beat)
    [message] = broker.take("reports")
    run = ledger.get(message.run)
    assert message.arguments == ["x"]
    assert message.headers["id"] == run.task_id
    assert message.headers["timelimit"] == [90.0, None]
    assert message.headers["expires"].startswith("20")
    assert message.headers["celery_beat_task"] is True
    assert message.headers["scheduler_retries"] == 2


@ONLY_RABBIT
def test_rabbitmq_drops_the_message_of_a_run_that_expired(beat: Scheduler, broker: Broker, fall_due: FallDue) -> None:
    assert isinstance(broker, Rabbit)
    fall_due("job", expires="1h")
    lead(beat)
    [message] = broker.take()
    assert 0 < int(message.properties["expiration"]) <= 3_600_000


def test_what_has_priority_is_taken_first(beat: Scheduler, broker: Broker, fall_due: FallDue) -> None:
    first, last = (9, 0) if isinstance(broker, Rabbit) else (0, 9)
    fall_due("patient", priority=last)
    fall_due("urgent", priority=first)
    lead(beat)
    assert [message.run.split("@")[0] for message in broker.take()] == ["urgent", "patient"]


def test_celerys_publish_signals_are_sent_when_a_run_is_published(
    beat: Scheduler, broker: Broker, fall_due: FallDue
) -> None:
    seen = []

    def note(sender: str, **_: object) -> None:
        seen.append(sender)

    signals.after_task_publish.connect(note)
    try:
        fall_due("job")
        lead(beat)
    finally:
        signals.after_task_publish.disconnect(note)
    assert seen == ["bodies.note"]


def test_celerys_task_sent_events_do_not_disturb_the_count_of_confirmations(
    celery: Celery, beat: Scheduler, broker: Broker, fall_due: FallDue
) -> None:
    celery.conf.task_send_sent_event = True
    fall_due("job", instants=3)
    lead(beat)
    assert len(broker.take()) == 3


def test_beat_goes_on_while_the_broker_is_away_and_says_so_once(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, said: list[str], client: Client, keys: Keys
) -> None:
    broker.stop()
    fall_due("before", instants=2)
    lead(beat)
    assert lead(beat) <= outbox.RETRY_PAUSES_S[0]
    fall_due("after", instants=2)
    again = time.monotonic() + 2 * outbox.RETRY_PAUSES_S[0]
    until(lambda: lead(beat) is not None and time.monotonic() > again, 60, "a second attempt")
    assert [run.outcome for run in ledger.runs("before") + ledger.runs("after")] == ["queued"] * 4
    assert client.llen(keys.outbox) == 4
    [notice] = beat.context.store.notices().values()
    assert notice.startswith("The broker does not answer (")
    assert notice.endswith("; runs that wait for it: 4")
    broker.start()
    drain(beat, client, keys)
    assert [message.run for message in broker.take()] == ids(ledger, "before") + ids(ledger, "after")
    assert [event for event in said if event.startswith("broker.")] == ["broker.away", "broker.back"]
    assert beat.context.store.notices() == {}


def test_a_restart_of_the_broker_between_two_runs_goes_unnoticed(
    beat: Scheduler, broker: Broker, fall_due: FallDue, said: list[str], client: Client, keys: Keys
) -> None:
    fall_due("before")
    lead(beat)
    broker.stop()
    broker.start()
    fall_due("after")
    drain(beat, client, keys)
    assert [message.run.split("@")[0] for message in broker.take()] == ["before", "after"]
    assert "broker.away" not in said


@ONLY_RABBIT
@pytest.mark.parametrize("queue", ["celery", "reports"], ids=["while it publishes", "while it declares a queue"])
def test_a_frozen_broker_does_not_freeze_beat(
    queue: str,
    beat: Scheduler,
    broker: Broker,
    fall_due: FallDue,
    client: Client,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(broker, Rabbit)
    fall_due("before")
    drain(beat, client, keys)
    fall_due("after", queue=queue)
    with broker.frozen(), monkeypatch.context() as hurry:
        hurry.setattr(door, "BROKER_TIMEOUT_S", 0.5)  # not before: a busy broker that is well needs longer
        began = time.monotonic()
        lead(beat)
        assert time.monotonic() - began < 30
        assert client.llen(keys.outbox) == 1
    drain(beat, client, keys)
    # What the frozen server had in its socket arrives as well.
    assert "after" in {message.run.split("@")[0] for message in broker.take(queue)}


def test_a_run_that_expires_in_the_outbox_is_skipped(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, client: Client, keys: Keys
) -> None:
    broker.stop()
    fall_due("short", expires="6s", overlap="skip")
    fall_due("long", expires="1h")
    lead(beat)
    assert client.llen(keys.outbox) == 2
    until(lambda: lead(beat) is not None and client.llen(keys.outbox) == 1, 60, "the short one is gone")
    [short], [long] = ledger.runs("short"), ledger.runs("long")
    assert (short.outcome, short.reason) == ("skipped", "expired")
    assert long.outcome == "queued"
    assert client.hget(keys.ledger("short"), ":open") == ""
    broker.start()
    drain(beat, client, keys)
    assert [message.run for message in broker.take()] == [long.id]


@pytest.mark.parametrize("options", [{"serializer": "nothing"}, {"time_limit": "x"}, {"link": 5}], ids=str)
def test_an_entry_whose_message_no_worker_could_read_is_quarantined_and_holds_nobody_up(
    beat: Scheduler,
    broker: Broker,
    fall_due: FallDue,
    store: Store,
    client: Client,
    keys: Keys,
    options: dict[str, object],
) -> None:
    fall_due("first")
    fall_due("bad")
    fall_due("last")
    lead_only_commits(beat, options)
    drain(beat, client, keys)
    assert {message.run.split("@")[0] for message in broker.take()} == {"first", "last"}
    assert store.get("bad").error


@ONLY_RABBIT
def test_what_the_broker_does_not_take_fails_and_holds_nobody_up(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, store: Store, client: Client, keys: Keys
) -> None:
    # An entry of RedBeat's may carry any option of Celery's; this message has no way to go.
    options: dict[str, object] = {"exchange": "nowhere", "routing_key": "x"}
    fall_due("first")
    fall_due("bad")
    fall_due("last")
    entry = store.get("bad")
    lead_only_commits(beat, options)
    drain(beat, client, keys)
    [run] = ledger.runs(entry.name)
    assert (run.outcome, run.reason) == ("failed", "unsendable")
    assert "nowhere" in run.detail
    assert {message.run.split("@")[0] for message in broker.take()} == {"first", "last"}


def lead_only_commits(beat: Scheduler, options: dict[str, object]) -> None:
    """One tick whose runs of the schedule 'bad' get these options."""
    assert leads(beat)
    beat.file.load()
    roster = leading(beat).sender.roster
    for name, stored in roster.unknown(roster.due(10)).items():
        roster.learn(beat.context.store._decode(name, stored))
    bad = roster.get("bad")
    assert bad is not None
    bad.job.options.update(options)
    leading(beat).sender.send(())


@ONLY_RABBIT
def test_a_run_for_a_full_queue_waits_until_there_is_room(
    celery: Celery, beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, client: Client, keys: Keys
) -> None:
    assert isinstance(broker, Rabbit)
    bounds = {"x-max-length": 1, "x-overflow": "reject-publish"}
    celery.conf.task_queues = [Queue("celery", queue_arguments=bounds)]  # type: ignore[no-untyped-call]
    fall_due("job", instants=3)
    lead(beat)
    taken: list[str] = []

    def is_empty() -> bool:
        lead(beat)
        taken.extend(message.run for message in broker.take())
        return not client.exists(keys.outbox)

    assert client.llen(keys.outbox) == 3  # for none of them there is a receipt
    until(is_empty, 60, "the outbox is empty")
    assert list(dict.fromkeys(taken)) == ids(ledger, "job")
    assert [run.outcome for run in ledger.runs("job")] == ["queued"] * 3


def test_what_cannot_be_read_leaves_the_outbox(
    beat: Scheduler, broker: Broker, fall_due: FallDue, client: Client, keys: Keys, said: list[str]
) -> None:
    client.lpush(keys.outbox, "{", "[]", '{"task": "x"}')
    fall_due("job")
    lead(beat)
    assert len(broker.take()) == 1
    assert not client.exists(keys.outbox)
    assert list(said).count("run.refused") == 3


def test_a_queue_that_somebody_deleted_is_made_again(beat: Scheduler, broker: Broker, fall_due: FallDue) -> None:
    fall_due("before")
    lead(beat)
    broker.clear()
    fall_due("after")
    lead(beat)
    assert [message.run.split("@")[0] for message in broker.take()] == ["after"]


def test_a_connection_that_is_not_used_is_closed_and_made_again(
    beat: Scheduler, broker: Broker, fall_due: FallDue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "IDLE_AFTER_S", 0.0)
    fall_due("before")
    lead(beat)
    assert leading(beat).outbox.broker._connection is None
    fall_due("after")
    lead(beat)
    assert len(broker.take()) == 2


def test_a_beat_that_lost_the_lock_takes_nothing_out(
    beat: Scheduler, broker: Broker, fall_due: FallDue, client: Client, keys: Keys
) -> None:
    broker.stop()
    fall_due("job")
    lead(beat)
    broker.start()
    leading(beat).outbox._again_at = 0.0
    assert leading(beat).outbox.drain("not the token") is False
    assert client.llen(keys.outbox) == 1


def test_a_manual_run_and_a_run_that_waited_wake_the_leader(
    beat: Scheduler,
    broker: Broker,
    celery: Celery,
    fall_due: FallDue,
    settings: Settings,
    store: Store,
    ledger: Ledger,
    client: Client,
    keys: Keys,
) -> None:
    fall_due("job", overlap="queue", instants=2)
    lead(beat)
    [first] = broker.take()
    with client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(keys.wake)
        until(lambda: heard.get_message(timeout=0.1) is None, 60, "the subscription")
        run = ledger.get(first.run)
        assert ledger.claim(run, "worker", "token") == "claimed"
        ledger.close(run.id, "succeeded", token="token")
        assert until(lambda: heard.get_message(timeout=0.5), 60, "the run that waited is announced")
        drain(beat, client, keys)
        [second] = broker.take()
        assert second.run != first.run
        fall_due("other", enabled=False)
        until(lambda: heard.get_message(timeout=0.1) is None, 60, "silence")
        manual = Dispatcher(celery, client, keys, settings).run_now(store.get("other"), "somebody")
        assert until(lambda: heard.get_message(timeout=0.5), 60, "the manual run is announced")
        drain(beat, client, keys)
        assert [message.run for message in broker.take()] == [manual]


def test_a_run_whose_worker_vanished_is_sent_again_the_same_way(
    beat: Scheduler,
    broker: Broker,
    fall_due: FallDue,
    ledger: Ledger,
    client: Client,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fall_due("job", on_lost="rerun")
    lead(beat)
    [message] = broker.take()
    run: Run = ledger.get(message.run)
    ledger.claim(run, "worker", "token")
    client.zadd(keys.leases, {run.id: time.time() - 1})
    monkeypatch.setattr(leading(beat).lost_runs, "patience", 0.0)
    lead(beat)
    drain(beat, client, keys)
    assert [again.run for again in broker.take()] == [run.id]
    assert ledger.get(run.id).outcome == "queued"


def test_what_is_left_in_the_outbox_is_published_after_the_broker_was_changed_back(
    beat: Scheduler, broker: Broker, fall_due: FallDue, settings: Settings, client: Client, keys: Keys
) -> None:
    broker.stop()
    fall_due("job")
    lead(beat)
    beat.close()
    plain = celeryapp.build(replace(settings, broker=""))
    with running_beat(plain) as after:
        lead(after)
        assert len(runs_sent(client)) == 1
    plain.close()
