"""A task that workers do not have is named before a run is sent and waits for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
from celery import Celery

from scheduler.changes import pauses
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.problems import tasks
from scheduler.status.problems.facts import LEFT_S, Facts
from scheduler.storage import uses
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.store import Store
from scheduler.storage.uses import Users
from scheduler.storage.workers import Worker, report
from tests.support.beats import lead, running_beat, write_file

Found = Callable[[], list[str]]
LOG_IT = "scheduler.tasks.log_it"
CANNOT = "cannot import 'reports': ModuleNotFoundError: No module named 'pandas'"
FILE = """
schedules:
  nightly: {task: scheduler.tasks.disk_usage, args: ["/"], cron: 30 2 * * *}
  weekly: {task: scheduler.tasks.disk_usage, args: ["/"], cron: 0 0 * * 0}
  elsewhere: {task: scheduler.tasks.disk_usage, args: ["/"], cron: 0 0 * * 0, queue: reports}
  off: {task: scheduler.tasks.system_report, every: 1h, enabled: false}
  hourly: {task: scheduler.tasks.log_it, args: [1, 2], every: 1h}
"""


@pytest.fixture
def found(store: Store, settings: Settings) -> Found:
    return lambda: [str(it) for it in tasks.look(Facts(store, settings))]


@pytest.fixture
def worker() -> Worker:
    return Worker("celery@web1", time.time(), 3600.0, ("celery",), (LOG_IT,))


@pytest.fixture
def _loaded(celery: Celery, settings: Settings, client: Client, keys: Keys, worker: Worker) -> None:
    """Beat has loaded the file some time ago, and a worker lacks one of its tasks."""
    write_file(settings, FILE)
    with running_beat(celery) as beat:
        lead(beat)
    client.hset(keys.file, "applied", time.time() - LEFT_S - 1)
    report(client, keys, worker)


@pytest.mark.usefixtures("_loaded")
def test_a_task_that_no_worker_of_its_queue_has_is_named_with_the_schedules_that_will_send_it(
    found: Found, client: Client, keys: Keys, worker: Worker, store: Store
) -> None:
    users = "which 2 schedules use, such as 'nightly'"
    assert found() == [f"No worker of queue 'celery' has task 'scheduler.tasks.disk_usage', {users}: {tasks.IMPORT}"]
    report(client, keys, replace(worker, failed=(CANNOT,)))
    assert found() == [f"No worker of queue 'celery' has task 'scheduler.tasks.disk_usage', {users}: {CANNOT}"]
    for name in ("nightly", "weekly"):
        pauses.pause(store, name, by="ops")
    assert found() == [], "nothing is going to be sent"
    used = [(name, "celery", "scheduler.tasks.disk_usage") for name in ("nightly", "weekly", "third", "fourth")]
    stored = client.hget(keys.file, "tasks") or ""
    client.hset(keys.file, "tasks", uses.tasks_as_json(used))
    assert "which 1 schedule uses:" in found()[0], "the fourth may be active: it is not stored by name"
    client.hset(keys.file, "tasks", stored)
    pauses.resume(store, "weekly", by="ops")
    assert "which schedule 'weekly' uses" in found()[0]
    report(client, keys, replace(worker, tasks=(LOG_IT, "scheduler.tasks.disk_usage")))
    assert found() == []


@pytest.mark.usefixtures("_loaded")
def test_a_worker_that_lacks_what_another_of_its_queue_has_is_named(
    found: Found, client: Client, keys: Keys, worker: Worker, store: Store
) -> None:
    report(client, keys, replace(worker, name="celery@web2", tasks=(LOG_IT, "scheduler.tasks.disk_usage")))
    other = "which others of its queue have"
    assert found() == [f"Worker celery@web1 lacks task 'scheduler.tasks.disk_usage', {other}: {tasks.DEPLOY}"]
    for name in ("nightly", "weekly"):
        pauses.pause(store, name, by="ops")
    assert found() == [], "nothing is going to be sent"
    pauses.resume(store, "weekly", by="ops")
    assert len(found()) == 1
    report(client, keys, replace(worker, is_draining=True))
    assert found() == [], "it takes no run any more"
    old = {key: value for key, value in asdict(worker).items() if key != "is_draining"}
    client.hset(keys.workers, worker.name, json.dumps(old))
    assert len(found()) == 1, "an older release does not say so"
    report(client, keys, replace(worker, queues=("mail",)))
    assert found() == [], "schedules send it no such task"


@pytest.mark.usefixtures("_loaded")
def test_a_run_that_waits_for_a_task_is_said_once_whoever_says_it(
    found: Found, client: Client, keys: Keys, settings: Settings, store: Store
) -> None:
    note = "Worker celery@web1 lacks task '{}', so its runs wait for a worker that has it: restart the worker"
    client.set(keys.notice("tasks"), note.format("scheduler.tasks.disk_usage"))
    assert len(found()) == 1
    client.set(keys.notice("tasks"), note.format("shop.tell"))
    assert found()[1] == note.format("shop.tell")
    said = [it.sentence for it in problems.problems(store, settings)]
    assert said.count(note.format("shop.tell")) == 1


def test_no_queue_is_known_of_a_schedule_where_a_router_may_look_at_the_arguments_of_a_run(
    celery: Celery, settings: Settings, client: Client, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    celery.conf.task_routes = [lambda name, args, kwargs, options, **_: {"queue": "heavy"} if args else None]
    write_file(settings, FILE)
    with running_beat(celery) as beat:
        lead(beat)
    stored = known(client, keys)
    named = Users(1, ("elsewhere",))
    pair = f"reports{uses.BETWEEN}scheduler.tasks.disk_usage"
    assert stored == {"queues": {"reports": named}, "tasks": {pair: named}}
    monkeypatch.setattr(celery.tasks[LOG_IT], "queue", "logs", raising=False)
    with running_beat(celery) as beat:
        lead(beat)
    assert known(client, keys)["queues"].keys() == {"reports", "logs"}, "a task's own queue wins over a router"


def known(client: Client, keys: Keys) -> dict[str, dict[str, Users]]:
    """The queues and the tasks that the file's schedules use, as its leader stored them."""
    return {what: uses.from_json(client.hget(keys.file, what) or "") for what in ("queues", "tasks")}


@pytest.mark.usefixtures("_loaded")
def test_workers_have_some_seconds_to_import_what_a_new_file_names(found: Found, client: Client, keys: Keys) -> None:
    client.hset(keys.file, "applied", time.time())
    assert found() == []
