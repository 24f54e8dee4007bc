"""One real worker, and whatever may be in its queue: it reads on, and its runs are not late."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from scheduler.model import Reason, Run, run_id
from scheduler.sending import message
from scheduler.storage import entries
from scheduler.storage.instants import from_seconds
from tests.support import oddities
from tests.support.polling import until
from tests.support.worker import Shop, open_shop, running_worker

MESSAGES = 1_000
AT_ONCE = 50  #: messages between two healthy runs


@pytest.fixture(scope="module", params=["prefork", "threads", "solo"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("any-message")
    pool = f"--pool={request.param}"
    with running_worker(directory, pool) as (running, worker), open_shop(running, worker, directory) as shop:
        yield shop


def encode(body: Any) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def sample(shop: Shop) -> dict[str, Any]:
    """A message of kombu's for a plain call, its body decoded."""
    shop.app.send_task("scheduler.tasks.log_it", (1, 2), queue="samples")
    raw: dict[str, Any] = json.loads(shop.client.rpop("samples"))
    return raw | {"body": json.loads(base64.b64decode(raw["body"]))}


def lateness_behind(shop: Shop, *messages: str | bytes) -> float:
    """Seconds until a run began that was sent right after these messages."""
    shop.client.lpush("celery", *messages)
    run = shop.run("scheduler.tasks.log_it", 1, 2)
    assert run.outcome == "succeeded"
    return run.started - run.due


def test_a_worker_survives_whatever_is_in_its_queue_and_no_run_is_late(shop: Shop) -> None:
    random, good = Random(11), sample(shop)
    sound = json.dumps(good | {"body": encode(good["body"])})
    odd, even = [], []
    for _ in range(MESSAGES // AT_ONCE):
        odd.append(lateness_behind(shop, *(oddities.message(random, good, encode) for _ in range(AT_ONCE))))
        even.append(lateness_behind(shop, *[sound] * AT_ONCE))
    until(lambda: not shop.client.llen("celery") and not shop.client.hlen("unacked"), 30, "the queue is empty")
    assert shop.worker.popen.poll() is None
    assert shop.worker.count("Unrecoverable|WorkerLost") == 0
    # Behind messages that are set aside a run waits about as long as behind those that run, however busy the machine.
    assert sum(odd) < 3 * sum(even) + 1, (odd, even)
    assert int(shop.client.get(f"{shop.keys.notice('messages')}:count")) > MESSAGES / 4
    assert shop.client.llen(shop.keys.set_aside) == 100


def test_a_worker_survives_whatever_is_published_to_its_channels(shop: Shop) -> None:
    random, good = Random(12), sample(shop)
    channels = [it for it in shop.client.pubsub_channels() if not it.startswith(shop.keys.prefix)]
    patterns = ["/0.celeryev/worker.heartbeat", "/0.celeryev/task.sent", "/0.celery.pidbox"]
    for _ in range(200):
        for channel in (*channels, *patterns):
            shop.client.publish(channel, oddities.message(random, good, encode))
    assert shop.run("scheduler.tasks.log_it", 1, 2).outcome == "succeeded"
    assert shop.worker.popen.poll() is None


def deliver_unreadable(shop: Shop, *, is_claimed: bool) -> tuple[str, str]:
    """Deliver a message of a run that cannot be read; the run's id and its task's."""
    entry, now = shop.add("scheduler.tasks.log_it", 1, 2), from_seconds(time.time())
    identity = run_id(entry.name, now)
    sent = message.compose(shop.app, entries.job(entry), identity, None)
    raw = json.loads(sent.payload)
    raw["headers"]["timelimit"] = ["x", None]
    shop.ledger.claim(Run(identity, entry.name, now.timestamp(), "queued"), "w", "token")
    assert is_claimed or shop.ledger.hand_back(identity, "w")
    shop.client.lpush(sent.queue, json.dumps(raw))
    return identity, sent.task_id


def test_a_run_whose_message_cannot_be_read_has_failed_and_status_says_so(shop: Shop) -> None:
    identity, task = deliver_unreadable(shop, is_claimed=False)
    run = shop.ended(identity)
    assert (run.outcome, run.reason) == ("failed", Reason.UNREADABLE)
    assert run.detail == "the worker could not read its message: headers.timelimit.0: Input should be a valid number"
    until(lambda: shop.result(task).get("status") == "FAILURE", 10, "Celery's result says so too")
    [problem] = [it for it in shop.store.notices().values() if "could not read" in it]
    assert "from queue 'celery': headers.timelimit.0: " in problem
    kept = json.loads(shop.client.lindex(shop.keys.set_aside, 0))
    assert json.loads(kept["message"])["headers"]["scheduler_run"] == identity
    assert 0 < shop.client.ttl(shop.keys.set_aside) <= 7 * 86_400


def test_a_second_message_that_cannot_be_read_does_not_end_the_run_that_a_worker_has(shop: Shop) -> None:
    identity, task = deliver_unreadable(shop, is_claimed=True)
    until(lambda: shop.result(task).get("status") == "FAILURE", 30, "the worker has set the message aside")
    assert shop.ledger.get(identity).outcome == "running"
