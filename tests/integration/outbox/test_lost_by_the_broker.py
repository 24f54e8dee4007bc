"""A run whose message the broker lost is published again, and its schedule continues; one that waits is left there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduler.beat.scheduler import Scheduler
from scheduler.model import Run, read_run_id
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from tests.integration.outbox.conftest import FallDue
from tests.support.beats import lead, leading
from tests.support.brokers import Broker, Rabbit
from tests.support.polling import until

pytestmark = pytest.mark.xdist_group("brokers")


def purge(broker: Broker) -> None:
    """Empty the queue and keep it, as ``rabbitmqctl purge_queue`` does."""
    if isinstance(broker, Rabbit):
        with broker.connection() as connection, connection.channel() as channel:
            channel.queue_purge("celery")
    else:
        broker.clear()


def delete(broker: Broker) -> None:
    broker.clear()


def look(beat: Scheduler) -> None:
    """The leader's next look, some seconds later, and what it publishes then."""
    messages = leading(beat).lost_runs.messages
    messages.patience = messages.next_look = 0.0
    lead(beat)
    lead(beat)


def only(ledger: Ledger, name: str) -> Run:
    [run] = ledger.runs(name)
    return run


@pytest.mark.parametrize("lose", [purge, delete])
def test_a_run_that_the_broker_lost_is_published_again(
    lose: Callable[[Broker], None], beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger
) -> None:
    fall_due("job", overlap="skip", expires="1h")
    lead(beat)
    assert only(ledger, "job").queue == "celery"
    lose(broker)
    look(beat)
    assert [message.run for message in broker.take()] == [only(ledger, "job").id]
    assert (only(ledger, "job").outcome, only(ledger, "job").reason) == ("queued", "resent")


def test_a_run_that_waits_or_was_claimed_is_not_published_again(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger
) -> None:
    fall_due("waits")
    fall_due("claimed", queue="reports")
    lead(beat)
    [message] = broker.take("reports")
    name, due = read_run_id(message.run)
    claimed = Run(message.run, name, due, "running", task="bodies.note")
    assert ledger.claim(claimed, "worker", "token") == "claimed"
    look(beat)
    assert [message.run for message in broker.take()] == [only(ledger, "waits").id]
    assert broker.take("reports") == []


def test_of_several_runs_the_oldest_that_the_broker_does_not_have_any_more_are_published_again(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger
) -> None:
    fall_due("first")
    lead(beat)
    purge(broker)
    fall_due("second")
    lead(beat)
    look(beat)
    assert [message.run for message in broker.take()] == [only(ledger, "second").id, only(ledger, "first").id]


def test_a_broker_that_is_away_keeps_beat_from_nothing(
    beat: Scheduler, broker: Broker, fall_due: FallDue, ledger: Ledger, client: Client, keys: Keys
) -> None:
    fall_due("job")
    lead(beat)
    broker.stop()
    leading(beat).outbox.broker.drop()
    look(beat)
    assert only(ledger, "job").outcome == "queued"
    broker.start()
    purge(broker)
    until(lambda: lead(beat) is not None and ledger.runs("job")[0].reason == "resent", 60, "it is found lost")
    lead(beat)
    assert [message.run for message in broker.take()] == [only(ledger, "job").id]
