"""A Redis that comes back with the data of some seconds ago, as Debian's own does without `appendonly yes`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import pools

from scheduler import celeryapp
from scheduler.beat.scheduler import Scheduler
from scheduler.model import Run, read_run_id
from scheduler.settings import Settings
from scheduler.storage.ledger import Ledger
from tests.support.beats import lead, leading, running_beat, runs_sent
from tests.support.polling import until
from tests.support.redis_server import RedisServer, redis_server

FILE = "schedules: {job: {task: scheduler.tasks.log_it, every: 1s, args: [1, 2], overlap: allow}}\n"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def beat(server: RedisServer, tmp_path: Path) -> Iterator[Scheduler]:
    (tmp_path / "schedules.yaml").write_text(FILE)
    settings = Settings(redis_url=server.url, file=tmp_path / "schedules.yaml", state_dir=tmp_path / "state")
    app = celeryapp.build(settings)
    with running_beat(app) as beat:
        yield beat
    app.close()
    pools.reset()  # type: ignore[no-untyped-call]


def send(beat: Scheduler, count: int) -> set[str]:
    """Tick until so many more runs were sent; returns the runs that wait in the queue then."""
    wanted = count + len(runs_sent(beat.client))

    def waiting() -> set[str] | None:
        lead(beat)
        found = runs_sent(beat.client)
        return set(found) if len(found) >= wanted else None

    return until(waiting, 60, f"{wanted} runs in the queue")


def roll_back(beat: Scheduler, server: RedisServer) -> set[str]:
    """Save, send three more runs, and start Redis over what was saved; returns these three."""
    kept = send(beat, 2)
    server.client().save()
    lost = send(beat, 3) - kept
    server.kill()
    server.start()
    beat.role.redis_was_away()
    return lost


def rows(beat: Scheduler) -> list[Run]:
    return Ledger(beat.client, beat.context.keys, beat.settings).runs("job")


def test_what_was_sent_before_is_not_sent_again_and_its_row_says_what_is_not_known(
    beat: Scheduler, server: RedisServer
) -> None:
    lost = roll_back(beat, server)
    after = send(beat, 2)
    assert not lost & after
    [row] = [row for row in rows(beat) if row.reason == "forgotten"]
    assert (row.outcome, row.count) == ("lost", len(lost))
    assert row.detail == "it was sent, and Redis came back with older data that does not know how it ended"
    # Every second from the first row to the last has one account.
    accounts = Counter(int(row.due) + second for row in rows(beat) for second in range(row.count))
    assert accounts == Counter(range(min(accounts), max(accounts) + 1))


def test_the_loss_is_named_until_when_it_reaches(beat: Scheduler, server: RedisServer) -> None:
    last = max(read_run_id(run)[1] for run in roll_back(beat, server))
    send(beat, 1)
    [notice] = beat.context.store.notices().values()
    assert "Redis lost what it wrote last, and came back with older data: runs due up to " in notice
    told = time.strptime(notice.split("due up to ")[1][:8], "%H:%M:%S")
    assert told.tm_sec in {int(last + late) % 60 for late in range(15)}


def test_a_run_that_older_data_calls_running_is_not_run_again(beat: Scheduler, server: RedisServer) -> None:
    """Whether it ended since then is what Redis forgot."""
    [identity] = send(beat, 1)
    ledger = Ledger(beat.client, beat.context.keys, beat.settings)
    assert ledger.claim(Run(identity, "job", 0.0, "running"), "worker", "token") == "claimed"
    roll_back(beat, server)
    send(beat, 1)
    assert leading(beat).lost_runs.again(identity) == (None, "forgotten")


def test_the_same_data_is_never_taken_for_older_data(beat: Scheduler, server: RedisServer) -> None:
    send(beat, 2)
    server.client().save()
    server.kill()
    server.start()
    beat.role.redis_was_away()
    send(beat, 2)
    assert {row.reason for row in rows(beat)} == {""}
    assert beat.context.store.notices() == {}
