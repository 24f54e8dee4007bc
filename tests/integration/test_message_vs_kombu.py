"""The messages that beat pushes are those that kombu would have pushed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

import pytest
from celery import Celery, Task, signals
from kombu.entity import Exchange, Queue

from scheduler.model import Entry
from scheduler.sending import message
from scheduler.sending.headers import RETRIES_HEADER, RUN_HEADER, task_id
from scheduler.sending.message import CannotCompose, Message
from scheduler.sending.shapes import Shapes
from scheduler.storage import entries
from scheduler.storage.client import Client
from scheduler.storage.entries import Job
from scheduler.storage.instants import from_seconds
from tests.support.polling import until
from tests.support.schedules import declared, entry_of

queue_of: Any = Queue
exchange_of: Any = Exchange

RUN = "job@2026-03-02T12:01:00Z"
NOW = from_seconds(1_795_000_000.25)


@pytest.fixture(autouse=True)
def echo(celery: Celery) -> None:
    """A registered task that takes whatever it is given."""

    @celery.task(name="tests.echo", shared=False)
    def echo(*args: Any, **kwargs: Any) -> list[Any]:
        return [args, kwargs]


def make(**fields: Any) -> Job:
    fields.setdefault("task", "tests.echo")
    return entries.job(entry_of(declared(**fields)))


def foreign(**definition: Any) -> Job:
    schedule = {"__type__": "interval", "every": 60.0, "relative": False}
    return entries.job(Entry("job", "redbeat", {"task": "tests.echo", "schedule": schedule} | definition))


def ours(app: Celery, job: Job, expires: datetime | None = None) -> Message:
    """The message as beat makes it after one with other arguments."""
    shapes, expiring = Shapes(app), expires is not None
    with suppress(CannotCompose):
        shapes.template(replace(job, args=("%s", 7), kwargs={"other": "%(run)s"}), expiring=expiring)
    template = shapes.template(job, expiring=expiring)
    assert template is not None
    return template.render(RUN, expires, NOW)


def theirs(app: Celery, client: Client, job: Job, **options: Any) -> tuple[str, str]:
    """Publish with Celery's own call to the real Redis; returns the list and what is in it."""
    options = job.options | {"task_id": task_id(RUN)} | options
    headers = {"celery_beat_task": True, RUN_HEADER: RUN}
    if job.policies.retries:
        headers[RETRIES_HEADER] = job.policies.retries
    options["headers"] = options.get("headers", {}) | headers
    task = app.tasks.get(job.task)
    if task is not None:
        task.apply_async(list(job.args), job.kwargs, **options)
    else:
        app.send_task(job.task, list(job.args), job.kwargs, **options)
    (queue,) = [key for key in client.scan_iter() if client.type(key) == "list"]
    [payload] = client.lrange(queue, 0, -1)
    return queue, payload


def same(mine: str, kombus: str) -> None:
    """Equal JSON, in the same order of keys, but for the tag that must differ."""
    first, second = json.loads(mine), json.loads(kombus)
    assert first["properties"].pop("delivery_tag") != second["properties"].pop("delivery_tag")
    assert json.dumps(first) == json.dumps(second)


def assert_same(app: Celery, client: Client, job: Job, **options: Any) -> None:
    queue, payload = theirs(app, client, job, **options)
    mine = ours(app, job)
    assert mine.queue == queue
    same(mine.payload, payload)


def declare(app: Celery, *queues: Any) -> None:
    """Queues as the configuration names them and a worker declares them."""
    app.conf.task_queues = list(queues)
    with app.connection_for_write() as connection:
        for queue in queues:
            queue(connection.default_channel).declare()


PLAIN: dict[str, dict[str, Any]] = {
    "no arguments": {},
    "arguments": {"args": [1, 2]},
    "arguments of every kind": {"args": [None, True, 1.5, 'ü"\\\n\u2028', [1, [2]]], "kwargs": {"a": {"b": {}}}},
    "a type that RedBeat would decode": {"kwargs": {"a": {"__type__": "crontab"}}},
    "long arguments": {"args": ["x" * 5000, list(range(2000))]},
    "a queue": {"queue": "slow"},
    "a queue with odd characters": {"queue": "slow.ü-1"},
    "the highest priority": {"priority": 0},
    "a priority between two steps": {"priority": 5},
    "the lowest priority": {"priority": 9, "queue": "slow"},
    "a time limit": {"timeout": "90s"},
    "retries": {"retries": 3},
    "a task that is not registered here": {"task": "elsewhere.task", "queue": "slow"},
}


@pytest.mark.parametrize("fields", PLAIN.values(), ids=PLAIN.keys())
def test_a_message_is_kombus_own(celery: Celery, client: Client, fields: dict[str, Any]) -> None:
    assert_same(celery, client, make(**fields))


def test_the_list_of_a_priority_is_kombus_own(celery: Celery, client: Client) -> None:
    assert ours(celery, make(priority=5)).queue == "celery\x06\x163"


def test_an_expiry_is_kombus_own(celery: Celery, client: Client) -> None:
    expires = datetime.now(NOW.tzinfo) + timedelta(seconds=60)
    job = make(args=[1, 2])
    _, payload = theirs(celery, client, job, expires=expires)
    mine, kombus = json.loads(ours(celery, job, expires).payload), json.loads(payload)
    assert mine["headers"]["expires"] == kombus["headers"]["expires"] == expires.isoformat()
    milliseconds = [int(body["properties"].pop("expiration")) for body in (mine, kombus)]
    assert milliseconds[0] == int((expires - NOW).total_seconds() * 1000)
    assert 59_000 < milliseconds[1] <= 60_000
    same(json.dumps(mine), json.dumps(kombus))


def test_a_run_that_expired_already_says_so(celery: Celery) -> None:
    mine = json.loads(ours(celery, make(), NOW - timedelta(seconds=5)).payload)
    assert mine["properties"]["expiration"] == "0"


@pytest.mark.parametrize(
    "options",
    [
        {"queue": "slow"},
        {"routing_key": "key", "exchange": "custom"},
        {"priority": 3},
        {"headers": {"mine": "x"}},
        {"time_limit": 5, "soft_time_limit": 3},
        {"ignore_result": True},
        {"shadow": "name"},
        {"compression": "gzip"},
        {"reply_to": "me"},
        {"link": None},
    ],
    ids=str,
)
def test_the_options_of_another_program_are_those_of_apply_async(
    celery: Celery, client: Client, options: dict[str, Any]
) -> None:
    declare(celery, queue_of("celery"), queue_of("slow"), queue_of("mine", exchange_of("custom", "direct"), "key"))
    assert_same(celery, client, foreign(args=[1, 2], options=options))


def test_routes_of_the_application_hold(celery: Celery, client: Client) -> None:
    celery.conf.task_routes = {"tests.*": {"queue": "routed", "priority": 3}}
    assert_same(celery, client, make(args=[1, 2]))
    assert ours(celery, make()).queue == "routed\x06\x163"


def test_a_topic_exchange_leads_to_its_queue(celery: Celery, client: Client) -> None:
    declare(celery, queue_of("celery"), queue_of("reports", exchange_of("topics", "topic"), "reports.daily"))
    celery.conf.task_routes = {"tests.echo": {"queue": "reports"}}
    assert_same(celery, client, make(args=[1, 2]))
    assert ours(celery, make()).queue == "reports"


def test_options_of_the_task_itself_hold(celery: Celery, client: Client) -> None:
    @celery.task(name="mine", time_limit=7, compression="gzip", ignore_result=True, shared=False)
    def mine() -> None:
        """Only its options matter."""

    celery.finalize()
    assert_same(celery, client, make(task="mine"))
    assert json.loads(ours(celery, make(task="mine")).payload)["headers"]["timelimit"] == [7, None]


def test_a_task_with_an_apply_async_of_its_own_is_asked(celery: Celery, client: Client) -> None:
    class Marked(Task):
        def apply_async(self, *arguments: Any, **options: Any) -> Any:
            options["headers"] = options["headers"] | {"marked": "yes"}
            return super().apply_async(*arguments, **options)

    celery.register_task(type("Mine", (Marked,), {"name": "marked", "run": lambda self: None})())
    assert_same(celery, client, make(task="marked"))
    assert json.loads(ours(celery, make(task="marked")).payload)["headers"]["marked"] == "yes"


def test_each_run_of_a_template_has_its_own_ids(celery: Celery) -> None:
    template = message.template(celery, make(args=[1, 2]), expiring=False)
    assert template is not None
    first, again, second = (
        json.loads(template.render(run, None, NOW).payload) for run in (RUN, RUN, "job@2026-03-02T12:02:00Z")
    )
    assert first["headers"]["id"] == first["properties"]["correlation_id"] == task_id(RUN)
    assert first["headers"]["root_id"] == again["headers"]["id"] != second["headers"]["id"]
    assert (first["headers"][RUN_HEADER], second["headers"][RUN_HEADER]) == (RUN, "job@2026-03-02T12:02:00Z")
    assert len({body["properties"]["delivery_tag"] for body in (first, again, second)}) == 3


@pytest.mark.parametrize("text", ["@run@", "@tag@", "@expiration@", "100%", "%(task)s", "%s {0} {x}", "\\1"])
def test_no_argument_is_mistaken_for_a_gap_of_the_template(celery: Celery, client: Client, text: str) -> None:
    assert_same(celery, client, make(args=[text], kwargs={"k": text}))


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "ü\u2028", "a b|c", "new\nline"])
def test_a_name_that_another_program_chose_arrives_as_it_is(celery: Celery, name: str) -> None:
    run = f"{name}@2026-03-02T12:01:00Z"
    template = message.template(celery, make(), expiring=False)
    assert template is not None
    mine, kombus = template.render(run, None, NOW).payload, message.compose(celery, make(), run, None).payload
    assert json.loads(mine)["headers"][RUN_HEADER] == run
    same(mine, kombus)


@pytest.mark.parametrize("options", [{"countdown": 10}, {"countdown": 10, "expires": 100.0}], ids=str)
def test_a_countdown_counts_from_each_sending(celery: Celery, options: dict[str, Any]) -> None:
    assert message.template(celery, foreign(options=options), expiring=False) is None
    first, second = (
        json.loads(message.compose(celery, foreign(options=options), RUN, None).payload)["headers"]["eta"]
        for _ in range(2)
    )
    assert first < second


def test_an_expiry_of_the_task_itself_counts_from_each_sending(celery: Celery) -> None:
    @celery.task(name="short", expires=30, shared=False)
    def short() -> None:
        """Only its options matter."""

    celery.finalize()
    job = make(task="short")
    assert message.template(celery, job, expiring=False) is None
    assert message.template(celery, job, expiring=True) is not None
    first, second = (message.compose(celery, job, RUN, None).payload for _ in range(2))
    assert json.loads(first)["headers"]["expires"] < json.loads(second)["headers"]["expires"]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str]]]:
    """What receivers of Celery's publish signals hear."""
    found: list[tuple[str, str]] = []

    def before(headers: dict[str, Any], **_: Any) -> None:
        headers["seen"] = "yes"
        found.append(("before", headers[RUN_HEADER]))

    def after(headers: dict[str, Any], **_: Any) -> None:
        found.append(("after", headers[RUN_HEADER]))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    yield found
    signals.before_task_publish.disconnect(before)
    signals.after_task_publish.disconnect(after)


def test_receivers_of_the_publish_signals_hear_of_every_message_and_may_change_it(
    celery: Celery, heard: list[tuple[str, str]]
) -> None:
    assert message.has_signal_receivers()
    made = message.compose(celery, make(), RUN, None)
    assert heard == [("before", RUN), ("after", RUN)]
    assert json.loads(made.payload)["headers"]["seen"] == "yes"


def test_a_tracer_that_wraps_apply_async_sees_every_message(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Task.apply_async

    @wraps(original)
    def traced(*arguments: Any, **options: Any) -> Any:
        return original(*arguments, **options)

    monkeypatch.setattr(Task, "apply_async", traced)
    assert message.has_signal_receivers()


def test_nobody_listens_by_default(celery: Celery) -> None:
    assert not message.has_signal_receivers()


def test_an_event_of_celery_is_sent_to_whoever_listens(celery: Celery, client: Client) -> None:
    celery.conf.task_send_sent_event = True
    heard: list[dict[str, Any]] = []

    def listen() -> None:
        deadline = time.monotonic() + 60
        with celery.connection_for_read() as connection:
            receiver = celery.events.Receiver(connection, handlers={"task-sent": heard.append})
            with receiver.consumer_context() as (consuming, _, _):
                while not heard and time.monotonic() < deadline:
                    with suppress(TimeoutError):
                        consuming.drain_events(timeout=0.2)

    listener = threading.Thread(target=listen)
    listener.start()
    until(lambda: client.pubsub_channels() or client.pubsub_numpat(), 60, "nobody listens to Celery's events")
    made = message.compose(celery, make(), RUN, None)
    listener.join(60)
    assert made.queue == "celery"
    assert [event["uuid"] for event in heard] == [task_id(RUN)]


def test_composing_pushes_nothing(celery: Celery, client: Client) -> None:
    message.compose(celery, make(), RUN, None)
    assert not [key for key in client.scan_iter() if client.type(key) == "list"]


def test_after_composing_the_application_publishes_as_before(celery: Celery, client: Client) -> None:
    message.compose(celery, make(), RUN, None)
    celery.tasks["tests.echo"].delay(1, 2)
    assert client.llen("celery") == 1


def broken_router(*_: Any, **__: Any) -> None:
    raise RuntimeError("the router\nis broken")


BROKEN: dict[str, tuple[Callable[[], Job], str]] = {
    "headers that are no mapping": (lambda: foreign(options={"headers": "x"}), "TypeError"),
    "an option that does not exist": (
        lambda: foreign(options={"serializer": "morse"}),
        "KeyError|SerializerNotInstalled",
    ),
    "an exchange without a queue": (
        lambda: foreign(options={"exchange": "nowhere", "routing_key": "x"}),
        "do not route it to exactly one Redis list",
    ),
}


@pytest.mark.parametrize(("job", "why"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_sent_says_why(celery: Celery, job: Callable[[], Job], why: str) -> None:
    with pytest.raises(CannotCompose, match=why):
        message.compose(celery, job(), RUN, None)


def test_a_router_that_fails_says_so_in_one_line(celery: Celery) -> None:
    celery.conf.task_routes = [broken_router]
    with pytest.raises(CannotCompose, match=r"^RuntimeError: the router is broken$"):
        message.compose(celery, make(), RUN, None)
