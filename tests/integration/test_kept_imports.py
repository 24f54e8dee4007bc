"""The modules of the last good schedule file: kept beside the schedules, and back with them after a loss."""

from __future__ import annotations

import pytest

from scheduler.beat import backup
from scheduler.beat.scheduler import Scheduler
from scheduler.beat.snapshot import Snapshot
from scheduler.settings import Settings
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from scheduler.storage.workers import last_good_imports
from tests.support.beats import GOOD, lead_through_a_loss

IMPORTED = "tests.chaos.bodies"


@pytest.fixture
def leader(beat: Scheduler, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    """It loaded a good file, which is wrong since."""
    monkeypatch.setattr(backup, "WRITE_INTERVAL_S", 0.0)
    monkeypatch.setattr(backup, "WRITE_SHARE", 0.0)
    settings.file.write_text(f"imports: [{IMPORTED}]\n{GOOD}")
    lead_through_a_loss(beat)
    settings.file.write_text("schedules: [")
    lead_through_a_loss(beat)
    assert beat.context.file.wrong
    return beat


def test_after_flushall_they_are_back_although_the_file_is_wrong(leader: Scheduler, client: Client, keys: Keys) -> None:
    client.flushall()
    lead_through_a_loss(leader)
    assert last_good_imports(client, keys) == (IMPORTED,)


def test_they_are_on_the_disk(leader: Scheduler, settings: Settings) -> None:
    assert Snapshot.of(settings).imports == (IMPORTED,)


def test_a_leader_that_never_saw_the_good_file_keeps_what_redis_has(
    leader: Scheduler, settings: Settings, client: Client, keys: Keys
) -> None:
    leader.context.backup.snapshot.path.unlink()
    del leader.context.backup.snapshot
    leader.demote()
    client.delete(keys.lock)
    lead_through_a_loss(leader)
    assert Snapshot.of(settings).imports == (IMPORTED,)
