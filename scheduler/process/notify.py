"""Tells systemd that this process is ready or alive, and one sentence for ``systemctl status``.

The protocol is sd_notify(3): lines in one datagram to the socket that NOTIFY_SOCKET names. Without it nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from datetime import datetime

ALIVE_INTERVAL_S = 1.0  #: seconds between two signs of life at least; a unit's WatchdogSec is far longer
REPEATED_S = 0.2  #: seconds for which what is told again waits for a systemd that does not read
AWAITED_S = 10.0  #: the same for what systemd waits for
EXTENSION_S = 30.0  #: seconds that systemd is asked to wait for what comes next

_alive_at = 0.0
_is_ready = False


def tell(*lines: str, wait_s: float = REPEATED_S) -> None:
    """Send these lines; nothing happens where systemd does not listen, or reads nothing for ``wait_s`` seconds."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
        door.settimeout(wait_s)
        door.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
        door.send("\n".join(lines).encode())


def ready(sentence: str) -> None:
    """This process does its work; repeated with every new sentence."""
    global _is_ready
    tell("READY=1", "WATCHDOG=1", status(sentence), wait_s=REPEATED_S if _is_ready else AWAITED_S)
    _is_ready = True


def waiting(sentence: str, seconds: float = EXTENSION_S) -> None:
    """It is alive and cannot work yet; systemd extends the start instead of counting it as failed."""
    tell("WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", status(sentence))


def waiting_for_redis(since: float, problem: str) -> None:
    """It waits for Redis since this instant (monotonic), because of this problem, which ends with its remedy."""
    began = datetime.fromtimestamp(time.time() - (time.monotonic() - since)).astimezone()
    waiting(f"waiting for Redis since {began:%H:%M:%S}: {problem}")


def reloading() -> None:
    """The schedule file is read again; to be followed by ``reloaded``, whatever comes of it."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", wait_s=AWAITED_S)


def reloaded() -> None:
    """The reload is over, well or not."""
    tell("READY=1", wait_s=AWAITED_S)


def stopping(sentence: str, seconds: float) -> None:
    """It ends within so many seconds, whatever the unit's TimeoutStopSec."""
    tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", status(sentence), wait_s=AWAITED_S)


def alive() -> None:
    """It made progress; may be called as often as you like."""
    global _alive_at
    if time.monotonic() - _alive_at >= ALIVE_INTERVAL_S:
        _alive_at = time.monotonic()
        tell("WATCHDOG=1")


def status(sentence: str) -> str:
    """The line that makes this sentence the unit's status."""
    return f"STATUS={' '.join(sentence.split())}"


def leading(since: float, count: int, upcoming: tuple[str, float] | None, now: float) -> str:
    """What a leader says of itself; instants are epoch seconds, shown in the machine's zone as in the journal."""
    clock = datetime.fromtimestamp(since).astimezone().strftime("%H:%M")
    some = "1 schedule" if count == 1 else f"{count} schedules"
    following = f"next {upcoming[0]} {in_words(upcoming[1] - now)}" if upcoming else "no run is due"
    return f"leader since {clock} · {some} · {following}"


def in_words(seconds: float) -> str:
    """``now``, ``in 40 s``, ``in 4 min``, ``in 3 h`` or ``in 12 days``."""
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= (2 * size if size > 1 else 1):
            return f"in {seconds // size:.0f} {unit}"
    return "now"
