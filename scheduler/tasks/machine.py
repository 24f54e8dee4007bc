"""A report about this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from celery import shared_task


@shared_task(name="scheduler.tasks.system_report")
def system_report() -> dict[str, Any]:
    """Host, load, memory (bytes) and uptime (seconds); None for values that the system does not provide."""
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", proc("meminfo"), re.MULTILINE))
    uptime = proc("uptime").split()
    return {
        "host": os.uname().nodename,
        "cpus": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "memory_total": int(memory["MemTotal"]) * 1024 if "MemTotal" in memory else None,
        "memory_available": int(memory["MemAvailable"]) * 1024 if "MemAvailable" in memory else None,
        "uptime": round(float(uptime[0])) if uptime else None,
    }


def proc(name: str) -> str:
    """A file of /proc; empty where it is hidden or absent."""
    try:
        return Path("/proc", name).read_text(encoding="ascii")
    except OSError:
        return ""
