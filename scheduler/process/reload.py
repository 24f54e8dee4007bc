"""A reload by SIGHUP: beat writes its answer beside its pidfile, where the command that sent the signal waits for it.

systemd shows its credentials to ExecStart alone, so a command of ExecReload cannot ask Redis. The state directory
may be on a disk that is full, or not be beat's to write.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from scheduler.errors import CannotWrite, Conflict, Exit, NotFound
from scheduler.events import emit
from scheduler.process import notify
from scheduler.process import pidfile as pidfiles
from scheduler.process.beats import START, chosen_beat, holder_of, pidfile_of

MAX_PROBLEMS = 20  #: problems in the answer, as many as in the journal
ANSWER_TIMEOUT_S = 80.0  #: seconds that the answer may take; systemd ends a reload after 90


class Reload:
    """Beat's side: open from the signal until the file was loaded or refused."""

    def __init__(self) -> None:
        self.is_open = False

    def begin(self) -> None:
        """A reload was asked for: systemd waits for its end."""
        self.is_open = True
        notify.reloading()

    def end(self, code: Exit, *problems: str) -> None:
        """Answer, if a reload was asked for."""
        if not self.is_open:
            return
        self.is_open = False
        notify.reloaded()  # before the answer: who gets that may ask systemd
        if pidfiles.held:  # without a pidfile, no command finds this process
            path = answer_beside(Path(pidfiles.held))
            try:
                write(path, json.dumps([code, problems[:MAX_PROBLEMS]]))
            except OSError as error:
                emit("reload.unanswered", path=path, error=error.strerror)


def answer_beside(pidfile: Path) -> Path:
    """Where the answer of the beat with this pidfile is."""
    return pidfile.with_name(f"{pidfile.name}.reload")


def write(path: Path, text: str) -> None:
    """Write a file that only its owner may read; it is renamed when it is complete, because its reader polls."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def ask(state_dir: Path, wanted: int | None, pidfile: Path | None = None) -> tuple[int, list[str]]:
    """Tell this service's beat to reload the file; returns an exit code and the problems.

    If several run, it is the one that has the process id ``wanted``, or that holds the pidfile.
    Raises NotFound where there is no such beat, and Conflict if it does not answer: SIGHUP ends other processes.
    """
    pid = holder_of(pidfile) if pidfile else chosen_beat(state_dir, wanted)
    path = answer_beside(pidfile or pidfile_of(pid))
    until = time.monotonic() + ANSWER_TIMEOUT_S
    try:
        # An answer that is there already belongs to an earlier reload.
        path.unlink(missing_ok=True)
        os.kill(pid, signal.SIGHUP)
        while not path.exists():
            os.kill(pid, 0)
            if time.monotonic() > until:
                raise Conflict(
                    f"process {pid} did not answer within {ANSWER_TIMEOUT_S:g} s: see whether it is beat, and its log"
                )
            time.sleep(0.05)
        code, problems = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
    except ProcessLookupError:
        raise NotFound(f"there is no process {pid} any more: {START}") from None
    except OSError as error:
        raise CannotWrite(f"cannot ask process {pid} by {path}: {error.strerror}; run it as beat's user") from None
    return code, problems
