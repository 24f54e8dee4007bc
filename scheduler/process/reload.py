"""A reload by SIGHUP: beat writes its answer to a file, where the command that sent the signal waits for it.

systemd shows its credentials to ExecStart alone, so a command of ExecReload cannot ask Redis.
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
from scheduler.process.beats import START, chosen_beat, holder_of

NAME = "reload.json"
MAX_PROBLEMS = 20  #: problems in the answer, as many as in the journal
ANSWER_TIMEOUT_S = 80.0  #: seconds that the answer may take; systemd ends a reload after 90


class Reload:
    """Beat's side: open from the signal until the file was loaded or refused."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / NAME
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
        # Renamed when it is complete, because the reader polls.
        new = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_text(json.dumps([code, problems[:MAX_PROBLEMS]]), encoding="utf-8")
            new.replace(self.path)
        except OSError as error:
            emit("reload.unanswered", path=error.filename, error=error.strerror)
        notify.reloaded()


def ask(state_dir: Path, wanted: int | None, pidfile: Path | None = None) -> tuple[int, list[str]]:
    """Tell this service's beat to reload the file; returns an exit code and the problems.

    If several run, it is the one that has the process id ``wanted``, or that holds the pidfile.
    Raises NotFound where there is no such beat, and Conflict if it does not answer: SIGHUP ends other processes.
    """
    pid = holder_of(pidfile) if pidfile else chosen_beat(state_dir, wanted)
    path = state_dir / NAME
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
    except ProcessLookupError:
        raise NotFound(f"there is no process {pid} any more: {START}") from None
    except OSError as error:
        raise CannotWrite(f"cannot ask process {pid} by {path}: {error.strerror}; run it as beat's user") from None
    return code, problems
