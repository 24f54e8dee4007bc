"""Find the beats that run on this machine: each holds the lock of its pidfile."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from scheduler.errors import Conflict, NotFound

PIDFILE = "celerybeat.pid"  #: Celery's default, in the working directory
START = "start beat, which loads the file by itself"


def chosen_beat(state_dir: Path, pid: int | None) -> int:
    """The process id of this service's beat, or ``pid`` if that is a beat of it.

    Raises NotFound where there is none, and Conflict if several run and ``pid`` names none of them.
    """
    if pid is not None:
        if not Path(f"/proc/{pid}").exists():
            raise NotFound(f"there is no process {pid} any more: {START}")
        if not is_beat(pid):
            raise NotFound(f"process {pid} is no beat that holds its pidfile: give the process id of beat, or none")
        if not serves(pid, state_dir):
            raise NotFound(f"process {pid} is the beat of another service: SCHEDULER_STATE_DIR is not {state_dir}")
        return pid
    beats = [number for number in processes() if is_beat(number) and serves(number, state_dir)]
    if not beats:
        raise NotFound(f"no beat with SCHEDULER_STATE_DIR={state_dir} runs here: {START}")
    if len(beats) > 1:
        raise Conflict(f"several beats run here ({', '.join(map(str, beats))}): give the process id of one")
    return beats[0]


def holder_of(pidfile: Path) -> int:
    """The process id of the beat that holds this pidfile, found without /proc, which units hide; raises NotFound."""
    try:
        pid = int(pidfile.read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise NotFound(f"{pidfile} names no process: {START}") from None
    if not holds(pid, pidfile):
        raise NotFound(f"process {pid} does not hold {pidfile}: {START}")
    return pid


def processes() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())


def is_beat(pid: int) -> bool:
    """Whether the process is `celery beat`, and holds the lock of the pidfile that its command line names."""
    return "beat" in texts(pid, "cmdline") and holds(pid, pidfile_of(pid))


def pidfile_of(pid: int) -> Path:
    """The pidfile that the command line of a beat names, or Celery's default."""
    return working_directory(pid) / named_pidfile(texts(pid, "cmdline"))


def named_pidfile(arguments: list[str]) -> str:
    for number, argument in enumerate(arguments):
        if argument == "--pidfile":
            return "".join(arguments[number + 1 : number + 2])
        if argument.startswith("--pidfile="):
            return argument.partition("=")[2]
    return PIDFILE


def holds(pid: int, path: Path) -> bool:
    """Whether the file names this process, and is locked."""
    try:
        with path.open() as file:
            if file.read().strip() != str(pid):
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ValueError):
        pass
    return False


def serves(pid: int, state_dir: Path) -> bool:
    """Whether the process has this state directory; True for an environment that this user may not read."""
    pairs = dict(text.partition("=")[::2] for text in texts(pid, "environ"))
    if not pairs:
        return True
    theirs = working_directory(pid) / (pairs.get("SCHEDULER_STATE_DIR", "").strip() or ".scheduler")
    return theirs.resolve() == state_dir.resolve()


def working_directory(pid: int) -> Path:
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return Path("/")


def texts(pid: int, name: str) -> list[str]:
    """What /proc has of a process under this name; nothing if it is gone or another user's."""
    try:
        stored = Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return []
    return [text.decode(errors="surrogateescape") for text in stored.rstrip(b"\0").split(b"\0") if text]
