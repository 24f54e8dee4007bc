"""Real beats: one leads, others stand by, and whatever ends one, the next goes on."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler import changes
from scheduler.model import read_run_id
from scheduler.settings import Settings
from scheduler.storage.client import connect
from scheduler.storage.instants import from_seconds
from scheduler.storage.keys import Keys
from scheduler.storage.lock import holder
from scheduler.storage.store import Store
from tests.support.beats import arguments, runs_sent, sent
from tests.support.polling import until
from tests.support.redis_server import RedisServer, redis_server
from tests.support.service import Program, Service, service

pytestmark = pytest.mark.xdist_group("beat")

LEASE = 5.0
SLACK = 20.0  #: seconds for a machine that has more to do
TICKING = "ticking: {task: scheduler.tasks.log_it, every: 1s, overlap: allow, args: [1, 2]}"


class Stage:
    """Beats over a Redis, and what they have sent so far. No worker takes anything away."""

    def __init__(self, redis: RedisServer, running: Service) -> None:
        self.redis = redis
        self.running = running
        self.settings = running.settings
        self.keys = Keys(self.settings.key_prefix)
        self.client = connect(self.settings, attempts=20)
        self.store = Store(self.client, self.keys)

    def file(self, *schedules: str) -> None:
        new = self.settings.file.with_suffix(".new")
        new.write_text(f"schedules: {{{', '.join(schedules)}}}")
        new.rename(self.settings.file)

    def start(self, name: str = "beat", *arguments: str) -> Program:
        return self.running.start(name, *arguments)

    def leads(self, beat: Program, seconds: float = 60) -> None:
        """Wait until this beat leads."""

        def led() -> bool:
            leader = holder(self.client, self.keys)
            return leader is not None and leader.name.endswith(f":{beat.pid}")

        until(led, seconds, f"{beat.log.name} does not lead:\n{beat.output()}")

    def leader_and_standby(self) -> tuple[Program, Program]:
        """Two beats, of which the first leads and has sent."""
        first = self.start("beat1")
        self.leads(first)
        self.sends()
        second = self.start("beat2")
        second.says("Standing by: ")
        return first, second

    def dues(self, name: str = "ticking") -> list[float]:
        """The due instants that were sent, as they were."""
        return [due for run in runs_sent(self.client) for found, due in [read_run_id(run)] if found == name]

    def sends(self, more: int = 2, seconds: float = 60) -> None:
        """Wait until so many more are sent."""
        before = len(self.dues())
        until(lambda: len(self.dues()) >= before + more, seconds, "nothing more is sent")

    def assert_each_second_once(self) -> None:
        """Sent or accounted for; none twice."""
        dues = self.dues()
        assert len(set(dues)) == len(dues)
        skipped = [run for run in self.running.runs("ticking") if run.outcome == "skipped"]
        covered = {run.due + second for run in skipped for second in range(run.count)}
        assert {*dues, *covered} >= {float(second) for second in range(int(min(dues)), int(max(dues)) + 1)}
        assert not covered & set(dues)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with redis_server(durable=True) as redis:
        file, state = tmp_path / "schedules.yaml", tmp_path / "state"
        settings = Settings(redis_url=redis.url, file=file, state_dir=state, lease=LEASE, max_interval=1.0)
        with service(settings) as running:
            made = Stage(redis, running)
            made.file(TICKING)
            yield made
            made.client.close()
            for program in running.programs:
                assert "Traceback" not in program.output(), program.output()


def test_a_beat_that_is_stopped_frees_the_lock_at_once_and_ends_well(stage: Stage) -> None:
    beat = stage.start()
    stage.leads(beat)
    beat.stop(signal.SIGTERM)
    assert beat.popen.returncode == 0
    assert holder(stage.client, stage.keys) is None
    beat.says("Stopped and released the lock")


def test_a_standby_leads_as_soon_as_the_leader_is_stopped(stage: Stage) -> None:
    stage.running.environ["SCHEDULER_LEASE"] = "120"
    first = stage.start("beat1")
    stage.leads(first)
    second = stage.start("beat2")
    second.says("Standing by: ")
    first.stop(signal.SIGTERM)
    begun = time.monotonic()
    stage.leads(second)
    assert time.monotonic() - begun < SLACK
    stage.sends()
    stage.assert_each_second_once()


def test_of_two_beats_one_leads_and_the_other_says_who(stage: Stage) -> None:
    first, second = stage.start("beat1"), stage.start("beat2")
    pattern = re.compile(r"Standing by: (\S+) leads, its lease ends in \d s")
    until(lambda: first.count("Leading: ") + second.count("Leading: "), 60, "no beat leads")
    leader, standby = (first, second) if first.count("Leading: ") else (second, first)
    standby.says(pattern.pattern)
    found = pattern.search(standby.output())
    assert found is not None
    assert found[1].endswith(f":{leader.pid}")
    stage.sends(3)
    assert standby.count("Leading: ") == 0
    assert standby.count("Sent ") == 0
    stage.assert_each_second_once()


def test_after_a_crash_the_next_beat_leads_within_the_lease_and_accounts_for_what_was_missed(stage: Stage) -> None:
    first, second = stage.leader_and_standby()
    first.stop(signal.SIGKILL)
    begun = time.monotonic()
    stage.leads(second)
    assert time.monotonic() - begun < LEASE + SLACK
    stage.sends(3)
    stage.assert_each_second_once()


def test_a_leader_that_was_frozen_past_its_lease_stands_by_when_it_wakes_up(stage: Stage) -> None:
    first, second = stage.leader_and_standby()
    os.kill(first.pid, signal.SIGSTOP)
    stage.leads(second)
    stage.sends()
    os.kill(first.pid, signal.SIGCONT)
    first.says("Lost the lock: standing by")
    first.says("Standing by: ")
    stage.sends()
    assert first.popen.poll() is None
    stage.leads(second, 1)
    stage.assert_each_second_once()


def test_after_a_restart_of_redis_the_same_beat_goes_on_within_seconds(stage: Stage) -> None:
    beat = stage.start()
    stage.leads(beat)
    stage.sends()
    pid = beat.pid
    stage.redis.stop()
    beat.says("Waiting for Redis")
    stage.redis.start()
    begun = time.monotonic()
    stage.sends()
    assert time.monotonic() - begun < 5 + SLACK
    assert (beat.popen.poll(), beat.pid) == (None, pid)
    beat.says(r"Redis answers again after \d+ s")
    assert beat.count("Waiting for Redis") == 1
    stage.assert_each_second_once()


def edit(stage: Stage, **fields: Any) -> float:
    """An edit of `ticking` on the page; returns when it was saved."""
    given = {"task": "scheduler.tasks.log_it", "every": "1s", "overlap": "allow", "args": [1, 2]} | fields
    changes.edit(stage.store, "ticking", given, tasks=None, by="ann")
    return time.time()


def test_an_edit_governs_every_decision_after_a_second(stage: Stage) -> None:
    stage.leads(stage.start())
    stage.sends()
    saved = edit(stage, args=[3, 4])
    until(lambda: max(stage.dues()) > saved + 2, 60, "nothing is sent after the edit")
    for message in sent(stage.client):
        _, due = read_run_id(message["headers"]["scheduler_run"])
        if due > saved + 1:
            assert arguments(message) == ([3, 4], {})


def test_a_pause_and_its_end_govern_within_a_second_and_fire_nothing_off_the_grid(stage: Stage) -> None:
    stage.leads(stage.start())
    stage.sends()
    changes.pause(stage.store, "ticking", by="ann", note="quiet, please")
    paused = time.time()
    until(lambda: time.time() > paused + 3, 60, "three seconds pass")
    resumed = time.time()
    changes.resume(stage.store, "ticking", by="ann")
    stage.sends()
    assert not [due for due in stage.dues() if paused + 1 < due <= resumed]
    assert all(due == int(due) for due in stage.dues())
    (row,) = [run for run in stage.running.runs("ticking") if run.reason == "paused"]
    assert row.detail == "paused by ann: quiet, please"
    stage.assert_each_second_once()


def test_a_schedule_made_on_the_page_of_an_idle_service_is_sent_at_its_time(stage: Stage) -> None:
    stage.file("far: {task: scheduler.tasks.log_it, every: 52w, args: [1, 2]}")
    stage.leads(stage.start())
    until(stage.store.names, 60, "the file is loaded")
    at = from_seconds(int(time.time()) + 4)
    fields = {"task": "scheduler.tasks.log_it", "at": at.isoformat(), "args": [5, 6]}
    changes.create(stage.store, "soon", fields, tasks=None, by="ann")
    until(lambda: stage.dues("soon"), 60, "it is sent")
    assert time.time() - at.timestamp() < SLACK
    assert stage.dues("soon") == [at.timestamp()]


def test_a_saved_file_governs_within_seconds_and_a_bad_one_changes_nothing(stage: Stage) -> None:
    beat = stage.start()
    stage.leads(beat)
    stage.sends()
    stage.file(TICKING.replace("[1, 2]", "[3, 4]"))
    until(lambda: stage.store.get("ticking").fields["args"] == [3, 4], 60, "the file is loaded")
    stage.file(TICKING.replace("log_it", "log_in"))
    beat.says("Rejected .*, the last good schedules keep running")
    stage.sends()
    assert arguments(sent(stage.client)[-1]) == ([3, 4], {})


def test_a_beat_finds_a_damaged_entry_at_its_start_and_sends_the_others(stage: Stage) -> None:
    stage.client.hset(stage.keys.entry("bad"), "definition", "{")
    stage.client.zadd(stage.keys.schedule, {stage.keys.entry("bad"): 1.0})
    beat = stage.start()
    stage.leads(beat)
    stage.sends(3)
    beat.says("Schedule 'bad' is quarantined until it is changed: ")
    assert beat.count("Schedule 'bad' is quarantined until it is changed: ") == 1


def test_a_beat_with_another_scheduler_than_ours_is_refused(stage: Stage) -> None:
    beat = stage.start(
        "beat", "--scheduler=celery.beat:PersistentScheduler", f"--schedule={stage.settings.state_dir}/x"
    )
    assert beat.ends() == 78
    beat.says("scheduler: beat runs with PersistentScheduler: start it without -S")
    assert stage.dues() == []


def test_a_beat_waits_for_a_redis_that_is_not_there_yet(stage: Stage) -> None:
    stage.redis.stop()
    beat = stage.start()
    beat.says("Waiting for Redis")
    stage.redis.start()
    stage.leads(beat)
    stage.sends()


SLOW_START = """
import logging, pathlib, time

HERE = pathlib.Path(__file__)


class Slow(logging.Filter):
    def filter(self, record):
        if record.getMessage() == "beat: Starting...":
            HERE.with_name("started").touch()
            while not HERE.with_name("go").exists():
                try:
                    time.sleep(0.02)
                except SystemExit:
                    pass  # Python does so itself in a destructor or a callback
        return True


logging.getLogger("celery.beat").addFilter(Slow())
"""


def test_a_beat_that_is_asked_to_stop_as_it_starts_does_not_lead(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "slow_start.py").write_text(SLOW_START)
    stage.running.environ |= {"SCHEDULER_IMPORTS": "slow_start", "PYTHONPATH": str(tmp_path)}
    beat = stage.start()
    until((tmp_path / "started").exists, 60, "it starts")
    beat.popen.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()
    assert beat.ends() == 0
    assert beat.count("Leading: ") == 0
