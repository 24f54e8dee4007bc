"""What the journal is told, in its native protocol."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler import events
from scheduler.model import Reason
from scheduler.process.journal import JournalHandler
from scheduler.settings import Settings
from tests.support.service import service


class Journal:
    """Where journald would listen."""

    def __init__(self, directory: Path) -> None:
        self.address = str(directory / "journal")
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.door.bind(self.address)
        self.door.settimeout(60)

    def entry(self) -> dict[str, str]:
        """The next one."""
        data, passed, _, _ = socket.recv_fds(self.door, 1 << 21, 1)
        for held in passed:
            data = os.pread(held, 1 << 24, 0)
            os.close(held)
        found = {}
        while data:
            name, _, rest = data.partition(b"\n")
            size = int.from_bytes(rest[:8], "little")
            found[name.decode()] = rest[8 : 8 + size].decode()
            data = rest[8 + size + 1 :]
        return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    listening = Journal(tmp_path)
    yield listening
    listening.door.close()


@pytest.fixture
def logger(journal: Journal) -> Iterator[logging.Logger]:
    handler = JournalHandler(journal.address)
    events.logger.addHandler(handler)
    before = events.logger.level
    events.logger.setLevel(logging.DEBUG)
    yield events.logger
    events.logger.removeHandler(handler)
    events.logger.setLevel(before)
    handler.door.close()


def test_an_event_has_its_priority_its_name_its_schedule_and_its_run(journal: Journal, logger: logging.Logger) -> None:
    events.emit("run.sent_again", run="nightly@2026-01-02T03:04:05Z", reason=Reason.RERUN.sentence)
    told = journal.entry()
    assert told["MESSAGE"] == "nightly@2026-01-02T03:04:05Z was sent again because its worker stopped answering"
    assert (told["PRIORITY"], told["EVENT"]) == ("4", "run.sent_again")
    assert (told["SCHEDULE"], told["RUN"]) == ("nightly", "nightly@2026-01-02T03:04:05Z")


def test_a_traceback_is_one_entry(journal: Journal, logger: logging.Logger) -> None:
    try:
        raise ValueError("the disk\nis full")
    except ValueError:
        logger.exception("it failed")
    told = journal.entry()
    assert told["MESSAGE"].startswith("it failed\nTraceback")
    assert told["MESSAGE"].endswith("ValueError: the disk\nis full")
    assert told["PRIORITY"] == "3"


def test_a_line_too_long_for_a_datagram_arrives_whole(journal: Journal, logger: logging.Logger) -> None:
    logger.info("x" * 5_000_000)
    assert len(journal.entry()["MESSAGE"]) == 5_000_000


def test_a_line_is_shown_on_standard_error_while_there_is_no_journal(
    journal: Journal, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    os.unlink(journal.address)
    logger.info("a line")
    assert capsys.readouterr().err == "a line\n"


def test_beat_logs_to_a_file_too(settings: Settings, tmp_path: Path) -> None:
    settings.file.write_text("schedules: {}\n")
    file = tmp_path / "celery.log"
    with service(settings, SCHEDULER_LOG_FILE=str(file)) as running:
        running.start("beat").says("Leading: ")
    assert "Leading: " in file.read_text()
