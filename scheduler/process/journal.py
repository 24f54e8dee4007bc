"""Log lines to systemd's journal with priority and fields, so that ``journalctl SCHEDULE=nightly -p warning`` works.

The native protocol, in the standard library: on standard error a traceback would be an entry for each of its lines.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import sys
from logging.handlers import WatchedFileHandler
from typing import Any

from celery import signals
from celery.utils.log import get_multiprocessing_logger

from scheduler.process.json_lines import JsonLines, subject_of
from scheduler.settings import Settings

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def log_to_journal(settings: Settings) -> None:
    """Let Celery's loggers write to the journal where standard error goes there, and to SCHEDULER_LOG_FILE.

    With SCHEDULER_LOG_FORMAT=json, each of their lines is a JSON object.
    """

    def redirect(logger: logging.Logger, format: str, **_: Any) -> None:
        for handler in [it for it in logger.handlers if type(it) is logging.StreamHandler and is_at_hand()]:
            logger.removeHandler(handler)
            logger.addHandler(JournalHandler())
        if settings.log_file and logger.handlers:
            file = WatchedFileHandler(settings.log_file, encoding="utf-8")
            file.setFormatter(logging.Formatter(format))
            logger.addHandler(file)
        if settings.log_format == "json":
            # The pool says by the second one how a child ended; Celery sends no signal for it.
            for handler in (*logger.handlers, *get_multiprocessing_logger().handlers):
                handler.setFormatter(JsonLines())

    signals.after_setup_logger.connect(redirect, weak=False)
    signals.after_setup_task_logger.connect(redirect, weak=False)


def keeps_fields(settings: Settings) -> bool:
    """Whether log lines go where their fields are kept: to the journal, or as JSON."""
    return is_at_hand() or settings.log_format == "json"


def is_at_hand() -> bool:
    """Whether our standard error is the journal's: systemd names its device and inode."""
    try:
        there = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


class JournalHandler(logging.Handler):
    """One entry for each record. No connection, so a journal that restarts is found again."""

    def __init__(self, address: str = SOCKET) -> None:
        super().__init__()
        self.address = address
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        # So that nearly every traceback fits a datagram.
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record to the journal; to stderr if the journal takes none."""
        try:
            self.send(b"".join(pack(name, value) for name, value in self.fields(record).items()))
        except OSError:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)

    def fields(self, record: logging.LogRecord) -> dict[str, str]:
        """What a record says."""
        subject = subject_of(record)
        named = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(next((level for least, level in PRIORITIES if record.levelno >= least), 7)),
            "SYSLOG_IDENTIFIER": "celery",
            "LOGGER": record.name,
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
            **{name.upper(): subject.get(name, "") for name in ("event", "schedule", "run")},
        }
        return {name: value for name, value in named.items() if value}

    def send(self, entry: bytes) -> None:
        """Send an entry as a datagram, or as a file if it is too large for one."""
        try:
            self.door.sendto(entry, self.address)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            self.send_as_file(entry)

    def send_as_file(self, entry: bytes) -> None:
        """What is too long for a datagram goes as a sealed file in memory."""
        held = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(held, "wb", closefd=False) as file:
                file.write(entry)
            # The journal takes only memory that cannot change while it reads.
            fcntl.fcntl(held, fcntl.F_ADD_SEALS, SEALS)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, held.to_bytes(4, sys.byteorder))
            self.door.sendmsg([b""], [rights], 0, self.address)
        finally:
            os.close(held)


def pack(name: str, value: str) -> bytes:
    """A field in the form that lets a value have any number of lines."""
    text = value.encode("utf-8", "replace")
    return b"%s\n%s%s\n" % (name.encode(), len(text).to_bytes(8, "little"), text)
