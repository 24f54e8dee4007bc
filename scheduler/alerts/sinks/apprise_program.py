"""Sends one notification with Apprise: a process of its own, because loading Apprise takes seconds of the processor.

It reads a JSON object from standard input: ``url``, and ``title``, ``body`` and ``type`` unless it is only to check
the address. It prints why it failed, and exits with 0, or an exit code of sysexits.h.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> int:
    """Returns the exit code."""
    given = json.load(sys.stdin)
    try:
        import apprise
    except ImportError:
        print("Apprise is not installed: pip install apprise")
        return os.EX_UNAVAILABLE
    target = apprise.Apprise.instantiate(given["url"])
    if target is None:
        print("Apprise does not know this address")
        return os.EX_DATAERR
    if "body" not in given:
        return os.EX_OK
    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
        is_sent = target.notify(title=given["title"], body=given["body"], notify_type=given["type"])
        print(log.getvalue())
    return os.EX_OK if is_sent else os.EX_TEMPFAIL


if __name__ == "__main__":
    sys.exit(main())
