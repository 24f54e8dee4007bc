"""Beat is killed at each step of its work, and the next one goes on: nothing is lost, doubled or silent."""

from __future__ import annotations

import signal

import pytest
from celery import Celery
from celery.schedules import schedule as interval
from redbeat.schedulers import RedBeatSchedulerEntry

from tests.chaos.accounts import reckon
from tests.chaos.service import Service
from tests.support.polling import until

AT_WORK = (
    "lease.before_take",
    "lease.after_take",
    "lease.before_renew",
    "lease.after_renew",
    "lease.before_renew:2",
    "lease.after_renew:2",
    "changes.before_write",
    "store.before_apply",
    "changes.after_write",
    "roster.before_due:2",
    "roster.after_due:2",
    "store.before_set_aside",
    "store.after_set_aside",
    "store.before_adopt",
    "store.after_adopt",
    "beat.before_decide",
    "beat.after_decide:2",
    "dispatch.before_commit",
    "dispatch.before_commit:3",
    "dispatch.after_commit",
    "dispatch.after_commit:3",
)
AT_ITS_END = ("lease.before_release", "lease.after_release")


def save_with_redbeat(service: Service, name: str) -> None:
    """An entry as another program saves it."""
    app = Celery("other", set_as_current=False)
    app.conf.redbeat_redis_url = service.redis.url.replace("redis+socket:", "unix:")
    RedBeatSchedulerEntry(name, "tests.chaos.bodies.note", interval(1.0), app=app).save()
    app.close()


def damage(service: Service, name: str) -> None:
    """An entry that nobody can read."""
    service.client.hset(service.keys.entry(name), "definition", "{")
    service.client.zadd(service.keys.schedule, {service.keys.entry(name): 1})


def prepare(service: Service) -> None:
    """Schedules that were loaded before, one that beat finds in the file, one of another program, one damaged."""
    service.declare(4, every="500ms")
    service.load()
    service.declare(1, "new", every="500ms")
    save_with_redbeat(service, "foreign")
    damage(service, "damaged")
    service.worker()


def go_on(service: Service) -> None:
    """With a beat that lives: every due instant has its account, of the new entries from their first on."""
    beat = service.leads(service.beat())
    for name in ("new0", "foreign"):
        service.begins_with_its_ledger(name)
    service.end(beat)
    outcomes = reckon(service)
    assert set(outcomes) == {"succeeded"}
    assert service.store.get("damaged").error


def test_a_standby_leads_before_the_lock_of_a_leader_that_was_killed_expires(service: Service) -> None:
    service.declare(4, every="500ms")
    service.load()
    service.worker()
    leader = service.leads(service.beat())
    token = service.client.get(service.keys.lock)
    channel = service.keys.beat(token)
    until(lambda: service.client.pubsub_numsub(channel)[0][1], 60, "the leader listens")
    standby = service.beat()
    standby.says("Standing by")
    leader.kill()
    standby.says("The leader has died")
    service.leads(standby)
    assert service.client.get(service.keys.lock) != token
    service.end(standby)
    assert set(reckon(service)) == {"succeeded"}


@pytest.mark.parametrize("point", AT_WORK)
def test_a_beat_that_dies_there_loses_and_doubles_nothing(service: Service, point: str) -> None:
    prepare(service)
    name, _, times = point.partition(":")
    assert service.beat(faults=f"{name}:kill:{times or 1}").ends() == -signal.SIGKILL
    service.bury()
    go_on(service)


@pytest.mark.parametrize("point", AT_ITS_END)
def test_a_beat_that_dies_while_it_stops_loses_and_doubles_nothing(service: Service, point: str) -> None:
    prepare(service)
    beat = service.leads(service.beat(faults=f"{point}:kill"))
    service.goes_on(0.5)
    beat.signal(signal.SIGTERM)
    assert beat.ends() == -signal.SIGKILL
    service.bury()
    go_on(service)


@pytest.mark.parametrize(
    ("point", "step", "outcome"),
    [
        ("lost_runs.before_settle", "recorder.after_claim", "lost"),
        ("lost_runs.after_settle", "recorder.after_claim", "lost"),
        ("lost_messages.before_settle", "recorder.before_claim", "succeeded"),
        ("lost_messages.after_settle", "recorder.before_claim", "succeeded"),
    ],
)
def test_a_beat_that_dies_while_it_settles_what_a_worker_left_loses_and_doubles_nothing(
    service: Service, point: str, step: str, outcome: str
) -> None:
    service.load_one_due_soon()
    beat = service.beat(faults=f"{point}:kill")
    assert service.worker(faults=f"{step}:kill").ends() == -signal.SIGKILL
    assert beat.ends() == -signal.SIGKILL
    service.bury()
    service.worker()
    service.finish()
    assert reckon(service) == {outcome: 1}
