"""A file that the leader rejected is told of everywhere, until it is mended."""

from __future__ import annotations

import logging

import pytest
from celery import Celery

from scheduler import changes, faults
from scheduler.beat.scheduler import Scheduler
from scheduler.errors import Exit
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, Client
from scheduler.storage.store import Store
from tests.support.beats import GOOD, lead, leading, leads, messages, running_beat, stand_by, write_file
from tests.support.shell import Shell
from tests.support.workers import seem_to_work

BAD = "schedules:\n  job: {task: scheduler.tasks.log_in, every: 1h}\n  b: {task: scheduler.tasks.fail, corn: 1}\n"


@pytest.fixture
def rejected(beat: Scheduler, settings: Settings) -> Scheduler:
    """A beat that has good schedules and met a bad file."""
    write_file(settings, GOOD)
    lead(beat)
    write_file(settings, BAD)
    lead(beat)
    return beat


def expected(settings: Settings) -> list[str]:
    return [f"{settings.file}:2:15: ", f"{settings.file}:3:3: ", f"{settings.file}:3:35: "]


def test_the_journal_has_every_line_of_it(
    rejected: Scheduler, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    rejected.file.forget()
    with caplog.at_level(logging.INFO, "scheduler"):
        lead(rejected)
    first, *more = messages(caplog)
    places = expected(settings)
    assert first.startswith(
        f"Rejected {settings.file}, the last good schedules keep running. Errors: 3. The first: {places[0]}"
    )
    assert all(line.startswith(place) for line, place in zip(more, places[1:], strict=True))


def test_status_tells_every_line_and_fails_until_it_is_mended(
    rejected: Scheduler, settings: Settings, shell: Shell
) -> None:
    said = shell("status")
    assert said.code == Exit.PROBLEMS
    assert all(f"problem   {place}" in said.out for place in expected(settings))
    assert (
        len([line for line in shell("status", "--json").json["problems"] if str(settings.file) in line["sentence"]])
        == 3
    )
    write_file(settings, GOOD)
    lead(rejected)
    seem_to_work(rejected.client, rejected.context.keys)
    assert (shell("status").code, "problem" in shell("status").out) == (Exit.OK, False)


def test_a_restart_of_beat_keeps_telling(rejected: Scheduler, celery: Celery, store: Store, settings: Settings) -> None:
    rejected.close()
    with running_beat(celery) as other:
        lead(other)
    assert store.names() == ["job"]
    assert store.file_facts()["state"] == "rejected"
    assert len(store.file_facts()["problems"].splitlines()) == 3


def test_a_mass_removal_is_rejected_until_somebody_applies_it(
    beat: Scheduler, settings: Settings, store: Store, shell: Shell
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    write_file(settings, "schedules: {}")
    lead(beat)
    assert "would remove 1 of 1 schedules" in store.file_facts()["problems"]
    assert shell("apply", "--allow-remove").code == Exit.OK
    assert store.names() == []
    assert (store.file_facts()["state"], store.file_facts()["problems"]) == ("applied", "")
    assert "wrong" in leading(beat).sentence(0, None)
    lead(beat)
    assert "wrong" not in leading(beat).sentence(0, None)


def test_applying_another_file_mends_nothing(rejected: Scheduler, settings: Settings, store: Store) -> None:
    other = settings.file.with_name("other.yaml")
    other.write_text(GOOD)
    changes.apply(store, changes.check(other, None), by="ann")
    assert store.file_facts()["state"] == "rejected"


@pytest.mark.parametrize("point", ["changes.before_write", "store.before_apply", "changes.after_write"])
def test_a_file_that_met_a_failure_of_redis_is_loaded_when_it_is_back(
    beat: Scheduler, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))

    def fail(reached: str) -> None:
        if reached == point:
            raise AWAY[0]("gone")

    with monkeypatch.context() as patched:
        patched.setattr(faults, "reach", fail)
        with pytest.raises(AWAY[0]):
            lead(beat)
    lead(beat)
    assert store.get("job").fields["args"] == [3, 4]
    assert store.file_facts()["state"] == "applied"
    assert len([line for line in store.audit.lines() if line["change"] == "update"]) == 1


def test_a_reload_that_is_asked_for_reads_the_file_again(
    beat: Scheduler, settings: Settings, store: Store, client: Client
) -> None:
    write_file(settings, GOOD)
    lead(beat)
    client.hset(beat.context.keys.file, "read", "1")
    beat.stop.asked_to_reload = True
    beat.max_interval = 0.01
    beat.tick()
    assert float(store.file_facts()["read"]) > 1
    assert not beat.stop.asked_to_reload


# a standby with another file


def test_a_standby_with_another_file_says_so_until_it_is_the_same(
    beat: Scheduler, celery: Celery, settings: Settings, shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    write_file(settings, GOOD)
    with running_beat(celery) as other:
        lead(other)
        other.lease.name = "the-leader:1"
        other.lease.renew(other.client)
        write_file(settings, GOOD.replace("[1, 2]", "[3, 4]"))
        with caplog.at_level(logging.WARNING, "scheduler"):
            for _ in range(3):
                assert not leads(beat)
                stand_by(beat)
        (line,) = messages(caplog)
        assert line.startswith(f"The schedule file differs from the leader's: {settings.file} is ")
        said = shell("status")
        assert said.code == Exit.PROBLEMS
        assert (
            f"problem   Standby {beat.lease.name} has a schedule file that differs from the leader's: "
            "deploy the same version to both"
        ) in said.out
        lead(other)
        stand_by(beat)
        seem_to_work(beat.client, beat.context.keys)
        assert shell("status").code == Exit.OK
        assert len(messages(caplog)) == 1
